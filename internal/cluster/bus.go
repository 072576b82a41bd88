// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"encoding/binary"
	"errors"
	"sync"

	"github.com/nats-io/nats.go"
)

// bus carries what concerns many nodes: each has one subscription and hands what
// arrives to its own listeners. It keeps nothing: who is not there misses it.
type bus struct {
	c       *Cluster
	subject string

	mu     sync.RWMutex
	topics map[string]map[*listener]struct{}
}

type listener struct{ take func(payload []byte) }

const maxTopic = 64 << 10

func newBus(c *Cluster) *bus {
	return &bus{c: c, subject: c.cfg.Cluster + ".bus", topics: map[string]map[*listener]struct{}{}}
}

func (b *bus) start() error {
	sub, err := b.c.conn.Subscribe(b.subject, b.receive)
	if err != nil {
		return err
	}
	return sub.SetPendingLimits(1<<18, 64<<20) // beyond it the newest are dropped and logged
}

// Publish sends payload to every subscriber of the topic on every node, this one
// included, once and in order per publisher. It does not wait for them.
func (c *Cluster) Publish(topic string, payload []byte) error {
	if len(topic) > maxTopic || len(topic)+len(payload) > maxPayload-16 {
		return ErrTooLarge
	}
	data := binary.AppendUvarint(make([]byte, 0, 4+len(topic)+len(payload)), uint64(len(topic)))
	data = append(append(data, topic...), payload...)
	err := c.conn.Publish(c.bus.subject, data)
	if errors.Is(err, nats.ErrConnectionClosed) {
		return ErrClosed
	}
	return err
}

// Subscribe calls take with each payload published under the topic, one at a
// time for all subscribers of this node, until stop is called. take must not
// block, nor keep the payload.
func (c *Cluster) Subscribe(topic string, take func(payload []byte)) (stop func()) {
	b, l := c.bus, &listener{take}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.topics[topic] == nil {
		b.topics[topic] = map[*listener]struct{}{}
	}
	b.topics[topic][l] = struct{}{}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.topics[topic], l)
		if len(b.topics[topic]) == 0 {
			delete(b.topics, topic)
		}
	}
}

func (b *bus) receive(m *nats.Msg) {
	n, used := binary.Uvarint(m.Data)
	if used <= 0 || n > uint64(len(m.Data)-used) {
		return
	}
	topic, payload := m.Data[used:used+int(n)], m.Data[used+int(n):] // bounded above
	b.mu.RLock()
	interested := b.topics[string(topic)]
	listeners := make([]*listener, 0, len(interested))
	for l := range interested {
		listeners = append(listeners, l)
	}
	b.mu.RUnlock()
	for _, l := range listeners {
		l.take(payload)
	}
}
