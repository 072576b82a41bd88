// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/internal/control"
)

// TestPrintNodes is what an operator sees of a cluster.
func TestPrintNodes(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	node := func(name string, change func(*control.Member)) control.Member {
		m := control.Member{
			Name: name, Address: "10.0.0.1:7422", State: "ready", Version: "1.2.3", Sessions: 12, Calls: 3, Streams: 4, Counts: true, Stores: 4,
			Started: now.Add(-50 * time.Hour), Since: now.Add(-90 * time.Minute),
		}
		if change != nil {
			change(&m)
		}
		return m
	}
	stores := func(mayLose int, nodes ...string) []control.Store {
		var list []control.Store
		for _, name := range []string{"setting", "sessions", "task", "event"} {
			list = append(list, control.Store{Name: name, Nodes: nodes, Current: nodes, MayLose: mayLose})
		}
		list[2].MayLose = mayLose + 1
		return list
	}
	self := func(m *control.Member) { m.Self = true }
	for _, tc := range []struct {
		name string
		all  control.Cluster
		want string
	}{
		{"alone", control.Cluster{Nodes: []control.Member{node("alone", func(m *control.Member) { m.Self, m.Stores = true, 0 })}}, `
NODE   STATE  VERSION  STORES  SESSIONS  CALLS  STREAMS  UP  SEEN FOR
alone  ready  1.2.3    -       12        3      4        2d  1h30m     this node
`},
		{"three", control.Cluster{Nodes: []control.Member{node("a", self), node("b", nil), node("c", nil)}, Stores: stores(1, "a", "b", "c")}, `
NODE  STATE  VERSION  STORES  SESSIONS  CALLS  STREAMS  UP  SEEN FOR
a     ready  1.2.3    all     12        3      4        2d  1h30m     this node
b     ready  1.2.3    all     12        3      4        2d  1h30m
c     ready  1.2.3    all     12        3      4        2d  1h30m
What is stored is kept by a, b and c; one of them may be lost.
`},
		{"in trouble", control.Cluster{
			Nodes: []control.Member{
				node("a", self),
				node("b", func(m *control.Member) { m.Via = "d" }),
				node("c", func(m *control.Member) { m.Suspected, m.HeardBy = true, []string{"b", "d"} }),
				node("d", func(m *control.Member) { m.State, m.Stores = "draining", 1 }),
				node("e", func(m *control.Member) { m.Suspected = true }),
				node("f", func(m *control.Member) { *m = control.Member{Name: "f", State: "gone", Suspected: true, Counts: true} }),
			},
			Stores: stores(0, "a", "b", "c", "d", "e"),
			Notes:  []string{"f is lost and still counts for majorities; if it never returns, run holdfast nodes remove f"},
		}, `
NODE  STATE                         VERSION  STORES  SESSIONS  CALLS  STREAMS  UP  SEEN FOR
a     ready                         1.2.3    all     12        3      4        2d  1h30m     this node
b     ready, by way of d            1.2.3    all     12        3      4        2d  1h30m
c     ready, not reached from here  1.2.3    all     12        3      4        2d  1h30m
d     draining                      1.2.3    1 of 4  12        3      4        2d  1h30m
e     lost, was ready               1.2.3    all     12        3      4        2d  1h30m
f     gone                          -        none    0         0      0        -   -
What is stored is kept by a, b, c, d and e; none of them may be lost now.
f is lost and still counts for majorities; if it never returns, run holdfast nodes remove f
`},
		{"no majority", control.Cluster{
			Nodes: []control.Member{node("a", self)}, Stores: stores(-1, "a", "b", "c"),
		}, `
NODE  STATE  VERSION  STORES  SESSIONS  CALLS  STREAMS  UP  SEEN FOR
a     ready  1.2.3    all     12        3      4        2d  1h30m     this node
What is stored is kept by a, b and c; too few of them are there: nothing can be written.
`},
		{"five", control.Cluster{Nodes: []control.Member{node("a", self)}, Stores: stores(2, "a", "b", "c", "d", "e")}, `
NODE  STATE  VERSION  STORES  SESSIONS  CALLS  STREAMS  UP  SEEN FOR
a     ready  1.2.3    all     12        3      4        2d  1h30m     this node
What is stored is kept by a, b, c, d and e; any 2 of them may be lost.
`},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			var out strings.Builder
			if err := printNodes(&out, &tc.all, now); err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for line := range strings.Lines(out.String()) {
				got.WriteString(strings.TrimRight(line, " \n") + "\n")
			}
			if diff := cmp.Diff(strings.TrimPrefix(tc.want, "\n"), got.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
