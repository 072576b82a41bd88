// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/cluster"
	"github.com/holdfast-mcp/holdfast/internal/control"
)

// Cluster implements [control.Node].
func (o operator) Cluster(ctx context.Context) control.Cluster {
	members := o.c.Members()
	voters, votersErr := o.c.Voters()
	stores, storesErr := o.c.Stores(ctx)
	all := control.Cluster{Nodes: nodesOf(members, voters, stores), Notes: linkNotes(members, time.Now())}
	for i := range stores {
		s := &stores[i]
		all.Stores = append(all.Stores, control.Store{Name: s.Name, Nodes: s.Keeps, Current: s.Current, MayLose: s.MayLose()})
	}
	for _, err := range []error{votersErr, storesErr} {
		if err != nil {
			all.Notes = append(all.Notes, err.Error())
		}
	}
	for _, n := range all.Nodes {
		if removed := o.c.Removed(n.Name); !removed.IsZero() && !n.Suspected {
			all.Notes = append(all.Notes, fmt.Sprintf("%s was removed on %s and is back: majorities will count it again", n.Name, removed.UTC().Format(time.RFC3339)))
		}
		if n.Counts && n.Suspected && len(n.HeardBy) == 0 {
			all.Notes = append(all.Notes, fmt.Sprintf("%s is lost and still counts for majorities; if it never returns, run holdfast nodes remove %s", n.Name, n.Name))
		}
	}
	return all
}

// nodesOf returns the members, and who counts for majorities without being one.
func nodesOf(members []cluster.Member, voters []string, stores []cluster.Store) []control.Member {
	var nodes []control.Member
	for i := range members {
		m := &members[i]
		nodes = append(nodes, control.Member{
			Name: m.Name, Address: m.Address, State: string(m.State), Version: m.Version,
			Sessions: m.Load.Sessions, Calls: m.Load.Calls, Streams: m.Load.Streams,
			Started: m.Started, Since: m.Since, Suspected: m.Suspected, HeardBy: m.HeardBy, Via: m.Via, Self: m.Self, Fault: m.Fault,
		})
	}
	for _, name := range voters {
		if !slices.ContainsFunc(nodes, func(n control.Member) bool { return n.Name == name }) {
			nodes = append(nodes, control.Member{Name: name, State: "gone", Suspected: true})
		}
	}
	for i := range nodes {
		n := &nodes[i]
		n.Counts = slices.Contains(voters, n.Name)
		for _, s := range stores {
			if slices.Contains(s.Keeps, n.Name) {
				n.Stores++
			}
		}
	}
	slices.SortFunc(nodes, func(a, b control.Member) int { return strings.Compare(a.Name, b.Name) })
	return nodes
}

// firstContact is how long two nodes that have only now heard of each other take to
// connect: what is not reached until then is no broken link.
const firstContact = 3 * time.Second

// linkNotes say which nodes live and are not reached, or not directly.
func linkNotes(members []cluster.Member, now time.Time) []string {
	var notes []string
	for i := range members {
		switch m := &members[i]; {
		case m.Heard.IsZero() && now.Sub(m.Since) < firstContact:
		case m.Apart():
			notes = append(notes, fmt.Sprintf("%s cannot be reached from here, though %s: look after the link to %s", m.Name, hearers(m.HeardBy), m.Address))
		case m.Via != "":
			notes = append(notes, fmt.Sprintf("the link to %s, at %s, is broken; it is reached by way of %s", m.Name, m.Address, m.Via))
		}
	}
	return notes
}

// hearers says who hears a node.
func hearers(by []string) string {
	if len(by) == 1 {
		return by[0] + " hears it"
	}
	return strings.Join(by[:len(by)-1], ", ") + " and " + by[len(by)-1] + " hear it"
}
