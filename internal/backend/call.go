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

// discover answers with what the handshake told.
func (l *link) discover() (rpc.Result, error) {
	body, err := json.Marshal(mcp.Discovery{
		Capabilities: l.client.ServerCapabilities(),
		ServerInfo:   l.client.ServerInfo(),
		Instructions: l.client.Instructions(),
	})
	return rpc.Result{Body: body}, err
}

// hopByHop are the members of _meta that describe one hop, not the call.
var hopByHop = []string{
	mcp.MetaProtocolVersion, mcp.MetaCapabilities, mcp.MetaClientInfo, mcp.MetaLogLevel,
}

// params returns the call's params as the server should see them: without this
// hop's metadata, and with the answers to its own questions.
func (l *link) params(call *rpc.Call) Raw {
	params := call.Params
	if params == nil {
		return nil
	}
	if call.Meta != nil {
		if meta := jsonrpc.Delete(call.Meta, hopByHop...); len(meta) > len("{}") {
			params = jsonrpc.Set(params, "_meta", meta)
		} else {
			params = jsonrpc.Delete(params, "_meta")
		}
	}
	params = jsonrpc.Delete(params, "inputResponses", "requestState", "task")
	if call.Input.Responses != nil && l.features().ResultTypes {
		if answers, err := json.Marshal(call.Input.Responses, json.Deterministic(true)); err == nil {
			params = jsonrpc.Set(params, "inputResponses", answers)
		}
		if call.Input.State != nil {
			params = jsonrpc.Set(params, "requestState", jsonrpc.AppendString(nil, string(call.Input.State)))
		}
	}
	return params
}

// callOptions connects the server's notifications and questions to the caller.
func (r *Remote) callOptions(ctx context.Context, l *link, call *rpc.Call) client.CallOptions {
	return client.CallOptions{
		LogLevel:    call.LogLevel,
		ReturnInput: true,
		OnNotify: func(method string, params Raw) {
			if err := call.Client.Notify(ctx, method, params); err != nil {
				r.cfg.Log.Debug("notification not delivered", "server", r.cfg.Name, "method", method, "error", err)
			}
		},
		OnAsk: func(ctx context.Context, method string, params Raw) (Raw, error) {
			params, err := mcp.UpAsk(l.features(), method, params)
			if err != nil {
				return nil, err
			}
			const key = "request"
			answers, err := call.Client.Ask(ctx, map[string]rpc.InputRequest{key: {Method: method, Params: params}})
			if err != nil {
				return nil, err
			}
			return answers[key], nil
		},
	}
}

// result brings a result into the inner model's shape.
func (l *link) result(call *rpc.Call, body Raw) (rpc.Result, error) {
	f := l.features()
	body, err := mcp.UpResult(f, call.Method, body)
	if err != nil {
		return rpc.Result{}, err
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
