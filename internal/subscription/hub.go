// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package subscription knows who listens to what on this node and fans events
// out to them. Publishing never blocks and never queues without bound: each
// subscriber holds at most one pending event per topic, the latest, so a burst
// reaches a slow listener as one change.
//
// The package starts no goroutine; a subscriber's owner takes events when woken.
package subscription

import (
	"sync"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// Topic is something that changes.
type Topic struct {
	Kind Kind
	Key  string // the URI of Resource, the id of Task; empty for lists
}

// Kind is a kind of topic.
type Kind uint8

// The kinds of topic.
const (
	Tools     Kind = iota + 1 // the list of tools
	Prompts                   // the list of prompts
	Resources                 // the list of resources
	Resource                  // one resource's content
	Task                      // one task's state
)

// Event is one change.
type Event struct {
	Topic  Topic
	Params jsonrpc.Raw // params of the notification, without the subscription's own _meta; nil for none
	For    Audience    // whom it concerns
}

// Audience is whom an event concerns, or who a subscriber is. In an event, what is
// empty does not narrow it: the zero Audience is everybody.
type Audience struct {
	Session   string // random id of a legacy session
	Principal string
	Tenant    string
}

// includes reports whether who is among a.
func (a Audience) includes(who Audience) bool {
	return (a.Session == "" || a.Session == who.Session) &&
		(a.Principal == "" || a.Principal == who.Principal) &&
		(a.Tenant == "" || a.Tenant == who.Tenant)
}

// Watcher learns when a topic gains its first and loses its last subscriber, so
// that a source need only be watched while somebody listens. It is called
// without the hub's lock held, in order for one topic, possibly concurrently for
// different ones. Who subscribes waits for it.
type Watcher func(topic Topic, active bool)

// Hub is safe for concurrent use. The zero Hub is ready.
type Hub struct {
	mu      sync.RWMutex
	topics  map[Topic]map[*Subscriber]struct{}
	watcher Watcher
	out     func(Event) // to other nodes; nil for nobody
	watches map[Topic]*watch
}

// Watch sets the hub's watcher. It is called before the hub is in use.
func (h *Hub) Watch(w Watcher) { h.watcher = w }

// Share makes every event that is published here go to out too, which must not
// block: it tells the hubs of other nodes, which Deliver it. It is called before
// the hub is in use.
func (h *Hub) Share(out func(Event)) { h.out = out }

// Publish hands e to everyone who listens to its topic, on every node that
// shares this hub's events.
func (h *Hub) Publish(e Event) {
	h.Deliver(e)
	if h.out != nil {
		h.out(e)
	}
}

// Deliver hands e to everyone who listens to its topic on this node.
func (h *Hub) Deliver(e Event) {
	h.mu.RLock()
	subscribers := make([]*Subscriber, 0, len(h.topics[e.Topic]))
	for s := range h.topics[e.Topic] {
		subscribers = append(subscribers, s)
	}
	h.mu.RUnlock()
	for _, s := range subscribers {
		s.put(e)
	}
}

// Listens reports whether somebody on this node listens to t.
func (h *Hub) Listens(t Topic) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.topics[t]) > 0
}

// Subscribe returns a new subscriber to the topics, who gets what concerns
// everybody. Close it.
func (h *Hub) Subscribe(topics ...Topic) *Subscriber { return h.SubscribeAs(Audience{}, topics...) }

// SubscribeAs is Subscribe for a subscriber who also gets what concerns who. An
// event for a session is not for who has none.
func (h *Hub) SubscribeAs(who Audience, topics ...Topic) *Subscriber {
	s := &Subscriber{hub: h, who: who, wake: make(chan struct{}, 1), topics: map[Topic]struct{}{}, pending: map[Topic]Event{}}
	for _, t := range topics {
		s.Add(t)
	}
	return s
}

func (h *Hub) add(t Topic, s *Subscriber) {
	h.mu.Lock()
	if h.topics == nil {
		h.topics = map[Topic]map[*Subscriber]struct{}{}
	}
	if h.topics[t] == nil {
		h.topics[t] = map[*Subscriber]struct{}{}
	}
	h.topics[t][s] = struct{}{}
	h.mu.Unlock()
	h.tell(t)
}

func (h *Hub) remove(t Topic, s *Subscriber) {
	h.mu.Lock()
	delete(h.topics[t], s)
	last := len(h.topics[t]) == 0
	if last {
		delete(h.topics, t)
	}
	h.mu.Unlock()
	if last {
		h.tell(t)
	}
}

// watch is what the watcher has been told of one topic.
type watch struct {
	mu     sync.Mutex // held while telling, so that it is told in order
	active bool

	users int // who hold it; guarded by the hub's mu
}

// tell tells the watcher whether somebody listens to t, if that is news to it.
// When it returns, the watcher knows at least what was so at the beginning.
func (h *Hub) tell(t Topic) {
	if h.watcher == nil {
		return
	}
	h.mu.Lock()
	w := h.watches[t]
	if w == nil {
		if h.watches == nil {
			h.watches = map[Topic]*watch{}
		}
		w = &watch{}
		h.watches[t] = w
	}
	w.users++
	h.mu.Unlock()

	w.mu.Lock()
	h.mu.RLock()
	active := len(h.topics[t]) > 0
	h.mu.RUnlock()
	if active != w.active {
		w.active = active // others who look at it hold mu, or are the last user
		h.watcher(t, active)
	}
	w.mu.Unlock()

	h.mu.Lock()
	defer h.mu.Unlock()
	if w.users--; w.users == 0 && !w.active {
		delete(h.watches, t)
	}
}

// Subscriber receives the events of its topics. It is safe for concurrent use,
// though usually one goroutine takes.
type Subscriber struct {
	hub  *Hub
	who  Audience
	wake chan struct{}

	mu      sync.Mutex
	closed  bool
	topics  map[Topic]struct{}
	pending map[Topic]Event
	order   []Topic // of pending, oldest first
}

// Add subscribes to one more topic; adding it twice is once.
func (s *Subscriber) Add(t Topic) {
	s.mu.Lock()
	_, has := s.topics[t]
	if has || s.closed {
		s.mu.Unlock()
		return
	}
	s.topics[t] = struct{}{}
	s.mu.Unlock()
	s.hub.add(t, s)
}

// Remove unsubscribes from a topic and drops what is pending for it.
func (s *Subscriber) Remove(t Topic) {
	s.mu.Lock()
	_, has := s.topics[t]
	delete(s.topics, t)
	delete(s.pending, t)
	s.mu.Unlock()
	if has {
		s.hub.remove(t, s)
	}
}

// Wake receives a value when something is pending.
func (s *Subscriber) Wake() <-chan struct{} { return s.wake }

// Take returns the oldest pending event.
func (s *Subscriber) Take() (Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.order) > 0 {
		t := s.order[0]
		s.order = s.order[1:]
		if e, ok := s.pending[t]; ok {
			delete(s.pending, t)
			return e, true
		}
	}
	return Event{}, false
}

func (s *Subscriber) put(e Event) {
	if !e.For.includes(s.who) {
		return
	}
	s.mu.Lock()
	if _, listens := s.topics[e.Topic]; !listens || s.closed {
		s.mu.Unlock()
		return
	}
	if _, queued := s.pending[e.Topic]; !queued {
		s.order = append(s.order, e.Topic)
	}
	s.pending[e.Topic] = e
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Close unsubscribes from everything; idempotent.
func (s *Subscriber) Close() {
	s.mu.Lock()
	topics := s.topics
	s.topics, s.pending, s.order, s.closed = map[Topic]struct{}{}, nil, nil, true
	s.mu.Unlock()
	for t := range topics {
		s.hub.remove(t, s)
	}
}
