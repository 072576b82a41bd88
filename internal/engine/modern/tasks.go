// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package modern

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/internal/task"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// The tasks extension. spec extension io.modelcontextprotocol/tasks (SEP-2663).

// allowTask reports whether the answer to req may be a task.
func (p *Protocol) allowTask(req *request) bool {
	return p.cfg.Tasks != nil && req.method.name == mcp.MethodCallTool && req.peer.Capabilities.Has(mcp.ExtensionTasks)
}

// taskOwner says whose tasks a principal's are.
func (p *Protocol) taskOwner(principal *rpc.Principal) task.Owner {
	return task.Owner{Endpoint: p.cfg.Endpoint, Principal: principal.Key(), Era: mcp.Modern}
}

// startTask turns deferred work into a task and returns the CreateTaskResult.
func (p *Protocol) startTask(ctx context.Context, c *call, d *rpc.Deferred) (rpc.Result, *jsonrpc.Error) {
	if !c.AllowTask {
		return rpc.Result{}, mcp.MissingExtension(mcp.ExtensionTasks)
	}
	spec := task.Spec{
		Method: c.Method, Target: c.Target, Peer: c.Peer, Call: &c.Call, Caller: c.Caller(), Endpoint: p.cfg.Endpoint, Changed: p.publishTask,
	}
	d, release := engine.HoldWhile(d, c.hold)
	t, err := p.cfg.Tasks.Start(ctx, p.taskOwner(c.Principal), spec, d)
	if err != nil {
		release()
		return rpc.Result{}, p.taskError(err)
	}
	wire := p.wireTask(t, false)
	return rpc.Result{Type: mcp.ResultTask, Body: mustMarshal(wire)}, nil
}

// taskMethod returns the handler of a method of the extension, or nil.
func (p *Protocol) taskMethod(name string) rpc.Handler {
	if p.cfg.Tasks == nil {
		return nil
	}
	switch name {
	case mcp.MethodGetTask:
		return rpc.HandlerFunc(p.getTask)
	case mcp.MethodUpdateTask:
		return rpc.HandlerFunc(p.updateTask)
	case mcp.MethodCancelTask:
		return rpc.HandlerFunc(p.cancelTask)
	}
	return nil
}

func (p *Protocol) getTask(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	t, err := p.cfg.Tasks.Get(ctx, p.taskOwner(call.Principal), call.Target)
	if err != nil {
		return rpc.Result{}, p.taskError(err)
	}
	p.cfg.Tasks.Delivered(&t)
	return rpc.Result{Body: mustMarshal(p.wireTask(t, true))}, nil
}

func (p *Protocol) updateTask(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	raw, ok := jsonrpc.Get(call.Params, "inputResponses")
	if !ok {
		return rpc.Result{}, jsonrpc.NewError(jsonrpc.CodeInvalidParams, "params lacks inputResponses")
	}
	responses, wire := readResponses(raw)
	if wire != nil {
		return rpc.Result{}, wire
	}
	if _, err := p.cfg.Tasks.Answer(ctx, p.taskOwner(call.Principal), call.Target, responses); err != nil {
		return rpc.Result{}, p.taskError(err)
	}
	return rpc.Result{}, nil
}

func (p *Protocol) cancelTask(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	if _, _, err := p.cfg.Tasks.Cancel(ctx, p.taskOwner(call.Principal), call.Target); err != nil {
		return rpc.Result{}, p.taskError(err)
	}
	return rpc.Result{}, nil
}

func (p *Protocol) taskError(err error) *jsonrpc.Error {
	switch {
	case errors.Is(err, task.ErrUnknown):
		return jsonrpc.NewError(jsonrpc.CodeInvalidParams, "unknown or expired task")
	case errors.Is(err, task.ErrFull):
		return jsonrpc.NewError(jsonrpc.CodeInternal, err.Error())
	case errors.Is(err, task.ErrUnavailable):
		p.lines.Log(p.cfg.Log, slog.LevelWarn, "request on a task refused", "error", err)
		return errNoTasks
	case errors.Is(err, task.ErrClosed):
		return errNoTasks
	}
	p.cfg.Log.Error("task set failed", "error", err)
	return jsonrpc.NewError(jsonrpc.CodeInternal, "internal error")
}

var errNoTasks = jsonrpc.NewError(jsonrpc.CodeInternal, "the task cannot be reached or written at the moment; try again later")

// wireTask returns the extension's shape of a task; detailed adds what has come
// of it. A tool result with isError is completed here.
func (p *Protocol) wireTask(t task.Task, detailed bool) mcp.Task {
	ttl := t.TTL.Milliseconds()
	wire := mcp.Task{
		TaskID: t.ID, Status: string(t.Status), StatusMessage: t.Message,
		CreatedAt: t.Created.UTC().Truncate(time.Millisecond), LastUpdatedAt: t.Updated.UTC().Truncate(time.Millisecond),
		TTLMillis: &ttl, PollMillis: max(t.Poll.Milliseconds(), 1),
	}
	if !detailed {
		return wire
	}
	switch t.Status {
	case task.Completed:
		wire.Result = appendResult(nil, mcp.ResultComplete, nil, t.Result.Body, nil)
	case task.Failed:
		wire.Error = &mcp.TaskError{Code: t.Err.Code, Message: t.Err.Message, Data: t.Err.Data}
	case task.InputRequired:
		wire.InputRequests = make(map[string]mcp.InputRequest, len(t.Questions))
		for key, q := range t.Questions {
			wire.InputRequests[key] = mcp.InputRequest(q)
		}
	}
	return wire
}

// publishTask tells those who listen to a task of its change. Where they may be
// at other nodes, each looks the task up itself: it may be large.
func (p *Protocol) publishTask(t task.Task) {
	e := subscription.Event{Topic: subscription.Topic{Kind: subscription.Task, Key: t.ID}}
	if p.cfg.Nodes == nil {
		e.Params = mustMarshal(p.wireTask(t, true))
	}
	p.cfg.Hub.Publish(e)
}
