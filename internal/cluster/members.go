// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"
)

// heartbeat is what every node says of itself, all the time.
type heartbeat struct {
	Name     string    `json:"name"`
	Instance string    `json:"instance"`
	Version  string    `json:"version"`
	Protocol int       `json:"protocol"`
	State    State     `json:"state"`
	Started  time.Time `json:"started"`
	Load     Load      `json:"load,omitzero"`
	Feeds    []uint64  `json:"feeds,omitzero"` // how far its feeds are
	Fault    string    `json:"fault,omitzero"` // why its store cannot be written
	Free     int64     `json:"free,omitzero"`  // bytes on the disk of its store
}

// forgetAfter is how long a suspected member is still shown.
const forgetAfter = 5 * time.Minute

// members is the membership view. Its goroutine sends this node's heartbeat and
// looks for those that are missing.
type members struct {
	c       *Cluster
	subject string
	self    heartbeat // all but State, Load, Feeds and what the disk says is fixed

	mu       sync.Mutex
	own      State
	load     Load
	byName   map[string]*member
	departed map[string]Member // that have said good-bye and not come back, by name
	watchers map[chan struct{}]struct{}
	awake    time.Time // the last turn of the loop, to know when this process was stopped
	whole    time.Time // since when this node has been hearing, without a stop
	woke     time.Time // when a stop ended for which the others held this node for lost
}

type member struct {
	Member
	alive  context.Context // until the instance is lost
	lost   context.CancelFunc
	probed time.Time // when it was last asked whether it is there
	heir   string    // instance that says it has the name, while this one has it
}

func newMember(m Member) *member {
	k := &member{Member: m}
	k.alive, k.lost = context.WithCancel(context.Background())
	return k
}

func newMembers(c *Cluster) *members {
	now := time.Now()
	m := &members{
		c: c, subject: c.cfg.Cluster + ".heartbeat", own: Joining, awake: now, whole: now,
		byName: map[string]*member{}, departed: map[string]Member{}, watchers: map[chan struct{}]struct{}{},
		self: heartbeat{Name: c.cfg.Name, Instance: rand.Text(), Version: c.cfg.Version, Protocol: protocol, Started: now.UTC()},
	}
	m.byName[c.cfg.Name] = newMember(Member{
		Name: c.cfg.Name, Instance: m.self.Instance, Version: c.cfg.Version, State: Joining,
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

// run beats and looks until ctx ends.
func (m *members) run(ctx context.Context) {
	ticker := time.NewTicker(m.c.cfg.Heartbeat / 2)
	defer ticker.Stop()
	for turn := 0; ; turn++ {
		if turn%2 == 0 {
			m.beat()
		}
		m.look(time.Now())
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// beat sends this node's heartbeat. When it cannot, others will notice.
func (m *members) beat() {
	b := m.self
	m.mu.Lock()
	b.State, b.Load = m.own, m.load
	m.mu.Unlock()
	for _, f := range m.c.feeds {
		b.Feeds = append(b.Feeds, f.position())
	}
	b.Fault, b.Free = m.c.disk.said()
	if data, err := json.Marshal(&b); err == nil {
		_ = m.c.conn.Publish(m.subject, data)
	}
}

// receive takes a heartbeat, the own ones included.
func (m *members) receive(msg *nats.Msg) {
	var b heartbeat
	if err := json.Unmarshal(msg.Data, &b); err != nil || !nameRule.MatchString(b.Name) {
		return
	}
	if b.Name == m.self.Name {
		if b.Instance != m.self.Instance {
			m.clash(&b)
		}
		return
	}
	if b.Protocol != protocol && m.self.Started.After(b.Started) {
		m.c.fail(fmt.Errorf("%w: node %q talks cluster protocol %d, this one %d", ErrIncompatible, b.Name, b.Protocol, protocol))
		return
	}
	m.hear(&b, time.Now())
	for i, rev := range b.Feeds {
		if i < len(m.c.feeds) {
			m.c.feeds[i].heard(rev)
		}
	}
}

// clash ends the younger of two nodes with one name.
func (m *members) clash(b *heartbeat) {
	if m.self.Started.After(b.Started) || m.self.Started.Equal(b.Started) && m.self.Instance > b.Instance {
		m.c.fail(fmt.Errorf("%w: %q has been running since %s", ErrNameTaken, b.Name, b.Started.Format(time.RFC3339)))
	}
}

// hear enters a heartbeat into the view.
func (m *members) hear(b *heartbeat, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.byName[b.Name]
	if known != nil && known.Instance != b.Instance {
		if b.Started.Before(known.Started) || !known.Suspected && now.Sub(known.Heard) <= 2*m.c.cfg.Heartbeat {
			if b.Started.After(known.Started) {
				known.heir = b.Instance
			}
			return // the last words of an instance that was replaced, or a newcomer whose name is taken
		}
		known.lost()
		known = nil
	}
	if b.State == left {
		if known != nil {
			known.lost()
			delete(m.byName, b.Name)
			m.departed[b.Name] = known.Member
			m.wake()
		}
		return
	}
	delete(m.departed, b.Name)
	if known == nil {
		known = newMember(Member{Name: b.Name, Instance: b.Instance, Since: now})
		m.byName[b.Name] = known
	}
	changed := known.State != b.State || known.Suspected
	if known.Suspected {
		known.Suspected = false
		known.alive, known.lost = context.WithCancel(context.Background())
	}
	known.Version, known.State, known.Load, known.Started, known.Heard = b.Version, b.State, b.Load, b.Started, now
	known.Fault, known.Free = b.Fault, b.Free
	if changed {
		m.wake()
	}
}

// look suspects members that have been silent for too long, and asks those whose
// beat is late whether they are there: of a dead one that is known at once.
func (m *members) look(now time.Time) {
	beat := m.c.cfg.Heartbeat
	var ask []*member
	m.mu.Lock()
	stopped := now.Sub(m.awake) > 3*beat // this process itself did not run
	if m.missed(now) {
		m.woke = now
	}
	m.awake = now
	if stopped {
		m.whole = now
	}
	for name, k := range m.byName {
		silent := now.Sub(k.Heard)
		switch {
		case k.Self:
			k.Heard, k.State, k.Load = now, m.own, m.load
			k.Fault, k.Free = m.c.disk.said()
		case stopped && !k.Suspected:
			k.Heard = now // a fresh chance: the others' beats are only now coming in
		case !k.Suspected && silent > misses*beat:
			k.lost()
			k.Suspected = true
			m.wake()
		case k.Suspected && silent > forgetAfter:
			delete(m.byName, name)
			m.wake()
		case !k.Suspected && silent > beat+beat/4 && now.Sub(k.probed) >= beat/2:
			k.probed = now
			ask = append(ask, k)
		}
	}
	m.mu.Unlock()
	for _, k := range ask {
		m.c.wg.Go(func() { m.probe(k) })
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

// probe suspects a member at once when nobody takes its messages.
func (m *members) probe(k *member) {
	ctx, cancel := context.WithTimeout(m.c.base, m.c.cfg.Heartbeat)
	defer cancel()
	if !m.c.rpc.absent(ctx, k.Name) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byName[k.Name] == k && !k.Suspected && time.Since(k.Heard) > m.c.cfg.Heartbeat {
		k.lost()
		k.Suspected = true
		m.wake()
	}
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

// setReady is the end of joining, unless the node has begun to leave.
func (m *members) setReady() {
	if m.state() == Joining {
		m.setState(Serving)
	}
}

// leave says good-bye; it is the last beat.
func (m *members) leave() {
	m.setState(left)
	if m.c.conn != nil {
		_ = m.c.conn.FlushTimeout(time.Second) // others notice otherwise
	}
}
