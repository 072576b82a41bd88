// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"time"
)

// forgetAfter is how long a lost member is still shown.
const forgetAfter = 5 * time.Minute

// members is the membership view. Its goroutine sends this node's heartbeat and
// looks for those that are missing.
type members struct {
	c       *Cluster
	subject string
	self    heartbeat // all but State, Load, Feeds, Number, Sees and what the disk says is fixed

	beating sync.Mutex // one heartbeat at a time; locked before mu

	mu       sync.Mutex
	own      State
	load     Load
	number   uint64 // of the last heartbeat sent
	byName   map[string]*member
	gone     map[string]departure // instances that have left, so that what others still say of them is passed over
	watchers map[chan struct{}]struct{}
	reports  map[string]*report // what was logged of each node
	later    []func()           // to be done when mu is released
	awake    time.Time          // the last turn of the loop, to know when this process was stopped
	whole    time.Time          // since when this node has been hearing, without a stop
	woke     time.Time          // when a stop ended for which the others held this node for lost
}

// member is a node and what is known of the link to it. A member that was only
// heard of from others is suspected until its own heartbeat comes.
type member struct {
	Member
	met        bool       // its heartbeat has been heard
	silent     bool       // it is heard no more
	number     uint64     // of its last heartbeat
	missed     uint64     // how often some before it were missing
	missedOurs uint64     // how often it has missed some of this node's
	sees       []sighting // what that said of others
	heardUs    time.Time  // when it last said that it hears this node
	broken     time.Time  // since when it is suspected
	probed     time.Time  // when it was last asked whether it is there
	heir       string     // instance that says it has the name, while this one has it
	dialled    bool       // it could be reached straight, while what it says comes by a third node

	link  *link
	alive life // of the instance
	near  life // until messages on their way are given up: soon after the link broke
	whole life // until the link breaks
}

// departure is a node's good-bye.
type departure struct {
	name string
	at   time.Time
}

// life is a context with its end.
type life struct {
	context.Context
	end context.CancelFunc
}

func newLife(parent context.Context) life {
	ctx, end := context.WithCancel(parent)
	return life{ctx, end}
}

func newMember(m Member) *member {
	k := &member{Member: m, link: newLink(), alive: newLife(context.Background())}
	k.near = newLife(k.alive)
	k.whole = newLife(k.near)
	return k
}

func newMembers(c *Cluster) *members {
	now := time.Now()
	m := &members{
		c: c, subject: c.cfg.Cluster + ".heartbeat", own: Joining, awake: now, whole: now,
		byName: map[string]*member{}, gone: map[string]departure{}, watchers: map[chan struct{}]struct{}{}, reports: map[string]*report{},
		self: heartbeat{Name: c.cfg.Name, Instance: rand.Text(), Version: c.cfg.Version, Protocol: protocol, Started: now.UTC(), Address: c.cfg.address()},
	}
	m.byName[c.cfg.Name] = newMember(Member{
		Name: c.cfg.Name, Instance: m.self.Instance, Version: c.cfg.Version, State: Joining, Address: m.self.Address,
		Started: m.self.Started, Since: now, Heard: now, Self: true,
	})
	return m
}

func (m *members) start() error {
	if _, err := m.c.conn.Subscribe(m.subject, m.receive); err != nil {
		return err
	}
	m.c.wg.Go(func() { m.run(m.c.base) })
	return nil
}

// unlock releases m.mu and then does what was put off until then.
func (m *members) unlock() {
	later := m.later
	m.later = nil
	m.mu.Unlock()
	for _, do := range later {
		do()
	}
}

// missed reports whether this process has not run for so long that the others hold
// it for lost. m.mu is held.
func (m *members) missed(now time.Time) bool { return now.Sub(m.awake) >= misses*m.c.cfg.Heartbeat }

// reunion is how long a node that was stopped takes no writes and says that it is
// not ready: what is in work there was given up by clients, who have gone to other
// nodes, and its connections to these have to be made anew.
const reunion = time.Second

// stale reports whether a change that began at some moment comes too late: this
// process was stopped since then, or has only just gone on.
func (m *members) stale(began time.Time) bool {
	if m.c.mode == Alone {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	return m.missed(now) || !m.woke.IsZero() && (began.Before(m.woke) || now.Sub(m.woke) < reunion)
}

// wake tells the watchers. Who has gone may have written what it told nobody of.
// m.mu is held.
func (m *members) wake() {
	m.c.nudgeFeeds()
	for w := range m.watchers {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

// life returns the context of the named node's present instance, ended when it
// is lost; nil when the node has never been heard of.
func (m *members) life(name string) (alive context.Context, instance string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.byName[name]; k != nil {
		return k.alive, k.Instance
	}
	return nil, ""
}

func (m *members) state() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.own
}

func (m *members) setState(s State) {
	m.mu.Lock()
	m.own = s
	m.byName[m.self.Name].State = s
	m.wake()
	m.mu.Unlock()
	m.beat()
}

// first reports whether this node is the first by name of those that are up.
func (m *members) first() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, k := range m.byName {
		if name < m.self.Name && k.Up() {
			return false
		}
	}
	return true
}

// roll returns the names of the nodes that are there and of those that are not.
func (m *members) roll() (up, missing []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, k := range m.byName {
		if k.Suspected {
			missing = append(missing, name)
		} else {
			up = append(up, name)
		}
	}
	slices.Sort(up)
	slices.Sort(missing)
	return up, missing
}

// setReady is the end of joining, unless the node has begun to leave.
func (m *members) setReady() {
	if m.state() == Joining {
		m.setState(Serving)
	}
}

// farewellWait bounds how long a node that leaves waits until the others have
// heard of it.
const farewellWait = 500 * time.Millisecond

// leave says good-bye; it is the last beat. An answer of those who are up says that
// they have heard it: it comes behind. Others notice otherwise.
func (m *members) leave() {
	m.setState(left)
	if m.c.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewellWait)
	defer cancel()
	up, _ := m.roll()
	var wg sync.WaitGroup
	for _, name := range up {
		if name != m.self.Name {
			wg.Go(func() { m.c.rpc.absent(ctx, name) })
		}
	}
	wg.Wait()
}
