// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
)

// The keys of settings that say which nodes there are, and which were removed.
const (
	nodePrefix    = "node."
	removedPrefix = "removed."
)

// rosterFor is how long a node or its removal is remembered; the node itself says
// each time it starts that it is there.
const rosterFor = 365 * 24 * time.Hour

// roster is what is stored of the nodes that there are or were: their names, which
// the server does not know of one that was lost before it started, and when one was
// removed, so that it can be told of when it comes back. It is safe for concurrent use.
type roster struct {
	mu      sync.Mutex
	names   map[string]string // by the server's id for them
	removed map[string]removal
}

type removal struct {
	when time.Time // zero when the node is back
	rev  uint64
}

// apply takes a setting in.
func (r *roster) apply(v value) {
	if name, ok := strings.CutPrefix(v.key, nodePrefix); ok {
		r.add(name)
	}
	name, ok := strings.CutPrefix(v.key, removedPrefix)
	if !ok || !nameRule.MatchString(name) {
		return
	}
	when, _ := time.Parse(time.RFC3339, string(v.data))
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.removed == nil {
		r.removed = map[string]removal{}
	}
	if v.rev > r.removed[name].rev && (len(r.removed) < maxRoster || r.removed[name].rev > 0) {
		r.removed[name] = removal{when, v.rev}
	}
}

// add notes a node's name.
func (r *roster) add(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.names == nil {
		r.names = map[string]string{}
	}
	if nameRule.MatchString(name) && len(r.names) < maxRoster {
		r.names[peerID(name)] = name
	}
}

// maxRoster bounds the names and the removals that are stored. The store of settings
// has room for a thousand in all, and drops the oldest then.
const maxRoster = 2 * maxMembers

// room reports whether another name or removal may be stored.
func (r *roster) room() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.names) < maxRoster && len(r.removed) < maxRoster
}

// of returns when a node was removed; zero when it was not.
func (r *roster) of(name string) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.removed[name].when
}

// unnamed is what the server calls a node whose name it does not know.
var unnamed = regexp.MustCompile(`^Server name unknown .*\(peerID: (\w+)\)$`)

// name returns a node's name for what the server calls it.
func (r *roster) name(called string) string {
	id := unnamed.FindStringSubmatch(called)
	if id == nil {
		return called
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if name := r.names[id[1]]; name != "" {
		return name
	}
	return peerPrefix + id[1]
}

// peerPrefix begins what stands for the name of a node that nobody knows.
const peerPrefix = "peer-"

// peerID is the server's id for a node: getHash of nats-server.
func peerID(name string) string {
	if id, ok := strings.CutPrefix(name, peerPrefix); ok && len(id) == peerIDBytes {
		return id
	}
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum := sha256.Sum256([]byte(name))
	id := make([]byte, peerIDBytes)
	for i := range id {
		id[i] = digits[int(sum[i])%len(digits)]
	}
	return string(id)
}

const peerIDBytes = 8

// Removed returns when an operator removed a node that has not been ready since;
// zero when none did.
func (c *Cluster) Removed(name string) time.Time { return c.roster.of(name) }

// noteRemoved stores that a node was removed, or, with no time, that it is back.
func (c *Cluster) noteRemoved(ctx context.Context, name string, when time.Time) error {
	var data []byte
	if !when.IsZero() {
		data = []byte(when.UTC().Format(time.RFC3339))
	}
	return c.note(ctx, removedPrefix+name, data)
}

// errRosterFull keeps the roster from pushing other settings out of their store.
var errRosterFull = errors.New("too many nodes are noted")

// note stores a setting, whatever was there.
func (c *Cluster) note(ctx context.Context, key string, data []byte) error {
	if !c.roster.room() {
		return errRosterFull
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.WriteTimeout)
	defer cancel()
	now, err := c.settings.sure(ctx, key)
	if err != nil && !errors.Is(err, errAbsent) {
		return fmt.Errorf("read %q: %w", key, err)
	}
	if _, _, err := c.settings.put(ctx, value{key: key, rev: now.rev, writes: now.writes, data: data}, rosterFor); err != nil {
		return fmt.Errorf("note %q: %w", key, err)
	}
	return nil
}

// enrol stores this node's name. At one that was removed and is back it tells that it
// is a node as others again; the server takes it into majorities five minutes after
// the removal, not before.
func (c *Cluster) enrol(ctx context.Context) {
	if removed := c.roster.of(c.cfg.Name); !removed.IsZero() {
		c.log.Warn("this node was removed from the cluster and is back: majorities will count it again; if it is not meant to be part of it, stop it and remove it anew",
			"node", c.cfg.Name, "removed", removed.UTC().Format(time.RFC3339))
		if err := c.noteRemoved(ctx, c.cfg.Name, time.Time{}); err != nil {
			c.log.Debug("the node's removal is still noted", "error", err)
		}
	}
	if err := c.note(ctx, nodePrefix+c.cfg.Name, []byte(time.Now().UTC().Format(time.RFC3339))); err != nil {
		c.log.Debug("the node's name is not noted; it is at the next start", "error", err)
	}
}
