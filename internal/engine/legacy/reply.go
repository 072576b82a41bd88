// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"context"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// Kinds of logged streams, the first letter of their ids.
const (
	callStream     = 'c'
	standingStream = 'g'
)

// reply is how one POST is answered: with JSON, or, once something must go
// first, with an event stream, which then may be left and taken up again by
// other exchanges. It is safe for concurrent use.
type reply struct {
	x     transport.Exchange // used only by wait once awake is closed
	f     *mcp.Features
	home  *home
	live  *session.Live
	peers *peering   // nil without peers
	id    jsonrpc.ID // of the request; zero for a batch
	batch bool
	awake chan struct{} // closed when there is an answer for x, or it has become a stream

	// mu puts what is sent in order, so it is held while sending.
	mu       sync.Mutex
	began    bool // x has become a stream
	named    bool // an event with an id was sent, from which the client can resume
	finished bool
	calls    []jsonrpc.ID     // of a batch
	stream   transport.Stream // nil while nobody is listening
	log      *session.Stream  // nil when the stream cannot be resumed
	held     []byte           // responses of a batch that may still be answered with JSON
	closing  bool             // the only response has been emitted
	archive  archiver
	last     answer // for x, which wait writes; set before awake is closed
}

// answer is what an exchange that is no stream is answered with.
type answer struct {
	status int      // 0 for none
	msg    []byte   // nil for none
	parts  [][]byte // in place of msg
	pooled *[]byte  // the buffer that msg is in, if that is to be used again
}

// send sends a message that goes before the response.
func (r *reply) send(msg []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.finished {
		return nil
	}
	if !r.beginLocked() {
		return errNoStream
	}
	return r.emitLocked(msg)
}

func (r *reply) interactive() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.began || !r.finished && r.x.AcceptsStream()
}

func (r *reply) aside(msg []byte) {
	if !r.home.aside(msg) {
		r.peers.aside(r.live.ID, msg)
	}
}

// begin turns the exchange into a stream if the client takes one.
func (r *reply) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.finished {
		r.beginLocked()
	}
}

// beginLocked reports whether the exchange is a stream, having made it one if it could.
//
// spec 2025-11-25 basic/transports: the stream begins with an event that has an
// id and empty data, "in order to prime the client to reconnect".
func (r *reply) beginLocked() bool {
	if r.began {
		return true
	}
	if !r.x.AcceptsStream() {
		return false
	}
	r.began = true
	r.stream = r.x.Stream()
	if r.f.Resumable {
		r.log = r.peers.openLog(r.live, callStream, r.id)
		r.home.keep(r)
	}
	if !r.f.PrimingEvent { // else it can always be resumed
		context.AfterFunc(r.x.Context(), r.left)
	}
	close(r.awake)
	if r.f.PrimingEvent {
		_ = r.emitLocked(nil) // what a client that left misses is in the log
	}
	for held := range jsonrpc.Elements(append(r.held, ']')) {
		_ = r.emitLocked(held)
	}
	r.held = nil
	return true
}

// emitLocked logs and sends one event. A client that is away finds it in the log.
func (r *reply) emitLocked(data []byte) error {
	e := transport.Event{Data: data}
	if r.log != nil {
		e.ID = r.log.Append(data)
	}
	if r.stream != nil {
		if err := r.stream.Send(e); err == nil {
			r.named = r.named || e.ID != ""
			return nil
		}
		r.stream.Close()
		r.stream = nil
	}
	if r.log == nil {
		return engine.ErrDisconnected
	}
	r.archiveLocked()
	return nil
}

// detach tells the client to come back later and ends the connection.
//
// spec 2025-11-25 basic/transports#sending-messages-to-the-server: the server
// "SHOULD send an SSE event with a standard retry field before closing".
func (r *reply) detach(retry time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.finished || !r.beginLocked() || r.stream == nil {
		return
	}
	_ = r.stream.Send(transport.Event{ID: r.log.Append(nil), Retry: retry}) // the stream ends in any case
	r.stream.Close()
	r.stream = nil
}

// respond takes the response of one request over, and the buffer it is in, if
// pooled is not nil.
func (r *reply) respond(msg []byte, pooled *[]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.finished && !r.began && !r.batch {
		r.answerLocked(answer{status: 200, msg: msg, pooled: pooled})
		return
	}
	defer recycle(pooled)
	switch {
	case r.finished: // the call could not be answered otherwise
	case r.began:
		r.closing = !r.batch
		_ = r.emitLocked(msg)
	default:
		if r.held == nil {
			r.held = append(r.held, '[')
		} else {
			r.held = append(r.held, ',')
		}
		r.held = append(r.held, msg...)
	}
}

// respondParts takes a response in parts over. It reports false when it has not.
func (r *reply) respondParts(parts [][]byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.x.(transport.PartsReplier); !ok || r.finished || r.began || r.batch {
		return false
	}
	r.answerLocked(answer{status: 200, parts: parts})
	return true
}

// answerLocked ends the reply with an answer that is no stream. Who has it need
// not wait for a client that reads slowly, and has no stack for it: wait writes it.
func (r *reply) answerLocked(a answer) {
	r.finished, r.last = true, a
	close(r.awake)
}

// write writes the answer, if it is not a stream.
func (r *reply) write() {
	a := &r.last
	defer recycle(a.pooled)
	switch {
	case a.status == 0: // has been written
	case a.parts != nil:
		r.x.(transport.PartsReplier).ReplyParts(a.parts)
	case a.status == 503:
		r.x.Reply(503, a.msg, "Cache-Control", "no-store", "Retry-After", "1")
	default:
		r.x.Reply(a.status, a.msg)
	}
}

// unavailable answers a request that cannot be served now but could be later, if
// the answer can still say so.
func (r *reply) unavailable(msg []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.began || r.batch || r.finished {
		return
	}
	r.answerLocked(answer{status: 503, msg: msg})
}

// finish ends the reply after its last response.
func (r *reply) finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.finished {
		return
	}
	if !r.began {
		if r.held == nil {
			r.answerLocked(answer{status: 202})
		} else {
			r.answerLocked(answer{status: 200, msg: append(r.held, ']')})
		}
		return
	}
	r.finished = true
	away := r.stream == nil
	if !away {
		r.stream.Close()
		r.stream = nil
	}
	if away || r.archive.copied > 0 {
		r.archiveLocked()
	}
	if r.log != nil {
		r.log.Finish()
		r.home.forget(r)
	}
}

// wait answers the exchange, or returns when it has become a stream, which it
// becomes after having been quiet for a while so that keep-alives can flow; or
// when the client has left before: then nobody can take the outcome any more.
func (r *reply) wait(quiet time.Duration) {
	defer r.write()
	select {
	case <-r.awake:
		return
	default:
	}
	timer := time.NewTimer(quiet)
	defer timer.Stop()
	for {
		select {
		case <-r.awake:
			return
		case <-timer.C:
			r.begin()
		case <-r.x.Context().Done():
			r.abandon()
			return
		}
	}
}

// abandon gives up an exchange whose client has left before anything was sent.
//
// spec 2025-11-25 basic/transports: disconnection "SHOULD NOT be interpreted as the
// client cancelling its request". But with no event to resume from, nobody can ever
// learn what came of it, and who leaves so many calls would keep others' waiting.
func (r *reply) abandon() {
	r.mu.Lock()
	gone := !r.began && !r.finished
	if gone {
		r.finished = true // x must not be used any more
		close(r.awake)
	}
	r.mu.Unlock()
	if gone {
		r.cancel()
	}
}

// left cancels the calls of a stream whose client has left without an event from which
// it could resume.
func (r *reply) left() {
	r.mu.Lock()
	gone := !r.finished && (r.log == nil || !r.named)
	r.mu.Unlock()
	if gone {
		r.cancel()
	}
}

// cancel cancels the calls that r would answer.
func (r *reply) cancel() {
	r.mu.Lock()
	calls := r.calls
	r.mu.Unlock()
	if !r.batch {
		calls = []jsonrpc.ID{r.id}
	}
	for _, id := range calls {
		r.home.flights.Cancel(id, engine.ErrDisconnected)
	}
}

// serves notes a call of a batch.
func (r *reply) serves(id jsonrpc.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, id)
}

// resume sends the events behind number seq on another stream, which becomes the
// reply's. It reports false when the reply has finished meanwhile; then open has
// not been called.
func (r *reply) resume(open func() transport.Stream, seq uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.finished {
		return false
	}
	if r.stream != nil {
		r.stream.Close() // the client has come back before its leaving was noticed
	}
	r.stream = open()
	if !replay(r.stream, r.log, seq) {
		r.stream.Close()
		r.stream = nil
	}
	return true
}

// replay sends the logged events of one stream behind number seq, preceded by a
// notice when some of them are gone. It reports whether the client is still there.
func replay(to transport.Stream, log *session.Stream, seq uint64) bool {
	events, lost, _ := log.After(seq)
	return replayEvents(to, events, lost)
}

func replayEvents(to transport.Stream, events []session.Event, lost uint64) bool {
	if lost > 0 {
		notice := jsonrpc.AppendNotification(nil, mcp.NotificationMessage,
			Raw(`{"level":"warning","logger":"holdfast","data":"events of this stream were lost because they were not fetched in time"}`))
		if to.Send(transport.Event{Data: notice}) != nil {
			return false
		}
	}
	for _, e := range events {
		if e.Data == nil {
			continue // it only carried its id
		}
		if to.Send(transport.Event{ID: e.ID, Data: e.Data}) != nil {
			return false
		}
	}
	return true
}
