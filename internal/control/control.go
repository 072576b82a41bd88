// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"path/filepath"
	"time"
)

// Node is what can be asked of a running node. Its methods are safe for
// concurrent use; their errors are sentences for an operator.
type Node interface {
	// Keys returns the keys that tickets are sealed with, newest first.
	Keys() []Key
	// RotateKeys adds a key, and returns until when those before it open what they
	// sealed: for keep once it has taken over.
	RotateKeys(ctx context.Context, keep time.Duration) (until time.Time, err error)
	// Servers returns the servers as this node has them, in the order of the configuration.
	Servers() []MCPServer
	// Cluster returns the cluster as the node sees it.
	Cluster(ctx context.Context) Cluster
	// RemoveNode makes the cluster go on without a node that never returns.
	RemoveNode(ctx context.Context, name string) error
}

// Key is one key of the ring, without its secret.
type Key struct {
	ID      string    `json:"id"` // tells keys apart, and nothing about the secret
	Created time.Time `json:"created"`
	From    time.Time `json:"from"`             // since or from when it seals, while it is the newest
	Expires time.Time `json:"expires,omitzero"` // when it no longer opens; zero while it may seal
	Seals   bool      `json:"seals"`            // it seals now
}

// MCPServer is one configured server.
type MCPServer struct {
	Name   string    `json:"name"`
	State  string    `json:"state"` // starting, up, down or disabled
	Since  time.Time `json:"since,omitzero"`
	Reason string    `json:"reason,omitzero"` // why it is down, as it showed last
	Tools  int       `json:"tools"`           // that it lists, or listed last
	Next   time.Time `json:"next,omitzero"`   // when it is tried again unless a call asks before
	Stderr []string  `json:"stderr"`          // the last lines of its process, at most 20
	Faults []Fault   `json:"faults,omitzero"` // of its lists, at most 100 of each
}

// Fault is something wrong with an entry of a server's list, which was repaired or left
// out so that clients can use the others.
type Fault struct {
	List  string `json:"list"`           // such as tools
	Entry string `json:"entry,omitzero"` // the server's own name for it
	What  string `json:"what"`           // was wrong, and what was done
}

// Cluster is all nodes and what holds them together.
type Cluster struct {
	Nodes  []Member `json:"nodes"` // by name
	Stores []Store  `json:"stores"`
	// Notes are what an operator should know or do, a sentence each.
	Notes []string `json:"notes"`
}

// MayLose returns how many nodes that keep a store may be lost before it takes no
// more writes: of the store that bears the least. Less than none means that it takes
// none now. It is false when that is not known.
func (c *Cluster) MayLose() (nodes int, known bool) {
	for i := range c.Stores {
		if n := c.Stores[i].MayLose; !known || n < nodes {
			nodes, known = n, true
		}
	}
	return nodes, known
}

// Store is one replicated store.
type Store struct {
	Name    string   `json:"name"`
	Nodes   []string `json:"nodes"`   // that keep it, by name
	Current []string `json:"current"` // those of them that are there and have all of it
	MayLose int      `json:"mayLose"` // of them, before it takes no more writes
}

// Member is one node of the cluster.
type Member struct {
	Name      string    `json:"name"`
	Address   string    `json:"address,omitzero"` // for the other nodes
	State     string    `json:"state"`            // joining, ready or draining, as it last said; gone when it is only counted
	Version   string    `json:"version"`
	Sessions  int       `json:"sessions"` // with something live there
	Calls     int       `json:"calls"`    // in flight
	Streams   int       `json:"streams"`  // open, without an end of their own
	Started   time.Time `json:"started"`
	Since     time.Time `json:"since"`             // when it was first heard of here
	Suspected bool      `json:"suspected"`         // nothing new can be sent to it
	HeardBy   []string  `json:"heardBy,omitempty"` // nodes that hear it while it is suspected: it lives
	Via       string    `json:"via,omitzero"`      // node that carries what goes between here and it
	Counts    bool      `json:"counts"`            // for majorities, up or not
	Stores    int       `json:"stores"`            // how many of the stores it keeps
	Self      bool      `json:"self"`
	Fault     string    `json:"fault,omitzero"` // why its store cannot be written; empty when it can
}

// ErrNotRunning reports that no node uses the data directory.
var ErrNotRunning = errors.New("no holdfast is running on this data directory")

// errPath reports a path that the system takes no socket at.
var errPath = errors.New("the data directory's path is too long for a socket in it; choose a shorter one with --data")

// socket returns the path of the socket in a data directory.
func socket(dir string) string { return filepath.Join(dir, "control.sock") }
