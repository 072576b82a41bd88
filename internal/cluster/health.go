// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"time"
)

// health is what is known of the majority. Writes learn it, and a probe that
// reads from the leader keeps it true while nobody writes.
type health struct {
	alone bool         // there are no other nodes to make a majority with
	lost  atomic.Bool  // no majority, as far as is known
	when  atomic.Int64 // when lost was last set, Unix nanoseconds
	full  atomic.Bool  // the last write was refused for lack of space
	since atomic.Int64 // when a write found the majority lost, Unix nanoseconds
	last  atomic.Int64 // when a write was last done
	own   *disk        // of a node without others: there is no other store to write; else nil

	refused atomic.Int64 // writes since that was last told
}

// fault returns why a write need not be tried, or nil.
func (h *health) fault() error {
	if fault := h.own.err(); fault != nil {
		return fault
	}
	return nil
}

const (
	// shortLimit is how long a write waits while the majority is known to be lost.
	shortLimit = 500 * time.Millisecond
	// quiet is how long no write at all must have been done for one without an
	// answer to mean more than that the cluster is busy.
	quiet = time.Second
	// proof is how long after a write has failed a leader's answer to a read proves
	// nothing: one that has lost its majority takes that long to step down.
	proof = 2 * lostQuorum
)

// writeLimit bounds a write: who comes while there is no majority is told soon.
func (h *health) writeLimit(limit time.Duration) time.Duration {
	if h.lost.Load() {
		return min(limit, shortLimit)
	}
	return limit
}

func (h *health) wrote() {
	h.last.Store(time.Now().UnixNano())
	h.lost.Store(false)
	h.full.Store(false)
}

func (h *health) failed() {
	now := time.Now().UnixNano()
	if now-h.last.Load() > int64(quiet) {
		h.since.Store(now)
		h.lose(now)
	}
}

// unknown is the error of a write whose ctx has ended without an answer.
func (h *health) unknown(ctx context.Context, last error) error {
	if fault := h.fault(); fault != nil {
		return fault
	}
	if cause := context.Cause(ctx); errors.Is(cause, context.Canceled) {
		return fmt.Errorf("%w: %w", h.missing(), cause)
	}
	if deadline, _ := ctx.Deadline(); time.Since(deadline) < stopped {
		h.failed()
	}
	h.refused.Add(1)
	return fmt.Errorf("%w: %w", h.missing(), last)
}

// missing is the [ErrNoQuorum] that says who has not acknowledged.
func (h *health) missing() error {
	if h.alone {
		return errAlone
	}
	return ErrNoQuorum
}

// stopped is how late the end of a write's time is noticed by a process that was
// stopped meanwhile: that says nothing of a majority.
const stopped = 500 * time.Millisecond

// lose notes that there is no majority.
func (h *health) lose(now int64) {
	if h.lost.Load() {
		return
	}
	h.when.Store(now)
	h.lost.Store(true)
}

// forlorn reports whether there has been no majority for longer than it takes to
// elect a leader. Every node loses the leader at the same moment: if all said at
// once that they are not ready, a load balancer would have nowhere to send the
// requests that need no write.
func (h *health) forlorn() bool {
	return h.lost.Load() && time.Now().UnixNano()-h.when.Load() > int64(electionPatience)
}

// electionPatience is longer than elections take as a rule.
const electionPatience = maxElection + probeInterval

// proven reports whether an answer to a read is proof of a majority.
func (h *health) proven() bool { return time.Now().UnixNano()-h.since.Load() > int64(proof) }

// probeInterval is the time between two looks at the leader.
const probeInterval = 500 * time.Millisecond

// watchQuorum asks the leaders of the stores again and again until ctx ends. One
// that has lost its majority steps down, and then nobody answers.
func (c *Cluster) watchQuorum(ctx context.Context) {
	ticker := time.NewTicker(probeInterval)
	defer ticker.Stop()
	said := &quorumReport{report: report{state: quorate, told: quorate}}
	for missed := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := c.askLeaders(ctx)
		now := time.Now()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			missed = 0
			if c.health.proven() {
				c.health.lost.Store(false)
			}
		case now.UnixNano()-c.health.last.Load() > int64(quiet):
			if missed++; missed >= 2 {
				c.health.lose(now.UnixNano())
			}
		}
		c.reportQuorum(said, now)
	}
}

// askLeaders fails unless the leaders answer of those stores that are written to
// when clients ask for something.
func (c *Cluster) askLeaders(ctx context.Context) error {
	if _, err := c.settings.last(ctx, settingID); err != nil {
		return err
	}
	j := c.sessions.journal
	_, err := j.stored(ctx, j.name, map[string]any{"seq": uint64(math.MaxInt64)}) // which there is not
	if errors.Is(err, errAbsent) {
		return nil
	}
	return err
}

// What is reported of the majority.
const (
	quorate   = "majority"
	inquorate = "none"
)

// quorumReport is what was logged of the majority.
type quorumReport struct {
	report
	since time.Time // the last time it was there
}

// reportQuorum logs when the majority is gone, for longer than an election takes,
// and when it is there again.
func (c *Cluster) reportQuorum(r *quorumReport, now time.Time) {
	state := quorate
	switch {
	case c.health.forlorn():
		state = inquorate
	case !c.health.lost.Load():
		r.since = now
	case r.state == inquorate:
		state = inquorate
	}
	since := r.since
	if !r.note(state, now) {
		return
	}
	_, changes := r.say()
	attrs := []any{"refused", c.health.refused.Swap(0)}
	if changes > 1 {
		attrs = append(attrs, "changes", changes)
	}
	switch {
	case state == quorate && c.health.alone:
		c.log.Info("the store of this node takes writes again", attrs...)
	case state == quorate:
		c.log.Info("the cluster takes writes again", attrs...)
	case c.health.alone:
		c.log.Warn("the store of this node takes no writes; reads go on", append(attrs, "since", since.UTC().Format(time.RFC3339))...)
	default:
		up, missing := c.members.roll()
		text := "the cluster has no majority: writes are refused, reads go on"
		if len(up) > len(missing) {
			text = "the cluster's stores have no leader: writes are refused, reads go on"
		}
		c.log.Warn(text, append(attrs, "since", since.UTC().Format(time.RFC3339), "up", strings.Join(up, ","), "missing", strings.Join(missing, ","))...)
	}
}
