// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"log/slog"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
)

// logCalls writes a line for each call of an endpoint at level debug. Where that is not
// logged it adds nothing.
func logCalls(h rpc.Handler, endpoint string, log *slog.Logger) rpc.Handler {
	if !log.Enabled(context.Background(), slog.LevelDebug) {
		return h
	}
	return rpc.HandlerFunc(func(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
		began := time.Now()
		res, err := h.Handle(ctx, call)
		attrs := []slog.Attr{slog.String("endpoint", endpoint), slog.String("method", display.Short(call.Method))}
		if call.Target != "" {
			attrs = append(attrs, slog.String("target", display.Short(call.Target)))
		}
		if call.Peer != nil {
			attrs = append(attrs, slog.String("client", display.Short(call.Peer.Client.Name)))
		}
		attrs = append(attrs, slog.Duration("took", time.Since(began)), slog.String("outcome", outcome(&res, err)))
		if err != nil {
			attrs = append(attrs, slog.String("error", display.Short(err.Error())))
		}
		log.LogAttrs(ctx, slog.LevelDebug, "call", attrs...)
		return res, err
	})
}

// outcome is what came of a call, in a word.
func outcome(res *rpc.Result, err error) string {
	switch {
	case err != nil:
		return "failed"
	case res.Input != nil:
		return "asks"
	case res.Deferred != nil:
		return "task"
	}
	return "answered"
}
