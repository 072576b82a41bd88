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

	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/transport"
)

// A call's stream that its client takes up on another node flows there from its
// home: the other node opens a stream between the nodes, names the last event,
// and learns whether the home has what follows. Events come as frames.

// What a home says first.
const (
	followYes     = 'y' // events follow
	followUnknown = 'n' // this stream is not kept here
	followOver    = 'e' // the client has all of it
	followOther   = 'o' // what ran at this address is gone
)

const (
	frameBytes = 256 << 10 // of an event's data in one frame
	frameMore  = 1         // the event goes on in the next frame
	frameEmpty = 2         // the event has no data
	frameHead  = 1 + 4 + 1 // flags, milliseconds of retry, length of the id
	sendWait   = 10 * time.Second
)

var errFrame = errors.New("not a frame of an event")

// remote is a client that is reached through another node.
type remote struct {
	s   PeerStream
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
	for rest, first := e.Data, true; first || len(rest) > 0; first = false {
		part := rest[:min(len(rest), frameBytes)]
		rest = rest[len(part):]
		var flags byte
		if len(rest) > 0 {
			flags |= frameMore
		}
		if e.Data == nil {
			flags |= frameEmpty
		}
		r.buf = append(r.buf[:0], flags)
		r.buf = binary.BigEndian.AppendUint32(r.buf, uint32(min(e.Retry.Milliseconds(), 1<<31))) //nolint:gosec // bounded on the line itself
		r.buf = append(append(append(r.buf, byte(len(e.ID))), e.ID...), part...)
		if err := r.s.Send(ctx, r.buf); err != nil {
			r.Close()
			return transport.ErrClosed
		}
	}
	return nil
}

// Close implements [transport.Stream].
func (r *remote) Close() { r.s.Close(nil) }

// Done implements [transport.Stream].
func (r *remote) Done() <-chan struct{} { return r.s.Done() }

// receiveEvent receives the frames of one event.
func receiveEvent(ctx context.Context, s PeerStream, max int) (transport.Event, error) {
	var e transport.Event
	for {
		frame, err := s.Receive(ctx)
		if err != nil {
			return e, err
		}
		if len(frame) < frameHead || len(frame) < frameHead+int(frame[5]) {
			return e, errFrame
		}
		e.Retry = time.Duration(binary.BigEndian.Uint32(frame[1:])) * time.Millisecond
		e.ID = string(frame[frameHead : frameHead+int(frame[5])])
		if frame[0]&frameEmpty == 0 {
			e.Data = append(e.Data, frame[frameHead+int(frame[5]):]...)
		}
		if frame[0]&frameMore == 0 {
			return e, nil
		}
		if len(e.Data) > max {
			return e, errFrame
		}
	}
}

// serveStream serves what another node follows here.
func (g *peering) serveStream(ctx context.Context, s PeerStream) {
	defer s.Close(nil)
	first, err := s.Receive(ctx)
	var id session.ID
	if err != nil || len(first) < len(id) {
		return
	}
	copy(id[:], first)
	stream, seq, ok := session.SplitEventID(string(first[len(id):]))
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
func (g *peering) open(ctx context.Context, node string, id session.ID, event string) (PeerStream, error) {
	ctx, cancel := context.WithTimeout(ctx, deliverWait)
	defer cancel()
	s, err := g.to.Open(ctx, node)
	if err != nil {
		return nil, err
	}
	err = s.Send(ctx, append(id[:], event...))
	var first []byte
	if err == nil {
		first, err = s.Receive(ctx)
	}
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
		err = errFrame
	}
	s.Close(nil)
	return nil, err
}

// follow passes on what comes from a stream's home. It takes over the caller's
// hold on the live session.
func (g *peering) follow(x transport.Exchange, v *visit, live *session.Live, node string, s PeerStream, stream string, seq uint64) {
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
func (g *peering) pump(v *visit, f *follower, node string, s PeerStream, stream string, seq uint64) {
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
		if e, err = receiveEvent(ctx, s, maxFollowed); err == nil {
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

// maxFollowed bounds one event that comes from another node.
const maxFollowed = 64 << 20
