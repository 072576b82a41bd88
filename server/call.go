// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// taskConfig says how a tool runs as a task.
type taskConfig struct {
	support   string
	ttl, poll time.Duration
	prepare   func(context.Context, *Request) error
}

// maxRounds bounds how often one run of a task may return [InputRequired].
const maxRounds = 32

// callTool answers tools/call.
func (s *Server) callTool(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	r := s.tools.revision()
	if !r.ever {
		return rpc.Result{}, notOffered(call.Method)
	}
	t, ok := r.byKey[call.Target]
	if !ok || !s.shows(ctx, call, t) {
		return rpc.Result{}, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "unknown tool %s", display.Quote(call.Target))
	}
	if err := t.admitTask(call); err != nil {
		return rpc.Result{}, err
	}
	args := call.Arguments
	if args == nil {
		args = Raw("{}")
	}
	args, err := t.in.accept(args, t.typed)
	if err != nil {
		return toolError("invalid arguments: " + err.Error())
	}
	if t.task != nil && call.AllowTask {
		return t.deferred(ctx, call, args)
	}
	body, err := t.invoke(ctx, newRequest(ctx, call), args)
	return finish(ctx, call, body, err)
}

// admitTask checks the tool's and the client's wishes about tasks.
//
// spec 2025-11-25 basic/utilities/tasks: tool-level negotiation, -32601; tasks
// extension: a tool that needs a task answers -32021 to clients without it.
func (t *tool) admitTask(call *rpc.Call) error {
	switch {
	case t.task == nil && call.Task != nil:
		return jsonrpc.Errorf(jsonrpc.CodeMethodNotFound, "tool %q cannot run as a task", t.Name)
	case t.task == nil || t.task.support != mcp.TaskRequired || call.AllowTask:
		return nil
	case call.Peer != nil && call.Peer.Features != nil && call.Peer.Features.Era == mcp.Legacy:
		return jsonrpc.Errorf(jsonrpc.CodeMethodNotFound, "tool %q runs only as a task", t.Name)
	}
	return mcp.MissingCapability(mcp.ClientCapabilities{
		Extensions: map[string]Raw{mcp.ExtensionTasks: Raw("{}")},
	})
}

// deferred answers with a task that runs the tool.
func (t *tool) deferred(ctx context.Context, call *rpc.Call, args Raw) (rpc.Result, error) {
	if t.task.prepare != nil {
		if err := t.task.prepare(ctx, newRequest(ctx, call)); err != nil {
			return finish(ctx, call, nil, err)
		}
	}
	run := func(ctx context.Context, client rpc.Client) (rpc.Result, error) {
		own := *call // the task outlives the call and has its own way to the client
		own.Client = client
		for range maxRounds {
			body, err := t.invoke(ctx, newRequest(ctx, &own), args)
			res, err := finish(ctx, &own, body, err)
			if err != nil || res.Input == nil {
				return res, err
			}
			answers, err := client.Ask(ctx, res.Input.Requests)
			if err != nil {
				return rpc.Result{}, err
			}
			own.Input = rpc.Input{Responses: answers, State: res.Input.State}
		}
		return rpc.Result{}, fmt.Errorf("tool %q asked for input more than %d times", t.Name, maxRounds)
	}
	return rpc.Result{Deferred: &rpc.Deferred{Run: run, TTL: t.task.ttl, Poll: t.task.poll, Repeatable: mcp.Repeatable(t.json)}}, nil
}

// finish turns what a tool's handler returned into a result.
func finish(ctx context.Context, call *rpc.Call, body Raw, err error) (rpc.Result, error) {
	if err == nil {
		return rpc.Result{Body: body}, nil
	}
	if in, ok := errors.AsType[*InputRequired](err); ok {
		return in.result(call)
	}
	if wire, ok := jsonrpc.AsError(err); ok && !quotes(err, wire) {
		return rpc.Result{}, err
	}
	if _, ok := errors.AsType[*outputError](err); ok || ctx.Err() != nil {
		return rpc.Result{}, err // logged by the engine, or nobody waits for it
	}
	return toolError(err.Error())
}

// quotes reports whether err is a handler's own words about wire, in its chain,
// which another peer told the handler.
func quotes(err error, wire *jsonrpc.Error) bool {
	return wire.FromPeer() && err.Error() != wire.Error()
}

// ownWords returns the error of a handler that is not a tool's. Where it quotes
// another peer, the client reads all of it, not what the peer said alone.
func ownWords(err error) error {
	wire, ok := jsonrpc.AsError(err)
	if !ok || !quotes(err, wire) {
		return err
	}
	text := strings.Replace(err.Error(), wire.Error(), wire.Message, 1) // the code is sent beside it
	return jsonrpc.NewError(wire.Code, text).Recode(wire.Code, wire.Data)
}

func toolError(text string) (rpc.Result, error) {
	body, err := mcp.ToolError(text).AppendJSON(nil)
	return rpc.Result{Body: body}, err
}
