// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/session"
)

// TestRemove replaces a node that never returns by a new one: three nodes again,
// of which any may be lost.
func TestRemove(t *testing.T) {
	dir := t.TempDir()
	configs := threeConfigs(t, dir)
	log, out := newLines(slog.LevelInfo)
	configs[0].Log = log
	nodes := openAll(t, configs)
	w := write(t, nodes[0], nodes[1])
	refused := func(name, says string) {
		t.Helper()
		eventually(t, 20*time.Second, func() error { // there may be no leader at the moment
			if err := nodes[0].Remove(t.Context(), name); err == nil || !strings.Contains(err.Error(), says) {
				return fmt.Errorf("remove %s: %w; want %q", name, err, says)
			}
			return nil
		})
	}
	refused("n9", "no node")
	refused("n3", "replaces it first")
	crash(nodes[2])
	fourth := configs[0]
	fourth.Name, fourth.Dir, fourth.Listen = "n4", filepath.Join(dir, "n4"), freePorts(t, 1)[0]
	late := openAll(t, []Config{fourth})[0]
	refused("n2", "is up")
	eventually(t, 20*time.Second, func() error { // once it is suspected
		err := nodes[0].Remove(t.Context(), "n3")
		if err != nil && strings.Contains(err.Error(), `no node "n3"`) { // it was removed by a try whose answer was lost
			return nil
		}
		return err
	})
	eventually(t, 60*time.Second, func() error {
		for _, s := range late.streams() {
			_, here, err := late.placement(t.Context(), s)
			if err != nil || !here || !late.server.streamCurrent(s) {
				return errAbsent
			}
		}
		return nil
	})
	w.finish(t, nodes[0], late)
	crash(nodes[1])
	eventually(t, 20*time.Second, func() error {
		_, err := late.Sessions().Put(t.Context(), session.NewID(), testRecord("a"))
		return err
	})
	refused("n2", "replaces it first")
	back := startChild(t, configs[2]) // with its old directory
	back.expect(t, "this node was removed from the cluster and is back")
	eventually(t, 20*time.Second, func() error { // the others hear of it a little later than it does
		if line := `msg="a node is back that was removed: majorities will count it again" node=n3`; !strings.Contains(out.String(), line) {
			return fmt.Errorf("the log has no line with %s:\n%s", line, out)
		}
		return nil
	})
	eventually(t, 10*time.Second, func() error { // it is told of once
		if when := late.roster.of("n3"); !when.IsZero() {
			return fmt.Errorf("its removal at %v is still noted", when)
		}
		return nil
	})
}

// TestAbsencesAreReported: a node that is gone and still counts is told of once, when
// another has come in its place or some minutes have passed.
func TestAbsencesAreReported(t *testing.T) {
	log, out := newLines(slog.LevelInfo)
	a := &absences{c: &Cluster{log: log}, gone: map[string]*absence{}}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		after      time.Duration
		voters, up string
		want       string
	}{
		{0, "n1 n2 n3", "n1 n2 n3", ""},
		{time.Second, "n1 n2 n3", "n1 n3", ""},
		{time.Minute, "n1 n2 n3", "n1 n3", ""},
		{time.Minute, "n1 n2 n3 n4", "n1 n3 n4", "run holdfast nodes remove n2\" node=n2 gone_since=2026-01-01T00:00:01Z replaced=true counted=4 up=3\n"},
		{time.Hour, "n1 n2 n3 n4", "n1 n3 n4", ""},
		{time.Hour, "n1 n2 n3 n4", "n1 n2 n3 n4", ""},
		{time.Hour, "n1 n2 n3 n4", "n1 n3 n4", ""},
		{forgetAfter, "n1 n2 n3 n4", "n1 n3 n4", "run holdfast nodes remove n2\" node=n2 gone_since=2026-01-01T03:02:01Z replaced=false counted=4 up=3\n"},
		{time.Hour, "n1 n3 n4", "n1 n3 n4", ""},
	} {
		now = now.Add(step.after)
		a.look(strings.Fields(step.voters), strings.Fields(step.up), now)
		if got := out.String(); !strings.HasSuffix(got, step.want) || strings.Count(got, "\n") != strings.Count(step.want, "\n") {
			t.Errorf("at %v the log is\n%s\nwant\n%s", now, got, step.want)
		}
		out.Reset()
	}
}
