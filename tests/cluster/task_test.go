// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// taskRig is a cluster, or a node alone, and what its servers have noted.
type taskRig struct {
	t        *testing.T
	cluster  *nodes
	nodes    []*node
	runsFile string
}

func newTaskRig(t *testing.T, nodes int) *taskRig {
	t.Helper()
	dir := t.TempDir()
	r := &taskRig{t: t, runsFile: filepath.Join(dir, "runs")}
	tasker := filepath.Join(dir, "tasker")
	if msg, err := exec.Command("go", "build", "-o", tasker, "./tasker").CombinedOutput(); err != nil {
		t.Fatalf("build tasker: %v: %s", err, msg)
	}
	config := "mcpServers:\n"
	for name, more := range map[string]string{
		"modern": "", "legacy": "", "own": ", sharing: session", // own: its processes have a home, which may be another node
	} {
		era := "modern"
		if name == "legacy" {
			era = "legacy"
		}
		config += fmt.Sprintf("  %s: {command: %q, args: [-runs, %q, -era, %s]%s}\n", name, tasker, r.runsFile, era, more)
	}
	file := filepath.Join(dir, "holdfast.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	r.cluster = startNodes(t, nodes, "--config", file)
	r.nodes = r.cluster.list()
	for _, n := range r.nodes { // a first list may be asked for before any node takes calls
		c := r.dial(n, mcp.Modern)
		eventually(t, "all servers are listed", func() bool {
			list, err := c.ListTools(t.Context(), nil)
			return err == nil && len(list.Tools) == 9
		})
	}
	return r
}

// said is all that a node has logged.
func (n *node) said() string { return n.Log(1 << 20) }

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for !so() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("it never came true that %s", what)
		}
	}
}

// runs returns how often a label was noted.
func (r *taskRig) runs(label string) int {
	text, _ := os.ReadFile(r.runsFile) // there is none before the first run
	return strings.Count(string(text), label+"\n")
}

// dial returns a client of one node.
func (r *taskRig) dial(n *node, era mcp.Era) *client.Client {
	r.t.Helper()
	c, err := client.Connect(r.t.Context(), client.HTTP("http://"+n.listen+"/mcp"), client.ForceEra(era),
		client.Extension(mcp.ExtensionTasks, jsonrpc.Raw("{}")),
		client.OnElicit(func(context.Context, *mcp.ElicitParams) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "accept", Content: jsonrpc.Raw(`{"name":"Ada"}`)}, nil
		}))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return c
}

// begin starts a task and returns its id once the work has begun.
func (r *taskRig) begin(c *client.Client, tool, label string, seconds float64) string {
	r.t.Helper()
	params := fmt.Sprintf(`{"name":%q,"arguments":{"seconds":%g,"label":%q},"task":{"ttl":120000}}`, tool, seconds, label)
	body, err := c.Call(r.t.Context(), mcp.MethodCallTool, jsonrpc.Raw(params), client.CallOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	var created struct {
		TaskID string `json:"taskId"`
		Task   struct {
			TaskID string `json:"taskId"`
		} `json:"task"`
	}
	if err := json.Unmarshal(body, &created); err != nil || created.TaskID+created.Task.TaskID == "" {
		r.t.Fatalf("%s is no task: %v", body, err)
	}
	eventually(r.t, "the work on "+label+" has begun", func() bool { return r.runs(label) > 0 })
	return created.TaskID + created.Task.TaskID
}

// result waits for what a task comes to.
func (r *taskRig) result(c *client.Client, era mcp.Era, id string) (string, error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	if era == mcp.Legacy {
		body, err := c.Call(ctx, mcp.MethodTaskResult, jsonrpc.Raw(fmt.Sprintf(`{"taskId":%q}`, id)), client.CallOptions{})
		return string(body), err
	}
	task, err := c.GetTask(ctx, id)
	if err == nil {
		task, err = c.AwaitTask(ctx, task)
	}
	switch {
	case err != nil:
		return "", err
	case task.Error != nil:
		return "", jsonrpc.PeerError(task.Error.Code, task.Error.Message, task.Error.Data)
	case !strings.Contains(task.StatusMessage, "restarted"):
		r.t.Errorf("its message is %q", task.StatusMessage)
	}
	return string(task.Result), nil
}

// nodeLost reports whether a call failed with its node.
func nodeLost(err error) bool {
	wire, ok := jsonrpc.AsError(err)
	return ok && strings.Contains(string(wire.Data), `"reason":"node_lost"`)
}

// TestTaskOutlivesItsNode: a task of a tool that may be called again gets its
// result although its node dies; another fails and says so. In both protocols,
// with servers of both eras, and with one whose processes have a home.
func TestTaskOutlivesItsNode(t *testing.T) {
	r := newTaskRig(t, 3)
	type work struct {
		era             mcp.Era
		label, id, want string // want is empty for work that is not to be repeated
	}
	a, b := r.nodes[0], r.nodes[1]
	var all []work
	for _, era := range []mcp.Era{mcp.Legacy, mcp.Modern} {
		c := r.dial(a, era)
		for _, server := range []string{"modern", "legacy", "own"} {
			begin := func(tool string, seconds float64, want string) {
				label := tool + "-of-" + era.String() + "-at-" + server
				all = append(all, work{era, label, r.begin(c, server+"__"+tool, label, seconds), want})
			}
			begin("again", 4, "worked on again-of-"+era.String()+"-at-"+server)
			begin("once", 20, "")
			if server != "legacy" { // whose questions cannot be told apart while several of its calls run
				begin("ask", 0, "Hello, Ada")
			}
		}
	}
	clients := map[mcp.Era]*client.Client{mcp.Legacy: r.dial(b, mcp.Legacy), mcp.Modern: r.dial(b, mcp.Modern)}
	a.kill()
	for _, w := range all {
		got, err := r.result(clients[w.era], w.era, w.id)
		switch runs := r.runs(w.label); {
		case w.want == "" && (!nodeLost(err) || runs != 1):
			t.Errorf("%s ended as %s, %v after %d runs; want node_lost", w.label, got, err, runs)
		case w.want != "" && (err != nil || !strings.Contains(got, w.want) || runs != 2):
			t.Errorf("%s ended as %s, %v after %d runs", w.label, got, err, runs)
		}
	}
	if said := b.said() + r.nodes[2].said(); !strings.Contains(said, "task restarted") {
		t.Error("no node says that it restarted a task")
	}
}

// TestTaskOutlivesItsServersNode: a task whose node lives, but not the one where
// the process of its session was, is begun again where it is.
func TestTaskOutlivesItsServersNode(t *testing.T) {
	r := newTaskRig(t, 3)
	a, c := r.nodes[0], r.nodes[2]
	connected := func() int { return strings.Count(c.said(), `"server connected" server=own`) }
	type begun struct {
		c         *client.Client
		label, id string
	}
	var all []begun
	for before := connected(); connected() == before; { // until a session's process is there
		if len(all) == 40 {
			t.Fatal("no session has its process there")
		}
		b := begun{c: r.dial(a, mcp.Legacy), label: fmt.Sprint("session-", len(all))}
		b.id = r.begin(b.c, "own__again", b.label, 5)
		all = append(all, b)
	}
	c.kill()
	again := 0
	for _, b := range all {
		got, err := r.result(b.c, mcp.Legacy, b.id)
		if err != nil || !strings.Contains(got, "worked on "+b.label) {
			t.Errorf("%s ended as %s, %v after %d runs", b.label, got, err, r.runs(b.label))
		}
		again += r.runs(b.label) - 1
	}
	if again != 1 || !strings.Contains(a.said(), "server's instance was lost") {
		t.Errorf("%d tasks were begun again, want 1", again)
	}
}

// TestTaskOfANodeAlone: a node that is killed, or stopped, and started again goes
// on with what may be done again.
func TestTaskOfANodeAlone(t *testing.T) {
	r := newTaskRig(t, 1)
	alone := r.nodes[0]
	for _, killed := range []bool{true, false} {
		ids := map[mcp.Era][2]string{}
		label := func(tool string, era mcp.Era) string { return fmt.Sprintf("%s-%v-killed-%t", tool, era, killed) }
		for _, era := range []mcp.Era{mcp.Legacy, mcp.Modern} {
			c := r.dial(alone, era)
			ids[era] = [2]string{
				r.begin(c, "modern__again", label("again", era), 3), r.begin(c, "modern__once", label("once", era), 20),
			}
		}
		if killed {
			alone.kill()
		} else {
			alone.leave()
		}
		r.cluster.start(alone)
		r.cluster.ready(alone)
		for era, id := range ids {
			c := r.dial(alone, era)
			if got, err := r.result(c, era, id[0]); err != nil || !strings.Contains(got, "worked on "+label("again", era)) {
				t.Errorf("%v: %s, %v", era, got, err)
			}
			if got, err := r.result(c, era, id[1]); err == nil || killed && !nodeLost(err) {
				t.Errorf("%v, not to be repeated: %s, %v", era, got, err)
			}
			if again, once := r.runs(label("again", era)), r.runs(label("once", era)); again != 2 || once != 1 {
				t.Errorf("%v: %d and %d runs, want 2 and 1", era, again, once)
			}
		}
	}
}
