// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var moments = regexp.MustCompile(`(heard|away)=\S+`)

// TestMembersAreReported: what becomes of a node is one line each, with its name and
// address.
func TestMembersAreReported(t *testing.T) {
	whole := map[string][]string{"n2": {"n1", "n3"}, "n3": {"n1", "n2"}}
	synctest.Test(t, func(t *testing.T) {
		o := newOnlooker()
		log, out := newLines(slog.LevelInfo)
		o.c.log = log
		said := func(want string) {
			t.Helper()
			if got := moments.ReplaceAllString(out.String(), "$1"); got != want {
				t.Errorf("the log is\n%s\nwant\n%s", got, want)
			}
			out.Reset()
		}
		o.nodes = map[string][]string{"n2": {"n1"}}
		o.pass(time.Second)
		said("level=INFO msg=\"node joined\" node=n2 address=10.0.0.1:12\n")
		o.nodes = whole
		o.pass(5 * time.Minute)
		said("level=INFO msg=\"node joined\" node=n3 address=10.0.0.1:13\n")
		o.nodes = map[string][]string{"n3": {"n1"}}
		o.pass(2 * time.Minute)
		said("level=WARN msg=\"node lost\" node=n2 address=10.0.0.1:12 heard\n")
		o.nodes = whole
		o.pass(2 * time.Minute)
		said("level=INFO msg=\"node is back\" node=n2 address=10.0.0.1:12 away\n")
		o.nodes = map[string][]string{"n3": {"n1", "n2"}}
		o.pass(2 * time.Minute)
		said("level=WARN msg=\"node not reachable from here, though others hear it\" node=n2 address=10.0.0.1:12 heard_by=n3\n")
		o.setVia("n2", "n3")
		o.nodes = whole
		o.pass(2 * time.Minute)
		said("level=WARN msg=\"link to a node broken; it is reached by way of n3\" node=n2 address=10.0.0.1:12 away\n")
		o.setVia("n2", "")
		o.pass(2 * time.Minute)
		said("level=INFO msg=\"node reached directly again\" node=n2 address=10.0.0.1:12\n")
		delete(o.nodes, "n2")
		o.hear(o.beatOf("n2", left, nil), time.Now())
		o.pass(2 * time.Minute)
		said("level=INFO msg=\"node left\" node=n2 address=10.0.0.1:12 heard\n")
	})
}

// TestFlappingIsReported: a node that comes and goes every two seconds for an hour
// does not fill the log, and its last state is in it.
func TestFlappingIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOnlooker()
		log, out := newLines(slog.LevelInfo)
		o.c.log = log
		o.nodes = map[string][]string{"n2": {"n1"}}
		o.pass(time.Second)
		for range 900 {
			o.nodes = nil
			o.pass(2 * time.Second)
			o.nodes = map[string][]string{"n2": {"n1"}}
			o.pass(2 * time.Second)
		}
		o.pass(2 * reportPause)
		text := strings.TrimSpace(out.String())
		lines := strings.Split(text, "\n")
		if n := len(lines); n > 62*reportBurst {
			t.Errorf("%d lines of an hour", n)
		}
		if last := lines[len(lines)-1]; !strings.Contains(last, "node is back") || !strings.Contains(text, "changes=") {
			t.Errorf("the last line is %s", last)
		}
	})
}
