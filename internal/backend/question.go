// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// What a server says to a client, be it a question, a log message or progress,
// reaches only the session it is meant for, or the modern call. Most of it names
// its call, or comes on the call's own stream. The rest is attributed by package
// client, which knows what a server may be working on: see [client.CallOptions].

// owner is on whose behalf a call is made: its session, or, for clients that have
// none, the call alone. Lists are asked for on nobody's behalf.
func (r *Remote) owner(call *rpc.Call) string {
	switch {
	case isCatalog(call.Method):
		return ""
	case call.Peer.Session != "":
		return call.Peer.Session
	}
	return "\x00" + strconv.FormatUint(r.turns.Add(1), 36) // no session's id begins so
}

// ask puts a server's question to the client of a call.
func (r *Remote) ask(ctx context.Context, l *link, call *rpc.Call, method string, params Raw) (Raw, error) {
	params, err := mcp.UpAsk(l.features(), method, params)
	if err != nil {
		return nil, err
	}
	const question = "request"
	answers, err := call.Client.Ask(ctx, map[string]rpc.InputRequest{question: {Method: method, Params: params}})
	if err != nil {
		return nil, err
	}
	answer, ok := answers[question]
	if !ok {
		return nil, fmt.Errorf("the client did not answer %s", method)
	}
	if l.roots != nil && method == mcp.MethodListRoots {
		l.roots.answered()
	}
	return answer, nil
}

// refuseQuestion answers a question of which it cannot be told whose it is.
func (r *Remote) refuseQuestion(_ context.Context, method string, _ Raw) (Raw, error) {
	why := "no call is in flight that it could belong to"
	if r.cfg.Sharing != PerSession && r.cfg.Sharing != PerCall {
		why = fmt.Sprintf("it does not say which call it belongs to, and calls of several clients meet in this instance, or have ended "+
			"without an answer; sharing: session for server %q gives each client an instance of its own", r.cfg.Name)
	}
	r.refused.Log(r.cfg.Log, slog.LevelWarn, "question refused", "server", r.cfg.Name, "method", method, "why", why)
	return nil, jsonrpc.Errorf(jsonrpc.CodeInternal, "%s is refused: %s", method, why)
}
