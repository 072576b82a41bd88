// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/task"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// taskPage is how many tasks one page of tasks/list holds.
const taskPage = 50

// The experimental tasks of 2025-11-25.
//
// spec 2025-11-25 basic/utilities/tasks.

func (t *turn) owner() task.Owner {
	return task.Owner{Endpoint: t.p.cfg.Endpoint, Principal: t.call.Principal.Key(), Era: mcp.Legacy, Session: t.call.Peer.Session}
}

// tasksAnnounced reports whether this client has been told that calls can be
// tasks. Where it has not, its wish for one is ignored, as the spec demands.
func (t *turn) tasksAnnounced(ctx context.Context) bool {
	d, wire := t.p.discover(ctx, t.call.Peer, t.call.Principal)
	return wire == nil && d.Capabilities.Tasks != nil
}

// startTask answers a call whose client asked for a task. A handler that has
// finished already makes a task that has.
func (t *turn) startTask(ctx context.Context, call *rpc.Call, res rpc.Result) (Raw, *jsonrpc.Error) {
	work := res.Deferred
	if work == nil {
		work = &rpc.Deferred{Run: func(context.Context, rpc.Client) (rpc.Result, error) { return res, nil }}
	}
	spec := task.Spec{
		Method: call.Method, Target: call.Target, Peer: call.Peer, Call: call, Caller: call.Caller(), Endpoint: t.p.cfg.Endpoint, Notify: t.notifyAside,
	}
	if call.Task != nil {
		spec.TTL = call.Task.TTL
	}
	work, release := engine.HoldWhile(work, t.hold)
	created, err := t.p.cfg.Tasks.Start(ctx, t.owner(), spec, work)
	if err != nil {
		release()
		return nil, t.taskError(err)
	}
	return t.encode(mcp.CreateLegacyTaskResult{Task: legacyTask(&created)})
}

// notifyAside passes on a notification of a task's work, which belongs to no
// call any more.
func (t *turn) notifyAside(_ context.Context, method string, params Raw) error {
	if method == mcp.NotificationMessage && !t.wants(params) {
		return nil
	}
	if down, ok := mcp.DownNotification(t.call.Peer.Features, method, params); ok {
		t.out.aside(jsonrpc.AppendNotification(nil, method, down))
	}
	return nil
}

// legacyTask is the task in the shape and with the states of 2025-11-25, where a
// tool's error result is a failure.
func legacyTask(t *task.Task) mcp.LegacyTask {
	ttl := t.TTL.Milliseconds()
	status := t.Status
	if status == task.Completed {
		if isError, _ := jsonrpc.Get(t.Result.Body, "isError"); string(isError) == "true" {
			status = task.Failed
		}
	}
	return mcp.LegacyTask{
		TaskID: t.ID, Status: string(status), StatusMessage: t.Message, CreatedAt: t.Created.UTC().Truncate(time.Millisecond),
		LastUpdatedAt: t.Updated.UTC().Truncate(time.Millisecond), TTLMillis: &ttl, PollMillis: t.Poll.Milliseconds(),
	}
}

func (t *turn) encode(v any) (Raw, *jsonrpc.Error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, engine.WireError(t.p.cfg.Log, &t.call, err)
	}
	return body, nil
}

// taskError translates an error of the task set.
func (t *turn) taskError(err error) *jsonrpc.Error {
	switch {
	case errors.Is(err, task.ErrUnknown):
		return jsonrpc.NewError(jsonrpc.CodeInvalidParams, "the task is unknown or has expired")
	case errors.Is(err, task.ErrCursor):
		return jsonrpc.NewError(jsonrpc.CodeInvalidParams, "the cursor is not valid")
	case errors.Is(err, task.ErrFull):
		return jsonrpc.NewError(jsonrpc.CodeInternal, err.Error())
	case errors.Is(err, task.ErrClosed):
		t.unsaved = true
		return jsonrpc.NewError(jsonrpc.CodeInternal, "the server is shutting down")
	case errors.Is(err, task.ErrUnavailable):
		t.unsaved = true
		t.p.lines.Log(t.p.cfg.Log, slog.LevelWarn, "request on a task refused", "error", err)
		return jsonrpc.NewError(jsonrpc.CodeInternal, "the task cannot be reached or written at the moment; try again later")
	}
	return engine.WireError(t.p.cfg.Log, &t.call, err)
}

// tasks serves the methods on tasks.
func (t *turn) tasks(ctx context.Context) (Raw, *jsonrpc.Error) {
	set, owner := t.p.cfg.Tasks, t.owner()
	if set == nil {
		return nil, jsonrpc.NewError(jsonrpc.CodeMethodNotFound, "there are no tasks here")
	}
	raw, _ := jsonrpc.Get(t.call.Params, "taskId")
	id, ok := engine.Text(raw)
	switch {
	case t.call.Method == mcp.MethodListTasks:
		return t.listTasks(ctx, set, owner)
	case !ok:
		return nil, jsonrpc.NewError(jsonrpc.CodeInvalidParams, "taskId must be a string")
	case t.call.Method == mcp.MethodTaskResult:
		return t.taskResult(ctx, set, owner, id)
	case t.call.Method == mcp.MethodCancelTask:
		cancelled, changed, err := set.Cancel(ctx, owner, id)
		if err != nil {
			return nil, t.taskError(err)
		}
		if !changed {
			return nil, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "the task is %s already", cancelled.Status)
		}
		return t.encode(legacyTask(&cancelled))
	}
	got, err := set.Get(ctx, owner, id)
	if err != nil {
		return nil, t.taskError(err)
	}
	return t.encode(legacyTask(&got))
}

func (t *turn) listTasks(ctx context.Context, set *task.Set, owner task.Owner) (Raw, *jsonrpc.Error) {
	raw, given := jsonrpc.Get(t.call.Params, "cursor")
	cursor, ok := engine.Text(raw)
	if given && !ok {
		return nil, t.taskError(task.ErrCursor)
	}
	list, next, err := set.List(ctx, owner, cursor, taskPage)
	if err != nil {
		return nil, t.taskError(err)
	}
	page := struct {
		Tasks      []mcp.LegacyTask `json:"tasks"`
		NextCursor string           `json:"nextCursor,omitzero"`
	}{make([]mcp.LegacyTask, len(list)), next}
	for i := range list {
		page.Tasks[i] = legacyTask(&list[i])
	}
	return t.encode(page)
}

// taskResult waits for a task's end and returns what its call would have
// returned. Meanwhile it brings the task's questions to the client.
func (t *turn) taskResult(ctx context.Context, set *task.Set, owner task.Owner, id string) (Raw, *jsonrpc.Error) {
	seen := uint64(0)
	for {
		if err := t.askForTask(ctx, set, owner, id); err != nil {
			return nil, t.taskError(err)
		}
		now, err := set.Wait(ctx, owner, id, seen)
		if err != nil {
			return nil, t.taskError(err)
		}
		if now.Status.Terminal() {
			set.Delivered(&now)
			return t.outcome(&now)
		}
		seen = now.Revision
	}
}

// askForTask asks the client what the task wants to know and nobody else is
// asking yet.
func (t *turn) askForTask(ctx context.Context, set *task.Set, owner task.Owner, id string) error {
	questions, release, err := set.Claim(ctx, owner, id)
	if err != nil {
		return err
	}
	defer release()
	if len(questions) == 0 {
		return nil
	}
	return t.askEach(ctx, questions, id, func(key string, body Raw, wire *jsonrpc.Error) error {
		if wire != nil {
			_, err = set.Refuse(ctx, owner, id, key, wire)
		} else {
			_, err = set.Answer(ctx, owner, id, map[string]Raw{key: body})
		}
		return err
	})
}

func (t *turn) outcome(done *task.Task) (Raw, *jsonrpc.Error) {
	switch {
	case done.Err != nil:
		return nil, mcp.DownError(t.call.Peer.Features, done.Method, done.Err)
	case done.Status == task.Cancelled:
		return nil, jsonrpc.NewError(jsonrpc.CodeInvalidRequest, "the task was cancelled")
	}
	body, wire := t.result(done.Method, &done.Result)
	if wire != nil {
		return nil, wire
	}
	return relate(body, done.ID), nil
}

// relate adds the id of a task to the _meta of a result or of params.
//
// spec 2025-11-25 basic/utilities/tasks: everything that belongs to a task
// carries related-task metadata.
func relate(obj Raw, taskID string) Raw {
	meta, _ := jsonrpc.Get(obj, "_meta")
	related := append(jsonrpc.AppendString(Raw(`{"taskId":`), taskID), '}')
	return jsonrpc.Set(obj, "_meta", jsonrpc.Set(meta, mcp.MetaRelatedTask, related))
}
