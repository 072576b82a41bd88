// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"sync"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// Flights is the table of calls in flight of one sender, bounded. It is safe
// for concurrent use.
type Flights struct {
	max int

	mu      sync.Mutex
	closed  bool
	cancels map[jsonrpc.ID]context.CancelCauseFunc
	ended   chan struct{} // closed at the next End when somebody waits; nil otherwise
	wg      sync.WaitGroup
}

// NewFlights returns a table of at most max calls.
func NewFlights(max int) *Flights {
	return &Flights{max: max, cancels: map[jsonrpc.ID]context.CancelCauseFunc{}}
}

// Begin enters a call and returns its context. The error, a wire error, says
// that the id is in use, that there are too many calls, or that the table is
// closed. Every successful Begin needs an End.
func (f *Flights) Begin(ctx context.Context, id jsonrpc.ID) (context.Context, *jsonrpc.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch _, taken := f.cancels[id]; {
	case f.closed:
		return nil, jsonrpc.NewError(jsonrpc.CodeInternal, "the connection is closing")
	case taken:
		return nil, jsonrpc.Errorf(jsonrpc.CodeInvalidRequest, "id %s belongs to a request in flight", display.Short(id.String()))
	case len(f.cancels) >= f.max:
		return nil, jsonrpc.Errorf(jsonrpc.CodeInternal, "more than %d requests in flight", f.max)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	f.cancels[id] = cancel
	f.wg.Add(1)
	return ctx, nil
}

// End removes a call and releases its context.
func (f *Flights) End(id jsonrpc.ID) {
	f.mu.Lock()
	cancel := f.cancels[id]
	delete(f.cancels, id)
	if f.ended != nil {
		close(f.ended)
		f.ended = nil
	}
	f.mu.Unlock()
	cancel(context.Canceled)
	f.wg.Done()
}

// Cancel cancels the call with the given id, if it is in flight, and reports
// whether it was.
func (f *Flights) Cancel(id jsonrpc.ID, cause error) bool {
	f.mu.Lock()
	cancel, ok := f.cancels[id]
	f.mu.Unlock()
	if ok {
		cancel(cause)
	}
	return ok
}

// Wait waits until no call is in flight or ctx ends. Calls that begin meanwhile
// are waited for too.
func (f *Flights) Wait(ctx context.Context) {
	for {
		f.mu.Lock()
		idle := len(f.cancels) == 0
		if !idle && f.ended == nil {
			f.ended = make(chan struct{})
		}
		ended := f.ended
		f.mu.Unlock()
		if idle {
			return
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return
		}
	}
}

// Stop refuses new calls and cancels those in flight, without waiting for them.
func (f *Flights) Stop(cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for _, cancel := range f.cancels {
		cancel(cause)
	}
}

// Close refuses new calls, cancels those in flight and waits for them.
func (f *Flights) Close(cause error) {
	f.Stop(cause)
	f.wg.Wait()
}
