// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/tls"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// mesh keeps this node connected to every other: a server passes on nothing that
// it was sent by another, so each two need a route. It dials nodes that only others
// know, and where that leads nowhere makes a [detour]. docs/adr/0009 says why.
//
// Its goroutine is run; one more looks whether a node can be dialled again.
type mesh struct {
	c          *Cluster
	encryption *tls.Config
	seeds      chan []string // capacity 1: addresses of Join that have changed

	// Of run alone.
	known   []string             // addresses of Join
	told    []string             // others that may be nodes': of the last run, or of Join before it changed
	until   time.Time            // when those are given up
	said    map[string]string    // where nodes say that they are, by name
	learned map[string]bool      // nodes that are to be dialled there, since nothing else led to them
	saved   []string             // addresses noted for the next start
	probing map[string]*probe    // of nodes that are reached by way of others
	dialled map[string]time.Time // when nodes' own addresses were last dialled anew

	mu      sync.Mutex
	owners  map[string]string  // who answered at an address of Join
	detours map[string]*detour // those made here, by node
	carried map[string]int     // connections that came by way of others, by node
	leads   map[string]string  // by way of which node connections lead, by their other end
	refresh map[string]bool    // nodes whose addresses are to be dialled anew
	slots   chan struct{}      // of connections that are carried here
}

// probe is what is known of dialling a node straight.
type probe struct {
	busy    atomic.Bool // one is under way
	answers atomic.Bool // it did the last time
	next    time.Time   // the next one
	since   time.Time   // since when it has answered here, or this node there; zero when neither
}

const (
	meshInterval = 250 * time.Millisecond
	// dialPatience is how long a node that others hear is dialled before a detour is
	// made, when this node has never heard it, or has just ended one.
	dialPatience = 2 * time.Second
	// dialInterval is the time between two looks whether a node can be dialled.
	dialInterval = time.Second
	// toldFor is how long addresses are dialled that no node says it is at.
	toldFor = time.Minute
	// quietPatience is how long the change waits for a moment without streams to the node.
	quietPatience = time.Minute
	// maxCarried bounds the connections between other nodes that one carries or ends.
	maxCarried = 64
)

// startMesh keeps this node connected from now on.
func (c *Cluster) startMesh(seeds []string) error {
	encryption, err := c.cfg.encryption()
	if err != nil {
		return err
	}
	named := seeds
	if !c.cfg.dynamic() {
		named = c.cfg.nodes(c.cfg.Join)
	}
	c.mesh = newMesh(c, named)
	c.mesh.encryption, c.mesh.told, c.mesh.until = encryption, seeds, time.Now().Add(toldFor)
	c.ServeStream(kindDetour, c.mesh.accept)
	c.wg.Go(func() { c.mesh.run(c.base) })
	if c.cfg.dynamic() {
		c.wg.Go(func() { c.followNames(c.base, seeds) })
	}
	return nil
}

// name replaces the addresses of Join.
func (m *mesh) name(seeds []string) {
	select {
	case <-m.seeds: // not looked at yet
	default:
	}
	m.seeds <- seeds
}

func newMesh(c *Cluster, seeds []string) *mesh {
	return &mesh{
		c: c, seeds: make(chan []string, 1), known: seeds, learned: map[string]bool{}, probing: map[string]*probe{},
		refresh: map[string]bool{}, owners: map[string]string{}, detours: map[string]*detour{}, carried: map[string]int{},
		leads: map[string]string{}, dialled: map[string]time.Time{}, slots: make(chan struct{}, maxCarried),
	}
}

// run keeps the routes until ctx ends.
func (m *mesh) run(ctx context.Context) {
	defer m.close()
	changes, stop := m.c.WatchMembers()
	defer stop()
	ticker := time.NewTicker(meshInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case seeds := <-m.seeds:
			m.told, m.until = append(m.told, m.known...), time.Now().Add(toldFor)
			m.known = seeds
		case <-changes:
		case <-ticker.C:
		}
		m.turn(ctx, time.Now())
	}
}

// turn does what the view asks for.
func (m *mesh) turn(ctx context.Context, now time.Time) {
	members := m.c.Members()
	routes := m.ways(members)
	m.learn(members, now)
	hosts := slices.Clone(m.known)
	for i := range members {
		k := &members[i]
		hosts = append(hosts, k.Address)
		if !k.Self {
			m.round(k, routes, now)
			m.probe(ctx, k, now)
		}
	}
	for name, d := range m.made() {
		if !slices.ContainsFunc(members, func(k Member) bool { return k.Name == name && k.Instance == d.instance }) {
			m.end(name)
		}
	}
	m.c.server.hosts.set(hosts)
	m.apply()
	m.save()
}

// learn notes where nodes say that they are, and which of them are to be dialled
// there: those that nothing else led to.
func (m *mesh) learn(members []Member, now time.Time) {
	if now.After(m.until) {
		m.told = nil
	}
	m.said = map[string]string{}
	for i := range members {
		k := &members[i]
		if k.Self || !dialable(k.Address) {
			continue
		}
		m.said[k.Name] = k.Address
		if k.Apart() || slices.Contains(m.told, k.Address) {
			m.learned[k.Name] = true
		}
	}
	for name := range m.learned {
		if m.said[name] == "" {
			delete(m.learned, name)
		}
	}
}

// save notes where the others are, for the next start.
func (m *mesh) save() {
	addresses := slices.Sorted(maps.Values(m.said))
	if len(addresses) == 0 || slices.Equal(addresses, m.saved) {
		return
	}
	if err := m.c.dir.remember(addresses); err != nil {
		m.c.log.Debug("addresses of nodes not noted", "error", err)
		return
	}
	m.saved = addresses
}

func dialable(address string) bool {
	host, port, err := net.SplitHostPort(address)
	return err == nil && host != "" && port != ""
}

// ways notes by way of whom the nodes are reached, and returns the other ends of the
// routes to each. It is empty as long as all are reached straight.
func (m *mesh) ways(members []Member) map[string][]string {
	m.mu.Lock()
	straight := len(m.leads) == 0
	m.mu.Unlock()
	if straight && !slices.ContainsFunc(members, func(k Member) bool { return k.Via != "" || k.Apart() }) {
		return nil
	}
	routes := m.c.server.routed()
	for i := range members {
		k := &members[i]
		if k.Self || len(routes[k.Name]) == 0 {
			continue
		}
		k.Via = m.leadOf(routes[k.Name])
		m.c.members.setVia(k.Name, k.Via)
	}
	return routes
}

// leadOf returns by way of which node some of these connections lead, if they do.
func (m *mesh) leadOf(ends []string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, end := range ends {
		if via := m.leads[end]; via != "" {
			return via
		}
	}
	return ""
}

// round makes a detour to a node that is not reached, and ends one that is needed
// no more. Of two nodes the lesser name does both.
func (m *mesh) round(k *Member, routes map[string][]string, now time.Time) {
	d := m.made()[k.Name]
	switch {
	case m.c.cfg.Name > k.Name:
	case d == nil && len(routes[k.Name]) == 0 && m.wanted(k, now):
		m.begin(k)
	case d != nil && k.Up() && k.Via == "": // it was dialled meanwhile
		m.end(k.Name)
	case d != nil && m.straight(k, now):
		m.end(k.Name)
		m.redial(k.Name, now)
	}
}

// wanted reports whether a node to which there is no route can be reached only by a
// detour: as long as the server has one, be it a dead one, it would take another for
// a duplicate.
func (m *mesh) wanted(k *Member, now time.Time) bool {
	tried := m.dialled[k.Name]
	if k.Heard.IsZero() && tried.Before(k.Since) {
		tried = k.Since
	}
	return k.Apart() && now.Sub(tried) > dialPatience && len(m.c.members.between(k.Name)) > 0
}

// straight reports whether what goes to a node by way of another is to go straight
// again: it can be dialled from one of the two ends, and has been for long enough.
func (m *mesh) straight(k *Member, now time.Time) bool {
	p := m.probing[k.Name]
	steady := m.c.cfg.Steady
	if p == nil || p.since.IsZero() || now.Sub(p.since) < steady {
		return false
	}
	return now.Sub(p.since) > steady+quietPatience || len(m.c.rpc.streamsTo(k.Name)) == 0
}

// apply brings the routes of the server up to date.
func (m *mesh) apply() {
	m.mu.Lock()
	anew := m.refresh
	m.refresh = map[string]bool{}
	m.mu.Unlock()
	if len(anew) > 0 {
		m.set(m.want(anew))
	}
	m.set(m.want(nil))
}

func (m *mesh) set(addresses []string) {
	if err := m.c.server.setRoutes(addresses); err != nil {
		m.c.log.Warn("routes not changed", "error", err)
	}
}

// want returns the addresses to be dialled: those of Join, those of which there is
// hope, those of nodes that nothing else led to, and those of detours. What leads
// straight to some nodes may be left out.
func (m *mesh) want(without map[string]bool) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := slices.Concat(m.known, m.told)
	for name := range m.learned {
		list = append(list, m.said[name])
	}
	list = slices.DeleteFunc(list, func(address string) bool {
		for name := range without {
			if m.owners[address] == name || m.said[name] == address {
				return true
			}
		}
		return false
	})
	for _, d := range m.detours {
		list = append(list, d.address)
	}
	slices.Sort(list)
	return slices.Compact(list)
}
