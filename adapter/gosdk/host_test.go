// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gosdk_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/goleak"

	"github.com/holdfast-mcp/holdfast"
	"github.com/holdfast-mcp/holdfast/adapter/gosdk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const docURI = "test://doc"

// hosted is an SDK server as somebody wrote it, without a thought of Holdfast.
type hosted struct {
	*sdk.Server

	subscribed, unsubscribed atomic.Int32
	cancelled                chan struct{}
	together                 sync.WaitGroup // of the calls of tool meet
}

type noArgs struct{}

func say(format string, args ...any) *sdk.CallToolResult {
	return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: fmt.Sprintf(format, args...)}}}
}

func newHosted() *hosted {
	h := &hosted{cancelled: make(chan struct{}, 1)}
	h.Server = sdk.NewServer(&sdk.Implementation{Name: "hosted", Version: "1"}, &sdk.ServerOptions{
		Logger:             slog.New(slog.DiscardHandler),
		SubscribeHandler:   func(context.Context, *sdk.SubscribeRequest) error { h.subscribed.Add(1); return nil },
		UnsubscribeHandler: func(context.Context, *sdk.UnsubscribeRequest) error { h.unsubscribed.Add(1); return nil },
		CompletionHandler: func(_ context.Context, req *sdk.CompleteRequest) (*sdk.CompleteResult, error) {
			return &sdk.CompleteResult{Completion: sdk.CompletionResultDetails{Values: []string{req.Params.Argument.Value + "da"}}}, nil
		},
	})
	h.AddResource(&sdk.Resource{URI: docURI, Name: "doc"}, func(context.Context, *sdk.ReadResourceRequest) (*sdk.ReadResourceResult, error) {
		return &sdk.ReadResourceResult{Contents: []*sdk.ResourceContents{{URI: docURI, Text: "a document"}}}, nil
	})
	h.AddPrompt(&sdk.Prompt{Name: "greet", Arguments: []*sdk.PromptArgument{{Name: "who"}}}, func(_ context.Context, req *sdk.GetPromptRequest) (*sdk.GetPromptResult, error) {
		text := &sdk.TextContent{Text: "Greet " + req.Params.Arguments["who"]}
		return &sdk.GetPromptResult{Messages: []*sdk.PromptMessage{{Role: "user", Content: text}}}, nil
	})
	h.addTools()
	return h
}

func (h *hosted) addTools() {
	tool := func(name string, f func(context.Context, *sdk.CallToolRequest) (*sdk.CallToolResult, error)) {
		sdk.AddTool(h.Server, &sdk.Tool{Name: name}, func(ctx context.Context, req *sdk.CallToolRequest, _ noArgs) (*sdk.CallToolResult, any, error) {
			res, err := f(ctx, req)
			return res, nil, err
		})
	}
	tool("session", func(_ context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		return say("%s", req.Session.ID()), nil
	})
	tool("elicit", elicit)
	tool("sample", sample)
	tool("roots", roots)
	tool("return", returning)
	tool("progress", progress)
	tool("log", func(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		log := slog.New(sdk.NewLoggingHandler(req.Session, nil))
		log.WarnContext(ctx, "it rains")
		return say("logged"), nil
	})
	tool("touch", func(ctx context.Context, _ *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		return say("touched"), h.ResourceUpdated(ctx, &sdk.ResourceUpdatedNotificationParams{URI: docURI})
	})
	tool("meet", func(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		h.together.Done()
		h.together.Wait() // all of them are in flight now
		return elicit(ctx, req)
	})
	tool("hang", func(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		if err := notifyProgress(ctx, req, 0); err != nil {
			return nil, err
		}
		<-ctx.Done()
		h.cancelled <- struct{}{}
		return nil, ctx.Err()
	})
}

func elicit(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	res, err := req.Session.Elicit(ctx, question())
	if err != nil {
		return nil, err
	}
	return say("%s %v", res.Action, res.Content["name"]), nil
}

func question() *sdk.ElicitParams {
	return &sdk.ElicitParams{Message: "Who?", RequestedSchema: map[string]any{
		"type": "object", "properties": map[string]any{"name": map[string]any{"type": "string"}}, "required": []string{"name"},
	}}
}

func sample(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	res, err := req.Session.CreateMessage(ctx, &sdk.CreateMessageParams{
		MaxTokens: 10, Messages: []*sdk.SamplingMessage{{Role: "user", Content: &sdk.TextContent{Text: "Say hello"}}},
	})
	if err != nil {
		return nil, err
	}
	text, ok := res.Content.(*sdk.TextContent)
	if !ok {
		return nil, errors.New("no text")
	}
	return say("%s by %s", text.Text, res.Model), nil
}

func roots(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	res, err := req.Session.ListRoots(ctx, nil)
	if err != nil {
		return nil, err
	}
	return say("%d %s", len(res.Roots), res.Roots[0].URI), nil
}

// returning asks in the other way: by its result.
func returning(_ context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	answer, ok := req.Params.InputResponses["who"].(*sdk.ElicitResult)
	if !ok {
		return &sdk.CallToolResult{InputRequests: sdk.InputRequestMap{"who": question()}, RequestState: "kept"}, nil
	}
	return say("%s %v %s", answer.Action, answer.Content["name"], req.Params.RequestState), nil
}

func progress(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	for i := range 3 {
		if err := notifyProgress(ctx, req, float64(i+1)); err != nil {
			return nil, err
		}
	}
	return say("done"), nil
}

func notifyProgress(ctx context.Context, req *sdk.CallToolRequest, value float64) error {
	return req.Session.NotifyProgress(ctx, &sdk.ProgressNotificationParams{
		ProgressToken: req.Params.GetProgressToken(), Progress: value, Total: 3, Message: "working",
	})
}

// sessions returns how many sessions the server has.
func (h *hosted) sessions() int {
	count := 0
	for range h.Sessions() {
		count++
	}
	return count
}

// serve runs the server in a node and returns the URL of its own endpoint.
func (h *hosted) serve(t *testing.T, opts ...holdfast.MountOption) string {
	t.Helper()
	node, err := holdfast.Open(t.Context(), holdfast.Config{DataDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := gosdk.Mount(node, "hosted", h.Server, opts...); err != nil {
		t.Fatal(err)
	}
	if err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(node.Handler())
	t.Cleanup(func() {
		if err := node.Close(); err != nil {
			t.Error(err)
		}
		web.Close()
		if n := h.sessions(); n != 0 {
			t.Errorf("%d sessions are left after the node's end", n)
		}
	})
	return web.URL + "/servers/hosted/mcp"
}

// eventually waits for what happens beside the calls.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !happened() {
		select {
		case <-deadline.C:
			t.Fatalf("%s: not within 10 s", what)
		case <-tick.C:
		}
	}
}
