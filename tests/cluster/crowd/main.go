// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Command crowd is many clients on the official Go SDK: crowd URL LEGACY MODERN
// ROUNDS. It does and prints what ../js/crowd.mjs does.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	legacyVersion = "2025-11-25"
	modernVersion = "2026-07-28"
	timeout       = 20 * time.Second // of one operation
)

var levels = []string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "crowd:", err)
		os.Exit(1)
	}
}

// report is what happened. Its maps are guarded by mu.
type report struct {
	mu     sync.Mutex
	Done   map[string]int `json:"done"`
	Failed map[string]int `json:"failed"`
	Lost   []string       `json:"lost"`
}

var gone = regexp.MustCompile(`(?i)unknown session|session (not found|has ended|has expired|missing)|\b404\b`)

func (r *report) note(m *member, operation string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.Done[operation]++
		return
	}
	text := operation + ": " + err.Error()
	text = text[:min(len(text), 200)]
	r.Failed[text]++
	if gone.MatchString(text) && len(r.Lost) < 5 {
		r.Lost = append(r.Lost, m.name+": "+text)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 4 {
		return errors.New("usage: crowd URL LEGACY MODERN ROUNDS")
	}
	var counts [3]int
	for i, text := range args[1:] {
		var err error
		if counts[i], err = strconv.Atoi(text); err != nil {
			return err
		}
	}
	members, err := connect(ctx, args[0], counts[0], counts[1])
	if err != nil {
		return err
	}
	fmt.Println(`{"ready":true}`)
	r := &report{Done: map[string]int{}, Failed: map[string]int{}}
	stop := make(chan struct{})
	go func() { // ends with standard input, or the program
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(stop)
	}()
	var wg sync.WaitGroup
	for _, m := range members {
		wg.Go(func() { m.live(ctx, r, counts[2], stop) })
	}
	wg.Wait()
	out, err := json.Marshal(r)
	if err != nil {
		return err
	}
	fmt.Println(string(out))
	return nil
}

func connect(ctx context.Context, url string, legacy, modern int) ([]*member, error) {
	members := make([]*member, legacy+modern)
	errs := make([]error, len(members))
	var wg sync.WaitGroup
	slots := make(chan struct{}, 16)
	for i := range members {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			members[i], errs[i] = newMember(ctx, url, i, i >= legacy)
		})
	}
	wg.Wait()
	return members, errors.Join(errs...)
}

// member is one client.
type member struct {
	name, uri string
	modern    bool
	session   *mcp.ClientSession
	updated   chan struct{} // capacity 1

	mu     sync.Mutex
	logged []string
}

func newMember(ctx context.Context, url string, i int, modern bool) (*member, error) {
	m := &member{name: fmt.Sprintf("go-%d", i), modern: modern, updated: make(chan struct{}, 1)}
	m.uri = "kit://item/" + m.name
	version := legacyVersion
	if modern {
		version = modernVersion
	}
	client := mcp.NewClient(&mcp.Implementation{Name: m.name, Version: "1"}, &mcp.ClientOptions{
		ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"word": "kelp"}}, nil
		},
		LoggingMessageHandler: func(_ context.Context, req *mcp.LoggingMessageRequest) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.logged = append(m.logged, string(req.Params.Level))
		},
		ResourceUpdatedHandler: func(context.Context, *mcp.ResourceUpdatedNotificationRequest) {
			select {
			case m.updated <- struct{}{}:
			default:
			}
		},
	})
	transport := &mcp.StreamableClientTransport{Endpoint: url, MaxRetries: 1000}
	var err error
	m.session, err = client.Connect(ctx, transport, &mcp.ClientSessionOptions{ProtocolVersion: version})
	return m, err
}

// live does all operations again and again.
func (m *member) live(ctx context.Context, r *report, rounds int, stop <-chan struct{}) {
	type operation struct {
		name string
		do   func(context.Context, int) error
	}
	all := []operation{{"level", m.level}, {"ask", m.ask}, {"echo", m.echo}}
	if !m.modern {
		all = append(all, operation{"subscribe", m.subscribe}, operation{"touch", m.touch})
	}
	for turn := 0; rounds == 0 || turn < rounds; turn++ {
		for _, op := range all {
			limited, cancel := context.WithTimeout(ctx, timeout)
			err := op.do(limited, turn)
			cancel()
			r.note(m, op.name, err)
		}
		if rounds > 0 {
			continue
		}
		select {
		case <-stop:
			return
		case <-time.After(rand.N(4 * time.Second)):
		}
	}
}

// tool calls a tool whose answer must be want; an empty one may be anything.
func (m *member) tool(ctx context.Context, name string, args map[string]any, meta mcp.Meta, want string) error {
	res, err := m.session.CallTool(ctx, &mcp.CallToolParams{Meta: meta, Name: name, Arguments: args})
	if err != nil {
		return err
	}
	text := ""
	if len(res.Content) > 0 {
		if c, ok := res.Content[0].(*mcp.TextContent); ok {
			text = c.Text
		}
	}
	if res.IsError || want != "" && text != want {
		return fmt.Errorf("wrong answer of %s: %q", name, text)
	}
	return nil
}

func (m *member) echo(ctx context.Context, _ int) error {
	return m.tool(ctx, "kit__echo", map[string]any{"Text": m.name}, nil, m.name)
}

func (m *member) ask(ctx context.Context, _ int) error {
	return m.tool(ctx, "kit__ask", map[string]any{"Text": m.name}, nil, "accept kelp")
}

// level sets the log level and has it shown.
func (m *member) level(ctx context.Context, turn int) error {
	at := turn % len(levels)
	var meta mcp.Meta
	if m.modern {
		meta = mcp.Meta{"io.modelcontextprotocol/logLevel": levels[at]}
	} else if err := m.session.SetLoggingLevel(ctx, &mcp.SetLoggingLevelParams{Level: mcp.LoggingLevel(levels[at])}); err != nil {
		return err
	}
	for {
		m.mu.Lock()
		m.logged = nil
		m.mu.Unlock()
		if err := m.tool(ctx, "web__log", map[string]any{"Text": m.name}, meta, "logged"); err != nil {
			return err
		}
		if m.heard(levels[at:]) {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("wrong answer: log level %s is not what comes", levels[at])
		}
	}
}

// heard reports whether exactly these levels come; the SDK hands them on a little
// after the result.
func (m *member) heard(want []string) bool {
	for range 20 {
		m.mu.Lock()
		same := slices.Equal(m.logged, want)
		m.mu.Unlock()
		if same {
			return true
		}
		<-time.After(5 * time.Millisecond)
	}
	return false
}

func (m *member) subscribe(ctx context.Context, _ int) error {
	return m.session.Subscribe(ctx, &mcp.SubscribeParams{URI: m.uri})
}

// touch announces a change and waits until this client hears of it.
func (m *member) touch(ctx context.Context, _ int) error {
	select {
	case <-m.updated:
	default:
	}
	for range 10 {
		if err := m.tool(ctx, "kit__touch", map[string]any{"uri": m.uri}, nil, ""); err != nil {
			return err
		}
		select {
		case <-m.updated:
			return nil
		case <-time.After(time.Second):
		}
	}
	return errors.New("wrong answer: subscribed, and no update comes")
}
