// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	note         = "kit://note"
	itemTemplate = "kit://item/{id}"
)

// kit is the state behind one server.
type kit struct {
	server *mcp.Server

	mu        sync.Mutex
	cancelled map[string]int // by the key of a slow call
}

func newKit(name string, versions []string) *mcp.Server {
	k := &kit{cancelled: make(map[string]int)}
	k.server = mcp.NewServer(&mcp.Implementation{Name: name, Version: "1.0.0"}, &mcp.ServerOptions{
		Instructions:              "A kit of everything.",
		SupportedProtocolVersions: versions,
		CompletionHandler:         complete,
		SubscribeHandler:          func(context.Context, *mcp.SubscribeRequest) error { return nil },
		UnsubscribeHandler:        func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
	})
	k.addTools()
	k.addQuestions()
	k.server.AddResource(&mcp.Resource{URI: note, Name: "note", MIMEType: "text/plain"}, read)
	k.server.AddResourceTemplate(&mcp.ResourceTemplate{URITemplate: itemTemplate, Name: "item", MIMEType: "text/plain"}, read)
	k.server.AddPrompt(&mcp.Prompt{
		Name: "greet", Arguments: []*mcp.PromptArgument{{Name: "city", Required: true}},
	}, greet)
	return k.server
}

func (k *kit) addTools() {
	tool := func(name, about string) *mcp.Tool { return &mcp.Tool{Name: name, Description: about} }
	mcp.AddTool(k.server, tool("echo", "Says it again"), k.echo)
	mcp.AddTool(k.server, tool("count", "Counts, with progress"), k.count)
	mcp.AddTool(k.server, tool("log", "Logs at three levels"), k.log)
	mcp.AddTool(k.server, tool("slow", "Waits until it is cancelled"), k.slow)
	mcp.AddTool(k.server, tool("cancelled", "Says how often slow was cancelled"), k.howOften)
	mcp.AddTool(k.server, tool("touch", "Changes a resource"), k.touch)
	mcp.AddTool(k.server, tool("grow", "Adds a tool"), k.grow)
	mcp.AddTool(k.server, tool("shrink", "Removes a tool"), k.shrink)
}

type (
	text struct {
		Message string `json:"message"`
	}
	number struct {
		Steps int `json:"steps"`
	}
	keyed struct {
		Key string `json:"key"`
	}
	located struct {
		URI string `json:"uri"`
	}
)

// says is a result of one text.
func says(format string, args ...any) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: fmt.Sprintf(format, args...)}}}
}

func (k *kit) echo(_ context.Context, _ *mcp.CallToolRequest, in text) (*mcp.CallToolResult, any, error) {
	return says("Echo: %s", in.Message), nil, nil
}

func (k *kit) count(ctx context.Context, req *mcp.CallToolRequest, in number) (*mcp.CallToolResult, any, error) {
	for i := range in.Steps {
		if token := req.Params.GetProgressToken(); token != nil {
			err := req.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
				ProgressToken: token, Progress: float64(i + 1), Total: float64(in.Steps), Message: fmt.Sprint("step ", i+1),
			})
			if err != nil {
				return nil, nil, err
			}
		}
	}
	return says("counted to %d", in.Steps), nil, nil
}

func (k *kit) log(ctx context.Context, req *mcp.CallToolRequest, in text) (*mcp.CallToolResult, any, error) {
	for _, level := range []mcp.LoggingLevel{"debug", "warning", "error"} {
		if err := req.Session.Log(ctx, &mcp.LoggingMessageParams{Level: level, Logger: "kit", Data: in.Message}); err != nil {
			return nil, nil, err
		}
	}
	return says("logged"), nil, nil
}

func (k *kit) slow(ctx context.Context, _ *mcp.CallToolRequest, in keyed) (*mcp.CallToolResult, any, error) {
	select {
	case <-ctx.Done():
		k.mu.Lock()
		k.cancelled[in.Key]++
		k.mu.Unlock()
		return nil, nil, ctx.Err()
	case <-time.After(30 * time.Second):
		return says("nobody cancelled"), nil, nil
	}
}

func (k *kit) howOften(_ context.Context, _ *mcp.CallToolRequest, in keyed) (*mcp.CallToolResult, any, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return says("cancelled %d", k.cancelled[in.Key]), nil, nil
}

func (k *kit) touch(ctx context.Context, _ *mcp.CallToolRequest, in located) (*mcp.CallToolResult, any, error) {
	if err := k.server.ResourceUpdated(ctx, &mcp.ResourceUpdatedNotificationParams{URI: in.URI}); err != nil {
		return nil, nil, err
	}
	return says("touched %s", in.URI), nil, nil
}

func (k *kit) grow(_ context.Context, _ *mcp.CallToolRequest, in keyed) (*mcp.CallToolResult, any, error) {
	mcp.AddTool(k.server, &mcp.Tool{Name: in.Key, Description: "Was not there before"}, k.echo)
	return says("grew %s", in.Key), nil, nil
}

func (k *kit) shrink(_ context.Context, _ *mcp.CallToolRequest, in keyed) (*mcp.CallToolResult, any, error) {
	k.server.RemoveTools(in.Key)
	return says("shrank %s", in.Key), nil, nil
}

func read(_ context.Context, req *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
	return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: req.Params.URI, Text: "this is " + req.Params.URI}}}, nil
}

func greet(_ context.Context, req *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
	content := &mcp.TextContent{Text: "Greetings from " + req.Params.Arguments["city"]}
	return &mcp.GetPromptResult{Messages: []*mcp.PromptMessage{{Role: "user", Content: content}}}, nil
}

// complete completes every argument with cities.
func complete(_ context.Context, req *mcp.CompleteRequest) (*mcp.CompleteResult, error) {
	values := []string{}
	for _, city := range []string{"Paris", "Parma", "Porto"} {
		if strings.HasPrefix(city, req.Params.Argument.Value) {
			values = append(values, city)
		}
	}
	return &mcp.CompleteResult{Completion: mcp.CompletionResultDetails{Values: values, Total: len(values)}}, nil
}
