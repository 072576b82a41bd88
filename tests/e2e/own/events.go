// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// answers are what the client says when the server asks.
type answers struct {
	Elicit *struct {
		Action  string         `json:"action"`
		Content jsontext.Value `json:"content,omitzero"`
	} `json:"elicit"`
	Sample string   `json:"sample"`
	Roots  []string `json:"roots"`
}

// given holds the answers of the moment.
type given struct {
	mu  sync.Mutex
	now answers
}

func (g *given) set(a answers) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now = a
}

func (g *given) get() answers {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now
}

// options answers the server's questions and notes its notifications.
func (p *peer) options() []client.Option {
	changed := func(kind string) func() { return func() { p.events.add(kind, nil) } }
	return []client.Option{
		client.Info(mcp.Implementation{Name: "holdfast-e2e-own", Version: "1.0.0"}),
		client.RememberIn(nil),
		client.OnElicit(p.elicit),
		client.OnSample(p.sample),
		client.OnRoots(p.roots),
		client.OnToolsChanged(changed("tools_changed")),
		client.OnPromptsChanged(changed("prompts_changed")),
		client.OnResourcesChanged(changed("resources_changed")),
		client.OnResourceUpdated(func(uri string) { p.events.add("updated", map[string]any{"uri": uri}) }),
		client.OnLog(func(m client.LogMessage) {
			p.events.add("log", map[string]any{"level": m.Level, "data": m.Data})
		}),
	}
}

func (p *peer) elicit(_ context.Context, params *mcp.ElicitParams) (*mcp.ElicitResult, error) {
	p.events.add("elicit", map[string]any{"message": params.Message})
	if say := p.given.get().Elicit; say != nil {
		return &mcp.ElicitResult{Action: say.Action, Content: say.Content}, nil
	}
	return &mcp.ElicitResult{Action: mcp.ActionDecline}, nil
}

func (p *peer) sample(context.Context, *mcp.CreateMessageParams) (*mcp.CreateMessageResult, error) {
	p.events.add("sample", nil)
	return &mcp.CreateMessageResult{
		Role: "assistant", Model: "test-model", StopReason: "endTurn",
		Content: mcp.ContentList{mcp.Text(p.given.get().Sample)},
	}, nil
}

func (p *peer) roots(context.Context) ([]mcp.Root, error) {
	p.events.add("roots", nil)
	var roots []mcp.Root
	for _, uri := range p.given.get().Roots {
		roots = append(roots, mcp.Root{URI: uri})
	}
	return roots, nil
}

// events collects what the server sends by itself.
type events struct {
	arrived chan struct{} // receives a token, without blocking, for each event

	mu   sync.Mutex
	seen []map[string]any
}

func (e *events) add(kind string, detail map[string]any) {
	event := map[string]any{"kind": kind}
	maps.Copy(event, detail)
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
	return seen
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
