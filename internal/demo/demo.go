// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package demo is the server that Holdfast shows when it is given none: small
// tools that exercise what clients can do, and a resource that changes.
//
// Run owns the one goroutine's worth of work: the clock behind the resource.
package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
)

// clockURI is the resource that changes.
const clockURI = "demo://clock"

// tick is how often it does.
const tick = 2 * time.Second

// Server returns the demo.
func Server(version string, opts ...server.Option) *server.Server {
	opts = append(opts, server.Instructions("A demonstration: echo, add, sleep (with progress), ask (a question to the user), and a clock to subscribe to."))
	s := server.New("holdfast-demo", version, opts...)
	server.AddTool(s, "echo", "Return the text it is given", echo, server.ReadOnly())
	server.AddTool(s, "add", "Add two numbers", add, server.ReadOnly())
	server.AddTool(s, "sleep", "Wait for some seconds and report progress; can be cancelled", sleep, server.ReadOnly())
	server.AddTool(s, "ask", "Put a question to the user and return the answer", ask)
	s.AddResource(mcp.Resource{URI: clockURI, Name: "clock", Description: "The time at the server; it changes while you watch", MIMEType: "text/plain"}, clock)
	return s
}

// Run moves the clock until ctx ends.
func Run(ctx context.Context, s *server.Server) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.ResourceUpdated(clockURI)
		}
	}
}

// EchoIn is the input of echo.
type EchoIn struct {
	Text string `json:"text" jsonschema:"the text to return"`
}

func echo(_ context.Context, _ *server.Request, in EchoIn) (*mcp.CallToolResult, error) {
	return &mcp.CallToolResult{Content: []mcp.Content{mcp.Text(in.Text)}}, nil
}

// AddIn is the input of add.
type AddIn struct {
	A float64 `json:"a" jsonschema:"the first number"`
	B float64 `json:"b" jsonschema:"the second number"`
}

// AddOut is the output of add.
type AddOut struct {
	Sum float64 `json:"sum"`
}

func add(_ context.Context, _ *server.Request, in AddIn) (AddOut, error) {
	return AddOut{in.A + in.B}, nil
}

// SleepIn is the input of sleep.
type SleepIn struct {
	Seconds float64 `json:"seconds" jsonschema:"how long to wait, 0 to 600"`
}

// sleep waits in ten steps and reports each.
func sleep(ctx context.Context, req *server.Request, in SleepIn) (*mcp.CallToolResult, error) {
	if in.Seconds < 0 || in.Seconds > 600 {
		return nil, fmt.Errorf("seconds must be from 0 to 600, got %g", in.Seconds)
	}
	const steps = 10
	step := time.NewTicker(max(time.Duration(in.Seconds*float64(time.Second))/steps, 1))
	defer step.Stop()
	for i := range steps {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-step.C:
			req.Progress(float64(i+1), steps, "sleeping")
		}
	}
	return &mcp.CallToolResult{Content: []mcp.Content{mcp.Text(fmt.Sprintf("slept for %g seconds", in.Seconds))}}, nil
}

// AskIn is the input of ask.
type AskIn struct {
	Question string `json:"question" jsonschema:"the question to the user"`
}

// answerForm is what the user fills in.
type answerForm struct {
	Answer string `json:"answer" jsonschema:"your answer"`
}

func ask(ctx context.Context, req *server.Request, in AskIn) (*mcp.CallToolResult, error) {
	form, action, err := server.Elicit[answerForm](ctx, req, in.Question)
	if err != nil {
		return nil, err
	}
	text := "The user answered: " + form.Answer
	if action != mcp.ActionAccept {
		text = "The user did not answer (" + action + ")."
	}
	return &mcp.CallToolResult{Content: []mcp.Content{mcp.Text(text)}}, nil
}

func clock(context.Context, *server.Request) (*mcp.ReadResourceResult, error) {
	now := mcp.ResourceContents{URI: clockURI, MIMEType: "text/plain", Text: time.Now().Format(time.RFC3339)}
	return &mcp.ReadResourceResult{Contents: []mcp.ResourceContents{now}}, nil
}
