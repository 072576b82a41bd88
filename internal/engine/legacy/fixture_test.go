// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

const discovery = `{"capabilities":{"logging":{},"completions":{},"prompts":{"listChanged":true},` +
	`"resources":{"subscribe":true,"listChanged":true},"tools":{"listChanged":true},"tasks":{}},` +
	`"serverInfo":{"name":"fixture","version":"1"},"instructions":"be kind"}`

// fixture is the handler behind the wire tests.
func fixture(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	switch call.Method {
	case mcp.MethodDiscover:
		return rpc.Result{Body: rpc.Raw(discovery)}, nil
	case mcp.MethodCallTool:
		return tool(ctx, call)
	case mcp.MethodReadResource:
		return rpc.Result{}, mcp.ResourceNotFound(call.Target)
	case mcp.MethodListTools:
		return rpc.Result{Body: rpc.Raw(`{"tools":[{"name":"echo","title":"Echo","description":"d","inputSchema":{"type":"object"}}]}`)}, nil
	case mcp.MethodListPrompts:
		return rpc.Result{Body: rpc.Raw(`{"prompts":[]}`)}, nil
	}
	return rpc.Result{}, jsonrpc.Errorf(jsonrpc.CodeMethodNotFound, "no %s", call.Method)
}

func text(format string, args ...any) rpc.Result {
	quoted := jsonrpc.AppendString(nil, fmt.Sprintf(format, args...))
	return rpc.Result{Body: rpc.Raw(`{"content":[{"type":"text","text":` + string(quoted) + `}]}`)}
}

var form = rpc.InputRequest{Method: mcp.MethodElicit,
	Params: rpc.Raw(`{"mode":"form","message":"Who?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}}}}`)}

func tool(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	switch call.Target {
	case "echo":
		return text("%s", call.Arguments), nil
	case "who":
		return text("%s %s %s roots=%t", call.Peer.Client.Name, call.Peer.RawCapabilities, call.Principal.ID, call.Peer.Capabilities.Roots != nil), nil
	case "panic":
		panic("boom")
	case "error":
		return rpc.Result{}, errors.New("secret detail")
	case "sleep":
		return sleep(ctx, call)
	case "progress":
		return progress(ctx, call)
	case "log":
		for _, level := range []string{"debug", "info", "error"} {
			params := rpc.Raw(`{"level":"` + level + `","data":"x"}`)
			if err := call.Client.Notify(ctx, mcp.NotificationMessage, params); err != nil {
				return rpc.Result{}, err
			}
		}
		return text("logged"), nil
	case "detach":
		call.Client.(rpc.Detacher).Detach(500 * time.Millisecond)
		return sleep(ctx, call)
	case "elicit", "sample", "roots", "url", "both":
		return ask(ctx, call.Client, call.Target)
	case "input":
		return input(call)
	case "page":
		return openPage(call)
	case "job", "askjob", "badjob":
		return job(call)
	}
	return rpc.Result{}, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "unknown tool %q", call.Target)
}

func sleep(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	select {
	case <-time.After(time.Minute):
		return text("slept"), nil
	case <-ctx.Done():
		return rpc.Result{}, context.Cause(ctx)
	}
}

// progress reports once a second, as often as its argument n says.
func progress(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	raw, _ := jsonrpc.Get(call.Arguments, "n")
	n, _ := strconv.Atoi(string(raw))
	for i := range n {
		params := rpc.Raw(fmt.Sprintf(`{"progressToken":%s,"progress":%d}`, call.ProgressToken, i+1))
		if err := call.Client.Notify(ctx, mcp.NotificationProgress, params); err != nil {
			return rpc.Result{}, err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return rpc.Result{}, context.Cause(ctx)
		}
	}
	return text("done %d", n), nil
}

func ask(ctx context.Context, client rpc.Client, what string) (rpc.Result, error) {
	sample := rpc.InputRequest{Method: mcp.MethodCreateMessage, Params: rpc.Raw(`{"messages":[{"role":"user","content":{"type":"text","text":"hi"}}],"maxTokens":10}`)}
	requests := map[string]map[string]rpc.InputRequest{
		"elicit": {"a": form},
		"sample": {"a": sample},
		"roots":  {"a": {Method: mcp.MethodListRoots}},
		"url":    {"a": {Method: mcp.MethodElicit, Params: rpc.Raw(`{"mode":"url","message":"Go","url":"https://example.com/"}`)}},
		"both":   {"a": form, "b": sample},
	}[what]
	answers, err := client.Ask(ctx, requests)
	if err != nil {
		return rpc.Result{}, err
	}
	return text("a=%s b=%s", answers["a"], answers["b"]), nil
}

// input asks twice by returning.
func input(call *rpc.Call) (rpc.Result, error) {
	switch string(call.Input.State) {
	case "":
		return rpc.Result{Input: &rpc.InputRequired{Requests: map[string]rpc.InputRequest{"first": form}, State: []byte("1")}}, nil
	case "1":
		state := "2" + string(call.Input.Responses["first"])
		return rpc.Result{Input: &rpc.InputRequired{Requests: map[string]rpc.InputRequest{"second": form}, State: []byte(state)}}, nil
	}
	return text("%s then %s", call.Input.State, call.Input.Responses["second"]), nil
}

// openPage asks by returning for a page until it has asked three times.
func openPage(call *rpc.Call) (rpc.Result, error) {
	if string(call.Input.State) == "xxx" {
		return text("signed in %s", call.Input.Responses["login"]), nil
	}
	open := rpc.InputRequest{Method: mcp.MethodElicit, Params: rpc.Raw(`{"mode":"url","message":"Sign in","url":"https://example.com/login"}`)}
	if call.Input.State != nil && string(call.Input.Responses["login"]) != `{"action":"accept"}` {
		return text("not signed in"), nil
	}
	return rpc.Result{Input: &rpc.InputRequired{Requests: map[string]rpc.InputRequest{"login": open}, State: append(call.Input.State, 'x')}}, nil
}

func job(call *rpc.Call) (rpc.Result, error) {
	kind := call.Target
	return rpc.Result{Deferred: &rpc.Deferred{TTL: time.Hour, Poll: time.Second, Run: func(ctx context.Context, client rpc.Client) (rpc.Result, error) {
		switch kind {
		case "askjob":
			return ask(ctx, client, "elicit")
		case "badjob":
			return rpc.Result{Body: rpc.Raw(`{"content":[{"type":"text","text":"no"}],"isError":true}`)}, nil
		}
		return sleep(ctx, nil)
	}}}, nil
}
