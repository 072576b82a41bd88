// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// poster is a Conn whose messages travel independently of each other, so that
// one that takes long must not hold up the rest.
type poster interface {
	Post(ctx context.Context, message []byte) error
}

// mux carries the requests of both eras over one message stream. It has a
// goroutine that reads and, unless the Conn is a poster, one that writes; they
// end when the Conn is closed.
type mux struct {
	*core
	conn   transport.Conn
	poster poster // nil for an ordinary stream
	out    *outbox

	closing sync.Once
	dead    chan struct{} // closed after the connection has failed
	ended   error         // why; to be read after dead

	// request handles requests of the server; it is set once its era is known.
	request atomic.Pointer[func(jsonrpc.Message)]
}

func newMux(k *core, conn transport.Conn) (*mux, error) {
	m := &mux{core: k, conn: conn, out: newOutbox(), dead: make(chan struct{})}
	m.poster, _ = conn.(poster)
	if !k.group.start(m.read) || m.poster == nil && !k.group.start(m.write) {
		conn.Close()
		return nil, ErrClosed
	}
	return m, nil
}

// fail ends the connection and everything in flight on it.
func (m *mux) fail(err error) {
	m.closing.Do(func() {
		m.ended = err
		close(m.dead)
		m.flights.fail(err)
		m.conn.Close()
	})
}

// gone is closed when the connection has ended.
func (m *mux) gone() <-chan struct{} { return m.dead }

func (m *mux) write(context.Context) {
	for {
		select {
		case <-m.out.wake:
		case <-m.dead:
			return
		}
		for message := m.out.take(); message != nil; message = m.out.take() {
			if err := m.conn.Write(message); err != nil {
				m.fail(fmt.Errorf("%w: write: %w", ErrConnClosed, err))
				return
			}
		}
	}
}

// send hands a message over; with a poster it returns when it has been taken.
func (m *mux) send(ctx context.Context, message []byte) error {
	if m.poster != nil {
		return m.poster.Post(ctx, message)
	}
	select {
	case <-m.dead:
		return m.ended
	default:
	}
	alive, err := m.out.put(ctx, m.dead, message)
	if !alive {
		return m.ended
	}
	return err
}

// trySend is send for what nobody waits for.
func (m *mux) trySend(ctx context.Context, message []byte) {
	if err := m.send(ctx, message); err != nil {
		m.log.Debug("message not delivered", "error", err)
	}
}

// roundTrip sends f's request and waits for its response. When ctx ends first,
// the server is told.
func (m *mux) roundTrip(ctx context.Context, f *flight, params Raw) (Raw, error) {
	if err := m.flights.add(f); err != nil {
		return nil, err
	}
	defer m.landed(f)
	message := jsonrpc.AppendRequest(nil, f.id, f.req.method, params)
	if err := m.dispatch(ctx, f, message); err != nil {
		return nil, err
	}
	result, err := f.wait(ctx)
	if err == nil {
		if size := len(result) + f.entriesSize(); size > m.cfg.largeOver {
			err = f.reserve(ctx, size)
		}
	}
	if err != nil && !answered(err) {
		m.abandon(f)
	}
	if err != nil && ctx.Err() != nil && f.req.method != mcp.MethodInitialize {
		m.sendCancelled(f.id, context.Cause(ctx))
		if f.req.listen { // who asked waits for the server to be through with it: see listener.alter
			last, cancel := context.WithTimeout(m.group.ctx, lastWord)
			_, _ = f.wait(last)
			cancel()
		}
	}
	return result, err
}

// lastWord is how long a cancelled listen request may take to be answered, as
// some servers do: as long, nothing is heard of.
const lastWord = 100 * time.Millisecond

func (m *mux) dispatch(ctx context.Context, f *flight, message []byte) error {
	if m.poster == nil {
		return m.send(ctx, message)
	}
	started := m.group.start(func(context.Context) {
		if err := m.poster.Post(ctx, message); err != nil {
			f.end(nil, err)
		}
	})
	if !started {
		return ErrClosed
	}
	return nil
}

func (m *mux) sendCancelled(id jsonrpc.ID, cause error) {
	message := jsonrpc.AppendNotification(nil, mcp.NotificationCancelled, cancelledParams(id, cause))
	m.group.start(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, farewell)
		defer cancel()
		m.trySend(ctx, message)
	})
}

// read takes messages until the connection ends.
func (m *mux) read(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { m.fail(context.Cause(ctx)) })
	defer stop()
	for {
		data, err := m.conn.Read()
		switch {
		case errors.Is(err, transport.ErrTooLarge):
			m.tooLarge(transport.TooLargeID(err))
			continue
		case errors.Is(err, io.EOF):
			m.fail(ErrConnClosed)
			return
		case err != nil:
			m.fail(fmt.Errorf("%w: read: %w", ErrConnClosed, err))
			return
		}
		if len(data) == 0 {
			continue
		}
		messages, err := m.decode(data)
		switch {
		case errors.Is(err, jsonrpc.ErrNoMessage):
			m.stray(data)
		case err != nil:
			m.unreadable(data, err)
		}
		for i := range messages {
			m.take(messages[i])
		}
	}
}

// unreadable decides what a message costs that cannot be read, not even the id of
// the call that it answers: the one call in flight, whose answer it was, or nothing.
func (m *mux) unreadable(data []byte, err error) {
	m.faulty("message of the server dropped", data, "error", err)
	if only := m.flights.only(func(f *flight) bool { return !f.req.listen }); only != nil && !isCall(data) {
		m.flights.remove(only)
		only.end(nil, err)
	}
}

// tooLarge ends the call whose answer is over the size limit.
func (m *mux) tooLarge(id jsonrpc.ID) {
	err := protocolErrorf("a message is over the size limit")
	if n, ok := jsonrpc.Integer(id.Raw()); ok {
		m.faulty("answer of the server is over the size limit", nil, "limit", m.cfg.maxMessage)
		m.response(&jsonrpc.Message{ID: jsonrpc.IntID(n), Error: jsonrpc.Errorf(jsonrpc.CodeInternal, "%w", err)})
		return
	}
	m.unreadable(nil, err)
}

// isCall reports whether what cannot be read was meant as a request or a notification.
func isCall(data []byte) bool {
	_, ok := jsonrpc.Get(data, "method")
	return ok
}

func (m *mux) take(msg jsonrpc.Message) {
	switch msg.Kind() {
	case jsonrpc.Response:
		m.response(&msg)
	case jsonrpc.Notification:
		m.notification(m.owner(&msg), &msg)
	case jsonrpc.Request:
		if handle := m.request.Load(); handle != nil {
			(*handle)(msg)
			return
		}
		m.answer(m.group.ctx, nil, msg, m.trySend)
	}
}

func (m *mux) response(msg *jsonrpc.Message) {
	f := m.flights.take(msg)
	if msg.ID.IsZero() { // an error about a request the server could not read
		f = m.flights.only(func(*flight) bool { return true })
	}
	switch {
	case f == nil:
		m.log.Debug("response to no request in flight dropped", "id", msg.ID.String())
	case msg.Error != nil:
		f.end(nil, errorOf(msg))
	default:
		f.end(f.resultOf(msg), nil)
	}
}

// owner returns the request that a notification belongs to, nil when that is
// not known. A log message names none, nor does the word that a page is done.
func (m *mux) owner(msg *jsonrpc.Message) *flight {
	switch msg.Method {
	case mcp.NotificationMessage, mcp.NotificationElicitationComplete:
		return m.flights.logged()
	case mcp.NotificationCancelled:
		m.listenCancelled(msg.Params)
		return nil
	}
	return m.listening(msg.Params)
}

// listenCancelled ends a listen request that the server has cancelled.
//
// spec 2026-07-28 basic/utilities/cancellation: on stdio a server ends it so.
func (m *mux) listenCancelled(params Raw) {
	raw, _ := jsonrpc.Get(params, "requestId")
	id, ok := jsonrpc.Integer(raw)
	if !ok {
		return
	}
	if f := m.flights.get(jsonrpc.IntID(id)); f != nil && f.req.listen {
		f.end(nil, ErrStreamBroken)
	}
}

// listening returns the listen request that a notification belongs to.
func (m *mux) listening(params Raw) *flight {
	meta, ok := jsonrpc.Get(params, "_meta")
	if !ok {
		return nil
	}
	raw, _ := jsonrpc.Get(meta, mcp.MetaSubscriptionID)
	id, ok := jsonrpc.Integer(raw)
	if !ok {
		return nil
	}
	if f := m.flights.get(jsonrpc.IntID(id)); f != nil && f.req.listen {
		return f
	}
	return nil
}

func (m *mux) shutdown(context.Context) error { //nolint:unparam // of an interface
	m.fail(ErrClosed)
	return nil
}
