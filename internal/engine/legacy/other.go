// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// Other implements [engine.Protocol]: it answers GET and DELETE.
func (p *Protocol) Other(x transport.Exchange) {
	get := x.Verb() == "GET"
	if get && !x.AcceptsStream() {
		engine.ReplyError(x, 406, jsonrpc.ID{}, jsonrpc.NewError(jsonrpc.CodeInvalidRequest, "Accept must list text/event-stream"))
		return
	}
	v := &visit{}
	if no := p.open(x, v); no != nil {
		no.reply(x, jsonrpc.ID{})
		return
	}
	if !get {
		p.remove(x, v)
		return
	}
	if p.parted.Load() {
		unavailable(x, jsonrpc.ID{}, session.ErrDraining.Error())
		return
	}
	live, err := p.cfg.Sessions.Acquire(v.id)
	if err != nil {
		unavailable(x, jsonrpc.ID{}, err.Error())
		return
	}
	if ids := x.Header(mcp.HeaderLastEventID); len(ids) == 1 && ids[0] != "" && v.peer.Features.Resumable {
		p.resume(x, v, live, ids[0])
		return
	}
	p.stand(x, v, live, nil)
}

// remove ends the session for good.
//
// spec 2025-11-25 basic/transports#session-management: DELETE ends a session,
// whose id is answered 404 from then on.
func (p *Protocol) remove(x transport.Exchange, v *visit) {
	err := v.write(x.Context(), func(r *session.Record) error { // at once: it makes the record small
		*r = session.Record{Revision: r.Revision, Expires: v.expires, Ended: true} // as long as the ticket would open
		return nil
	})
	if err != nil && !errors.Is(err, session.ErrNotFound) {
		p.lines.Log(p.cfg.Log, slog.LevelWarn, "session not ended", "session", v.peer.Session, "error", err)
		unavailable(x, jsonrpc.ID{}, "the session could not be ended")
		return
	}
	p.endSession(v)
	p.cfg.Ended(v.peer.Session)
	x.Reply(204, nil)
}

// resume continues exactly the stream that an event id belongs to. It takes over
// the caller's hold on the live session.
func (p *Protocol) resume(x transport.Exchange, v *visit, live *session.Live, eventID string) {
	stream, seq, ok := session.SplitEventID(eventID)
	if ok && stream[0] == standingStream {
		p.stand(x, v, live, &cursor{stream, seq})
		return
	}
	found := unknownStream
	if ok {
		found = p.resumeHere(v.id, stream, seq, func() transport.Stream { return x.Stream() })
	}
	if found == unknownStream && ok && p.peers != nil && addressIn(stream) != "" {
		p.peers.resume(x, v, live, stream, seq)
		return
	}
	p.cfg.Sessions.Release(live)
	switch found {
	case unknownStream:
		engine.ReplyError(x, 400, jsonrpc.ID{}, errUnknownStream)
	case streamOver:
		replyOver(x)
	}
}

// resumption is what came of continuing a stream.
type resumption int

const (
	unknownStream resumption = iota
	resumedStream
	streamOver // the client has all of it
)

// replyOver tells a client not to come again for a stream that has no more for it, as
// one whose call was cancelled never had a response.
//
// WHATWG HTML, Server-sent events: "a client can be told to stop reconnecting using
// the HTTP 204 No Content response code".
func replyOver(x transport.Exchange) { x.Reply(204, nil) }

// nothing reports whether events hold nothing for a client.
func nothing(events []session.Event, lost uint64) bool {
	return lost == 0 && !slices.ContainsFunc(events, func(e session.Event) bool { return e.Data != nil })
}

// resumeHere continues a stream of this node. It calls open only for what it resumes.
func (p *Protocol) resumeHere(id session.ID, stream string, seq uint64, open func() transport.Stream) resumption {
	live := p.cfg.Sessions.Find(id)
	if live == nil {
		return unknownStream
	}
	defer p.cfg.Sessions.Release(live)
	if r := homeOf(p, live).find(stream); r != nil && r.resume(open, seq) {
		return resumedStream
	}
	log, err := live.Log.Find(stream, seq)
	if err != nil {
		return unknownStream
	}
	events, lost, done := log.After(seq)
	if done && nothing(events, lost) {
		return streamOver
	}
	to := open()
	replayEvents(to, events, lost)
	to.Close()
	return resumedStream
}

// cursor is the place in a GET stream that a client knows.
type cursor struct {
	stream string
	seq    uint64
}

// stand opens the session's GET stream, in place of the one before, and takes
// over the caller's hold on the live session. Events that the client has missed
// since the cursor come first.
func (p *Protocol) stand(x transport.Exchange, v *visit, live *session.Live, from *cursor) {
	s := &standing{p: p, v: v, live: live, sub: p.cfg.Hub.SubscribeAs(audience(v.peer, v.principal))}
	h := homeOf(p, live)
	ctx := context.WithoutCancel(x.Context())
	var taken *takenOver
	if p.peers != nil {
		s.follow(ctx) // before other nodes' streams end
		taken = p.peers.takeOver(ctx, v.id, from)
		taken.join(s)
	}
	s.stream = x.Stream()
	s.mu.Lock() // nothing goes before what is replayed
	old, ok := h.replace(s)
	if !ok { // the session has just been ended
		s.mu.Unlock()
		s.close(0)
		s.sub.Close()
		s.stopConfirming()
		p.cfg.Sessions.Release(live)
		return
	}
	var oldLog *session.Stream
	if old != nil {
		oldLog = old.giveWay()
	}
	uris := s.follow(ctx)
	whole := s.catchUpAnywhere(live, oldLog, from, taken)
	if s.log == nil && v.peer.Features.Resumable {
		s.log = p.peers.openLog(live, standingStream, jsonrpc.ID{})
		if v.peer.Features.PrimingEvent {
			_ = s.stream.Send(transport.Event{ID: s.log.Append(nil)}) // the end of the stream shows in run
		}
	}
	if taken != nil {
		for _, msg := range taken.Pending {
			s.emitLocked(msg)
		}
	}
	s.mu.Unlock()
	if oldLog != nil && oldLog != s.log {
		oldLog.Finish()
	}
	if old != nil {
		s.tell(old.sub)
		old.sub.Close()
	}
	if !whole {
		s.assumeAll(ctx, uris)
	}
	go s.run()
	if p.parted.Load() { // since this GET was let in
		h.leave(p.cfg.Limits.Reconnect)
	}
}

// catchUpAnywhere is catchUp for a place in a stream of whatever node.
func (s *standing) catchUpAnywhere(live *session.Live, latest *session.Stream, from *cursor, taken *takenOver) bool {
	switch {
	case from == nil:
		return true
	case taken != nil && taken.foreign:
		return taken.replay(s.stream) && latest == nil
	}
	whole := s.catchUp(live, latest, from)
	return whole && (taken == nil || !taken.Had)
}

// catchUp replays what the client has missed of an earlier GET stream and
// reports whether that is everything. If that stream was the session's latest,
// s continues it.
func (s *standing) catchUp(live *session.Live, latest *session.Stream, from *cursor) bool {
	var log *session.Stream
	if latest != nil && latest.ID() == from.stream {
		log, s.log = latest, latest // known even when its events have all grown too old
	} else if found, err := live.Log.Find(from.stream, from.seq); err == nil {
		log = found
	} else {
		return false
	}
	events, lost, _ := log.After(from.seq)
	for _, e := range events {
		if e.Data != nil {
			_ = s.stream.Send(transport.Event{ID: e.ID, Data: e.Data}) // the end of the stream shows in run
		}
	}
	return lost == 0
}

// assumeAll tells the client that everything it follows may have changed, which
// is what a gap in its events means.
func (s *standing) assumeAll(ctx context.Context, uris []string) {
	for _, msg := range s.p.assumed(ctx, s.v.peer, s.v.principal, uris) {
		s.emit(msg)
	}
}

// assumed are the messages that say that all lists and these resources may have changed.
func (p *Protocol) assumed(ctx context.Context, peer *rpc.Peer, principal *rpc.Principal, uris []string) (msgs [][]byte) {
	d, wire := p.discover(ctx, peer, principal)
	if wire != nil {
		return nil
	}
	c := &d.Capabilities
	var events []subscription.Event
	add := func(on bool, kind subscription.Kind) {
		if on {
			events = append(events, subscription.Event{Topic: subscription.Topic{Kind: kind}})
		}
	}
	add(c.Tools != nil && c.Tools.ListChanged, subscription.Tools)
	add(c.Prompts != nil && c.Prompts.ListChanged, subscription.Prompts)
	add(c.Resources != nil && c.Resources.ListChanged, subscription.Resources)
	for _, uri := range uris {
		events = append(events, subscription.Event{Topic: subscription.Topic{Kind: subscription.Resource, Key: uri}})
	}
	for _, e := range events {
		if msg := changed(peer.Features, e); msg != nil {
			msgs = append(msgs, msg)
		}
	}
	return msgs
}
