// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Command own is a test client on Holdfast's own client package, in the era it is told. Like the scripts in ../js it
// does one step per line of standard input and prints one line per step; ../js/peer.mjs describes both.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

const (
	defaultTimeout = 10 * time.Second
	maxLine        = 1 << 20 // bytes of one step
)

// step is one line of input. Each operation reads the members it needs.
type step struct {
	Op        string               `json:"op"`
	URL       string               `json:"url"`
	Era       string               `json:"era"`
	Answers   answers              `json:"answers"`
	Name      string               `json:"name"`
	URI       string               `json:"uri"`
	Kind      string               `json:"kind"`
	Level     mcp.LogLevel         `json:"level"`
	Args      jsontext.Value       `json:"args"`
	Ref       mcp.Reference        `json:"ref"`
	Argument  mcp.CompleteArgument `json:"argument"`
	Progress  bool                 `json:"progress"`
	TimeoutMS int                  `json:"timeoutMs"`
	CancelMS  *int                 `json:"cancelAfterMs"`
}

// answer is one line of output.
type answer struct {
	OK     bool             `json:"ok"`
	Result any              `json:"result,omitzero"`
	Error  *failure         `json:"error,omitzero"`
	Events []map[string]any `json:"events"`
}

type failure struct {
	Code    int64          `json:"code,omitzero"`
	Message string         `json:"message"`
	Data    jsontext.Value `json:"data,omitzero"`
}

// peer is the client and its one session.
type peer struct {
	events *events
	given  *given
	client *client.Client
}

func main() {
	p := &peer{events: &events{arrived: make(chan struct{}, 1)}, given: &given{}}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, maxLine)
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
		if err := json.MarshalWrite(os.Stdout, a); err != nil {
			fmt.Fprintln(os.Stderr, "own:", err)
			os.Exit(1)
		}
		fmt.Println()
	}
}

func describe(err error) *failure {
	f := &failure{Message: err.Error()}
	if wire, ok := jsonrpc.AsError(err); ok {
		f.Code, f.Message, f.Data = wire.Code, wire.Message, wire.Data
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
	if p.client == nil {
		return nil, errors.New("not connected")
	}
	done := struct{}{}
	switch s.Op {
	case "answers":
		p.given.set(s.Answers)
		return done, nil
	case "tools", "resources", "prompts":
		return p.list(ctx, s.Op)
	case "call":
		return p.call(ctx, s)
	case "read":
		return p.client.ReadResource(ctx, s.URI)
	case "prompt":
		args := map[string]string{}
		if err := json.Unmarshal(s.Args, &args); err != nil {
			return nil, err
		}
		return p.client.GetPrompt(ctx, s.Name, args)
	case "complete":
		return p.client.Complete(ctx, &mcp.CompleteParams{Ref: s.Ref, Argument: s.Argument})
	case "subscribe":
		return done, p.client.Subscribe(ctx, s.URI)
	case "unsubscribe":
		return done, p.client.Unsubscribe(ctx, s.URI)
	case "logLevel":
		return done, p.client.SetLogLevel(ctx, s.Level)
	case "await":
		return p.events.await(ctx, s.Kind)
	case "close":
		return done, p.client.Close()
	}
	return nil, fmt.Errorf("unknown operation %q", s.Op)
}

// connect opens the session, in an era or as the client finds out.
func (p *peer) connect(ctx context.Context, s step) (any, error) {
	opts := p.options()
	p.given.set(s.Answers)
	switch s.Era {
	case "legacy":
		opts = append(opts, client.ForceEra(mcp.Legacy))
	case "modern":
		opts = append(opts, client.ForceEra(mcp.Modern))
	}
	var err error
	if p.client, err = client.Connect(ctx, client.HTTP(s.URL), opts...); err != nil {
		return nil, err
	}
	return map[string]any{
		"version": p.client.Version(), "session": "", "server": p.client.ServerInfo().Name,
		"capabilities": p.client.ServerCapabilities(),
	}, nil
}

// list returns the names of all entries of a list, page after page.
func (p *peer) list(ctx context.Context, what string) (any, error) {
	names := []string{}
	switch what {
	case "tools":
		for tool, err := range p.client.Tools(ctx) {
			if err != nil {
				return nil, err
			}
			names = append(names, tool.Name)
		}
	case "resources":
		for resource, err := range p.client.Resources(ctx) {
			if err != nil {
				return nil, err
			}
			names = append(names, resource.URI)
		}
	case "prompts":
		for prompt, err := range p.client.Prompts(ctx) {
			if err != nil {
				return nil, err
			}
			names = append(names, prompt.Name)
		}
	}
	return map[string]any{"names": names}, nil
}

func (p *peer) call(ctx context.Context, s step) (any, error) {
	var opts []client.CallOption
	if s.Progress {
		opts = append(opts, client.OnProgress(func(at client.Progress) {
			p.events.add("progress", map[string]any{"progress": at.Progress, "message": at.Message})
		}))
	}
	if s.CancelMS != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(*s.CancelMS)*time.Millisecond)
		defer cancel()
	}
	return p.client.CallTool(ctx, s.Name, s.Args, opts...)
}
