// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/holdfast-mcp/holdfast/internal/filelock"
)

// directory is a locked store directory with its mark. A NATS server deletes
// what a server of another mode has stored, and two on one directory diverge
// silently, so what a directory is for is written down in it.
type directory struct {
	path string
	lock *os.File
	mark mark
}

// mark says what a directory is for. It names no secret: Secret is a fingerprint.
type mark struct {
	Format  int    `json:"format"`
	Mode    Mode   `json:"mode"`
	Cluster string `json:"cluster,omitzero"`
	Node    string `json:"node,omitzero"`
	ID      string `json:"id,omitzero"` // of the cluster; once it is known
	Salt    string `json:"salt,omitzero"`
	Secret  string `json:"secret,omitzero"`
	// Growing is set from when a single node's directory becomes a clustered one
	// until its store has been imported.
	Growing bool `json:"growing,omitzero"`
}

const (
	markFile = "store.json"
	// markFormat 2 has the fingerprint of the stretched secret; 1 had a hash of the
	// secret itself, and is rewritten.
	markFormat = 2
)

// openDir locks the directory for cfg, marks it when it is new, and refuses one
// that is for something else.
func openDir(cfg *Config) (*directory, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("create store directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(cfg.Dir, "store.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("store directory %s is not writable: %w", cfg.Dir, err)
	}
	d := &directory{path: cfg.Dir, lock: lock}
	if err := filelock.Try(lock); err != nil {
		lock.Close()
		return nil, fmt.Errorf("%w: %s: %w", ErrDirectory, cfg.Dir, err)
	}
	if err := d.claim(cfg); err != nil {
		lock.Close()
		return nil, err
	}
	return d, nil
}

// readMark returns the mark of a directory, or nil when it has none.
func readMark(dir string) (*mark, error) {
	data, err := os.ReadFile(filepath.Join(dir, markFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the mark of store directory: %w", err)
	}
	m := &mark{}
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("%w: %s: its mark %s is damaged: %w", ErrDirectory, dir, markFile, err)
	}
	if m.Format != markFormat && m.Format != 1 {
		return nil, fmt.Errorf("%w: %s: it was written by another version of holdfast (format %d, here %d)", ErrDirectory, dir, m.Format, markFormat)
	}
	return m, nil
}

// claim checks the mark against cfg and writes it when there is none.
func (d *directory) claim(cfg *Config) error {
	m, err := readMark(d.path)
	if err != nil {
		return err
	}
	if m == nil {
		d.mark = newMark(cfg)
		return d.write()
	}
	d.mark = *m
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s: %s", ErrDirectory, d.path, fmt.Sprintf(format, args...))
	}
	mode := cfg.Mode()
	switch {
	case m.Mode == Alone && mode == Clustered && cfg.Grow:
		grown := newMark(cfg)
		grown.Growing = true
		d.mark = grown
		return d.write()
	case m.Mode == Alone && mode == Clustered:
		return refuse("it holds what a single node has stored; grow it into the cluster explicitly, or name another directory")
	case m.Mode == Clustered && mode == Alone:
		return refuse("it belongs to node %q of cluster %q and cannot be used by a single node; join that cluster, or name another directory", m.Node, m.Cluster)
	case m.Mode != mode:
		return refuse("it is for mode %q, not %q; name another directory", m.Mode, mode)
	case mode == Alone:
		return nil
	case m.Cluster != cfg.Cluster:
		return fmt.Errorf("%w: %s: it %w: %q, not %q", ErrDirectory, d.path, ErrOtherCluster, m.Cluster, cfg.Cluster)
	case m.Node != cfg.Name:
		return refuse("it belongs to node %q, not %q: a node keeps its name and its directory", m.Node, cfg.Name)
	case m.Secret == oldFingerprint(m.Salt, cfg.Secret): // the first start with a stretched secret
		d.mark.Format, d.mark.Secret = markFormat, stretch(cfg.Secret).fingerprint(m.Salt)
		return d.write()
	case m.Secret != stretch(cfg.Secret).fingerprint(m.Salt):
		return fmt.Errorf("%w: %s: it %w, whose secret is another one", ErrDirectory, d.path, ErrOtherCluster)
	}
	return nil
}

func newMark(cfg *Config) mark {
	m := mark{Format: markFormat, Mode: cfg.Mode()}
	if m.Mode == Clustered {
		m.Cluster, m.Node, m.Salt = cfg.Cluster, cfg.Name, rand.Text()
		m.Secret = stretch(cfg.Secret).fingerprint(m.Salt)
	}
	return m
}

// adopt holds the directory to the cluster of the given id.
func (d *directory) adopt(id string) error {
	if d.mark.ID != "" && d.mark.ID != id {
		return fmt.Errorf("%w: %s: it %w: its id is %s, that of the other nodes %s", ErrDirectory, d.path, ErrOtherCluster, d.mark.ID, id)
	}
	if d.mark.ID == id {
		return nil
	}
	d.mark.ID = id
	return d.write()
}

// imported notes that the single node's store is in the cluster now.
func (d *directory) imported() error {
	d.mark.Growing = false
	return d.write()
}

// write replaces the mark in one step.
func (d *directory) write() error {
	data, err := json.Marshal(d.mark, jsontext.Multiline(true))
	if err != nil {
		return fmt.Errorf("encode the mark of store directory: %w", err)
	}
	path := filepath.Join(d.path, markFile)
	if err := os.WriteFile(path+".new", append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("mark store directory: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("mark store directory: %w", err)
	}
	return nil
}

// nodesFile lists where the other nodes were. It is beside the store, so that who
// begins with an empty one has forgotten them too.
const nodesFile = "nodes.json"

// maxNodesFile bounds it, in bytes.
const maxNodesFile = 64 << 10

// remember notes where the other nodes are, for the next start.
func (d *directory) remember(addresses []string) error {
	data, err := json.Marshal(addresses)
	if err != nil {
		return fmt.Errorf("encode the addresses of nodes: %w", err)
	}
	path := filepath.Join(storeDir(d.path, Clustered), nodesFile)
	if err := os.WriteFile(path+".new", append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("note the addresses of nodes: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("note the addresses of nodes: %w", err)
	}
	return nil
}

// remembered returns where the other nodes were in the last run. That is a help to
// find them, and nothing depends on it.
func (d *directory) remembered() []string {
	f, err := os.Open(filepath.Join(storeDir(d.path, Clustered), nodesFile))
	if err != nil {
		return nil
	}
	defer f.Close()
	var addresses []string
	if json.UnmarshalRead(io.LimitReader(f, maxNodesFile), &addresses) != nil {
		return nil
	}
	return slices.DeleteFunc(addresses, func(a string) bool { return !dialable(a) })
}

// store is where the NATS server of a mode keeps its files: one place per mode,
// so that none ever sees another's.
func storeDir(dir string, mode Mode) string { return filepath.Join(dir, string(mode)) }

func (d *directory) close() error {
	if d == nil {
		return nil
	}
	return d.lock.Close()
}
