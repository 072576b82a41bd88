// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// removedPrefix begins the keys of settings that say when a node was removed.
const removedPrefix = "removed."

// removedFor is how long that is kept.
const removedFor = 365 * 24 * time.Hour

// removals are the nodes that an operator has removed, so that one which returns with
// its old directory can be told of. It is safe for concurrent use.
type removals struct {
	mu     sync.Mutex
	byName map[string]removal
}

type removal struct {
	when time.Time // zero when the node is back
	rev  uint64
}

// apply takes a setting in.
func (r *removals) apply(v value) {
	name, ok := strings.CutPrefix(v.key, removedPrefix)
	if !ok || !nameRule.MatchString(name) {
		return
	}
	when, _ := time.Parse(time.RFC3339, string(v.data))
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byName == nil {
		r.byName = map[string]removal{}
	}
	if v.rev > r.byName[name].rev {
		r.byName[name] = removal{when, v.rev}
	}
}

// of returns when a node was removed; zero when it was not.
func (r *removals) of(name string) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byName[name].when
}

// Removed returns when an operator removed a node that has not been ready since;
// zero when none did.
func (c *Cluster) Removed(name string) time.Time { return c.removed.of(name) }

// noteRemoved stores that a node was removed, or, with no time, that it is back.
func (c *Cluster) noteRemoved(ctx context.Context, name string, when time.Time) error {
	v := value{key: removedPrefix + name}
	if !when.IsZero() {
		v.data = []byte(when.UTC().Format(time.RFC3339))
	}
	now, err := c.settings.sure(ctx, v.key)
	switch {
	case errors.Is(err, errAbsent):
		if when.IsZero() {
			return nil
		}
	case err != nil:
		return fmt.Errorf("read whether node %q was removed: %w", name, err)
	}
	v.rev, v.writes = now.rev, now.writes
	if _, _, err := c.settings.put(ctx, v, removedFor); err != nil {
		return fmt.Errorf("note whether node %q was removed: %w", name, err)
	}
	return nil
}

// greet tells, at a node that was removed and is back, that it is a node as others
// again. The server takes it into majorities five minutes after the removal, not before.
func (c *Cluster) greet(ctx context.Context) {
	when := c.removed.of(c.cfg.Name)
	if when.IsZero() || c.mode != Clustered {
		return
	}
	c.log.Warn("this node was removed from the cluster and is back: majorities will count it again; if it is not meant to be part of it, stop it and remove it anew",
		"node", c.cfg.Name, "removed", when.UTC().Format(time.RFC3339))
	ctx, cancel := context.WithTimeout(ctx, c.cfg.WriteTimeout)
	defer cancel()
	if err := c.noteRemoved(ctx, c.cfg.Name, time.Time{}); err != nil {
		c.log.Debug("the node's removal is still noted", "error", err)
	}
}
