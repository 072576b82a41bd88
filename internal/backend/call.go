// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"strconv"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Raw is a JSON value kept as received.
type Raw = jsonrpc.Raw

// exchange makes a call on an instance and brings its outcome into the inner
// model. Errors are those of the client, not yet judged, or made here.
func (r *Remote) exchange(ctx context.Context, l *link, call *rpc.Call) (rpc.Result, error) {
	if l.era() == mcp.Legacy && !l.features().Request(call.Method) {
		return rpc.Result{}, jsonrpc.Errorf(jsonrpc.CodeMethodNotFound, "server %q does not have method %q", r.cfg.Name, call.Method)
	}
	if err := l.wantLevel(ctx, call.LogLevel); err != nil {
		return rpc.Result{}, err
	}
	params, err := r.taskParams(ctx, l, call)
	if err != nil {
		return rpc.Result{}, err
	}
	who := r.owner(call)
	opts := r.callOptions(ctx, l, call, who, call.AllowTask)
	var large *client.LargeResult
	var entries []Raw
	if call.AllowEntries {
		opts.Entries = func(all []Raw) { entries = all }
	}
	if mayBeLarge(call) {
		opts.Large = func(res *client.LargeResult) { large = res }
	}
	body, err := l.client.Call(ctx, call.Method, params, opts)
	if err != nil && needsTask(call, err) {
		opts.Capabilities = mirrored(call, r.policy, true)
		body, err = l.client.Call(ctx, call.Method, params, opts)
	}
	if err != nil {
		if res, ok := l.openFirst(call, err); ok {
			return res, nil
		}
		return rpc.Result{}, err
	}
	if large != nil {
		return r.large(l, call, large), nil
	}
	if created, ok := l.createdTask(call, body); ok {
		return r.follow(ctx, l, call, who, created)
	}
	res, err := r.result(l, call, body)
	if err == nil && entries != nil {
		res.Entries = r.entries(l, call.Method, call.Params, entries)
	}
	return res, err
}

// hopByHop takes out the members of _meta that describe one hop, not the call.
var hopByHop = []jsonrpc.Edit{
	{Name: mcp.MetaProtocolVersion}, {Name: mcp.MetaCapabilities}, {Name: mcp.MetaClientInfo}, {Name: mcp.MetaLogLevel},
}

// params returns the call's params as the server should see them: without this
// hop's metadata, and with the answers to its own questions.
func (l *link) params(call *rpc.Call) Raw {
	if call.Params == nil {
		return nil
	}
	var meta, answers, state Raw
	if call.Meta != nil {
		meta = jsonrpc.AppendEdited(make(Raw, 0, len(call.Meta)), call.Meta, hopByHop...)
		if len(meta) <= len("{}") {
			meta = nil
		}
	}
	if call.Input.Responses != nil && l.features().ResultTypes {
		answers, _ = json.Marshal(call.Input.Responses, json.Deterministic(true)) // raw values that were read as JSON
		if call.Input.State != nil {
			state = jsonrpc.AppendString(nil, string(call.Input.State))
		}
	}
	return jsonrpc.AppendEdited(make(Raw, 0, len(call.Params)), call.Params,
		jsonrpc.Edit{Name: "_meta", Value: meta}, jsonrpc.Edit{Name: "inputResponses", Value: answers},
		jsonrpc.Edit{Name: "requestState", Value: state}, jsonrpc.Edit{Name: "task"})
}

// callOptions connects the server's notifications and questions to the caller,
// and shows a modern server who that is. owner is on whose behalf the call is
// made; tasks says whether a task is welcome.
func (r *Remote) callOptions(ctx context.Context, l *link, call *rpc.Call, owner string, tasks bool) client.CallOptions {
	opts := client.CallOptions{
		Owner:       owner,
		LogLevel:    call.LogLevel,
		ReturnInput: true,
		Abandoned:   func() func() { return r.calls.abandon(call.Caller()) },
		Reserve:     func(ctx context.Context, size int) error { return r.Reserve(ctx, call.Client, size) },
		OnNotify: func(method string, params Raw) {
			if err := call.Client.Notify(ctx, method, params); err != nil {
				r.cfg.Log.Debug("notification not delivered", "server", r.cfg.Name, "method", method, "error", err)
			}
		},
	}
	if !isCatalog(call.Method) { // lists have no client
		opts.OnAsk = func(ctx context.Context, method string, params Raw) (Raw, error) {
			return r.ask(ctx, l, call, method, params)
		}
	}
	if to, ok := call.Client.(rpc.Detacher); ok {
		opts.OnDetach = to.Detach
	}
	if l.era() == mcp.Modern && !isCatalog(call.Method) {
		opts.Capabilities = mirrored(call, r.policy, tasks)
		opts.ClientInfo = clientInfo(call)
	}
	return opts
}

// result brings a result into the inner model's shape.
func (r *Remote) result(l *link, call *rpc.Call, body Raw) (rpc.Result, error) {
	f := l.features()
	body, err := mcp.UpResult(f, call.Method, body)
	if err != nil {
		return rpc.Result{}, &client.ProtocolError{What: "the result of " + call.Method + " is not an object"}
	}
	if call.Method == mcp.MethodListTools {
		body = r.learnTools(l, body)
	}
	if !f.ResultTypes {
		return rpc.Result{Body: body}, nil
	}
	kind, _ := jsonrpc.Get(body, "resultType")
	name, _ := jsonrpc.Unquote(kind)
	if name == mcp.ResultInputRequired {
		return inputRequired(body)
	}
	res := rpc.Result{Cache: cacheHint(body)}
	if name != mcp.ResultComplete {
		res.Type = name
	}
	res.Body = jsonrpc.Delete(body, "resultType", "ttlMs", "cacheScope")
	return res, nil
}

// inputRequired passes the server's questions on; its state travels inside ours.
func inputRequired(body Raw) (rpc.Result, error) {
	var wire struct {
		Requests map[string]rpc.InputRequest `json:"inputRequests"`
		State    *string                     `json:"requestState"`
	}
	if err := json.Unmarshal(body, &wire); err != nil {
		return rpc.Result{}, jsonrpc.Errorf(jsonrpc.CodeInternal, "the server sent a malformed input_required result: %w", err)
	}
	in := &rpc.InputRequired{Requests: wire.Requests}
	if wire.State != nil {
		in.State = []byte(*wire.State)
	}
	return rpc.Result{Input: in}, nil
}

func cacheHint(body Raw) mcp.CacheHint {
	var hint mcp.CacheHint
	if ttl, ok := jsonrpc.Get(body, "ttlMs"); ok {
		hint.TTLMillis, _ = strconv.ParseInt(string(ttl), 10, 64) // not an integer: stale at once
	}
	scope, _ := jsonrpc.Get(body, "cacheScope")
	if s, _ := jsonrpc.Unquote(scope); s == string(mcp.CachePublic) {
		hint.Scope = mcp.CachePublic
	}
	return hint
}
