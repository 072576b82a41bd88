// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// firstWord bounds the wait for what the opener of a stream wants.
const firstWord = 10 * time.Second

// accept serves a stream that another node has opened.
func (x *Exchange) accept(ctx context.Context, s nodes.Stream) {
	w := newWire(s, x.cfg.MaxBytes)
	x.mu.Lock()
	closed := x.closed
	if !closed {
		x.wg.Add(1) // under the lock, so that Close waits for it
	}
	x.mu.Unlock()
	if closed {
		w.refuse(ctx, errClosed.Error(), true)
		return
	}
	defer x.wg.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(x.ctx, func() { cancel(errClosed) })()

	e, err := w.first(ctx)
	if err != nil {
		x.cfg.Log.Debug("stream of another node not understood", "node", s.Node(), "error", err)
		w.refuse(ctx, err.Error(), true)
		return
	}
	b := x.backend(e.Server)
	if e.Kind == kindCall && e.Bound {
		b = x.asker(e.Server)
	}
	switch {
	case b == nil:
		w.refuse(ctx, fmt.Sprintf("node %q does not serve %q", x.self, e.Server), true)
	case e.Kind == kindQuery:
		lives := b.table.where(e.Key).node
		if !x.alive(lives) {
			lives = ""
		}
		said := b.table.asked(e.Key, s.Node(), lives)
		if x.leaving() {
			said.Holds, said.Will = false, false
		}
		_ = w.send(ctx, said) // who asked has gone
	case e.Kind == kindCall && x.leaving() && !e.Bound:
		w.refuse(ctx, errClosed.Error(), true)
	case e.Kind == kindCall:
		if !x.serving.Enter() {
			w.refuse(ctx, fmt.Sprintf("node %q has too many calls of other nodes in flight", x.self), false)
			return
		}
		defer x.serving.Leave()
		b.serve(ctx, cancel, w, e)
	default:
		w.refuse(ctx, "neither a call nor a query", true)
	}
}

func (w *wire) first(ctx context.Context) (*envelope, error) {
	ctx, cancel := context.WithTimeout(ctx, firstWord)
	defer cancel()
	return w.receive(ctx)
}

// refuse says that a call was not begun; elsewhere, that another node may take it.
func (w *wire) refuse(ctx context.Context, reason string, elsewhere bool) {
	_ = w.send(ctx, &envelope{Kind: kindRefuse, Reason: reason, Closing: elsewhere}) // who asked has gone
}

// serve answers one call of another node.
func (b *Backend) serve(ctx context.Context, cancel context.CancelCauseFunc, w *wire, e *envelope) {
	call, err := e.decodeCall()
	if err != nil {
		w.refuse(ctx, err.Error(), true)
		return
	}
	if e.Bound {
		if e.Again && !b.inner.Waits(call) {
			w.refuse(ctx, errAskerGone.Error(), true)
			return
		}
		serveCall(ctx, cancel, w, call, b.handle, millis(e.Call.Millis))
		return
	}
	whose := b.inner.Whose(call)
	if whose == "" || keyOf(b.name, whose) != e.Key {
		w.refuse(ctx, fmt.Sprintf("node %q has another configuration of server %q", b.x.self, b.name), true)
		return
	}
	not := map[string]bool{}
	for _, node := range e.Not {
		not[node] = true
	}
	node, h, lost, err := b.place(ctx, search{key: e.Key, whose: whose, not: not, asker: w.stream.Node(), ask: e.Ask})
	switch {
	case err != nil:
		w.refuse(ctx, err.Error(), errors.Is(err, errNotReady) || errors.Is(err, errClosed))
		return
	case h == nil:
		_ = w.send(ctx, &envelope{Kind: kindMoved, To: node}) // who asked has gone
		return
	}
	here := func(ctx context.Context, call *rpc.Call) (rpc.Result, error) { return b.here(ctx, h, lost, call) }
	serveCall(ctx, cancel, w, call, here, millis(e.Call.Millis))
}

// serveCall makes a call for another node and sends what comes of it, while it
// reads what that node sends.
func serveCall(ctx context.Context, cancel context.CancelCauseFunc, w *wire, call *rpc.Call, handle rpc.HandlerFunc, left time.Duration) {
	s := &served{life: ctx, wire: w, run: make(chan struct{}), asks: map[uint64]chan *envelope{}}
	call.Client = s
	var reader sync.WaitGroup
	reader.Go(func() { s.read(ctx, cancel) })
	defer reader.Wait()
	defer cancel(nil)
	s.answer(ctx, handle, call, left)
}

// served is a call of another node, seen from its home: it is the way back to
// the client. One goroutine reads; serve waits for it.
type served struct {
	rpc.Finish
	life context.Context // ends with the stream
	wire *wire
	over atomic.Bool   // it has been answered
	run  chan struct{} // closed when the task is to be followed

	mu      sync.Mutex
	running bool // run is closed
	last    uint64
	asks    map[uint64]chan *envelope
}

var (
	_ rpc.Client   = (*served)(nil)
	_ rpc.Detacher = (*served)(nil)
)

// answer makes the call and sends what comes of it, at last also of its task.
func (s *served) answer(ctx context.Context, handle rpc.HandlerFunc, call *rpc.Call, left time.Duration) {
	defer s.Finished()
	res, err := func() (rpc.Result, error) {
		if left > 0 {
			bounded, stop := context.WithTimeout(ctx, left)
			defer stop()
			return handle(bounded, call)
		}
		return handle(ctx, call)
	}()
	s.reply(ctx, res, err)
	if err != nil || res.Deferred == nil {
		return
	}
	begin := time.NewTimer(startGrace)
	defer begin.Stop()
	select {
	case <-s.run:
		s.over.Store(false)
		res, err = res.Deferred.Run(ctx, s)
		s.reply(ctx, res, err)
	case <-begin.C:
	case <-ctx.Done():
	}
}

func (s *served) reply(ctx context.Context, res rpc.Result, err error) {
	s.over.Store(true)
	if err := s.wire.send(ctx, encodeResult(res, err)); errors.Is(err, nodes.ErrTooLarge) {
		too := jsonrpc.Errorf(jsonrpc.CodeInternal, "the result is over the limit for results from another node: %w", err)
		_ = s.wire.send(ctx, &envelope{Kind: kindError, Error: encodeError(too)}) // who asked has gone
	}
}

// read takes what the caller's node sends; its end is the call's.
func (s *served) read(ctx context.Context, cancel context.CancelCauseFunc) {
	for {
		e, err := s.wire.receive(ctx)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = context.Canceled
			}
			cancel(err)
			return
		}
		s.mu.Lock()
		switch e.Kind {
		case kindRun:
			if !s.running {
				s.running = true
				close(s.run)
			}
		case kindAnswer:
			if to := s.asks[e.N]; to != nil {
				delete(s.asks, e.N)
				to <- e // has room for the one answer
			}
		}
		s.mu.Unlock()
	}
}

// Notify is [rpc.Client]'s.
func (s *served) Notify(ctx context.Context, method string, params Raw) error {
	if s.over.Load() {
		return nil
	}
	return s.wire.send(ctx, &envelope{Kind: kindNotify, Method: method, Params: params})
}

// Detach is [rpc.Detacher]'s.
func (s *served) Detach(retry time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), unaskTimeout)
	defer cancel()
	_ = s.wire.send(ctx, &envelope{Kind: kindDetach, Millis: retry.Milliseconds()}) // the stream ends with the call anyway
}

// unaskTimeout bounds the sending of what matters little.
const unaskTimeout = time.Second

// Ask is [rpc.Client]'s.
func (s *served) Ask(ctx context.Context, requests map[string]rpc.InputRequest) (map[string]Raw, error) {
	answer := make(chan *envelope, 1)
	s.mu.Lock()
	s.last++
	n := s.last
	s.asks[n] = answer
	s.mu.Unlock()
	if err := s.wire.send(ctx, &envelope{Kind: kindAsk, N: n, Requests: requests}); err != nil {
		s.forget(n)
		return nil, err
	}
	select {
	case e := <-answer:
		if e.Error != nil {
			return nil, e.Error.error()
		}
		return e.Answers, nil
	case <-s.life.Done():
		s.forget(n)
		return nil, context.Cause(s.life)
	case <-ctx.Done():
		s.forget(n)
		quick, cancel := context.WithTimeout(context.WithoutCancel(ctx), unaskTimeout)
		defer cancel()
		_ = s.wire.send(quick, &envelope{Kind: kindUnask, N: n}) // the end of the call voids it too
		return nil, context.Cause(ctx)
	}
}

func (s *served) forget(n uint64) {
	s.mu.Lock()
	delete(s.asks, n)
	s.mu.Unlock()
}
