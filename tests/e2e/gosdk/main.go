// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Command gosdk is a test client on the official Go SDK. Like the scripts in ../js it does one step per line of
// standard input and prints one line per step; ../js/peer.mjs describes both. It is a module of its own so that
// Holdfast does not depend on the SDK.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	modernVersion  = "2026-07-28"
	legacyVersion  = "2025-11-25"
	defaultTimeout = 10 * time.Second
	maxLine        = 1 << 20 // bytes of one step
)

// step is one line of input. Each operation reads the members it needs.
type step struct {
	Op        string                     `json:"op"`
	Transport string                     `json:"transport"`
	URL       string                     `json:"url"`
	Command   string                     `json:"command"`
	Args      jsonArgs                   `json:"args"`
	Era       string                     `json:"era"`
	Answers   answers                    `json:"answers"`
	Name      string                     `json:"name"`
	URI       string                     `json:"uri"`
	Kind      string                     `json:"kind"`
	Level     string                     `json:"level"`
	Ref       *mcp.CompleteReference     `json:"ref"`
	Argument  mcp.CompleteParamsArgument `json:"argument"`
	Progress  bool                       `json:"progress"`
	TimeoutMS int                        `json:"timeoutMs"`
	CancelMS  *int                       `json:"cancelAfterMs"`
}

// jsonArgs is the arguments of a call (an object) or of a command (a list).
type jsonArgs = json.RawMessage

// answers are what the client says when the server asks.
type answers struct {
	Elicit *mcp.ElicitResult `json:"elicit"`
	Sample string            `json:"sample"`
	Roots  []string          `json:"roots"`
}

// answer is one line of output.
type answer struct {
	OK     bool             `json:"ok"`
	Result any              `json:"result,omitempty"`
	Error  *failure         `json:"error,omitempty"`
	Events []map[string]any `json:"events"`
}

type failure struct {
	Code    any             `json:"code,omitempty"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// events collects what the server sends by itself.
type events struct {
	arrived chan struct{} // receives a token, without blocking, for each event

	mu   sync.Mutex
	seen []map[string]any
}

func (e *events) add(kind string, detail map[string]any) {
	event := map[string]any{"kind": kind}
	for k, v := range detail {
		event[k] = v
	}
	e.mu.Lock()
	e.seen = append(e.seen, event)
	e.mu.Unlock()
	select {
	case e.arrived <- struct{}{}:
	default:
	}
}

func (e *events) drain() []map[string]any {
	e.mu.Lock()
	defer e.mu.Unlock()
	seen := e.seen
	e.seen = nil
	return append([]map[string]any{}, seen...)
}

func (e *events) find(kind string) map[string]any {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, event := range e.seen {
		if event["kind"] == kind {
			return event
		}
	}
	return nil
}

// await returns the first event of a kind that is not drained yet, or the next to come.
func (e *events) await(ctx context.Context, kind string) (map[string]any, error) {
	for {
		if event := e.find(kind); event != nil {
			return event, nil
		}
		select {
		case <-e.arrived:
		case <-ctx.Done():
			return nil, fmt.Errorf("no %s event: %w", kind, ctx.Err())
		}
	}
}

// peer is the client and its one session.
type peer struct {
	events  *events
	session *mcp.ClientSession
	level   mcp.LoggingLevel // of the log messages to ask a modern server for with every call

	mu    sync.Mutex
	given answers
}

// say changes the answers.
func (p *peer) say(given answers) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.given = given
}

func (p *peer) said() answers {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.given
}

func main() {
	p := &peer{events: &events{arrived: make(chan struct{}, 1)}}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, maxLine)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var s step
		a := answer{OK: true}
		err := json.Unmarshal(lines.Bytes(), &s)
		if err == nil {
			a.Result, err = p.do(context.Background(), s)
		}
		if err != nil {
			a = answer{Error: describe(err)}
		}
		a.Events = p.events.drain()
		if err := out.Encode(a); err != nil {
			fmt.Fprintln(os.Stderr, "gosdk:", err)
			os.Exit(1)
		}
	}
}

func describe(err error) *failure {
	f := &failure{Message: err.Error()}
	var wire *jsonrpc.Error
	if errors.As(err, &wire) {
		f.Code, f.Data = wire.Code, wire.Data
	}
	return f
}

// do performs one step.
func (p *peer) do(ctx context.Context, s step) (any, error) {
	timeout := defaultTimeout
	if s.TimeoutMS > 0 {
		timeout = time.Duration(s.TimeoutMS) * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if s.Op == "connect" {
		return p.connect(ctx, s)
	}
	if p.session == nil {
		return nil, errors.New("not connected")
	}
	switch s.Op {
	case "tools", "resources", "templates", "prompts":
		return p.list(ctx, s.Op)
	case "call":
		return p.call(ctx, s)
	case "read":
		return p.session.ReadResource(ctx, &mcp.ReadResourceParams{URI: s.URI})
	case "answers":
		p.say(s.Answers)
		return struct{}{}, nil
	case "prompt":
		args := map[string]string{}
		if err := json.Unmarshal(s.Args, &args); err != nil {
			return nil, err
		}
		return p.session.GetPrompt(ctx, &mcp.GetPromptParams{Name: s.Name, Arguments: args})
	case "complete":
		return p.session.Complete(ctx, &mcp.CompleteParams{Ref: s.Ref, Argument: s.Argument})
	case "subscribe":
		return struct{}{}, p.session.Subscribe(ctx, &mcp.SubscribeParams{URI: s.URI})
	case "unsubscribe":
		return struct{}{}, p.session.Unsubscribe(ctx, &mcp.UnsubscribeParams{URI: s.URI})
	case "logLevel":
		return struct{}{}, p.logLevel(ctx, mcp.LoggingLevel(s.Level))
	case "await":
		return p.events.await(ctx, s.Kind)
	case "close":
		return struct{}{}, p.session.Close()
	}
	return nil, fmt.Errorf("unknown operation %q", s.Op)
}

// connect opens the session: in the modern era, in the legacy era, or (era "auto") as the SDK finds out.
func (p *peer) connect(ctx context.Context, s step) (any, error) {
	p.say(s.Answers)
	client := mcp.NewClient(&mcp.Implementation{Name: "holdfast-e2e-gosdk", Version: "1.0.0"}, p.options())
	for _, uri := range s.Answers.Roots {
		client.AddRoots(&mcp.Root{URI: uri})
	}
	transport, err := newTransport(s)
	if err != nil {
		return nil, err
	}
	var version mcp.ClientSessionOptions
	if s.Era == "legacy" {
		version.ProtocolVersion = legacyVersion
	}
	// The SSE transport ties its stream to this context: it must outlive the step.
	if p.session, err = client.Connect(context.WithoutCancel(ctx), transport, &version); err != nil {
		return nil, err
	}
	init := p.session.InitializeResult()
	if s.Era == "modern" && init.ProtocolVersion != modernVersion {
		return nil, fmt.Errorf("the session speaks %s", init.ProtocolVersion)
	}
	server := ""
	if init.ServerInfo != nil {
		server = init.ServerInfo.Name
	}
	return map[string]any{
		"version": init.ProtocolVersion, "session": p.session.ID(), "server": server, "capabilities": init.Capabilities,
	}, nil
}

func newTransport(s step) (mcp.Transport, error) {
	switch s.Transport {
	case "sse":
		return &mcp.SSEClientTransport{Endpoint: s.URL}, nil
	case "stdio":
		var args []string
		if len(s.Args) > 0 {
			if err := json.Unmarshal(s.Args, &args); err != nil {
				return nil, fmt.Errorf("read the command's arguments: %w", err)
			}
		}
		cmd := exec.Command(s.Command, args...)
		cmd.Stderr = os.Stderr
		return &mcp.CommandTransport{Command: cmd}, nil
	}
	return &mcp.StreamableClientTransport{Endpoint: s.URL}, nil
}

// options answers the server's questions and notes its notifications.
func (p *peer) options() *mcp.ClientOptions {
	return &mcp.ClientOptions{
		ElicitationHandler: func(_ context.Context, req *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			p.events.add("elicit", map[string]any{"message": req.Params.Message, "schema": req.Params.RequestedSchema})
			if say := p.said().Elicit; say != nil {
				return say, nil
			}
			return &mcp.ElicitResult{Action: "decline"}, nil
		},
		CreateMessageHandler: func(_ context.Context, req *mcp.CreateMessageRequest) (*mcp.CreateMessageResult, error) {
			p.events.add("sample", map[string]any{"messages": req.Params.Messages})
			return &mcp.CreateMessageResult{
				Role: "assistant", Model: "test-model", StopReason: "endTurn", Content: &mcp.TextContent{Text: p.said().Sample},
			}, nil
		},
		ToolListChangedHandler:     func(context.Context, *mcp.ToolListChangedRequest) { p.events.add("tools_changed", nil) },
		PromptListChangedHandler:   func(context.Context, *mcp.PromptListChangedRequest) { p.events.add("prompts_changed", nil) },
		ResourceListChangedHandler: func(context.Context, *mcp.ResourceListChangedRequest) { p.events.add("resources_changed", nil) },
		ResourceUpdatedHandler: func(_ context.Context, req *mcp.ResourceUpdatedNotificationRequest) {
			p.events.add("updated", map[string]any{"uri": req.Params.URI})
		},
		LoggingMessageHandler: func(_ context.Context, req *mcp.LoggingMessageRequest) {
			p.events.add("log", map[string]any{"level": req.Params.Level, "data": req.Params.Data})
		},
		ProgressNotificationHandler: func(_ context.Context, req *mcp.ProgressNotificationClientRequest) {
			p.events.add("progress", map[string]any{
				"progress": req.Params.Progress, "total": req.Params.Total, "message": req.Params.Message,
			})
		},
	}
}

// logLevel tells a legacy server; a modern one is told with every call.
func (p *peer) logLevel(ctx context.Context, level mcp.LoggingLevel) error {
	if p.session.InitializeResult().ProtocolVersion >= modernVersion {
		p.level = level
		return nil
	}
	return p.session.SetLoggingLevel(ctx, &mcp.SetLoggingLevelParams{Level: level})
}

// list returns the names of all entries of a list, page after page.
func (p *peer) list(ctx context.Context, what string) (any, error) {
	names := []string{}
	switch what {
	case "tools":
		for tool, err := range p.session.Tools(ctx, nil) {
			if err != nil {
				return nil, err
			}
			names = append(names, tool.Name)
		}
	case "resources":
		for resource, err := range p.session.Resources(ctx, nil) {
			if err != nil {
				return nil, err
			}
			names = append(names, resource.URI)
		}
	case "templates":
		for template, err := range p.session.ResourceTemplates(ctx, nil) {
			if err != nil {
				return nil, err
			}
			names = append(names, template.URITemplate)
		}
	case "prompts":
		for prompt, err := range p.session.Prompts(ctx, nil) {
			if err != nil {
				return nil, err
			}
			names = append(names, prompt.Name)
		}
	}
	return map[string]any{"names": names}, nil
}

func (p *peer) call(ctx context.Context, s step) (any, error) {
	params := &mcp.CallToolParams{Name: s.Name}
	if len(s.Args) > 0 {
		params.Arguments = s.Args
	}
	if s.Progress {
		params.SetProgressToken("e2e-" + s.Name)
	}
	if p.level != "" {
		if params.Meta == nil {
			params.Meta = mcp.Meta{}
		}
		params.Meta[mcp.MetaKeyLogLevel] = string(p.level)
	}
	if s.CancelMS != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(*s.CancelMS)*time.Millisecond)
		defer cancel()
	}
	return p.session.CallTool(ctx, params)
}
