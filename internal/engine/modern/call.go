// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package modern

import (
	"bytes"
	"context"
	"sync"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/quota"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// call is a call in flight and the [rpc.Client] of its handler. Its goroutine is
// started by begin, is stopped by cancel, and is waited for at the Protocol's gate.
type call struct {
	rpc.Call
	rpc.Finish
	p      *Protocol
	method *method
	cancel context.CancelCauseFunc
	place  *quota.Client   // whose place it takes, nil once it has been given back; of run's goroutine
	hold   *transport.Hold // of the message it came with

	mu     sync.Mutex
	leg    leg       // nil while parked, after the answer, and without a client
	lost   leg       // the leg whose client has gone, to be released at the end
	peer   *rpc.Peer // of the latest leg
	round  int       // of input
	parked *parked   // nil until the handler asks
	ended  bool      // the handler has returned
	gone   bool      // nobody can take the answer any more
}

var _ rpc.Client = (*call)(nil)

// run runs the handler to its end.
func (c *call) run(ctx context.Context) {
	defer c.p.calls.Leave()
	defer c.hold.Release()
	defer c.leave()
	res, wire := c.invoke(ctx)
	if wire == nil && res.Deferred != nil {
		res, wire = c.p.startTask(ctx, c, res.Deferred)
	}
	c.finish(outcome{res, wire})
}

// leave gives the call's place back; idempotent. It comes before the answer is
// written, which may take as long as its client likes.
func (c *call) leave() {
	if c.place != nil {
		c.p.cfg.Shares.LeaveCall(*c.place)
		c.place = nil
	}
}

// invoke answers the call: by the engine itself where the method is its own,
// else by the handler.
func (c *call) invoke(ctx context.Context) (rpc.Result, *jsonrpc.Error) {
	h := c.p.cfg.Handler
	if c.Method == mcp.MethodDiscover {
		return c.p.discover(ctx, &c.Call)
	}
	if own := c.p.taskMethod(c.Method); own != nil {
		h = own
	}
	return engine.Invoke(ctx, c.p.cfg.Log, h, &c.Call)
}

// outcome is what a handler returned.
type outcome struct {
	res  rpc.Result
	wire *jsonrpc.Error
}

// finish answers the call. The outcome of a parked call waits for the retry.
func (c *call) finish(o outcome) {
	defer c.Finished()
	c.mu.Lock()
	c.ended = true
	l, lost := c.leg, c.lost
	c.leg, c.lost = nil, nil
	if l == nil && lost == nil && c.parked != nil && !c.gone {
		kept := o
		if o.res.Large != nil || !c.p.lot.keep(c.parked, len(o.res.Body)) {
			kept = outcome{wire: errUnkept}
		}
		c.parked.outcome = &kept
		c.mu.Unlock()
		c.cancel(nil)
		o.drop()
		return
	}
	peer, round := c.peer, c.round
	c.mu.Unlock()
	if c.parked != nil {
		c.p.lot.leave(c)
	}
	c.cancel(nil)
	c.leave()
	if lost != nil {
		lost.release()
	}
	if l == nil {
		o.drop()
		return
	}
	c.p.answer(l, c.method, peer, round, o)
}

// drop gives up an outcome that nobody takes.
func (o *outcome) drop() {
	if o.res.Large != nil {
		_ = o.res.Large.Close() // never fails
	}
}

// abandon cancels the call, because the client of l has gone, unless another
// leg has the call by now.
func (c *call) abandon(l leg, cause error) {
	c.mu.Lock()
	if c.leg != l {
		c.mu.Unlock()
		return
	}
	c.leg, c.lost, c.gone = nil, l, true
	c.mu.Unlock()
	c.cancel(cause)
}

// Notify implements [rpc.Client]. Only progress and log messages that the
// request asked for belong on a call's stream; everything else is dropped. While
// the call is parked there is nobody to notify.
//
// spec 2026-07-28 basic/utilities/progress, server/utilities/logging.
func (c *call) Notify(_ context.Context, method string, params Raw) error {
	c.mu.Lock()
	l, gone := c.leg, c.gone
	c.mu.Unlock()
	if l == nil {
		if gone {
			return engine.ErrDisconnected
		}
		return nil
	}
	req := l.from()
	switch method {
	case mcp.NotificationProgress:
		if req.progress == nil {
			return nil
		}
		if token, _ := jsonrpc.Get(params, mcp.MetaProgressToken); !bytes.Equal(token, req.progress) {
			params = jsonrpc.Set(params, mcp.MetaProgressToken, req.progress)
		}
	case mcp.NotificationMessage:
		raw, _ := jsonrpc.Get(params, "level")
		if level, _ := jsonrpc.Unquote(raw); !req.level.Allows(mcp.LogLevel(level)) {
			return nil
		}
	default:
		return nil
	}
	buf := getBuffer()
	defer putBuffer(buf)
	*buf = oneLine(jsonrpc.AppendNotification((*buf)[:0], method, params))
	return l.send(*buf)
}
