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

// request is one outgoing request as the links see it.
type request struct {
	method string
	params Raw // as the caller gave them
	opts   CallOptions
	listen bool // all notifications of its stream belong to it
}

// wantsProgress reports whether the caller asked for progress.
func (r *request) wantsProgress() bool {
	meta, _ := jsonrpc.Get(r.params, "_meta")
	_, token := jsonrpc.Get(meta, mcp.MetaProgressToken)
	return token || r.opts.Progress
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
	waiting backlog
	outcome *outcome      // nil until the end
	wake    chan struct{} // made by who waits
	// large is the result that the exchange found to be one; abandoned says that
	// nobody waits for it any more.
	large     *LargeResult
	abandoned bool
	apart     chan outcome // see elsewhere
	taken     bool         // the response belongs to large; for the exchange's goroutine
	noRoom    error        // why there is no room for the response; likewise
	entries   []Raw        // that were taken out of the result; for who has the outcome
}

func (k *core) newFlight(id jsonrpc.ID, r *request) *flight {
	f := &flight{id: id, req: r, waiting: backlog{all: &k.backlogs}}
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
	f.waiting.push(note{method, params})
	f.signal()
	f.mu.Unlock()
}

// missed ends the delivery of notifications and returns how many were dropped.
func (f *flight) missed() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting.close()
	return f.waiting.dropped
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

// elsewhere returns where the answer comes that is not given on f's own stream. It
// holds one.
func (f *flight) elsewhere() chan outcome {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.apart == nil {
		f.apart = make(chan outcome, 1)
	}
	return f.apart
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
		switch n, ok, out := f.next(); {
		case ok:
			f.handle(n)
			if ctx.Err() == nil || out != nil {
				continue
			}
		case out != nil:
			return out.result, out.err
		default:
			select {
			case <-wake:
				continue
			case <-ctx.Done():
			}
		}
		return nil, context.Cause(ctx)
	}
}

// next takes the oldest notification that waits, and returns the outcome if it is
// there.
func (f *flight) next() (note, bool, *outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, ok := f.waiting.pop()
	return n, ok, f.outcome
}

func (f *flight) handle(n note) { f.req.opts.OnNotify(n.method, f.restoreToken(n)) }

// deliver runs the call's handler for what has been pushed.
func (f *flight) deliver() {
	for n, ok, _ := f.next(); ok; n, ok, _ = f.next() {
		f.handle(n)
	}
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
