// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/holdfast-mcp/holdfast/internal/config"
	"github.com/holdfast-mcp/holdfast/internal/ownership"
	"github.com/holdfast-mcp/holdfast/internal/process"
)

// fromInput stands for standard input where a configuration file is named.
const fromInput = "-"

// found are the names of files that are served without --config when one of them is
// in the working directory, the first of them that is.
var found = []string{"holdfast.yaml", "holdfast.yml", "holdfast.json", "mcp.json"}

// fileFlags say which configuration file is read, and how.
type fileFlags struct {
	path   string
	strict bool
	named  bool // a file is read only if it is named
}

func (f *fileFlags) add(fs *flag.FlagSet) {
	fs.Func("config", "serve the servers of `FILE`, any client's; - reads standard input. Without it holdfast.yaml or mcp.json in this directory is served, but not with --stdio, or else a demo", func(path string) error {
		switch {
		case path == "":
			return errors.New("the name of the file is empty")
		case f.path != "":
			return errors.New("given twice; one file is served")
		}
		f.path = path
		return nil
	})
	fs.BoolVar(&f.strict, "strict", false, "refuse the file for any mistake and any key that is not known, instead of serving the other servers")
}

// load reads the file that is named or found; without one it returns nil.
func (f *fileFlags) load(env *Env) (*config.Config, error) {
	var opts []config.Option
	if f.strict {
		opts = append(opts, config.Strict)
	}
	if f.path == fromInput {
		return config.Read("standard input", env.In, env.Getenv, opts...)
	}
	if f.path != "" {
		return config.Load(f.path, env.Getenv, opts...)
	}
	path, others := findFile()
	if path == "" || f.named {
		return nil, nil
	}
	data, err := readFound(path)
	if err != nil {
		return nil, fmt.Errorf("%s is in this directory, but not trusted: %w; name it with --config to serve it all the same", path, err)
	}
	file, err := config.Parse(path, data, env.Getenv, opts...)
	if err == nil && len(others) > 0 {
		file.Notices = append(file.Notices, fmt.Sprintf("%s is read, and %s beside it is not; name another with --config", path, strings.Join(others, " and ")))
	}
	return file, err
}

// readFound reads a file that nobody named: what it starts is run as this user, so
// it must not be somebody else's.
func readFound(path string) ([]byte, error) {
	if err := ownership.CheckDirectory("."); err != nil {
		return nil, fmt.Errorf("the directory %w", err)
	}
	data, _, err := ownership.ReadSecret(path, config.MaxFile)
	return data, err
}

// findFile returns the first of the files that lie in the working directory, and the others.
func findFile() (path string, others []string) {
	for _, name := range found {
		if info, err := os.Stat(name); err != nil || info.IsDir() {
			continue
		}
		if path == "" {
			path = name
		} else {
			others = append(others, name)
		}
	}
	return path, others
}

// logRemarks logs what an operator should know of the file.
func logRemarks(log *slog.Logger, file *config.Config) {
	for _, notice := range file.Notices {
		log.Warn(notice)
	}
	for _, fault := range file.Faults { // the node says which servers these cost
		log.Error(fault)
	}
}

// errUnusable has holdfast check fail: a server of the file would not be served.
var errUnusable = errors.New("some servers cannot be used; the others would be served")

// check prints what a configuration file says, without starting anything.
func check(_ context.Context, env *Env, args []string) error {
	var f fileFlags
	fs := flags("check")
	fs.BoolVar(&f.strict, "strict", false, "refuse the file for any mistake and any key that is not known")
	if err := parse(fs, args, 0, 1); err != nil {
		return err
	}
	f.path = fs.Arg(0)
	file, err := f.load(env)
	switch {
	case err != nil:
		return err
	case file == nil:
		return usageError{"no file is named, and neither holdfast.yaml nor mcp.json is here"}
	}
	if err := printFile(env.Out, file); err != nil {
		return err
	}
	for _, remark := range append(file.Notices, file.Faults...) {
		printf(env.Err, "%s\n", remark)
	}
	if len(file.Faults) > 0 {
		return errUnusable
	}
	return nil
}

// printFile prints the servers of a file, one in a line.
func printFile(w io.Writer, file *config.Config) error {
	if len(file.Servers) == 0 {
		printf(w, "%s names no servers\n", file.File)
		return nil
	}
	t := newTable(w, "SERVER", "TRANSPORT", "STATE", "")
	for i := range file.Servers {
		s := &file.Servers[i]
		switch {
		case s.Disabled:
			t.row(s.Name, dash(string(s.Transport)), "disabled", "")
		case s.Fault != "":
			t.row(s.Name, "-", "cannot be used", s.Fault)
		case s.Transport == config.Stdio:
			state, what := startable(s)
			t.row(s.Name, s.Transport, state, what)
		default:
			t.row(s.Name, s.Transport, "ok", config.PublicURL(s.URL))
		}
	}
	return t.Flush()
}

// startable says whether a server's program is there, and what it is or what is missing.
func startable(s *config.Server) (state, what string) {
	spec := process.Spec{Name: s.Name, Command: s.Command, Args: s.Args, Dir: s.Cwd, User: s.Process.User, Env: s.Process.Environ(os.Environ())}
	for name, value := range s.Env {
		spec.Env = append(spec.Env, name+"="+string(value))
	}
	if err := process.Check(&spec); err != nil {
		return "cannot start here", err.Error()
	}
	return "ok", s.Command
}
