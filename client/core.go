// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/go-json-experiment/json"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// link is one server in one era over one transport.
type link interface {
	features() *mcp.Features
	hello() *hello
	// call sends r and waits for its result, running its handlers meanwhile.
	call(ctx context.Context, r *request) (Raw, error)
	notify(ctx context.Context, method string, params Raw) error
	// listen makes f what the client hears of, in place of what it was, and waits
	// for the server's consent.
	listen(ctx context.Context, f Filter) error
	// shutdown tells the server that the client leaves. The group has ended.
	shutdown(ctx context.Context) error
}

// hello is how a server introduced itself.
type hello struct {
	raw          Raw // the result of server/discover or initialize
	version      mcp.Version
	capabilities mcp.ServerCapabilities
	info         mcp.Implementation
	instructions string
}

// core is what the links of one Client share.
type core struct {
	cfg     *config
	log     *slog.Logger
	group   *group
	inbox   *inbox
	flights flights
	asking  questions
	// backlogs is how many bytes of notifications wait at all handlers.
	backlogs atomic.Int64
	lastID   atomic.Int64
	level    atomic.Value // mcp.LogLevel, for modern requests

	caps, info Raw // as declared
	limits     jsonrpc.Limits
	own        Faults // where the clients of the server share none
	listed     listed
	lastRest   atomic.Int64 // length of what [core.rest] read last
}

// newCore starts the goroutine that runs the client's handlers.
func newCore(ctx context.Context, cfg *config) (*core, error) {
	k := &core{cfg: cfg, log: cfg.logger, group: newGroup(ctx)}
	k.limits = jsonrpc.Limits{Bytes: cfg.maxMessage, Depth: 512, Batch: 1000}
	k.level.Store(cfg.logLevel)
	var err error
	if k.caps = cfg.rawCaps; k.caps == nil {
		if k.caps, err = json.Marshal(cfg.capabilities); err != nil {
			return nil, fmt.Errorf("encode the client's capabilities: %w", err)
		}
	}
	if k.info, err = json.Marshal(cfg.info); err != nil {
		return nil, fmt.Errorf("encode the client's info: %w", err)
	}
	k.inbox = newInbox(k.log, cfg.handlers.notification, &k.backlogs)
	k.group.start(k.inbox.run)
	return k, nil
}

func (k *core) nextID() jsonrpc.ID { return jsonrpc.IntID(k.lastID.Add(1)) }

// fly runs exchange for f: on the caller's goroutine, unless that is needed to
// run the call's handlers, because progress may come on other streams than f's.
func (k *core) fly(ctx context.Context, f *flight, exchange func(ctx context.Context) (Raw, error)) (Raw, error) {
	if f.req.opts.OnNotify == nil || !f.tracked() {
		return k.flyAlone(ctx, f, exchange)
	}
	if !k.group.start(func(context.Context) { f.end(exchange(ctx)) }) {
		return nil, ErrClosed
	}
	return f.land(f.wait(ctx))
}

// flyAlone runs exchange for f, whose notifications come on its own stream only,
// on the caller's goroutine.
func (k *core) flyAlone(ctx context.Context, f *flight, exchange func(ctx context.Context) (Raw, error)) (Raw, error) {
	f.inline = f.req.opts.OnNotify != nil
	result, err := exchange(ctx)
	if f.inline {
		f.deliver()
	}
	return f.land(result, err)
}

// accept sorts a message from f's own stream that is not a request. It reports
// true when it was f's response.
func (k *core) accept(f *flight, m *jsonrpc.Message) (Raw, error, bool) {
	switch m.Kind() {
	case jsonrpc.Notification:
		k.notification(f, m)
		if f.inline {
			f.deliver()
		}
	case jsonrpc.Response:
		if m.ID != f.id && !(m.Error != nil && m.ID.IsZero()) {
			k.log.Debug("response to no request of this stream dropped", "id", m.ID.String())
			break
		}
		k.flights.follow(f, m)
		if m.Error != nil {
			return nil, errorOf(m), true
		}
		return f.resultOf(m), nil, true
	}
	return nil, nil, false
}

// notification routes a notification that came on f's stream, or, with f nil,
// outside of all.
func (k *core) notification(f *flight, m *jsonrpc.Message) {
	if m.Method == mcp.NotificationCancelled {
		k.asking.cancelled(m.Params)
		return
	}
	if m.Method == mcp.NotificationProgress {
		if owner, known := k.progressOwner(m.Params); known {
			f = owner
		}
		if f != nil && f.hears(m.Method) {
			f.push(m.Method, m.Params)
			return
		}
		k.log.Debug("progress for no call in flight dropped")
		return
	}
	if f != nil && f.hears(m.Method) {
		f.push(m.Method, m.Params)
		return
	}
	k.inbox.put(m.Method, m.Params)
}

// progressOwner returns the request whose progress this is, nil for none in
// flight. Every token is the id of a request. It is known when the params name
// one at all, in whatever JSON type.
func (k *core) progressOwner(params Raw) (f *flight, known bool) {
	token, ok := jsonrpc.Get(params, mcp.MetaProgressToken)
	if !ok {
		return nil, false
	}
	n, ok := jsonrpc.Integer(token)
	if !ok {
		return nil, false
	}
	return k.flights.get(jsonrpc.IntID(n)), true
}

// landed ends a flight that its caller has left.
func (k *core) landed(f *flight) {
	k.flights.remove(f)
	if n := f.missed(); n > 0 {
		k.log.Warn("notifications dropped: they are too large, or the server sends more than the call's handler takes",
			"method", f.req.method, "dropped", n)
	}
}

// abandon gives up a request that the server has not answered.
func (k *core) abandon(f *flight) {
	if k.flights.abandon(f) {
		k.log.Warn("the server leaves too many requests unanswered: from now on its questions are refused, unless they name their call",
			"bound", maxUnanswered)
	}
}

// peerCode returns the code of the error a server sent, or 0.
func peerCode(err error) int64 {
	if e, ok := jsonrpc.AsError(err); ok && e.FromPeer() {
		return e.Code
	}
	return 0
}

// fromPeer reports whether err is, or wraps, an error that a server sent.
func fromPeer(err error) bool {
	e, ok := jsonrpc.AsError(err)
	return ok && e.FromPeer()
}

// httpStatus returns the status of the HTTP answer in err's chain, or 0.
func httpStatus(err error) int {
	if e, ok := errors.AsType[*HTTPError](err); ok {
		return e.Status
	}
	return 0
}
