// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Command kit is the server behind the clusters of these tests: tools that show
// what a session has set, and one whose executions can be counted. It serves its
// standard streams, or with -listen ADDRESS HTTP; with -items it has resources.
//
// With KIT_JOURNAL set, hold writes the id of each of its executions to that
// file, one a line.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
)

func main() {
	listen := flag.String("listen", "", "")
	items := flag.Bool("items", false, "")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := server.New("kit", "1.0.0")
	k := &kit{server: s}
	server.AddTool(s, "echo", "Says the text again", echo, server.ReadOnly())
	server.AddTool(s, "ask", "Asks the user for a word and says it", ask)
	server.AddTool(s, "log", "Logs the text once at each level", log, server.ReadOnly())
	server.AddTool(s, "touch", "Announces a change of a resource", k.touch)
	server.AddTool(s, "count", "Counts the calls of this process and its callers", k.count)
	server.AddTool(s, "hold", "Notes its id, waits, and says the id", hold)
	server.AddTool(s, "work", "As hold, as a task", hold, server.Task(server.TaskOptional, 10*time.Minute, time.Second))
	if *items {
		s.AddResourceTemplate(mcp.ResourceTemplate{URITemplate: "kit://item/{id}", Name: "item", MIMEType: "text/plain"},
			func(_ context.Context, req *server.Request) (*mcp.ReadResourceResult, error) {
				return server.TextResource("text/plain", req.URI()), nil
			})
	}
	serve := s.ServeStdio
	if *listen != "" {
		serve = func(ctx context.Context) error { return s.ListenAndServe(ctx, *listen) }
	}
	if err := serve(ctx); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "kit:", err)
		os.Exit(1)
	}
}

type kit struct {
	server *server.Server

	mu      sync.Mutex
	calls   int
	callers map[string]bool
}

type (
	textIn  struct{ Text string }
	touchIn struct {
		URI string `json:"uri"`
	}
	holdIn struct {
		ID string `json:"id"`
		MS int    `json:"ms"`
	}
	wordForm struct {
		Word string `json:"word" jsonschema:"any word"`
	}
)

func echo(_ context.Context, _ *server.Request, in textIn) (string, error) { return in.Text, nil }

func ask(ctx context.Context, req *server.Request, in textIn) (string, error) {
	form, action, err := server.Elicit[wordForm](ctx, req, "A word for "+in.Text+"?")
	if err != nil {
		return "", err
	}
	return action + " " + form.Word, nil
}

func log(_ context.Context, req *server.Request, in textIn) (string, error) {
	for _, level := range []mcp.LogLevel{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"} {
		req.Log(level, "kit", in.Text)
	}
	return "logged", nil
}

func (k *kit) touch(_ context.Context, _ *server.Request, in touchIn) (string, error) {
	k.server.ResourceUpdated(in.URI)
	return "touched " + in.URI, nil
}

// count says "CALLS CALLERS".
func (k *kit) count(_ context.Context, _ *server.Request, in textIn) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.callers == nil {
		k.callers = map[string]bool{}
	}
	k.calls++
	k.callers[in.Text] = true
	return fmt.Sprint(k.calls, " ", len(k.callers)), nil
}

func hold(ctx context.Context, _ *server.Request, in holdIn) (string, error) {
	if err := note(in.ID); err != nil {
		return "", err
	}
	t := time.NewTimer(time.Duration(in.MS) * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return in.ID, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// note writes an id to the journal, in one write so that processes may share it.
func note(id string) error {
	path := os.Getenv("KIT_JOURNAL")
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(id + "\n")
	return err
}
