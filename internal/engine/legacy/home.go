// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/transport"
)

// home is what an HTTP session has on this node beside its log.
type home struct {
	live

	mu        sync.Mutex
	running   map[string]*reply      // calls whose streams can be resumed, by stream id
	standing  *standing              // the latest GET stream; its subscriber outlives it
	followers map[*follower]struct{} // streams of other nodes with a client here
	parked    bool
}

var _ session.State = (*home)(nil)

func homeOf(p *Protocol, l *session.Live) *home {
	return l.State(func() session.State {
		return &home{live: live{flights: engine.NewFlights(p.cfg.Limits.InFlight)}}
	}).(*home)
}

// Park implements [session.State].
func (h *home) Park() { h.end(0) }

// end closes the GET stream for good, and streams that live on other nodes.
func (h *home) end(retry time.Duration) {
	h.mu.Lock()
	s, followers := h.standing, h.followers
	h.standing, h.followers, h.parked = nil, nil, true
	h.mu.Unlock()
	for f := range followers {
		f.leave(retry)
	}
	if s != nil {
		s.close(retry)
		s.sub.Close()
	}
}

// leave tells the clients of streams to come back after retry, elsewhere.
func (h *home) leave(retry time.Duration) { h.end(retry) }

// finish ends everything of a session that has been deleted.
func (h *home) finish() {
	h.flights.Stop(errEnded)
	h.end(0)
}

// followed enters a follower, unless the streams have been closed.
func (h *home) followed(f *follower) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.parked {
		return false
	}
	if h.followers == nil {
		h.followers = map[*follower]struct{}{}
	}
	h.followers[f] = struct{}{}
	return true
}

func (h *home) unfollowed(f *follower) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.followers, f)
}

func (h *home) keep(r *reply) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running == nil {
		h.running = map[string]*reply{}
	}
	h.running[r.log.ID()] = r
}

func (h *home) forget(r *reply) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.running, r.log.ID())
}

func (h *home) find(stream string) *reply {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.running[stream]
}

// heed makes the GET stream tell of what the session's record names.
func (h *home) heed(r *session.Record) {
	h.mu.Lock()
	s := h.standing
	h.mu.Unlock()
	if s != nil {
		s.heed(r)
	}
}

// aside sends a message on the GET stream and reports whether there is one.
func (h *home) aside(msg []byte) bool {
	h.mu.Lock()
	s := h.standing
	h.mu.Unlock()
	if s != nil {
		s.emit(msg)
	}
	return s != nil
}

// replace makes s the session's GET stream and returns the one before.
func (h *home) replace(s *standing) (old *standing, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.parked {
		return nil, false
	}
	old, h.standing = h.standing, s
	return old, true
}

// standing is a session's open GET stream. Its goroutine, run, ends with the
// stream; it holds the session's live entry, by which a drain waits for it.
type standing struct {
	p      *Protocol
	v      *visit
	live   *session.Live
	sub    *subscription.Subscriber
	stream transport.Stream

	// heeding puts changes of the record in order, so it is held while subscribing.
	heeding  sync.Mutex
	revision uint64      // of the record that was heeded last
	uris     []string    // it named, sorted
	confirm  *time.Timer // runs until the record is to be confirmed; nil when it need not be

	// mu puts what is sent in order, so it is held while sending.
	mu       sync.Mutex
	log      *session.Stream // nil when the stream cannot be resumed
	replaced bool            // by a newer stream, which takes what is pending
}

// emit logs and sends one event.
func (s *standing) emit(data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.emitLocked(data)
}

func (s *standing) emitLocked(data []byte) {
	e := transport.Event{Data: data}
	if s.log != nil {
		e.ID = s.log.Append(data)
	}
	if s.stream.Send(e) != nil {
		s.stream.Close()
	}
}

// close ends the stream for good, with a reconnection delay if retry is not 0
// and the version's clients take an event without data.
func (s *standing) close(retry time.Duration) {
	if retry > 0 && s.v.peer.Features.PrimingEvent {
		_ = s.stream.Send(transport.Event{Retry: retry}) // the stream ends in any case
	}
	s.stream.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log != nil {
		s.log.Finish()
	}
}

// giveWay ends the stream in favour of a newer one and returns its log.
func (s *standing) giveWay() *session.Stream {
	s.stream.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replaced = true
	return s.log
}

// run tells the client of changes until the stream ends, as it does when the key of
// the session's ticket is no longer in the ring.
func (s *standing) run() {
	s.p.streams.Add(1)
	defer s.p.streams.Add(-1)
	defer s.p.cfg.Sessions.Release(s.live)
	defer s.stopConfirming()
	ring, generation := s.p.cfg.Ring, s.v.generation
	removed := ring.Removed()
	for {
		if now := ring.Generation(); now != generation {
			if _, err := s.p.openTicket(s.v.token, s.v.principal); err != nil {
				s.close(0)
				return
			}
			generation = now
		}
		select {
		case <-s.stream.Done():
			return
		case <-removed:
			removed = ring.Removed()
		case <-s.sub.Wake():
			s.tell(s.sub)
		}
	}
}

// tell sends what is pending at a subscriber.
func (s *standing) tell(sub *subscription.Subscriber) {
	for s.tellOne(sub) {
	}
}

func (s *standing) tellOne(sub *subscription.Subscriber) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.replaced {
		return false
	}
	e, ok := sub.Take()
	if msg := changed(s.v.peer.Features, e); ok && msg != nil {
		s.emitLocked(msg)
	}
	return ok
}

// follow subscribes to the lists and to what the session's record names.
func (s *standing) follow(ctx context.Context) []string {
	for _, kind := range []subscription.Kind{subscription.Tools, subscription.Prompts, subscription.Resources} {
		s.sub.Add(subscription.Topic{Kind: kind})
	}
	record, err := s.p.store.Get(ctx, s.v.id)
	if err != nil {
		return nil
	}
	s.heed(record)
	return record.Subscriptions
}

// heed subscribes to what a record names and to no other resource, unless a later
// one has been heeded.
func (s *standing) heed(r *session.Record) {
	s.heeding.Lock()
	defer s.heeding.Unlock()
	if r.Revision < s.revision {
		return
	}
	for _, uri := range s.uris {
		if _, has := slices.BinarySearch(r.Subscriptions, uri); !has {
			s.sub.Remove(subscription.Topic{Kind: subscription.Resource, Key: uri})
		}
	}
	for _, uri := range r.Subscriptions {
		if _, has := slices.BinarySearch(s.uris, uri); !has {
			s.sub.Add(subscription.Topic{Kind: subscription.Resource, Key: uri})
		}
	}
	s.revision, s.uris = r.Revision, r.Subscriptions
	s.confirmLater(r)
}
