// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// linkPatience is how long messages on their way to a node that only others hear
// are held for: a detour takes less. Then they are given up.
const linkPatience = 5 * time.Second

// hear enters a heartbeat into the view.
func (m *members) hear(b *heartbeat, now time.Time) {
	m.mu.Lock()
	defer m.unlock()
	k := m.byName[b.Name]
	if k != nil && k.Instance != b.Instance {
		if !k.givesWay(b, now.Sub(k.Heard) <= 2*m.c.cfg.Heartbeat) {
			return
		}
		k.alive.end()
		k = nil
	}
	if b.State == left {
		m.farewell(b, k, now)
		return
	}
	if k == nil {
		if k = m.enter(Member{Name: b.Name, Instance: b.Instance, Since: now}); k == nil {
			return
		}
	}
	changed := k.State != b.State
	k.Version, k.State, k.Load, k.Started, k.Heard, k.Address = b.Version, b.State, b.Load, b.Started, now, cmp.Or(b.Address, k.Address)
	k.Fault, k.Free = b.Fault, b.Free
	lost := k.number > 0 && b.Number > k.number+1
	if lost {
		k.missed++
	}
	k.number, k.sees, k.silent = b.Number, b.Sees, false
	said := sees(b.Sees, m.self.Name, m.self.Instance)
	if said != nil {
		lost = lost || said.Missed > k.missedOurs
		k.missedOurs = said.Missed
	}
	if !k.met || b.Sees == nil || said != nil {
		k.heardUs = now
	}
	fresh := !k.met
	k.met = true
	switch {
	case k.Suspected && !m.deaf(k, now):
		m.regain(k)
	case lost && !k.Suspected:
		m.rejoin(k)
	}
	if changed || fresh {
		m.wake()
	}
	m.report(k, now)
	m.learn(b, now)
}

// givesWay reports whether a heartbeat of another instance under the member's name
// takes its place: not the last words of one that was replaced, nor those of a
// newcomer whose name is taken.
func (k *member) givesWay(b *heartbeat, recent bool) bool {
	if b.Started.Before(k.Started) || !k.Suspected && recent {
		if b.Started.After(k.Started) {
			k.heir = b.Instance
		}
		return false
	}
	return true
}

// enter makes a member, unless there are too many. m.mu is held.
func (m *members) enter(as Member) *member {
	if m.byName[as.Name] == nil && len(m.byName) >= maxMembers {
		return nil
	}
	k := newMember(as)
	m.byName[as.Name] = k
	return k
}

// farewell takes a node out that has left. m.mu is held.
func (m *members) farewell(b *heartbeat, k *member, now time.Time) {
	for instance, left := range m.gone {
		if now.Sub(left.at) > forgetAfter {
			delete(m.gone, instance)
		}
	}
	if len(m.gone) < 8*maxMembers {
		m.gone[b.Instance] = departure{b.Name, now}
	}
	if k == nil {
		return
	}
	k.alive.end()
	m.tell(k, nodeLeft, now)
	delete(m.reports, b.Name)
	delete(m.byName, b.Name)
	m.wake()
}

// learn enters what a node says of others that this one does not hear: nodes that
// were never heard of, and new addresses. m.mu is held.
func (m *members) learn(b *heartbeat, now time.Time) {
	for _, s := range b.Sees {
		if _, left := m.gone[s.Instance]; left || s.Name == m.self.Name || !nameRule.MatchString(s.Name) {
			continue
		}
		k := m.byName[s.Name]
		switch {
		case k == nil, k.Instance != s.Instance && k.alive.Err() != nil && s.Started.After(k.Started):
			k = m.enter(Member{Name: s.Name, Instance: s.Instance, State: Joining, Started: s.Started, Since: now, Address: s.Address, Suspected: true})
			if k == nil {
				continue
			}
			k.silent, k.broken, k.HeardBy = true, now, []string{b.Name}
			k.whole.end()
			k.link.breaks()
			m.wake()
		case k.Suspected && k.Instance == s.Instance && s.Address != "":
			k.Address = s.Address
		}
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
	for _, k := range m.byName {
		silent := now.Sub(k.Heard)
		switch {
		case k.Self:
			k.Heard, k.State, k.Load = now, m.own, m.load
			k.Fault, k.Free = m.c.disk.said()
			continue
		case stopped && !k.Suspected:
			k.Heard, k.heardUs = now, now // a fresh chance: the others' beats are only now coming in
		case !k.Suspected && (silent > misses*beat || m.deaf(k, now)):
			k.silent = silent > misses*beat
			m.suspect(k, now)
		case !k.Suspected && silent > beat+beat/4 && now.Sub(k.probed) >= beat/2:
			k.probed = now
			ask = append(ask, k)
		}
		if k.Suspected {
			m.judge(k, now)
		}
		m.report(k, now)
	}
	m.unlock()
	for _, k := range ask {
		m.c.wg.Go(func() { m.probe(k) })
	}
}

// deaf reports whether a member has not heard this node for too long. m.mu is held.
func (m *members) deaf(k *member, now time.Time) bool {
	return now.Sub(k.heardUs) > misses*m.c.cfg.Heartbeat
}

// suspect notes that the link to a member is broken, or its end is lost: nothing
// new is sent to it. The others are told at once, since their word decides which
// of the two it is. m.mu is held.
func (m *members) suspect(k *member, now time.Time) {
	k.Suspected, k.broken = true, now
	k.silent = k.silent || now.Sub(k.Heard) > misses*m.c.cfg.Heartbeat
	k.link.breaks()
	k.whole.end()
	m.judge(k, now)
	m.wake()
	m.later = append(m.later, func() { m.c.wg.Go(m.beat) })
}

// judge decides what becomes of a suspected member: it is lost when nobody hears
// it any more. m.mu is held.
func (m *members) judge(k *member, now time.Time) {
	k.HeardBy = m.witnesses(k, now)
	switch {
	case len(k.HeardBy) > 0:
		if now.Sub(k.broken) > linkPatience {
			k.near.end()
		}
	case !k.met:
		k.alive.end()
		delete(m.byName, k.Name)
		m.wake()
	case k.alive.Err() == nil:
		k.alive.end()
		m.wake()
	case now.Sub(k.Heard) > forgetAfter:
		delete(m.reports, k.Name)
		delete(m.byName, k.Name)
		m.wake()
	}
}

// trusted is how many heartbeats old what a node says of another may be.
const trusted = 3

// witnesses returns the names of the nodes that hear a member, this one included.
// m.mu is held.
func (m *members) witnesses(k *member, now time.Time) []string {
	var names []string
	if k.met && !k.silent {
		names = append(names, m.self.Name)
	}
	for _, z := range m.byName {
		if m.trusts(z, now) && z != k && sees(z.sees, k.Name, k.Instance) != nil {
			names = append(names, z.Name)
		}
	}
	slices.Sort(names)
	return names
}

// trusts reports whether a member is there to say what it sees. m.mu is held.
func (m *members) trusts(z *member, now time.Time) bool {
	return !z.Self && !z.Suspected && now.Sub(z.Heard) <= trusted*m.c.cfg.Heartbeat
}

// regain notes that messages pass again to and from a member. m.mu is held.
func (m *members) regain(k *member) {
	k.Suspected, k.HeardBy, k.broken = false, nil, time.Time{}
	if k.alive.Err() != nil {
		k.alive = newLife(context.Background())
	}
	if k.near.Err() != nil {
		k.near = newLife(k.alive)
		k.link = newLink() // who waits at the old one has given up
	}
	k.link.mends()
	m.rejoin(k)
}

// rejoin notes that messages to or from a member may have been lost although it
// is heard: requests on their way have failed, streams are compared. m.mu is held.
func (m *members) rejoin(k *member) {
	k.Gaps++
	k.whole.end()
	k.whole = newLife(k.near)
	name := k.Name
	m.later = append(m.later, func() { m.c.rpc.compare(name) })
	m.wake()
}

// probe suspects a member at once when nobody takes its messages.
func (m *members) probe(k *member) {
	ctx, cancel := context.WithTimeout(m.c.base, m.c.cfg.Heartbeat)
	defer cancel()
	if !m.c.rpc.absent(ctx, k.Name) {
		return
	}
	m.mu.Lock()
	defer m.unlock()
	now := time.Now()
	if m.byName[k.Name] == k && !k.Suspected && now.Sub(k.Heard) > m.c.cfg.Heartbeat {
		k.silent = true
		m.suspect(k, now)
	}
}
