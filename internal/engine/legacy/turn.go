// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/pause"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// live is what the calls of one session or connection share.
type live struct {
	flights *engine.Flights
	asks    asks
}

// outlet is the way from a running call to its client.
type outlet interface {
	// send sends a notification or a question. It returns errNoStream when the
	// client takes no event streams, another error when it has gone for good.
	send(msg []byte) error
	// interactive reports whether send can deliver.
	interactive() bool
	// aside sends a notification that belongs to no call that is running.
	aside(msg []byte)
	// detach ends the stream early if the client can come back for the rest.
	detach(retry time.Duration)
}

// turn is one request being served. It is the rpc.Client of its call.
type turn struct {
	rpc.Finish
	p    *Protocol
	call rpc.Call
	out  outlet
	live *live
	mem  memory
	done atomic.Bool // the call has been answered

	hold *transport.Hold // of the message it came with

	unsaved bool // what the call is to change or to read cannot be now, and could be later

	pages pages // that the client was asked to open

	large  *rpc.Large // the result, if it is sent while it arrives
	shared bool       // the result is in memory for other calls too
}

var (
	_ rpc.Client   = (*turn)(nil)
	_ rpc.Detacher = (*turn)(nil)
)

// begin fills t for a request.
func (t *turn) begin(p *Protocol, in *engine.Inbound, peer *rpc.Peer, principal *rpc.Principal) {
	t.p, t.hold = p, in.Hold
	t.call = rpc.Call{
		Method: in.Method, ID: in.ID, Params: in.Params, Target: in.Target(), Arguments: in.Fields.Arguments,
		Meta: in.Fields.Meta.Raw, Peer: peer, Principal: principal,
		ProgressToken: in.Fields.Meta.ProgressToken, LogLevel: t.mem.level(), Client: t, Seat: in.Hold,
	}
	if in.Method == mcp.MethodCallTool && in.Fields.Task != nil && peer.Features.LegacyTasks && p.cfg.Tasks != nil {
		t.call.AllowTask = true
		t.call.Task = readTaskRequest(in.Fields.Task)
	}
}

// readTaskRequest reads params.task; what it cannot read it leaves out.
func readTaskRequest(raw Raw) *rpc.TaskRequest {
	var wish struct {
		TTL float64 `json:"ttl"`
	}
	if err := json.Unmarshal(raw, &wish); err != nil || wish.TTL < 0 || wish.TTL > float64(1<<53) {
		return &rpc.TaskRequest{}
	}
	return &rpc.TaskRequest{TTL: time.Duration(min(wish.TTL*float64(time.Millisecond), float64(1<<62)))}
}

// quick reports whether serving the request calls no handler and waits for
// nobody but the session store.
func quick(in *engine.Inbound, f *mcp.Features) bool {
	return in.Method == mcp.MethodPing || in.Method == mcp.MethodSetLevel || in.ParamsErr != nil || !f.Request(in.Method)
}

// serve answers the request. The params have been read.
func (t *turn) serve(ctx context.Context, in *engine.Inbound) (Raw, *jsonrpc.Error) {
	f := t.call.Peer.Features
	if !f.Request(in.Method) {
		return nil, jsonrpc.Errorf(jsonrpc.CodeMethodNotFound, "method %s does not exist in version %s", display.Quote(in.Method), f.Version)
	}
	if in.ParamsErr != nil {
		return nil, in.ParamsErr
	}
	switch in.Method {
	case mcp.MethodPing:
		return Raw("{}"), nil
	case mcp.MethodSetLevel:
		return t.setLevel(ctx)
	case mcp.MethodSubscribe, mcp.MethodUnsubscribe:
		return t.subscription(ctx)
	case mcp.MethodGetTask, mcp.MethodTaskResult, mcp.MethodListTasks, mcp.MethodCancelTask:
		return t.tasks(ctx)
	}
	return t.handle(ctx)
}

// handle lets the handler answer, as often as it asks for input by returning.
func (t *turn) handle(ctx context.Context) (Raw, *jsonrpc.Error) {
	f, call := t.call.Peer.Features, &t.call
	if call.AllowTask && !t.tasksAnnounced(ctx) {
		call.AllowTask, call.Task = false, nil
	}
	for round := 0; ; {
		res, wire := engine.Invoke(ctx, t.p.cfg.Log, t.p.cfg.Handler, call)
		switch {
		case wire != nil:
			return nil, mcp.DownError(f, call.Method, wire)
		case res.Deferred != nil && !call.AllowTask:
			res, wire = engine.Invoke(ctx, t.p.cfg.Log, rpc.HandlerFunc(func(ctx context.Context, _ *rpc.Call) (rpc.Result, error) {
				return res.Deferred.Run(ctx, t)
			}), call)
			if wire != nil {
				return nil, mcp.DownError(f, call.Method, wire)
			}
		}
		if res.Input == nil {
			if res.Large != nil && call.AllowLarge {
				t.closePages(ctx, nil)
				t.large = res.Large
				return nil, nil
			}
			if err := engine.Whole(&res); err != nil {
				return nil, mcp.DownError(f, call.Method, engine.WireError(t.p.cfg.Log, call, err))
			}
			if call.AllowTask {
				return t.startTask(ctx, call, res)
			}
			t.closePages(ctx, res.Body)
			return t.result(call.Method, &res)
		}
		if waiting := t.pages.waiting(res.Input.Requests); waiting != nil {
			if err := t.awaitPages(ctx); err != nil {
				return nil, mcp.DownError(f, call.Method, engine.WireError(t.p.cfg.Log, call, err))
			}
			next := *call
			next.Input = rpc.Input{Responses: waiting, State: res.Input.State}
			call = &next
			continue
		}
		if round == maxRounds {
			return nil, jsonrpc.Errorf(jsonrpc.CodeInternal, "the call asked for input more than %d times", maxRounds)
		}
		answers, err := t.input(ctx, res.Input, round)
		if err != nil {
			return nil, mcp.DownError(f, call.Method, engine.WireError(t.p.cfg.Log, call, err))
		}
		next := *call
		next.Input = rpc.Input{Responses: answers, State: res.Input.State}
		call = &next
		round++
	}
}

// input asks the client for what the handler returned a wish for. A wish for
// nothing is a wish to be called again a little later.
func (t *turn) input(ctx context.Context, wish *rpc.InputRequired, round int) (map[string]Raw, error) {
	if len(wish.Requests) > 0 {
		return t.Ask(ctx, wish.Requests)
	}
	return nil, pause.For(ctx, min(50*time.Millisecond<<round, time.Second))
}

// result converts a handler's result for the session's version.
func (t *turn) result(method string, res *rpc.Result) (Raw, *jsonrpc.Error) {
	t.shared = res.Shared != nil
	down, err := res.Down(t.call.Peer.Features, method)
	if err != nil {
		return nil, jsonrpc.Errorf(jsonrpc.CodeInternal, "the result cannot be sent: %w", err)
	}
	return down, nil
}

// setLevel serves logging/setLevel.
func (t *turn) setLevel(ctx context.Context) (Raw, *jsonrpc.Error) {
	raw, _ := jsonrpc.Get(t.call.Params, "level")
	text, _ := engine.Text(raw)
	level := mcp.LogLevel(text)
	if !level.Valid() {
		return nil, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "log level %s does not exist", display.Quote(text))
	}
	if err := t.mem.setLevel(ctx, level); err != nil {
		return nil, t.unchanged(err)
	}
	return Raw("{}"), nil
}

// unchanged is the error of a change that was not made.
func (t *turn) unchanged(err error) *jsonrpc.Error {
	if t.unsaved = errors.Is(err, errUnsaved); t.unsaved {
		t.p.lines.Log(t.p.cfg.Log, slog.LevelWarn, "session record not written", "session", t.call.Peer.Session, "error", err)
		return jsonrpc.NewError(jsonrpc.CodeInternal, "the session cannot be changed at the moment")
	}
	return engine.WireError(t.p.cfg.Log, &t.call, err)
}

// subscription serves resources/subscribe and resources/unsubscribe.
func (t *turn) subscription(ctx context.Context) (Raw, *jsonrpc.Error) {
	d, wire := t.p.discover(ctx, t.call.Peer, t.call.Principal)
	if wire != nil {
		return nil, wire
	}
	if d.Capabilities.Resources == nil || !d.Capabilities.Resources.Subscribe {
		return nil, jsonrpc.NewError(jsonrpc.CodeMethodNotFound, "resources cannot be subscribed to here")
	}
	raw, _ := jsonrpc.Get(t.call.Params, "uri")
	uri, ok := engine.Text(raw)
	if !ok || uri == "" {
		return nil, jsonrpc.NewError(jsonrpc.CodeInvalidParams, "uri must be a non-empty string")
	}
	change := t.mem.subscribe
	if t.call.Method == mcp.MethodUnsubscribe {
		change = t.mem.unsubscribe
	}
	if err := change(ctx, uri); err != nil {
		return nil, t.unchanged(err)
	}
	return Raw("{}"), nil
}

// wholeFrom is the size, in bytes, from which on a result that many clients get is
// sent as it is: a copy would be kept for as long as one of them takes to read it.
// Smaller ones are copied into the answer, which is one write less.
const wholeFrom = 2 << 10

// answerParts returns the response to request id with a result, in parts.
func answerParts(id jsonrpc.ID, body Raw) [][]byte {
	head := append([]byte(`{"jsonrpc":"2.0","id":`), id.Raw()...)
	return [][]byte{append(head, `,"result":`...), body, []byte("}")}
}

// appendAnswer appends the response to request id.
func appendAnswer(dst []byte, id jsonrpc.ID, body Raw, wire *jsonrpc.Error) []byte {
	if wire != nil {
		return jsonrpc.AppendError(dst, id, wire)
	}
	return jsonrpc.AppendResult(dst, id, body)
}
