// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command server is what a flooded node has behind it: tools that answer at
// once, late, or with much to say before.
//
//	server          usual
//	server -long    with descriptions of 2 MB
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
)

const longDescription = 2_000_000

func main() {
	long := flag.Bool("long", false, "have long descriptions")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	describe := func(text string) string {
		if *long {
			return text + strings.Repeat(".", longDescription)
		}
		return text
	}
	s := server.New("flood", "1.0.0")
	server.AddTool(s, "echo", describe("Says the text again"), echo)
	server.AddTool(s, "sleep", describe("Answers later"), sleep)
	server.AddTool(s, "progress", describe("Reports progress, with much to say"), progress)
	for n := range 3 {
		server.AddTool(s, fmt.Sprintf("echo%d", n), describe("Says the text again"), echo)
	}
	s.AddResource(mcp.Resource{URI: "x:known", Name: "known"}, func(context.Context, *server.Request) (*mcp.ReadResourceResult, error) {
		return server.TextResource("text/plain", "known"), nil
	})
	if err := s.ServeStdio(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "flood server:", err)
		os.Exit(1)
	}
}

type (
	echoIn struct {
		Text string `json:"text"`
	}
	sleepIn struct {
		Seconds int `json:"seconds"`
	}
	progressIn struct {
		Times int `json:"times"`
		Bytes int `json:"bytes"`
	}
)

func echo(_ context.Context, _ *server.Request, in echoIn) (string, error) { return in.Text, nil }

// sleep goes on when its call is cancelled, as many servers do.
func sleep(_ context.Context, _ *server.Request, in sleepIn) (string, error) {
	time.Sleep(time.Duration(in.Seconds) * time.Second)
	return "slept", nil
}

func progress(_ context.Context, req *server.Request, in progressIn) (string, error) {
	text := strings.Repeat("p", in.Bytes)
	for n := range in.Times {
		req.Progress(float64(n+1), float64(in.Times), text)
	}
	return "done", nil
}
