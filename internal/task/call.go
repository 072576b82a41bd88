// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package task

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/pause"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Call is what is kept of the call that began a task so that it can be made
// again: what a handler may look at. It is immutable.
type Call struct {
	Endpoint     string // where it came in, by a name that means the same at all nodes
	Params       rpc.Raw
	Version      mcp.Version
	Client       mcp.Implementation
	Capabilities rpc.Raw // of the client
	Principal    rpc.Principal
	LogLevel     mcp.LogLevel
	Input        rpc.Input        // answers that the call came with
	Task         *rpc.TaskRequest // nil unless the client asked for a task
	// Oversized says that the call was too large to be kept; but for Endpoint the
	// rest is empty then.
	Oversized bool
}

// keepCall returns what is to be kept of a call, at most limit bytes of it.
func keepCall(endpoint string, call *rpc.Call, limit int) *Call {
	k := &Call{
		Endpoint: endpoint, Version: call.Peer.Features.Version, Client: call.Peer.Client,
		Capabilities: call.Peer.RawCapabilities, LogLevel: call.LogLevel, Input: call.Input, Task: call.Task,
	}
	if call.Principal != nil {
		k.Principal = *call.Principal
	}
	var err error
	if k.Capabilities == nil {
		k.Capabilities, err = json.Marshal(call.Peer.Capabilities)
	}
	client, clientErr := json.Marshal(k.Client)
	size := len(call.Params) + len(k.Capabilities) + len(client) + len(k.Input.State)
	for key, response := range k.Input.Responses {
		size += len(key) + len(response)
	}
	if size > limit || err != nil || clientErr != nil {
		return &Call{Endpoint: endpoint, Oversized: true}
	}
	k.Params = bytes.Clone(call.Params) // the rest of the message is not to be held for it
	return k
}

// remake returns the call that t continues, without a Client and with the answers
// that it brought. Notifications of it reach nobody, so it asks for no progress.
func (t *Task) remake() (*rpc.Call, error) {
	k := t.Call
	f := k.Version.Features()
	if f.Version != k.Version {
		return nil, fmt.Errorf("its protocol version %q is not served here", k.Version)
	}
	peer := &rpc.Peer{Features: f, Client: k.Client, RawCapabilities: k.Capabilities, Session: t.Owner.Session}
	if err := json.Unmarshal(k.Capabilities, &peer.Capabilities); err != nil {
		return nil, errors.New("what is kept of its client cannot be read")
	}
	principal := k.Principal
	call := &rpc.Call{
		Method: t.Method, Target: t.Target, Params: k.Params, Peer: peer, Principal: &principal,
		LogLevel: k.LogLevel, Input: k.Input, Task: k.Task, AllowTask: true,
	}
	call.Arguments, _ = jsonrpc.Get(k.Params, "arguments")
	call.Meta, _ = jsonrpc.Get(k.Params, "_meta")
	return call, nil
}

const (
	// maxRounds bounds how often a call that is made again may ask for input by returning.
	maxRounds = 32
	// roundPause is how long is waited when it returned and asked for nothing.
	roundPause = 500 * time.Millisecond
)

// rerun returns the work of a call that is made again: what an engine does before
// there is a task, and then the task's.
func rerun(h rpc.Handler, call *rpc.Call) *rpc.Deferred {
	return &rpc.Deferred{Run: func(ctx context.Context, client rpc.Client) (rpc.Result, error) {
		own := *call
		own.Client = client
		for range maxRounds {
			res, err := h.Handle(ctx, &own)
			switch {
			case err != nil:
				return rpc.Result{}, err
			case res.Deferred != nil:
				return res.Deferred.Run(ctx, client)
			case res.Input == nil:
				return res, nil
			}
			answers, err := client.Ask(ctx, res.Input.Requests)
			if err == nil && len(res.Input.Requests) == 0 {
				err = pause.For(ctx, roundPause)
			}
			if err != nil {
				return rpc.Result{}, err
			}
			own.Input = rpc.Input{Responses: answers, State: res.Input.State}
		}
		return rpc.Result{}, fmt.Errorf("%s asked for input more than %d times", own.Method, maxRounds)
	}}
}
