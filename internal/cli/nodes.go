// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/control"
)

// printNodes prints the nodes of a cluster, where its stores are, and what an
// operator should know.
func printNodes(w io.Writer, all *control.Cluster, now time.Time) error {
	t := newTable(w, "NODE", "STATE", "VERSION", "STORES", "SESSIONS", "CALLS", "STREAMS", "UP", "SEEN FOR", "")
	for i := range all.Nodes {
		m := &all.Nodes[i]
		note := ""
		if m.Self {
			note = "this node"
		}
		if m.Fault != "" {
			note = strings.TrimPrefix(note+"; "+m.Fault, "; ")
		}
		t.row(m.Name, state(m), dash(m.Version), keeps(m, len(all.Stores)), m.Sessions, m.Calls, m.Streams, since(m.Started, now), since(m.Since, now), note)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, line := range append(safety(all), all.Notes...) {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// state says how a node is, as it last said, and how it is reached.
func state(m *control.Member) string {
	switch {
	case m.Suspected && len(m.HeardBy) > 0:
		return m.State + ", not reached from here"
	case m.Suspected && m.State == "gone":
		return m.State
	case m.Suspected:
		return "lost, was " + m.State
	case m.Via != "":
		return m.State + ", by way of " + m.Via
	}
	return m.State
}

// keeps says how many of the stores a node keeps.
func keeps(m *control.Member, stores int) string {
	switch {
	case stores == 0:
		return "-"
	case m.Stores == stores:
		return "all"
	case m.Stores == 0:
		return "none"
	}
	return fmt.Sprintf("%d of %d", m.Stores, stores)
}

// safety says who keeps the stores, and how many of these nodes may be lost.
func safety(all *control.Cluster) []string {
	if len(all.Stores) == 0 {
		return nil
	}
	var who []string
	for i := range all.Stores {
		who = append(who, all.Stores[i].Nodes...)
	}
	slices.Sort(who)
	who = slices.Compact(who)
	line := fmt.Sprintf("What is stored is kept by %s; ", list(who))
	switch n, _ := all.MayLose(); {
	case n < 0:
		line += "too few of them are there: nothing can be written."
	case n == 0:
		line += "none of them may be lost now."
	case n == 1:
		line += "one of them may be lost."
	default:
		line += fmt.Sprintf("any %d of them may be lost.", n)
	}
	return []string{line}
}

// list joins names as a sentence does.
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// since is how long ago a moment was; a dash when it is not known.
func since(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return age(now.Sub(t))
}
