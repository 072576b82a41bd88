// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/transport"
)

// A call's stream that its client takes up on another node flows there from its
// home: the other node opens a stream between the nodes with the last event that the
// client has, and learns whether the home has what follows. Each event is a message.

// What a home says first.
const (
	followYes     = 'y' // events follow
	followUnknown = 'n' // this stream is not kept here
	followOver    = 'e' // the client has all of it
	followOther   = 'o' // what ran at this address is gone
)

// An event is its head, its id and its data.
const (
	eventHead  = 1 + 4 + 1 // whether it has data, milliseconds of retry, length of the id
	eventEmpty = 2         // it has no data
	sendWait   = 10 * time.Second
	keptBuffer = 1 << 20 // bytes that are kept for the next event
)

var errEvent = errors.New("not an event of a stream")

// remote is a client that is reached through another node.
type remote struct {
	s   nodes.Stream
	mu  sync.Mutex // held while an event is sent
	buf []byte
}

var _ transport.Stream = (*remote)(nil)

// Send implements [transport.Stream].
func (r *remote) Send(e transport.Event) error {
	ctx, cancel := context.WithTimeout(context.Background(), sendWait)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	var flags byte
	if e.Data == nil {
		flags = eventEmpty
	}
	buf := r.buf[:0]
	buf = append(buf, flags)
	buf = binary.BigEndian.AppendUint32(buf, uint32(min(e.Retry.Milliseconds(), 1<<31))) // bounded on the line itself
	buf = append(append(append(buf, byte(len(e.ID))), e.ID...), e.Data...)
	if cap(buf) <= keptBuffer {
		r.buf = buf
	}
	if err := r.s.Send(ctx, buf); err != nil {
		r.Close()
		return transport.ErrClosed
	}
	return nil
}

// Close implements [transport.Stream].
func (r *remote) Close() { r.s.Close(nil) }

// Done implements [transport.Stream].
func (r *remote) Done() <-chan struct{} { return r.s.Done() }

// receiveEvent receives one event.
func receiveEvent(ctx context.Context, s nodes.Stream) (transport.Event, error) {
	msg, err := s.Receive(ctx)
	if err != nil {
		return transport.Event{}, err
	}
	if len(msg) < eventHead || len(msg) < eventHead+int(msg[5]) {
		return transport.Event{}, errEvent
	}
	id, data := msg[eventHead:eventHead+int(msg[5])], msg[eventHead+int(msg[5]):]
	e := transport.Event{ID: string(id), Retry: time.Duration(binary.BigEndian.Uint32(msg[1:])) * time.Millisecond}
	if msg[0]&eventEmpty == 0 {
		e.Data = data
	}
	return e, nil
}

// serveFollow serves what another node follows here: a session, and an event's id.
func (g *peering) serveFollow(ctx context.Context, s nodes.Stream, of []byte) {
	defer s.Close(nil)
	var id session.ID
	if len(of) < len(id) {
		return
	}
	copy(id[:], of)
	stream, seq, ok := session.SplitEventID(string(of[len(id):]))
	if address := addressIn(stream); !ok || address != g.address {
		_ = s.Send(ctx, []byte{followOther}) // who asked has gone
		return
	}
	to := &remote{s: s}
	open := func() transport.Stream {
		_ = s.Send(ctx, []byte{followYes}) // the end of the stream shows at the first event
		return to
	}
	switch g.p.resumeHere(id, stream, seq, open) {
	case unknownStream:
		_ = s.Send(ctx, []byte{followUnknown}) // who asked has gone
		return
	case streamOver:
		_ = s.Send(ctx, []byte{followOver}) // who asked has gone
		return
	}
	select {
	case <-s.Done():
	case <-ctx.Done():
	}
}

// follower is a client here of a stream that lives on another node.
type follower struct {
	to transport.Stream
}

// leave tells the client to come back after retry, elsewhere; 0 means nothing is said.
func (f *follower) leave(retry time.Duration) {
	if retry > 0 {
		_ = f.to.Send(transport.Event{Retry: retry}) // the stream ends in any case
	}
	f.to.Close()
}

// resume continues a stream that is not, or no longer, kept here. It takes over
// the caller's hold on the live session.
func (g *peering) resume(x transport.Exchange, v *visit, live *session.Live, stream string, seq uint64) {
	address := addressIn(stream)
	gone := false
	if node := g.node(address); node != "" {
		s, err := g.open(x.Context(), node, v.id, session.EventID(stream, seq))
		switch {
		case err == nil:
			g.follow(x, v, live, node, s, stream, seq)
			return
		case errors.Is(err, errOver):
			g.p.cfg.Sessions.Release(live)
			replyOver(x)
			return
		case errors.Is(err, errGone):
			gone = true
		case errors.Is(err, session.ErrUnknownStream):
		case !g.lost(node, err):
			g.p.cfg.Log.Warn("stream not continued from its home", "node", node, "error", err)
			g.p.cfg.Sessions.Release(live)
			unavailable(x, jsonrpc.ID{}, "the stream cannot be continued at the moment")
			return
		default:
			gone = true
		}
	} else {
		gone = address != g.address
	}
	defer g.p.cfg.Sessions.Release(live)
	events, lost, wire := g.fate(x.Context(), v.id, stream, seq, gone)
	if wire != nil {
		refuseResume(x, wire)
		return
	}
	if nothing(events, lost) {
		replyOver(x)
		return
	}
	to := x.Stream()
	replayEvents(to, events, lost)
	to.Close()
}

// Why a home sends no events.
var (
	errGone = errors.New("the node has been restarted")
	errOver = errors.New("the stream has ended and its client has all of it")
)

// open asks a home for what follows an event.
func (g *peering) open(ctx context.Context, node string, id session.ID, event string) (nodes.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, deliverWait)
	defer cancel()
	s, err := g.to.Open(ctx, nodes.Address{Node: node, Kind: kindSession}, message(tellFollow, id, []byte(event)))
	if err != nil {
		return nil, err
	}
	first, err := s.Receive(ctx)
	switch {
	case err == nil && len(first) == 1 && first[0] == followYes:
		return s, nil
	case err == nil && len(first) == 1 && first[0] == followOver:
		err = errOver
	case err == nil && len(first) == 1 && first[0] == followOther:
		err = errGone
	case err == nil && len(first) == 1 && first[0] == followUnknown:
		err = session.ErrUnknownStream
	case err == nil:
		err = errEvent
	}
	s.Close(nil)
	return nil, err
}

// follow passes on what comes from a stream's home. It takes over the caller's
// hold on the live session.
func (g *peering) follow(x transport.Exchange, v *visit, live *session.Live, node string, s nodes.Stream, stream string, seq uint64) {
	h := homeOf(g.p, live)
	f := &follower{to: x.Stream()}
	started := h.followed(f) && g.run(func() {
		defer g.p.cfg.Sessions.Release(live)
		defer h.unfollowed(f)
		g.pump(v, f, node, s, stream, seq)
	})
	if !started { // drained or ended meanwhile
		h.unfollowed(f)
		s.Close(nil)
		f.to.Close()
		g.p.cfg.Sessions.Release(live)
	}
}

// pump passes on events until the stream ends on either side. When its home is
// lost, it says what has become of the call.
func (g *peering) pump(v *visit, f *follower, node string, s nodes.Stream, stream string, seq uint64) {
	ctx, cancel := context.WithCancel(g.ctx)
	defer cancel()
	var watch sync.WaitGroup
	defer watch.Wait()
	watch.Go(func() { // this function waits for it
		select {
		case <-f.to.Done():
		case <-ctx.Done():
		}
		cancel()
	})
	defer cancel()
	defer f.to.Close()
	defer s.Close(nil)
	var err error
	for err == nil {
		var e transport.Event
		if e, err = receiveEvent(ctx, s); err == nil {
			if _, n, ok := session.SplitEventID(e.ID); ok {
				seq = n
			}
			err = f.to.Send(e)
		}
	}
	select {
	case <-f.to.Done():
		return
	default:
	}
	if errors.Is(err, io.EOF) || ctx.Err() != nil || !g.lost(node, err) {
		return // the client asks again if it misses something
	}
	events, lost, wire := g.fate(ctx, v.id, stream, seq, true)
	if wire == nil {
		replayEvents(f.to, events, lost)
	}
}
