// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/transport"
)

// ErrCancelled is the cause of a context whose call the client cancelled.
var ErrCancelled = errors.New("cancelled by the client")

// ErrDisconnected is the cause of a context whose client has gone.
var ErrDisconnected = errors.New("client disconnected")

// Invoke runs a handler and returns its result or a wire error. A panic costs
// this call an internal error and nothing else. Errors that are not wire errors
// are logged under an opaque reference, which is all the client sees of them.
func Invoke(ctx context.Context, log *slog.Logger, h rpc.Handler, call *rpc.Call) (res rpc.Result, wire *jsonrpc.Error) {
	defer func() {
		if p := recover(); p != nil {
			ref := rpc.Reference()
			log.Error("handler panicked", "ref", ref, "method", call.Method, "target", display.Short(call.Target),
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			res, wire = rpc.Result{}, internalError(ref)
		}
	}()
	res, err := h.Handle(ctx, call)
	if err == nil {
		if res.Body == nil && res.Input == nil && res.Deferred == nil && res.Large == nil {
			res.Body = Raw("{}")
		}
		return res, nil
	}
	return rpc.Result{}, WireError(log, call, err)
}

// WireError translates an error for the client.
func WireError(log *slog.Logger, call *rpc.Call, err error) *jsonrpc.Error {
	if wire, ok := jsonrpc.AsError(err); ok {
		return wire
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return jsonrpc.NewError(jsonrpc.CodeInternal, "the call ran into its deadline")
	case errors.Is(err, context.Canceled), errors.Is(err, ErrCancelled), errors.Is(err, ErrDisconnected), errors.Is(err, transport.ErrClosed):
		return jsonrpc.NewError(jsonrpc.CodeInternal, "the call was cancelled")
	}
	ref := rpc.Reference()
	log.Error("call failed", "ref", ref, "method", call.Method, "target", display.Short(call.Target), "error", err)
	return internalError(ref)
}

// HoldWhile returns deferred work that keeps a call's message until it has run,
// and how to let go of the message when it never will.
func HoldWhile(d *rpc.Deferred, hold *transport.Hold) (held *rpc.Deferred, release func()) {
	if hold == nil {
		return d, func() {}
	}
	hold.Keep()
	release = sync.OnceFunc(hold.Release)
	work := *d
	work.Run = func(ctx context.Context, client rpc.Client) (rpc.Result, error) {
		defer release()
		return d.Run(ctx, client)
	}
	return &work, release
}

func internalError(ref string) *jsonrpc.Error {
	return jsonrpc.Errorf(jsonrpc.CodeInternal, "internal error (reference %s)", ref)
}
