// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// State is what a member says of itself.
type State string

// The states. A member that has left is no longer a member.
const (
	Joining  State = "joining"
	Serving  State = "ready"
	Draining State = "draining"
	left     State = "left"
)

// Load is how busy a node is.
type Load struct {
	Sessions int `json:"sessions,omitzero"`
	Calls    int `json:"calls,omitzero"`
	Streams  int `json:"streams,omitzero"`
}

// Member is one node as this one sees it.
type Member struct {
	Name     string
	Instance string // of its process: another after each restart
	Version  string
	State    State
	Load     Load
	Started  time.Time
	Since    time.Time // when this node first heard of the instance
	Heard    time.Time // when it last did
	Address  string    // where other nodes reach it, host:port; empty when it has not said
	// Suspected is set when five heartbeats are missing, here or there, or nobody is
	// there to take a message: nothing new can be sent to it.
	Suspected bool
	// HeardBy are the nodes that hear it while it is suspected. With any, only the
	// link from here is broken; with none, what it had in work counts as lost.
	HeardBy []string
	// Via is the node that carries what goes between here and it, while the direct
	// link is broken; else empty.
	Via string
	// Gaps counts how often messages between here and it may have been lost since it
	// was first heard of.
	Gaps uint64
	Self bool
	// Fault says why the member's store cannot be written; empty when it can.
	Fault string
	// Free is how many bytes the disk of its store has left, 0 when it does not say.
	Free int64
}

// Up reports whether the member can be sent something new.
func (m *Member) Up() bool { return !m.Suspected && m.State == Serving }

// Apart reports whether others hear the member, and this node does not.
func (m *Member) Apart() bool { return m.Suspected && len(m.HeardBy) > 0 }

// SetLoad tells the others how busy this node is, with the next heartbeat.
func (c *Cluster) SetLoad(l Load) {
	c.members.mu.Lock()
	defer c.members.mu.Unlock()
	c.members.load = l
}

// Members returns the nodes of the cluster, this one included, by name.
func (c *Cluster) Members() []Member {
	m := c.members
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]Member, 0, len(m.byName))
	for _, k := range m.byName {
		list = append(list, k.Member)
	}
	slices.SortFunc(list, func(a, b Member) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// Departure is a process that has said good-bye.
type Departure struct{ Name, Instance string }

// Departed returns the processes of nodes that have said good-bye in the last minutes.
func (c *Cluster) Departed() []Departure {
	m := c.members
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]Departure, 0, len(m.gone))
	for instance, d := range m.gone {
		list = append(list, Departure{d.name, instance})
	}
	return list
}

// leastFree returns the free space of the node that has least, 0 when none says.
func (m *members) leastFree() (least int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.byName {
		if k.Free > 0 && (least == 0 || k.Free < least) {
			least = k.Free
		}
	}
	return least
}

// faults returns what is known to be wrong at other nodes, to follow what this one
// waits for.
func (m *members) faults() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []string
	for name, k := range m.byName {
		if k.Fault != "" && !k.Self {
			list = append(list, "; node "+name+": "+k.Fault)
		}
	}
	slices.Sort(list)
	return strings.Join(list, "")
}

// WatchMembers returns a channel that receives a value when the view has changed
// in more than times and load, and a function that ends that.
func (c *Cluster) WatchMembers() (changes <-chan struct{}, stop func()) {
	m := c.members
	w := make(chan struct{}, 1)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.watchers[w] = struct{}{}
	return w, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.watchers, w)
	}
}

// Down returns a channel that is closed when the named node's present instance is
// lost or has left, so that what waits for it need not. It is closed already when
// no such node is up.
func (c *Cluster) Down(node string) <-chan struct{} {
	if alive, _ := c.members.life(node); alive != nil {
		return alive.Done()
	}
	return closedChannel
}

var closedChannel = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()
