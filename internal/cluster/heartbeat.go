// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"
)

// heartbeat is what every node says of itself, all the time, and of the others.
type heartbeat struct {
	Name     string    `json:"name"`
	Instance string    `json:"instance"`
	Version  string    `json:"version"`
	Protocol int       `json:"protocol"`
	State    State     `json:"state"`
	Started  time.Time `json:"started"`
	Load     Load      `json:"load,omitzero"`
	Feeds    []uint64  `json:"feeds,omitzero"`   // how far its feeds are
	Fault    string    `json:"fault,omitzero"`   // why its store cannot be written
	Free     int64     `json:"free,omitzero"`    // bytes on the disk of its store
	Address  string    `json:"address,omitzero"` // where the other nodes reach it, host:port
	Number   uint64    `json:"number,omitzero"`  // of the heartbeat: a gap says that messages were lost
	// Sees are the nodes it hears. A node of before this was said leaves it out.
	Sees []sighting `json:"sees"`
}

// sighting is what one node says of another.
type sighting struct {
	Name     string    `json:"name"`
	Instance string    `json:"instance"`
	Started  time.Time `json:"started"`
	Address  string    `json:"address,omitzero"`
	// Missed counts how often heartbeats of it were missing, and so perhaps other messages.
	Missed uint64 `json:"missed,omitzero"`
	// Direct is set when each of the two hears the other without a third between.
	Direct bool `json:"direct,omitzero"`
	// Dialled is set when what goes through a third could go straight again.
	Dialled bool `json:"dialled,omitzero"`
}

// maxMembers bounds how many nodes are known; further ones are not entered.
const maxMembers = 128

// sees returns what node b says of an instance, nil when it does not hear it.
func sees(list []sighting, name, instance string) *sighting {
	at := slices.IndexFunc(list, func(s sighting) bool { return s.Name == name && s.Instance == instance })
	if at < 0 {
		return nil
	}
	return &list[at]
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
	m.beating.Lock() // numbers go out in order
	defer m.beating.Unlock()
	b := m.self
	m.mu.Lock()
	m.number++
	b.State, b.Load, b.Number, b.Sees = m.own, m.load, m.number, m.sightings()
	m.mu.Unlock()
	for _, f := range m.c.feeds {
		b.Feeds = append(b.Feeds, f.position())
	}
	b.Fault, b.Free = m.c.disk.said()
	if data, err := json.Marshal(&b); err == nil {
		_ = m.c.conn.Publish(m.subject, data)
	}
}

// sightings are the nodes that are heard here. m.mu is held.
func (m *members) sightings() []sighting {
	list := make([]sighting, 0, len(m.byName))
	for _, k := range m.byName {
		if k.Self || !k.met || k.silent {
			continue
		}
		list = append(list, sighting{
			Name: k.Name, Instance: k.Instance, Started: k.Started, Address: k.Address, Missed: k.missed,
			Direct: !k.Suspected && k.Via == "", Dialled: k.dialled,
		})
	}
	slices.SortFunc(list, func(a, b sighting) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// receive takes a heartbeat, the own ones included.
func (m *members) receive(msg *nats.Msg) {
	var b heartbeat
	if err := json.Unmarshal(msg.Data, &b); err != nil || !nameRule.MatchString(b.Name) || len(b.Sees) > maxMembers {
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
