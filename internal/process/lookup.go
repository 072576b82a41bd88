// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// defaultPath is searched when the environment has no PATH.
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

// command is a Spec made ready for the kernel.
type command struct {
	path, dir string
	argv, env []string
	limits    Limits
	user      *account // nil means this process's own
	// newPrivileges is the Spec's.
	newPrivileges bool
}

// resolve checks the spec and finds the executable. Its errors name the command or directory and the cause.
func resolve(spec *Spec) (*command, error) {
	if spec.Command == "" {
		return nil, errors.New("no command given")
	}
	for _, s := range append(append([]string{spec.Command, spec.Dir}, spec.Args...), spec.Env...) {
		if strings.ContainsRune(s, 0) {
			return nil, fmt.Errorf("command %q: command, arguments, environment or directory contain a NUL byte", spec.Command)
		}
	}
	dir, err := workingDir(spec.Dir)
	if err != nil {
		return nil, err
	}
	env := dedupe(spec.Env)
	var as *account
	if spec.User != "" {
		if as, err = become(spec.User); err != nil {
			return nil, err
		}
		env = as.environ(env)
	}
	path, err := lookup(spec.Command, dir, env)
	if err != nil {
		return nil, err
	}
	return &command{
		path: path, dir: dir, argv: append([]string{spec.Command}, spec.Args...), env: env, limits: spec.Limits,
		user: as, newPrivileges: spec.NewPrivileges,
	}, nil
}

// Check reports why nothing could be started by the spec, as far as that shows
// without starting it: a command, directory or user that is not there.
func Check(spec *Spec) error {
	_, err := resolve(spec)
	return err
}

// whatToDo says what to do about a command that is not found. It is probably a whole
// command line, which only a shell would take apart, or not where it is looked for.
func whatToDo(name string) string {
	words := strings.Fields(name)
	switch {
	case len(words) < 2 && strings.ContainsRune(name, filepath.Separator):
		return "install it, or correct the path"
	case len(words) < 2:
		return "install it, or name it by its whole path"
	}
	return fmt.Sprintf("arguments belong in args: command %q, args %q", words[0], words[1:])
}

// become finds the user and reports why nothing can run as that one.
func become(text string) (*account, error) {
	a, err := lookupAccount(text)
	if err != nil || a.isSelf() {
		return a, err
	}
	if err := mayBecome(a); err != nil {
		return nil, fmt.Errorf("user %q: %w", text, err)
	}
	return a, nil
}

func workingDir(dir string) (string, error) {
	abs, err := filepath.Abs(dir) // of "" it is the current directory
	if err != nil {
		return "", fmt.Errorf("working directory %q: %w", dir, err)
	}
	switch info, err := os.Stat(abs); {
	case err != nil:
		return "", fmt.Errorf("working directory %q: %w", abs, cause(err))
	case !info.IsDir():
		return "", fmt.Errorf("working directory %q: %w", abs, syscall.ENOTDIR)
	}
	return abs, nil
}

// dedupe keeps the last value of every key and drops entries without one.
func dedupe(env []string) []string {
	seen := make(map[string]int, len(env))
	out := make([]string, 0, len(env)+1)
	for _, kv := range env {
		key, _, ok := strings.Cut(kv, "=")
		if !ok || key == "" {
			continue
		}
		if i, dup := seen[key]; dup {
			out[i] = kv
			continue
		}
		seen[key] = len(out)
		out = append(out, kv)
	}
	return out
}

func lookupEnv(env []string, key string) (string, bool) {
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, key+"="); ok {
			return v, true
		}
	}
	return "", false
}

func lookup(name, dir string, env []string) (string, error) {
	if strings.ContainsRune(name, filepath.Separator) {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		err := executable(path)
		if errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("command %q: %w; %s", path, err, whatToDo(name))
		}
		if err != nil {
			return "", fmt.Errorf("command %q: %w", path, err)
		}
		return path, nil
	}
	if runtime.GOOS == "windows" { // suffixes and PATHEXT
		path, err := exec.LookPath(name)
		if err != nil {
			return "", fmt.Errorf("command %q: %w; %s", name, err, whatToDo(name))
		}
		return path, nil
	}
	return search(name, env)
}

// search looks for name in the PATH of env.
func search(name string, env []string) (string, error) {
	list, ok := lookupEnv(env, "PATH")
	if !ok {
		list = defaultPath
	}
	var found error
	for _, d := range filepath.SplitList(list) {
		if !filepath.IsAbs(d) {
			continue
		}
		path := filepath.Join(d, name)
		err := executable(path)
		if err == nil {
			return path, nil
		}
		if found == nil && errors.Is(err, fs.ErrPermission) {
			found = fmt.Errorf("command %q: %w", path, err)
		}
	}
	if found != nil {
		return "", found
	}
	return "", fmt.Errorf("command %q: %w; %s (PATH is %q)", name, exec.ErrNotFound, whatToDo(name), list)
}

func executable(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return cause(err)
	case info.IsDir():
		return syscall.EISDIR
	case runtime.GOOS != "windows" && info.Mode()&0o111 == 0:
		return fmt.Errorf("file is not executable: %w", fs.ErrPermission)
	}
	return nil
}

// cause strips the operation and path, which the caller names itself.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// execError puts the kernel's refusal to execute an existing file into words.
func execError(c *command, errno syscall.Errno) error {
	why := ""
	switch errno {
	case syscall.EACCES:
		if c.user != nil {
			why = fmt.Sprintf("user %s may not execute it, or not enter its directory or %s: ", c.user.name, c.dir)
		}
	case syscall.EPERM:
		if c.user != nil {
			why = fmt.Sprintf("the system does not let it become user %s: ", c.user.name)
		}
	case syscall.ENOENT:
		why = "the interpreter that its first line or its format names is missing: "
	case syscall.ENOEXEC:
		why = "it is no program for this machine and has no #! line: "
	case syscall.E2BIG:
		why = "arguments and environment are too large: "
	case syscall.EAGAIN:
		why = "the limit of processes is reached: "
	}
	return fmt.Errorf("command %q: %s%w", c.path, why, errno)
}
