// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"log/slog"
	"strings"
	"time"
)

// report decides which changes of a state are logged: each at once, up to
// reportBurst in reportPause. Of a state that flaps the rest is one line at the end
// of the pause, which says how often it changed.
type report struct {
	state   string // as it is
	told    string // as it was logged last
	changes int    // since then
	left    time.Time
	lines   int       // in this pause
	began   time.Time // this pause
}

const (
	reportPause = time.Minute
	reportBurst = 4
)

// note takes the present state in and reports whether it is to be logged.
func (r *report) note(state string, now time.Time) bool {
	if state != r.state {
		r.state = state
		r.changes++
	}
	if r.changes == 0 {
		return false
	}
	if now.Sub(r.began) >= reportPause {
		r.began, r.lines = now, 0
	}
	if r.lines >= reportBurst {
		return false
	}
	r.lines++
	return true
}

// say notes that the state was logged and returns what it was before, and how
// often it has changed since that was logged.
func (r *report) say() (before string, changes int) {
	before, changes = r.told, r.changes
	r.told, r.changes = r.state, 0
	return before, changes
}

// What is reported of a node.
const (
	nodeHere   = "here"
	nodeDetour = "by way of " // and the name of the node between
	nodeApart  = "apart"      // only others hear it
	nodeLost   = "lost"
	nodeLeft   = "left"
)

func (k *member) standing() string {
	switch {
	case k.Suspected && k.alive.Err() != nil:
		return nodeLost
	case k.Suspected:
		return nodeApart
	case k.Via != "":
		return nodeDetour + k.Via
	}
	return nodeHere
}

// report logs what has become of a node, once. m.mu is held; the line is written
// when it is released.
func (m *members) report(k *member, now time.Time) {
	if k.Self || k.standing() == nodeApart && now.Sub(k.broken) < apartPatience {
		return
	}
	m.tell(k, k.standing(), now)
}

// apartPatience is how long a node that only others hear is not spoken of: a loss
// is noticed by one node before the others, and a detour takes a moment.
const apartPatience = 3 * time.Second

func (m *members) tell(k *member, state string, now time.Time) {
	r := m.reports[k.Name]
	if r == nil {
		r = &report{}
		m.reports[k.Name] = r
	}
	if r.told == nodeHere && r.state == nodeHere {
		r.left = now
	}
	if !r.note(state, now) {
		return
	}
	before, changes := r.say()
	level, text := wording(before, state)
	attrs := []any{"node", k.Name, "address", k.Address}
	if removed := m.c.roster.of(k.Name); state == nodeHere && !removed.IsZero() {
		level, text = slog.LevelWarn, "a node is back that was removed: majorities will count it again"
		attrs = append(attrs, "removed", removed.UTC().Format(time.RFC3339))
	}
	switch {
	case state == nodeLost, state == nodeLeft:
		attrs = append(attrs, "heard", k.Heard.UTC().Format(time.RFC3339))
	case state == nodeApart:
		attrs = append(attrs, "heard_by", strings.Join(k.HeardBy, ","))
	case before == nodeLost, before == nodeApart:
		attrs = append(attrs, "away", now.Sub(r.left).Round(time.Second/10))
	}
	if changes > 1 {
		attrs = append(attrs, "changes", changes)
	}
	m.later = append(m.later, func() { m.c.log.Log(m.c.base, level, text, attrs...) })
}

// wording says what a change of a node's state is called, and how grave it is.
func wording(before, state string) (slog.Level, string) {
	switch {
	case state == nodeLost:
		return slog.LevelWarn, "node lost"
	case state == nodeLeft:
		return slog.LevelInfo, "node left"
	case state == nodeApart:
		return slog.LevelWarn, "node not reachable from here, though others hear it"
	case strings.HasPrefix(state, nodeDetour):
		return slog.LevelWarn, "link to a node broken; it is reached " + state
	case strings.HasPrefix(before, nodeDetour):
		return slog.LevelInfo, "node reached directly again"
	case before == "", before == nodeLeft:
		return slog.LevelInfo, "node joined"
	}
	return slog.LevelInfo, "node is back"
}
