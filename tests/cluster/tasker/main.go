// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Command tasker is a stdio server for the tests of tasks whose node dies: its
// tools take their time, and note each run in a file.
//
//	tasker -runs FILE [-era legacy]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
)

func main() {
	runs := flag.String("runs", "", "file in which each run is noted; required")
	era := flag.String("era", "both", "eras to serve: both, legacy or modern")
	flag.Parse()
	var opts []server.Option
	switch *era {
	case "legacy":
		opts = append(opts, server.Eras(mcp.Legacy))
	case "modern":
		opts = append(opts, server.Eras(mcp.Modern))
	}
	if err := newServer(*runs, opts...).ServeStdio(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "tasker:", err)
		os.Exit(1)
	}
}

type workIn struct {
	Seconds float64 `json:"seconds" jsonschema:"how long to work"`
	Label   string  `json:"label" jsonschema:"what to note"`
}

type nameForm struct {
	Name string `json:"name"`
}

func newServer(runs string, opts ...server.Option) *server.Server {
	s := server.New("tasker", "1.0.0", opts...)
	asTask := server.Task(server.TaskOptional, 5*time.Minute, 100*time.Millisecond)
	work := func(ctx context.Context, _ *server.Request, in workIn) (string, error) {
		if err := note(runs, in.Label); err != nil {
			return "", err
		}
		select {
		case <-time.After(time.Duration(in.Seconds * float64(time.Second))):
			return "worked on " + in.Label, nil
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
	server.AddTool(s, "again", "Works for some seconds and may be called again", work, asTask, server.Idempotent())
	server.AddTool(s, "once", "Works for some seconds and may not be called again", work, asTask)
	server.AddTool(s, "ask", "Asks for a name", func(ctx context.Context, req *server.Request, in workIn) (string, error) {
		if err := note(runs, in.Label); err != nil {
			return "", err
		}
		form, _, err := server.Elicit[nameForm](ctx, req, "Your name?")
		return "Hello, " + form.Name, err
	}, asTask, server.ReadOnly())
	return s
}

// note appends a line to a file.
func note(path, line string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, line)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
