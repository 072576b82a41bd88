// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Handle passes a call on to the server and its result back.
func (r *Remote) Handle(ctx context.Context, call *rpc.Call) (res rpc.Result, err error) {
	if res, ok := r.fromCache(call); ok {
		return res, nil
	}
	call.Wait() // now it is the server's time
	if r.cfg.CallTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.cfg.CallTimeout)
		defer cancel()
	}
	caller := call.Caller()
	if err := r.calls.enter(ctx, caller); err != nil {
		return rpc.Result{}, r.unreachable("busy", err)
	}
	defer func() {
		if res.Large == nil { // else it leaves when it is closed
			r.calls.leave(caller)
		}
	}()
	return r.tryTwice(ctx, call)
}

// tryTwice makes the call, and makes it again where that is safe: when nothing was
// executed, or nothing that does anything, the server is greeted anew; and when
// the process that waits for the call's answers is gone, what may be repeated
// begins again.
func (r *Remote) tryTwice(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	answered, from, err := r.answering(call)
	if err != nil {
		return rpc.Result{}, err
	}
	res, again, err := r.attempt(ctx, answered, from, false)
	switch {
	case errors.Is(err, errAskerGone) && r.Repeatable(call):
		return r.tryTwice(ctx, afresh(call))
	case again:
		res, _, err = r.attempt(ctx, answered, from, true)
	}
	return res, err
}

// Repeatable reports whether a call may be made twice: what only reads, and tools
// that say so.
func (r *Remote) Repeatable(call *rpc.Call) bool {
	switch call.Method {
	case mcp.MethodCallTool:
		return r.cfg.Repeatable != nil && r.cfg.Repeatable(call.Target)
	case mcp.MethodReadResource, mcp.MethodGetPrompt, mcp.MethodComplete:
		return true
	}
	return isCatalog(call.Method)
}

// attempt makes the call on its instance. again says that the server is no
// longer what it was when it was greeted and did not execute the call, or that
// it went away over a question for a list.
func (r *Remote) attempt(ctx context.Context, call *rpc.Call, from *origin, last bool) (res rpc.Result, again bool, err error) {
	l, err := r.connect(ctx, call, from)
	if err != nil {
		return rpc.Result{}, false, r.noInstance(ctx, err)
	}
	defer func() {
		if res.Large == nil {
			r.pool.release(l)
		}
	}()
	if call.Method == mcp.MethodDiscover {
		res, err = l.discover()
		r.lists.put(call, res)
		return res, false, err
	}
	if l.roots != nil {
		defer r.bringRoots(ctx, l, call)()
	}
	began := r.begin()
	res, err = r.exchange(ctx, l, call)
	if err == nil {
		r.received(call, res)
		return r.withOrigin(l, res), false, nil
	}
	if wire, ok := jsonrpc.AsError(err); ok && !wire.FromPeer() {
		return rpc.Result{}, false, err // made here, about the call
	}
	if r.cfg.Processes == nil && suspect(err) && l.isStale(ctx) {
		r.pool.retire(l)
		if !last && (!mayHaveRun(err) || r.Repeatable(call)) {
			return rpc.Result{}, true, nil
		}
	}
	if isCatalog(call.Method) && !last && errors.Is(err, client.ErrConnClosed) && r.pool.lost(l) {
		r.breaker.failure(err, l.death())
		return rpc.Result{}, true, nil
	}
	return rpc.Result{}, false, r.callError(ctx, l, call, began, err)
}

// received takes in a result.
func (r *Remote) received(call *rpc.Call, res rpc.Result) {
	r.breaker.success(isCatalog(call.Method))
	r.lists.put(call, res)
}

// connect returns the call's instance, held until release: the one its answers
// are for, if it brings any.
func (r *Remote) connect(ctx context.Context, call *rpc.Call, from *origin) (*link, error) {
	if from != nil && from.instance != 0 {
		if l := r.pool.acquireAsker(from); l != nil {
			return l, nil
		}
		return nil, errAskerGone
	}
	allow := r.breaker.allowCall
	if isCatalog(call.Method) {
		allow = r.breaker.allow
	}
	if err := allow(); err != nil {
		return nil, err
	}
	if r.era.Load() == 0 && r.cfg.Processes == nil && !isCatalog(call.Method) {
		l, err := r.pool.acquire(ctx, r.commonKey(), nil) // whose session it needs depends on the era
		if err != nil {
			return nil, err
		}
		r.pool.release(l)
	}
	return r.pool.acquire(ctx, r.keyOf(call), call)
}

// noInstance is the error of a call that was not sent.
func (r *Remote) noInstance(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, errAskerGone):
		return r.askerGone()
	case errors.Is(err, errBusy):
		return r.unreachable("busy", err)
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return context.Cause(ctx)
	case ctx.Err() != nil:
		return r.unreachable("timeout", err)
	}
	return r.unreachable("unavailable", err)
}

// callError says whether the server refused or could not be reached, and what
// that means for the calls to come.
func (r *Remote) callError(ctx context.Context, l *link, call *rpc.Call, began beginning, err error) error {
	if wire, ok := jsonrpc.AsError(err); ok && wire.FromPeer() {
		r.breaker.success(isCatalog(call.Method))
		up := mcp.UpError(l.features(), call.Method, wire)
		if wire.Code == mcp.CodeResourceNotFound {
			up = mcp.WithURI(up, call.Target)
		}
		return up
	}
	switch {
	case errors.Is(err, client.ErrConnClosed), errors.Is(err, client.ErrClosed):
		err = r.tell(l.launched.explain(err), true)
		if r.pool.lost(l) { // once for all calls that were in flight
			r.breaker.failure(err, l.death())
		}
		return r.unreachable("lost", &told{err.Error() + "; it may have begun the call", err})
	case errors.Is(err, client.ErrNotOffered):
		return jsonrpc.Errorf(jsonrpc.CodeMethodNotFound, "server %q does not have method %q", r.cfg.Name, call.Method)
	case refusedAlone(err):
		r.breaker.success(isCatalog(call.Method)) // a refused request is a sign of life
		r.cfg.Log.Debug("request refused", "server", r.cfg.Name, "method", call.Method, "error", err)
		text, _ := kindOf(err, true)
		return r.unreachable("failed", &told{text, err})
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		err = &told{"no answer in time", context.Cause(ctx)}
		r.unanswered(l, began, err)
		return r.unreachable("timeout", err)
	case ctx.Err() != nil:
		if took := time.Since(began.at); took > silence {
			r.unanswered(l, began, &told{text: fmt.Sprintf("no answer after %s", took.Round(time.Second))})
		}
		return context.Cause(ctx)
	}
	err = r.tell(err, true)
	switch {
	case errors.Is(err, client.ErrTimeout):
		r.unanswered(l, began, err)
	case outage(err):
		r.breaker.failure(err, failedCall)
	default:
		r.breaker.success(isCatalog(call.Method))
	}
	if garbage(err) {
		return r.unreachable("garbage", err)
	}
	return r.unreachable("failed", err)
}

// unreachable is an error made here about a server, as clients are told it. Its data
// marks it as the gateway's, so that it is not taken for the server's own.
func (r *Remote) unreachable(reason string, err error) error {
	return jsonrpc.Errorf(jsonrpc.CodeInternal, "server %q: %w", r.cfg.Name, r.tell(err, false)).WithData(map[string]any{
		"gateway": map[string]string{"server": r.cfg.Name, "reason": reason},
	})
}
