// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gosdk_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// peer is a client of some make, which answers every question.
type peer interface {
	call(ctx context.Context, tool string) (string, error)
	read(ctx context.Context, uri string) (string, error)
	prompt(ctx context.Context, name, who string) (string, error)
	complete(ctx context.Context, prompt, value string) (string, error)
	watch(ctx context.Context, uri string) error
	unwatch(ctx context.Context, uri string) error
	logFrom(ctx context.Context, level string) error
	leave() error
	heard() *heard
}

// heard is what a client was told.
type heard struct {
	mu     sync.Mutex
	events map[string]int
}

func (h *heard) note(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.events == nil {
		h.events = map[string]int{}
	}
	h.events[what]++
}

func (h *heard) count(what string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.events[what]
}

// peers are the clients of every make and era.
var peers = []struct {
	name    string
	session bool // has one
	connect func(t *testing.T, url string) peer
}{
	{"holdfast/legacy", true, func(t *testing.T, url string) peer { return connectOurs(t, url, mcp.Legacy) }},
	{"holdfast/modern", false, func(t *testing.T, url string) peer { return connectOurs(t, url, mcp.Modern) }},
	{"gosdk/legacy", true, func(t *testing.T, url string) peer { return connectTheirs(t, url, mcp.LatestLegacy) }},
	{"gosdk/modern", false, func(t *testing.T, url string) peer { return connectTheirs(t, url, mcp.Latest) }},
}

// ours is Holdfast's client.
type ours struct {
	*client.Client
	told  *heard
	level mcp.LogLevel // asked for
}

func connectOurs(t *testing.T, url string, era mcp.Era) peer {
	t.Helper()
	p := &ours{told: &heard{}}
	c, err := client.Connect(t.Context(), client.HTTP(url), client.ForceEra(era),
		client.OnElicit(func(context.Context, *mcp.ElicitParams) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: mcp.ActionAccept, Content: client.Raw(`{"name":"Ada"}`)}, nil
		}),
		client.OnSample(func(context.Context, *mcp.CreateMessageParams) (*mcp.CreateMessageResult, error) {
			return &mcp.CreateMessageResult{Role: "assistant", Model: "parrot", Content: mcp.ContentList{mcp.Text("hello")}}, nil
		}),
		client.OnRoots(func(context.Context) ([]mcp.Root, error) { return []mcp.Root{{URI: "file:///here"}}, nil }),
		client.OnLog(func(m client.LogMessage) { p.told.note("log " + string(m.Level)) }),
		client.OnToolsChanged(func() { p.told.note("tools") }),
		client.OnResourceUpdated(func(uri string) { p.told.note("updated " + uri) }))
	if err != nil {
		t.Fatal(err)
	}
	p.Client = c
	t.Cleanup(func() { c.Close() })
	return p
}

func (p *ours) heard() *heard { return p.told }
func (p *ours) leave() error  { return p.Close() }

func (p *ours) call(ctx context.Context, tool string) (string, error) {
	res, err := p.CallTool(ctx, tool, nil,
		client.OnCallLog(p.level, func(m client.LogMessage) { p.told.note("log " + string(m.Level)) }),
		client.OnProgress(func(client.Progress) { p.told.note("progress") }))
	if err != nil {
		return "", err
	}
	if res.IsError {
		return "", fmt.Errorf("tool error: %s", res.Text())
	}
	return res.Text(), nil
}

func (p *ours) read(ctx context.Context, uri string) (string, error) {
	res, err := p.ReadResource(ctx, uri)
	if err != nil {
		return "", err
	}
	return res.Contents[0].Text, nil
}

func (p *ours) prompt(ctx context.Context, name, who string) (string, error) {
	res, err := p.GetPrompt(ctx, name, map[string]string{"who": who})
	if err != nil {
		return "", err
	}
	return res.Messages[0].Content.Text, nil
}

func (p *ours) complete(ctx context.Context, prompt, value string) (string, error) {
	res, err := p.Complete(ctx, &mcp.CompleteParams{
		Ref: mcp.Reference{Type: "ref/prompt", Name: prompt}, Argument: mcp.CompleteArgument{Name: "who", Value: value},
	})
	if err != nil {
		return "", err
	}
	return res.Values[0], nil
}

func (p *ours) watch(ctx context.Context, uri string) error   { return p.Subscribe(ctx, uri) }
func (p *ours) unwatch(ctx context.Context, uri string) error { return p.Unsubscribe(ctx, uri) }

func (p *ours) logFrom(ctx context.Context, level string) error {
	p.level = mcp.LogLevel(level)
	return p.SetLogLevel(ctx, p.level)
}

// theirs is the official SDK's client.
type theirs struct {
	*sdk.ClientSession
	told  *heard
	level string // asked for with each call of the modern era
}

func connectTheirs(t *testing.T, url string, version mcp.Version) peer {
	t.Helper()
	p := &theirs{told: &heard{}}
	c := sdk.NewClient(&sdk.Implementation{Name: "theirs", Version: "1"}, &sdk.ClientOptions{
		ElicitationHandler: func(context.Context, *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
			return &sdk.ElicitResult{Action: "accept", Content: map[string]any{"name": "Ada"}}, nil
		},
		CreateMessageHandler: func(context.Context, *sdk.CreateMessageRequest) (*sdk.CreateMessageResult, error) {
			return &sdk.CreateMessageResult{Role: "assistant", Model: "parrot", Content: &sdk.TextContent{Text: "hello"}}, nil
		},
		ToolListChangedHandler: func(context.Context, *sdk.ToolListChangedRequest) { p.told.note("tools") },
		ResourceUpdatedHandler: func(_ context.Context, req *sdk.ResourceUpdatedNotificationRequest) {
			p.told.note("updated " + req.Params.URI)
		},
		LoggingMessageHandler: func(_ context.Context, req *sdk.LoggingMessageRequest) {
			p.told.note("log " + string(req.Params.Level))
		},
		ProgressNotificationHandler: func(context.Context, *sdk.ProgressNotificationClientRequest) { p.told.note("progress") },
	})
	c.AddRoots(&sdk.Root{URI: "file:///here"})
	web := &http.Client{Transport: &http.Transport{}}
	session, err := c.Connect(t.Context(), &sdk.StreamableClientTransport{Endpoint: url, HTTPClient: web},
		&sdk.ClientSessionOptions{ProtocolVersion: string(version)})
	if err != nil {
		t.Fatal(err)
	}
	p.ClientSession = session
	t.Cleanup(func() {
		session.Close()
		web.CloseIdleConnections()
	})
	return p
}

func (p *theirs) heard() *heard { return p.told }
func (p *theirs) leave() error  { return p.Close() }

func (p *theirs) call(ctx context.Context, tool string) (string, error) {
	params := &sdk.CallToolParams{Name: tool, Arguments: map[string]any{}}
	params.SetProgressToken("token")
	if p.level != "" {
		params.Meta[sdk.MetaKeyLogLevel] = p.level
	}
	res, err := p.CallTool(ctx, params)
	if err != nil {
		return "", err
	}
	text := res.Content[0].(*sdk.TextContent).Text
	if res.IsError {
		return "", fmt.Errorf("tool error: %s", text)
	}
	return text, nil
}

func (p *theirs) read(ctx context.Context, uri string) (string, error) {
	res, err := p.ReadResource(ctx, &sdk.ReadResourceParams{URI: uri})
	if err != nil {
		return "", err
	}
	return res.Contents[0].Text, nil
}

func (p *theirs) prompt(ctx context.Context, name, who string) (string, error) {
	res, err := p.GetPrompt(ctx, &sdk.GetPromptParams{Name: name, Arguments: map[string]string{"who": who}})
	if err != nil {
		return "", err
	}
	return res.Messages[0].Content.(*sdk.TextContent).Text, nil
}

func (p *theirs) complete(ctx context.Context, prompt, value string) (string, error) {
	res, err := p.Complete(ctx, &sdk.CompleteParams{
		Ref: &sdk.CompleteReference{Type: "ref/prompt", Name: prompt}, Argument: sdk.CompleteParamsArgument{Name: "who", Value: value},
	})
	if err != nil {
		return "", err
	}
	return res.Completion.Values[0], nil
}

func (p *theirs) watch(ctx context.Context, uri string) error {
	return p.Subscribe(ctx, &sdk.SubscribeParams{URI: uri})
}

func (p *theirs) unwatch(ctx context.Context, uri string) error {
	return p.Unsubscribe(ctx, &sdk.UnsubscribeParams{URI: uri})
}

func (p *theirs) logFrom(ctx context.Context, level string) error {
	if mcp.Version(p.InitializeResult().ProtocolVersion).Era() == mcp.Modern {
		p.level = level
		return nil
	}
	return p.SetLoggingLevel(ctx, &sdk.SetLoggingLevelParams{Level: sdk.LoggingLevel(level)})
}
