// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package field

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/tests/npm"
)

//go:embed js/field.mjs
var script embed.FS

// requestTimeout bounds each request of a client. One that is known not to work with a server gives up sooner.
const (
	requestTimeout = 10 * time.Second
	refusedTimeout = 2 * time.Second
)

// connectTimeout bounds the connection: servers that do not answer a question of the modern era cost ten seconds.
const connectTimeout = 15 * time.Second

// job is a server for a client to connect to, and what to do there.
type job struct {
	URL     string   `json:"url,omitzero"`
	SSE     bool     `json:"sse,omitzero"` // it speaks HTTP+SSE at its URL
	Command string   `json:"command,omitzero"`
	Args    []string `json:"args,omitzero"`
	Forget  string   `json:"forget,omitzero"` // where its sessions end
	Timeout int64    `json:"timeout"`         // of one request, in milliseconds
	Steps   []Step   `json:"steps"`
	Refused bool     `json:"-"` // the official client is known not to work with it
}

// seen is what a client saw of a server.
type seen struct {
	Error    string              `json:"error"`
	Lists    map[string][]string `json:"lists"`
	Outcomes []outcome           `json:"outcomes"`
}

type outcome struct {
	Text  string  `json:"text"`
	Error string  `json:"error"`
	MS    float64 `json:"ms"`
}

// peer is a client that does jobs and says what it saw.
type peer struct {
	name string
	run  func(t *testing.T, jobs []job) []seen
}

var (
	own     = peer{"own", runOwn}
	script1 = peer{"typescript1", func(t *testing.T, jobs []job) []seen { return runScript(t, "sdk", jobs) }}
	script2 = peer{"typescript2", func(t *testing.T, jobs []job) []seen { return runScript(t, "client", jobs) }}
)

// runScript has an official TypeScript client do the jobs.
func runScript(t *testing.T, sdk string, jobs []job) []seen {
	t.Helper()
	tree, err := npm.Install()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, script); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(tree.Modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	for i := range jobs {
		jobs[i].Timeout = requestTimeout.Milliseconds()
		if jobs[i].Refused {
			jobs[i].Timeout = refusedTimeout.Milliseconds()
		}
	}
	given, err := json.Marshal(jobs)
	if err != nil {
		t.Fatal(err)
	}
	cmd := tree.Command(t.Context(), filepath.Join(dir, "js", "field.mjs"), sdk)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(given), t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("run the client: %v", err)
	}
	var all []seen
	if err := json.Unmarshal(out, &all); err != nil || len(all) != len(jobs) {
		t.Fatalf("%d jobs gave %s: %v", len(jobs), out, err)
	}
	return all
}

// runOwn does the jobs with Holdfast's client.
func runOwn(t *testing.T, jobs []job) []seen { return runEach(t, jobs, 2*time.Minute, job.do) }

// runEach does the jobs, each in a time, sixteen at once.
func runEach(t *testing.T, jobs []job, limit time.Duration, do func(job, context.Context) (seen, error)) []seen {
	all := make([]seen, len(jobs))
	slots := make(chan struct{}, 16)
	var done sync.WaitGroup
	for i := range jobs {
		done.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			var err error
			if all[i], err = do(jobs[i], ctx); err != nil {
				all[i].Error = err.Error()
			}
		})
	}
	done.Wait()
	return all
}

func (j job) target() client.Target {
	switch {
	case j.Command != "":
		return client.Command(j.Command, j.Args...)
	case j.SSE:
		return client.SSE(j.URL)
	}
	return client.HTTP(j.URL)
}

func (j job) do(ctx context.Context) (seen, error) {
	s := seen{Lists: map[string][]string{}}
	connecting, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	c, err := client.Connect(connecting, j.target(), client.Reinitialize())
	if err != nil {
		return s, err
	}
	defer c.Close()
	offered := c.ServerCapabilities()
	if offered.Tools != nil {
		for tool, err := range c.Tools(ctx) {
			if err != nil {
				return s, fmt.Errorf("tools: %w", err)
			}
			s.Lists["tools"] = append(s.Lists["tools"], tool.Name)
		}
	}
	if offered.Prompts != nil {
		for prompt, err := range c.Prompts(ctx) {
			if err != nil {
				return s, fmt.Errorf("prompts: %w", err)
			}
			s.Lists["prompts"] = append(s.Lists["prompts"], prompt.Name)
		}
	}
	if offered.Resources != nil {
		for resource, err := range c.Resources(ctx) {
			if err != nil {
				return s, fmt.Errorf("resources: %w", err)
			}
			s.Lists["resources"] = append(s.Lists["resources"], resource.Name)
		}
	}
	s.Outcomes = j.withEach(func(tool string) outcome { return call(ctx, c, tool) })
	return s, nil
}

// withEach makes the steps by a function that makes a call.
func (j job) withEach(call func(tool string) outcome) []outcome {
	outcomes := make([]outcome, len(j.Steps))
	var begun sync.WaitGroup
	for i, step := range j.Steps {
		switch {
		case step.Drop:
			res, err := http.Post(j.Forget, "", nil)
			if err != nil {
				outcomes[i].Error = err.Error()
				continue
			}
			res.Body.Close()
		case step.Begin:
			begun.Go(func() { outcomes[i] = call(step.Tool) })
		default:
			for range max(step.Times, 1) {
				outcomes[i] = call(step.Tool)
			}
		}
	}
	begun.Wait()
	return outcomes
}

func call(ctx context.Context, c *client.Client, tool string) (o outcome) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	result, err := c.CallTool(ctx, tool, nil)
	switch {
	case err != nil:
		o.Error = err.Error()
	case result.IsError:
		o.Error = result.Text()
	default:
		o.Text = result.Text()
	}
	o.MS = float64(time.Since(began).Milliseconds())
	return o
}
