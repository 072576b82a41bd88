// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package endpoint_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/endpoint"
	"github.com/holdfast-mcp/holdfast/internal/nodes/nodestest"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/internal/task"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
	"github.com/holdfast-mcp/holdfast/transport/streamable"
)

// workers is one SDK server at two nodes, a and b, which share their tasks.
type workers struct {
	net  *nodestest.Network
	url  map[string]string
	runs atomic.Int64
}

type workIn struct {
	Text string `json:"text"`
}

// newWorkers starts both. What runs at a never ends; b says who called.
func newWorkers(t *testing.T) *workers {
	w := &workers{net: nodestest.New(), url: map[string]string{}}
	store := task.NewMemory()
	for _, node := range []string{"a", "b"} {
		s := server.New("workers", "1")
		work := func(ctx context.Context, req *server.Request, in workIn) (string, error) {
			w.runs.Add(1)
			if node == "a" {
				<-ctx.Done()
				return "", context.Cause(ctx)
			}
			return fmt.Sprintf("%s for %s of %s", in.Text, req.Client().Name, req.Client().Version), nil
		}
		asTask := server.Task(server.TaskOptional, time.Minute, 50*time.Millisecond)
		server.AddTool(s, "again", "", work, asTask, server.Idempotent())
		server.AddTool(s, "once", "", work, asTask)
		parts, _ := rpc.PartsOf(s)
		nodes := w.net.Start(node)
		tasks := task.NewSet(task.Config{Store: store, Nodes: nodes, Handler: func(name string) (rpc.Handler, error) {
			if name != "/mcp" {
				return nil, fmt.Errorf("no endpoint %q", name)
			}
			return parts.Handler, nil
		}})
		e := endpoint.New(endpoint.Config{
			Handler: parts.Handler, Info: parts.Info, Tasks: tasks, Name: "/mcp", Nodes: nodes, Hub: &subscription.Hub{}, Log: slog.New(slog.DiscardHandler),
		})
		srv := httptest.NewServer(streamable.NewHandler(e, streamable.Config{}))
		w.url[node] = srv.URL
		t.Cleanup(func() { srv.CloseClientConnections(); e.Close(); srv.Close(); tasks.Close() })
	}
	return w
}

func (w *workers) dial(t *testing.T, node string, era mcp.Era, opts ...client.Option) *client.Client {
	t.Helper()
	opts = append(opts, client.ForceEra(era), client.Info(mcp.Implementation{Name: "shell", Version: "1"}), client.Extension(mcp.ExtensionTasks, rpc.Raw("{}")))
	c, err := client.Connect(t.Context(), client.HTTP(w.url[node]), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func (w *workers) begin(t *testing.T, c *client.Client, tool string) string {
	t.Helper()
	body, err := c.Call(t.Context(), mcp.MethodCallTool, rpc.Raw(`{"name":"`+tool+`","arguments":{"text":"done"},"task":{}}`), client.CallOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var created struct {
		TaskID string `json:"taskId"`
		Task   struct {
			TaskID string `json:"taskId"`
		} `json:"task"`
	}
	if err := json.Unmarshal(body, &created); err != nil {
		t.Fatal(err)
	}
	return created.TaskID + created.Task.TaskID
}

// outcome waits for a task's end in the client's protocol and returns its result.
func outcome(t *testing.T, c *client.Client, id string) (string, error) {
	t.Helper()
	if c.Features().LegacyTasks {
		body, err := c.Call(t.Context(), mcp.MethodTaskResult, rpc.Raw(`{"taskId":"`+id+`"}`), client.CallOptions{})
		return string(body), err
	}
	end, err := c.GetTask(t.Context(), id)
	if err == nil {
		end, err = c.AwaitTask(t.Context(), end)
	}
	switch {
	case err != nil:
		return "", err
	case end.Error != nil:
		return "", jsonrpc.PeerError(end.Error.Code, end.Error.Message, end.Error.Data)
	}
	return string(end.Result), nil
}

// TestServersTasksAreRestarted: the tool's own word decides whether its task is
// begun again at another node, as its client's and in its client's protocol.
func TestServersTasksAreRestarted(t *testing.T) {
	for _, era := range []mcp.Era{mcp.Legacy, mcp.Modern} {
		t.Run(era.String(), func(t *testing.T) {
			w := newWorkers(t)
			at := w.dial(t, "a", era)
			again, once := w.begin(t, at, "again"), w.begin(t, at, "once")
			w.net.Cut("a")
			c := w.dial(t, "b", era)
			want := fmt.Sprintf("done for shell of %s", c.Version())
			if got, err := outcome(t, c, again); err != nil || !strings.Contains(got, want) {
				t.Errorf("the task became %s, %v, want %q", got, err, want)
			}
			_, err := outcome(t, c, once)
			if wire, ok := jsonrpc.AsError(err); !ok || !strings.Contains(string(wire.Data), `"node_lost"`) {
				t.Errorf("what may run once became %v, want node_lost", err)
			}
			body, err := c.Call(t.Context(), mcp.MethodGetTask, rpc.Raw(`{"taskId":"`+again+`"}`), client.CallOptions{})
			if message, _ := jsonrpc.Get(body, "statusMessage"); err != nil || string(message) != `"restarted after its node was lost"` {
				t.Errorf("its message is %s, %v", message, err)
			}
		})
	}
}

// TestListenersHearOfARestart: who listens to a task at another node is told that
// it works again, and of its end.
func TestListenersHearOfARestart(t *testing.T) {
	w := newWorkers(t)
	heard := make(chan mcp.Task, 16)
	c := w.dial(t, "b", mcp.Modern, client.OnTask(func(x mcp.Task) { heard <- x }))
	id := w.begin(t, w.dial(t, "a", mcp.Modern), "again")
	if err := c.Listen(t.Context(), client.Filter{TaskIDs: []string{id}}); err != nil {
		t.Fatal(err)
	}
	w.net.Cut("a")
	for {
		select {
		case x := <-heard:
			if x.Status == mcp.TaskCompleted {
				return
			}
		case <-time.After(time.Minute):
			t.Fatal("its end was not heard of")
		}
	}
}
