// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/holdfast-mcp/holdfast/internal/filelock"
	"github.com/holdfast-mcp/holdfast/internal/ownership"
	"github.com/holdfast-mcp/holdfast/internal/seal"
)

// dataDir is a data directory and a key ring: that of a node which keeps what
// sessions change is locked, and the ring is in it.
type dataDir struct {
	path string // empty when there is none
	key  []byte // nil if the ring's keys live as long as the process
	ring *seal.Ring
	lock *os.File // nil if there may be others
}

// DefaultData returns the data directory used when none is named.
func DefaultData() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "holdfast"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no data directory: %w; name one with --data", err)
	}
	return filepath.Join(home, ".local", "state", "holdfast"), nil
}

// prepareData creates the directory if need be. What others could have put there or
// could change is refused; see [ownership].
func prepareData(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("data directory %s %w: %w; name another with --data", dir, errNoData, errors.Unwrap(err))
	}
	return checkData(dir)
}

// openShared opens a directory for a node that keeps nothing there but which
// processes run. That any number of nodes may do at once, beside one that has
// locked it, for each has a journal of its own. One that cannot be made, as on a file
// system that is read only, is done without.
func openShared(dir string, log *slog.Logger) (*dataDir, error) {
	d := &dataDir{path: dir, ring: seal.NewRing()}
	err := prepareData(dir)
	if errors.Is(err, errNoData) {
		log.Warn("which servers run is not noted: should Holdfast and its keeper be killed at once, they stay", "reason", err)
		d.path, err = "", nil
	}
	return d, err
}

// errNoData reports a directory that is not there and cannot be made.
var errNoData = errors.New("cannot be created")

// openData opens a directory, locks it against a second Holdfast that keeps
// something there, and reads or creates its key. The lock ends with the process,
// however it ends.
func openData(dir string) (*dataDir, error) {
	if err := prepareData(dir); err != nil {
		return nil, err
	}
	lock, err := ownership.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR)
	if err != nil {
		return nil, fmt.Errorf("data directory %s cannot be used: its file lock %w; name another with --data", dir, err)
	}
	if err := filelock.Try(lock); err != nil {
		lock.Close()
		return nil, fmt.Errorf("data directory %s is locked: %w; stop it, or name another directory with --data", dir, err)
	}
	key, err := seal.ReadKey(filepath.Join(dir, "key"))
	if err != nil {
		lock.Close()
		return nil, err
	}
	ring, err := seal.RingOf(key)
	if err != nil {
		lock.Close()
		return nil, err
	}
	return &dataDir{path: dir, key: key, ring: ring, lock: lock}, nil
}

// checkData refuses a data directory, or one in it, that is not safe.
func checkData(dir string) error {
	d := &dataDir{path: dir}
	for _, path := range []string{dir, d.processes(), d.store()} {
		if _, err := os.Lstat(path); path != dir && errors.Is(err, fs.ErrNotExist) {
			continue // it will be made
		}
		if err := ownership.CheckDirectory(path); err != nil {
			return fmt.Errorf("data directory %s %w, or name another with --data", path, err)
		}
	}
	return nil
}

// private are the files and directories, by absolute path, that are nobody's but
// this node's: servers of its own user are kept from them where that can be done.
func (n *Node) private() (paths []string) {
	c := &n.cfg.Cluster
	files := []string{n.data.path, c.SecretFile, c.TLS.Key, c.Credentials}
	for _, s := range n.cfg.File.Servers {
		files = append(files, s.TLS.Key)
	}
	for _, path := range files {
		if abs, err := filepath.Abs(path); path != "" && err == nil {
			paths = append(paths, abs)
		}
	}
	return paths
}

// processes is where it is noted which processes run, for the next Holdfast; empty for
// nowhere.
func (d *dataDir) processes() string {
	if d.path == "" {
		return ""
	}
	return filepath.Join(d.path, "processes")
}

// store is where what sessions need is kept.
func (d *dataDir) store() string { return filepath.Join(d.path, "store") }

func (d *dataDir) close() error {
	if d.lock == nil {
		return nil
	}
	return d.lock.Close()
}
