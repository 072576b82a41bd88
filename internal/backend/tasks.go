// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// A server's task is followed here and becomes a task of the endpoint, which
// shows it to its client in the client's own protocol. So the two kinds of task
// never meet, ids of servers reach no client, and nobody can ask for another's.

// offersTasks reports whether the server can run tools as tasks, be it by the
// experiment of 2025-11-25 or by the extension.
func (l *link) offersTasks() bool {
	c := l.client.ServerCapabilities()
	if l.era() == mcp.Modern {
		_, ok := c.Extensions[mcp.ExtensionTasks]
		return ok
	}
	if !l.features().LegacyTasks {
		return false
	}
	requests, _ := jsonrpc.Get(c.Tasks, "requests")
	tools, _ := jsonrpc.Get(requests, "tools")
	_, ok := jsonrpc.Get(tools, "call")
	return ok
}

// taskParams returns the call's params, asking a legacy server for a task where
// the caller can follow one and the tool can be one. A modern client that cannot
// follow one is told so when the tool cannot do without, as a modern server would.
func (r *Remote) taskParams(ctx context.Context, l *link, call *rpc.Call) (Raw, error) {
	params := l.params(call)
	if call.Method != mcp.MethodCallTool || l.era() != mcp.Legacy || !l.offersTasks() {
		return params, nil
	}
	if call.Task != nil { // the caller chose; the server judges
		wish := emptyObject
		if ttl := call.Task.TTL.Milliseconds(); ttl > 0 {
			wish = Raw(`{"ttl":` + strconv.FormatInt(ttl, 10) + `}`)
		}
		return jsonrpc.Set(params, "task", wish), nil
	}
	if call.Peer.Features.Era == mcp.Legacy {
		return params, nil
	}
	support, err := r.taskSupport(ctx, l, call.Target)
	switch {
	case err != nil:
		return nil, err
	case support == mcp.TaskRequired && !call.AllowTask:
		return nil, mcp.MissingExtension(mcp.ExtensionTasks)
	case support == mcp.TaskRequired, support == mcp.TaskOptional && call.AllowTask:
		return jsonrpc.Set(params, "task", emptyObject), nil
	}
	return params, nil
}

// maxToolPages bounds a list that is read for what it says about tasks.
const maxToolPages = 200

// taskSupport returns what a tool's entry says, reading the list if no list has
// shown the tool.
func (r *Remote) taskSupport(ctx context.Context, l *link, tool string) (string, error) {
	if support, ok := r.tools.of(tool); ok {
		return support, nil
	}
	var params Raw
	for range maxToolPages {
		page, err := l.client.Call(ctx, mcp.MethodListTools, params, client.CallOptions{})
		if err != nil {
			return "", err
		}
		r.learnTools(l, page)
		cursor, more := jsonrpc.Get(page, "nextCursor")
		if !more || cursor.Kind() != '"' {
			break
		}
		params = jsonrpc.Set(nil, "cursor", cursor)
	}
	support, known := r.tools.of(tool)
	if !known {
		r.tools.learn(tool, "") // hidden or unknown: not to be looked for each time
	}
	return support, nil
}

// needsTask reports whether a modern server wants to answer with a task a caller
// who has no way to say that it understands them. Such a call is then followed to
// its end within the call. Modern callers can say it, so they get the error.
func needsTask(call *rpc.Call, err error) bool {
	wire, ok := jsonrpc.AsError(err)
	if !ok || wire.Code != mcp.CodeMissingCapability || call.AllowTask || call.Peer.Features.Era != mcp.Legacy {
		return false
	}
	required, _ := jsonrpc.Get(wire.Data, "requiredCapabilities")
	extensions, _ := jsonrpc.Get(required, "extensions")
	_, ok = jsonrpc.Get(extensions, mcp.ExtensionTasks)
	return ok
}

// created is a task that a server began instead of a result.
type created struct {
	id        string
	ttl, poll time.Duration // 0 when the server did not say
}

// createdTask reads a result that is a task of either kind.
func (l *link) createdTask(call *rpc.Call, body Raw) (created, bool) {
	if call.Method != mcp.MethodCallTool {
		return created{}, false
	}
	task, ttl, poll := body, "ttlMs", "pollIntervalMs"
	if l.features().ResultTypes {
		if memberText(body, "resultType") != mcp.ResultTask {
			return created{}, false
		}
	} else {
		if _, result := jsonrpc.Get(body, "content"); result {
			return created{}, false
		}
		task, _ = jsonrpc.Get(body, "task")
		ttl, poll = "ttl", "pollInterval"
	}
	id := memberText(task, "taskId")
	return created{id, millis(task, ttl), millis(task, poll)}, id != ""
}

// longest is the longest time a server's word is taken for.
const longest = 30 * 24 * time.Hour

func millis(obj Raw, name string) time.Duration {
	raw, _ := jsonrpc.Get(obj, name)
	n, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || n <= 0 || n > float64(longest.Milliseconds()) {
		return 0
	}
	return time.Duration(n * float64(time.Millisecond))
}

// startGrace is how long an instance is kept for a task whose following has not
// begun, because the endpoint could not take the task in.
const startGrace = time.Minute

// follow returns the task as one of the endpoint, or, when the caller cannot
// follow it, its outcome. The instance stays until the task has ended.
func (r *Remote) follow(ctx context.Context, l *link, call *rpc.Call, owner string, task created) (rpc.Result, error) {
	f := &follower{r: r, l: l, call: call, owner: owner, created: task}
	if !call.AllowTask {
		return f.run(ctx, call.Client)
	}
	r.pool.keep(l)
	unused := time.AfterFunc(startGrace, func() { r.pool.release(l) })
	run := func(ctx context.Context, to rpc.Client) (rpc.Result, error) {
		if !unused.Stop() {
			return rpc.Result{}, r.unreachable("lost", &told{text: "the task was not followed in time"})
		}
		own := *call // the task has its own way to the client
		own.Client = to
		f := &follower{r: r, l: l, call: &own, owner: owner, created: task}
		defer r.pool.release(l)
		return f.run(ctx, to)
	}
	return rpc.Result{Deferred: &rpc.Deferred{Run: run, TTL: task.ttl, Poll: task.poll}}, nil
}

// keep holds an instance once more; release gives it back.
func (p *pool) keep(l *link) {
	p.mu.Lock()
	l.calls++
	p.mu.Unlock()
}

// follower follows one task of a server to its end. It may start goroutines that
// ask the client; run waits for them.
type follower struct {
	created
	r     *Remote
	l     *link
	call  *rpc.Call
	owner string // of the call that began it
}

// endGrace bounds the cancelling of a task.
const endGrace = 5 * time.Second

// run returns what the task comes to. When ctx ends first, the task is cancelled.
func (f *follower) run(ctx context.Context, to rpc.Client) (rpc.Result, error) {
	follow := f.legacy
	if f.l.era() == mcp.Modern {
		follow = f.modern
	}
	began := f.r.begin()
	body, err := follow(ctx, to)
	switch {
	case ctx.Err() != nil:
		f.cancel(ctx)
		return rpc.Result{}, context.Cause(ctx)
	case err != nil:
		if wire, ok := jsonrpc.AsError(err); ok && !wire.FromPeer() {
			return rpc.Result{}, err
		}
		return rpc.Result{}, f.r.callError(ctx, f.l, f.call, began, err)
	}
	return f.r.result(f.l, f.call, body)
}

// send makes a call about the task.
func (f *follower) send(ctx context.Context, method string, params Raw) (Raw, error) {
	return f.l.client.Call(ctx, method, params, f.r.callOptions(ctx, f.l, f.call, f.owner, true))
}

func (f *follower) params() Raw {
	return jsonrpc.Set(nil, "taskId", jsonrpc.AppendString(nil, f.id))
}

func (f *follower) cancel(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endGrace)
	defer cancel()
	if _, err := f.send(ctx, mcp.MethodCancelTask, f.params()); err != nil {
		f.r.cfg.Log.Debug("task not cancelled", "server", f.r.cfg.Name, "error", err)
	}
}

const (
	defaultPoll = time.Second
	minPoll     = 20 * time.Millisecond
	maxPoll     = time.Minute
	// maxMisses bounds the failures in a row to hear of a task.
	maxMisses = 5
)

// pause waits for the time to look at the task again, or for wake.
func (f *follower) pause(ctx context.Context, wake <-chan struct{}) error {
	poll := defaultPoll
	if f.poll > 0 {
		poll = min(max(f.poll, minPoll), maxPoll)
	}
	timer := time.NewTimer(poll)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// lasting reports whether an error ends the following: one the server sent, or a
// connection that is gone.
func lasting(err error) bool {
	if wire, ok := jsonrpc.AsError(err); ok && wire.FromPeer() {
		return true
	}
	return errors.Is(err, client.ErrConnClosed) || errors.Is(err, client.ErrClosed)
}

// legacy waits in tasks/result, on whose stream the task's questions come. A
// wait that was cut off, as proxies do, begins again.
//
// spec 2025-11-25 basic/utilities/tasks.
func (f *follower) legacy(ctx context.Context, _ rpc.Client) (Raw, error) {
	for misses := 0; ; {
		body, err := f.send(ctx, mcp.MethodTaskResult, f.params())
		if err == nil {
			return unrelated(body), nil
		}
		if lasting(err) || ctx.Err() != nil {
			return nil, err
		}
		if _, getErr := f.send(ctx, mcp.MethodGetTask, f.params()); getErr == nil {
			misses = 0
		} else if misses++; lasting(getErr) || misses == maxMisses {
			return nil, err
		}
		if err := f.pause(ctx, nil); err != nil {
			return nil, err
		}
	}
}

// unrelated takes from a result which task it belongs to.
func unrelated(body Raw) Raw {
	meta, ok := jsonrpc.Get(body, "_meta")
	if !ok {
		return body
	}
	rest := jsonrpc.Delete(meta, mcp.MetaRelatedTask)
	for range jsonrpc.Members(rest) {
		return jsonrpc.Set(body, "_meta", rest)
	}
	return jsonrpc.Delete(body, "_meta")
}

// modern polls tasks/get, and takes the task's questions to the client.
//
// spec extension io.modelcontextprotocol/tasks (SEP-2663).
func (f *follower) modern(ctx context.Context, to rpc.Client) (Raw, error) {
	ctx, stop := context.WithCancel(ctx)
	q := newInquiry(f, to)
	defer q.wait()
	defer stop()
	for misses := 0; ; {
		task, err := f.get(ctx)
		switch {
		case err == nil:
			misses = 0
		case lasting(err), ctx.Err() != nil:
			return nil, err
		default:
			if misses++; misses == maxMisses {
				return nil, err
			}
		}
		if task != nil && mcp.TaskFinal(task.Status) {
			return outcome(task)
		}
		if task != nil {
			if task.PollMillis > 0 {
				f.poll = time.Duration(min(task.PollMillis, maxPoll.Milliseconds())) * time.Millisecond
			}
			q.pose(ctx, task.InputRequests)
		}
		if err := q.failure(); err != nil {
			f.cancel(ctx)
			return nil, err
		}
		if err := f.pause(ctx, q.wake); err != nil {
			return nil, err
		}
	}
}

func (f *follower) get(ctx context.Context) (*mcp.Task, error) {
	body, err := f.send(ctx, mcp.MethodGetTask, f.params())
	if err != nil {
		return nil, err
	}
	var task mcp.Task
	if err := json.Unmarshal(body, &task); err != nil {
		return nil, jsonrpc.Errorf(jsonrpc.CodeInternal, "the server sent a malformed task: %w", err)
	}
	return &task, nil
}

// outcome is what a task came to.
func outcome(task *mcp.Task) (Raw, error) {
	switch {
	case task.Status == mcp.TaskCompleted && task.Result != nil:
		return task.Result, nil
	case task.Status == mcp.TaskFailed && task.Error != nil:
		return nil, jsonrpc.PeerError(task.Error.Code, task.Error.Message, task.Error.Data)
	case task.Status == mcp.TaskCancelled:
		return nil, jsonrpc.PeerError(jsonrpc.CodeInternal, "the server cancelled the task", nil)
	}
	return nil, jsonrpc.Errorf(jsonrpc.CodeInternal, "the server's task ended as %q without an outcome", task.Status)
}
