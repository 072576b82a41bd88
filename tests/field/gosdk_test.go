// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package field

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// goSDK is the client of the official Go SDK.
var goSDK = peer{"gosdk", runGoSDK}

func runGoSDK(t *testing.T, jobs []job) []seen { return runEach(t, jobs, time.Minute, job.withGoSDK) }

func (j job) goTransport() mcp.Transport {
	switch {
	case j.Command != "":
		return &mcp.CommandTransport{Command: exec.Command(j.Command, j.Args...), TerminateDuration: time.Second}
	case j.SSE:
		return &mcp.SSEClientTransport{Endpoint: j.URL}
	}
	return &mcp.StreamableClientTransport{Endpoint: j.URL}
}

func (j job) withGoSDK(ctx context.Context) (seen, error) {
	s := seen{Lists: map[string][]string{}}
	c, err := j.connectGoSDK(ctx)
	if err != nil {
		return s, err
	}
	defer c.Close()
	listing, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	offered := c.InitializeResult().Capabilities
	if offered == nil {
		return s, fmt.Errorf("no capabilities")
	}
	if offered.Tools != nil {
		for tool, err := range c.Tools(listing, nil) {
			if err != nil {
				return s, fmt.Errorf("tools: %w", err)
			}
			s.Lists["tools"] = append(s.Lists["tools"], tool.Name)
		}
	}
	if offered.Prompts != nil {
		for prompt, err := range c.Prompts(listing, nil) {
			if err != nil {
				return s, fmt.Errorf("prompts: %w", err)
			}
			s.Lists["prompts"] = append(s.Lists["prompts"], prompt.Name)
		}
	}
	if offered.Resources != nil {
		for resource, err := range c.Resources(listing, nil) {
			if err != nil {
				return s, fmt.Errorf("resources: %w", err)
			}
			s.Lists["resources"] = append(s.Lists["resources"], resource.Name)
		}
	}
	s.Outcomes = j.withEach(func(tool string) outcome { return callWithGoSDK(ctx, c, tool) })
	return s, nil
}

// connectGoSDK bounds the connection by a watch and not by the context, which the SDK keeps for the whole session.
func (j job) connectGoSDK(ctx context.Context) (*mcp.ClientSession, error) {
	type connected struct {
		session *mcp.ClientSession
		err     error
	}
	done := make(chan connected, 1)
	go func() {
		session, err := mcp.NewClient(&mcp.Implementation{Name: "field", Version: "1"}, nil).Connect(ctx, j.goTransport(), nil)
		done <- connected{session, err}
	}()
	select {
	case c := <-done:
		return c.session, c.err
	case <-time.After(connectTimeout):
		return nil, fmt.Errorf("not connected after %v", connectTimeout)
	}
}

func callWithGoSDK(ctx context.Context, c *mcp.ClientSession, tool string) (o outcome) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	result, err := c.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: map[string]any{}})
	if err != nil {
		o.Error = err.Error()
	} else {
		var texts []string
		for _, block := range result.Content {
			if text, ok := block.(*mcp.TextContent); ok {
				texts = append(texts, text.Text)
			}
		}
		if o.Text = strings.Join(texts, "\n"); result.IsError {
			o.Text, o.Error = "", o.Text
		}
	}
	o.MS = float64(time.Since(began).Milliseconds())
	return o
}
