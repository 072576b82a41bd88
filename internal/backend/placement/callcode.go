// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// encodeCall returns the envelope of a call. Its AllowLarge does not travel.
func encodeCall(ctx context.Context, call *rpc.Call) *envelope {
	c := &wireCall{
		ID: call.ID, Target: call.Target,
		Version: call.Peer.Features.Version, Client: call.Peer.Client, RawCaps: call.Peer.RawCapabilities, Session: call.Peer.Session,
		Caps: &call.Peer.Capabilities, Principal: call.Principal, Address: call.Address, Progress: call.ProgressToken, Level: call.LogLevel,
		Responses: call.Input.Responses, State: call.Input.State, AllowTask: call.AllowTask,
	}
	c.Arguments = ifOther(call.Params, "arguments", call.Arguments)
	c.Meta = ifOther(call.Params, "_meta", call.Meta)
	if call.Task != nil {
		c.Task, c.TaskMillis = true, call.Task.TTL.Milliseconds()
	}
	if deadline, ok := ctx.Deadline(); ok {
		c.Millis = max(time.Until(deadline).Milliseconds(), 1)
	}
	return &envelope{Kind: kindCall, Method: call.Method, Params: call.Params, Call: c}
}

// ifOther returns a value that differs from the member of params that it is
// usually taken from, null standing for none.
func ifOther(params Raw, name string, value Raw) Raw {
	member, _ := jsonrpc.Get(params, name)
	switch {
	case bytes.Equal(member, value):
		return nil
	case value == nil:
		return Raw("null")
	}
	return value
}

func orMember(params Raw, name string, value Raw) Raw {
	switch {
	case value == nil:
		value, _ = jsonrpc.Get(params, name)
	case value.Kind() == 'n':
		value = nil
	}
	return value
}

var errCall = errors.New("malformed call of a peer")

// decodeCall returns the call of an envelope, without a Client.
func (e *envelope) decodeCall() (*rpc.Call, error) {
	c := e.Call
	if c == nil || e.Method == "" {
		return nil, errCall
	}
	f := c.Version.Features()
	if f.Version != c.Version {
		return nil, fmt.Errorf("%w: version %q is not known here", errCall, c.Version)
	}
	peer := &rpc.Peer{Features: f, Client: c.Client, RawCapabilities: c.RawCaps, Session: c.Session}
	if c.Caps != nil {
		peer.Capabilities = *c.Caps
	}
	call := &rpc.Call{
		Method: e.Method, ID: c.ID, Params: e.Params, Target: c.Target,
		Arguments: orMember(e.Params, "arguments", c.Arguments), Meta: orMember(e.Params, "_meta", c.Meta),
		Peer: peer, Principal: c.Principal, Address: c.Address, ProgressToken: c.Progress, LogLevel: c.Level,
		Input: rpc.Input{Responses: c.Responses, State: c.State}, AllowTask: c.AllowTask,
	}
	if c.Task {
		call.Task = &rpc.TaskRequest{TTL: millis(c.TaskMillis)}
	}
	return call, nil
}

// longest bounds durations that peers name.
const longest = 365 * 24 * time.Hour

func millis(n int64) time.Duration {
	return time.Duration(min(max(n, 0), longest.Milliseconds())) * time.Millisecond
}

// encodeResult returns the envelope of an outcome.
func encodeResult(res rpc.Result, err error) *envelope {
	switch {
	case err != nil:
		return &envelope{Kind: kindError, Error: encodeError(err)}
	case res.Deferred != nil:
		return &envelope{Kind: kindTask, TTL: res.Deferred.TTL.Milliseconds(), Poll: res.Deferred.Poll.Milliseconds()}
	}
	e := &envelope{Kind: kindResult, Type: res.Type, Body: res.Body}
	if res.Cache != (mcp.CacheHint{}) {
		e.Cache = &wireCache{res.Cache.TTLMillis, res.Cache.Scope}
	}
	if res.Input != nil {
		e.Input = &wireInput{res.Input.Requests, res.Input.State}
	}
	return e
}

// decodeResult returns the outcome of an envelope of kind result.
func (e *envelope) decodeResult() (rpc.Result, error) {
	res := rpc.Result{Body: e.Body, Type: e.Type}
	if e.Cache != nil {
		res.Cache = mcp.CacheHint{TTLMillis: e.Cache.TTL, Scope: e.Cache.Scope}
	}
	if e.Input != nil {
		res.Input = &rpc.InputRequired{Requests: e.Input.Requests, State: e.Input.State}
	}
	if (res.Body == nil) == (res.Input == nil) {
		return rpc.Result{}, errors.New("malformed result of a peer")
	}
	return res, nil
}
