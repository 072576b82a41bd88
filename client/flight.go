// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"slices"
	"sync"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// maxNotes bounds the notifications that wait for a call's handler; when it is
// slower than the server, the oldest are dropped.
const maxNotes = 1024

// request is one outgoing request as the links see it.
type request struct {
	method string
	params Raw // as the caller gave them
	opts   CallOptions
	listen bool // all notifications of its stream belong to it
}

type note struct {
	method string
	params Raw
}

type outcome struct {
	result Raw
	err    error
}

// flight is one request on its way. Producers push notifications and end it
// once; its caller waits and runs the handlers on its own goroutine.
type flight struct {
	id     jsonrpc.ID
	req    *request
	meta   Raw  // the caller's _meta, nil when it gave none
	token  Raw  // the caller's progress token, nil when it gave none
	quiet  bool // modern, and asks for no log messages: the server must send none for it
	inline bool // the caller's goroutine reads the flight's stream, and delivers between messages

	number uint64        // grows from flight to flight; guarded by the table's mu
	landed chan struct{} // closed when it has left the table, nil while nobody asks; guarded by the table's mu

	mu      sync.Mutex
	notes   []note
	dropped int
	outcome *outcome      // nil until the end
	wake    chan struct{} // made by who waits
	// large is the result that the exchange found to be one; abandoned says that
	// nobody waits for it any more.
	large     *LargeResult
	abandoned bool
	taken     bool // the response belongs to large; for the exchange's goroutine
}

func newFlight(id jsonrpc.ID, r *request) *flight {
	f := &flight{id: id, req: r}
	f.meta, _ = jsonrpc.Get(r.params, "_meta")
	f.token, _ = jsonrpc.Get(f.meta, mcp.MetaProgressToken)
	return f
}

// owner is on whose behalf f is made.
func (f *flight) owner() owner {
	if name := f.req.opts.Owner; name != "" {
		return owner{name: name}
	}
	return owner{id: f.id}
}

// asks reports whether f answers questions of the server.
func (f *flight) asks() bool { return f.req.opts.OnAsk != nil && !f.req.listen }

// logs reports whether the server may log about f.
func (f *flight) logs() bool { return !f.req.listen && !f.quiet }

// tracked reports whether progress was asked for.
func (f *flight) tracked() bool { return f.token != nil || f.req.opts.Progress }

// push hands a notification to the call. It does not block.
func (f *flight) push(method string, params Raw) {
	f.mu.Lock()
	if len(f.notes) >= maxNotes {
		f.notes = f.notes[1:]
		f.dropped++
	}
	f.notes = append(f.notes, note{method, params})
	f.signal()
	f.mu.Unlock()
}

// end gives the outcome; only the first one counts.
func (f *flight) end(result Raw, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.outcome == nil {
		f.outcome = &outcome{result, err}
		f.signal()
	}
}

// signal wakes who waits; f.mu is held.
func (f *flight) signal() {
	select {
	case f.wake <- struct{}{}:
	default: // nobody waits, or is awake already
	}
}

// wait runs the call's handlers until the outcome is there or ctx ends.
// Everything pushed before the end is delivered before wait returns.
func (f *flight) wait(ctx context.Context) (Raw, error) {
	wake := make(chan struct{}, 1)
	f.mu.Lock()
	f.wake = wake
	f.mu.Unlock()
	for {
		if out := f.deliver(); out != nil {
			return out.result, out.err
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// deliver runs the call's handler for what has been pushed, and returns the
// outcome if it was there by then.
func (f *flight) deliver() *outcome {
	f.mu.Lock()
	notes, out := f.notes, f.outcome
	f.notes = nil
	f.mu.Unlock()
	for _, n := range notes {
		f.req.opts.OnNotify(n.method, f.restoreToken(n))
	}
	return out
}

// restoreToken gives progress the token its caller chose; ours went over the
// wire in its place.
func (f *flight) restoreToken(n note) Raw {
	if f.token == nil || n.method != mcp.NotificationProgress {
		return n.params
	}
	return jsonrpc.Set(n.params, mcp.MetaProgressToken, f.token)
}

// wireParams returns the params as they go over the wire: as given, but with the
// request's id as progress token, which is unique among the requests in flight
// whatever token the caller chose.
func (f *flight) wireParams() Raw {
	if !f.tracked() {
		return f.req.params
	}
	return jsonrpc.Set(f.req.params, "_meta", jsonrpc.Set(f.meta, mcp.MetaProgressToken, f.id.Raw()))
}

// hears reports whether a notification on the flight's own stream is for it
// rather than for the client at large.
func (f *flight) hears(method string) bool {
	takes := f.req.opts.takes
	if f.req.opts.OnNotify == nil || takes != nil && !slices.Contains(takes, method) {
		return false
	}
	return f.req.listen || method == mcp.NotificationProgress || method == mcp.NotificationMessage ||
		method == mcp.NotificationElicitationComplete
}
