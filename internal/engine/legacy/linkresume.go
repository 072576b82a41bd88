// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// A connection is its session, and most sessions end with it. But a client of HTTP+SSE
// that loses its stream opens another by itself, and its user's program does not learn
// of that and cannot initialize again. So such a session is a ticket too, which the
// client brings along, and what it has set is in the session's record.

// recordWait bounds the wait until what a connection sets is in its record. What is not
// holds all the same, for as long as the connection.
const recordWait = 2 * time.Second

// maxBrought bounds what a client brings along, in bytes: more than a ticket has.
const maxBrought = 8 << 10

// remember gives the client a ticket to come back with, if its transport can.
func (l *link) remember(id session.ID, peer *rpc.Peer) {
	r, ok := l.c.(transport.Resumer)
	if !ok {
		return
	}
	token, wire := l.p.mint(id, peer, l.principal)
	if wire != nil { // of capabilities that fit no ticket; the session ends with the connection
		return
	}
	o, err := l.p.openTicket(token, l.principal)
	if err != nil {
		return
	}
	l.mu.Lock()
	l.kept = &visit{p: l.p, opened: o, principal: l.principal, client: l.client}
	l.mu.Unlock()
	r.Remember(token)
}

// resume goes on with the session of a client that has come back. A ticket that does
// not open is none: the client is a new one.
func (l *link) resume() {
	r, ok := l.c.(transport.Resumer)
	if !ok {
		return
	}
	brought := r.Header(mcp.HeaderLastEventID)
	if len(brought) != 1 || brought[0] == "" || len(brought[0]) > maxBrought {
		return
	}
	o, err := l.p.openTicket(brought[0], l.principal)
	if err != nil {
		l.p.cfg.Log.Debug("a client came back with a session that is not known here", "error", err)
		return
	}
	v := &visit{p: l.p, opened: o, principal: l.principal, client: l.client}
	switch v.record, err = l.p.store.Get(l.ctx, v.id); {
	case err == nil && v.record.Ended:
		return
	case err != nil && !errors.Is(err, session.ErrNotFound):
		l.p.lines.Log(l.p.cfg.Log, slog.LevelWarn, "session record not read", "session", v.peer.Session, "error", err)
	}
	v.confirmRecord()
	if v.partial {
		v.opened = v.withRecord()
	}
	greeted := make(chan struct{})
	close(greeted)
	l.session, l.kept, l.resumed, l.greeting, l.logLevel = v.id, v, true, greeted, v.level()
	l.listen(v.peer)
	l.resubscribe(v.record)
	r.Remember(v.token)
}

// presume takes a client that has not initialized here, but says which version it has
// negotiated, for one that has come back without its ticket, as the official TypeScript
// clients do. Of its capabilities nothing is known, so it has none. It reports false when
// the client says no such thing. It belongs to the reading goroutine.
func (l *link) presume() bool {
	r, ok := l.c.(transport.Resumer)
	if !ok {
		return false
	}
	said := r.Header(mcp.HeaderProtocolVersion)
	if len(said) != 1 || mcp.Version(said[0]).Era() != mcp.Legacy {
		return false
	}
	peer := &rpc.Peer{Features: mcp.Version(said[0]).Features(), Session: l.session.String(), RawCapabilities: Raw("{}")}
	greeted := make(chan struct{})
	close(greeted)
	l.resumed, l.greeting = true, greeted
	l.listen(peer)
	l.remember(l.session, peer)
	l.resubscribe(nil)
	return true
}

// resubscribe subscribes to what a record names, and tells the client that all it
// follows may have changed while it was away.
func (l *link) resubscribe(r *session.Record) {
	var uris []string
	if r != nil {
		uris = r.Subscriptions
	}
	var topics []subscription.Topic
	l.mu.Lock()
	for _, uri := range uris {
		if l.keepLocked(uri) == nil {
			topics = append(topics, subscription.Topic{Kind: subscription.Resource, Key: uri})
		}
	}
	peer, sub := l.peer, l.sub
	l.mu.Unlock()
	for _, topic := range topics {
		sub.Add(topic)
	}
	l.wg.Go(func() {
		for _, msg := range l.p.assumed(l.ctx, peer, l.principal, uris) {
			l.answer(msg)
		}
	})
}

// renew ends a session that was resumed, for a client that initializes again all the
// same. It belongs to the reading goroutine.
func (l *link) renew() {
	l.mu.Lock()
	ended := l.peer.Session
	l.kept, l.logLevel = nil, defaultLevel
	l.untell()
	l.forgetLocked()
	l.mu.Unlock()
	if l.p.links.leave(l.session) {
		l.p.cfg.Ended(ended)
	}
	l.resumed, l.session = false, session.NewID()
	l.p.links.enter(l.session)
}

// record changes the session's record, if the session may outlive the connection. That
// it did not work is logged: the client cannot do anything about it.
func (l *link) record(ctx context.Context, change func(*session.Record)) {
	l.mu.Lock()
	v := l.kept
	l.mu.Unlock()
	if v == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, recordWait)
	defer cancel()
	err := v.update(ctx, func(r *session.Record) error {
		change(r)
		return nil
	})
	if err != nil {
		l.p.lines.Log(l.p.cfg.Log, slog.LevelWarn, "what a client set is lost when its connection ends", "session", v.peer.Session, "error", err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.confirm == nil { // it counts as coming back that a client keeps its connection
		l.confirm = time.AfterFunc(confirmAfter, func() { l.p.confirm(v.id, v.expires) })
	}
}

// over is for the end of the connection.
func (l *link) over() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.confirm != nil {
		l.confirm.Stop()
	}
	l.forgetLocked()
}

// links counts the connections of each session: a client may be back before it was
// noticed that its connection had ended. The zero value counts none.
type links struct {
	mu    sync.Mutex
	count map[session.ID]int
}

func (s *links) enter(id session.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count == nil {
		s.count = map[session.ID]int{}
	}
	s.count[id]++
}

// leave reports whether it was the session's last connection here.
func (s *links) leave(id session.ID) (last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count[id]--; s.count[id] > 0 {
		return false
	}
	delete(s.count, id)
	return true
}
