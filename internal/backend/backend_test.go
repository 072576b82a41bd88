// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/process"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
	"github.com/holdfast-mcp/holdfast/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// EchoIn is the input of the tests' tool.
type EchoIn struct {
	Text string `json:"text"`
}

// inMemory dials an SDK server of one era over a pipe and can break the connection.
type inMemory struct {
	srv *server.Server

	mu    sync.Mutex
	conns []transport.Conn
	err   error
	dials int
	live  int
}

func newInMemory(era mcp.Era) *inMemory {
	d := &inMemory{srv: server.New("inner", "1", server.Eras(era))}
	server.AddTool(d.srv, "echo", "Echo", func(_ context.Context, req *server.Request, in EchoIn) (*mcp.CallToolResult, error) {
		req.Progress(1, 1, "done")
		return &mcp.CallToolResult{Content: []mcp.Content{mcp.Text(in.Text)}}, nil
	})
	server.AddTool(d.srv, "who", "Ask", func(ctx context.Context, req *server.Request, _ struct{}) (*mcp.CallToolResult, error) {
		form, action, err := server.Elicit[struct {
			Name string `json:"name"`
		}](ctx, req, "Who?")
		if err != nil {
			return nil, err
		}
		return &mcp.CallToolResult{Content: []mcp.Content{mcp.Text(action + " " + form.Name)}}, nil
	})
	return d
}

func (d *inMemory) dial(context.Context) (*Launched, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dials++
	if d.err != nil {
		return nil, d.err
	}
	near, far := transport.Pipe()
	gone := make(chan struct{})
	d.live++
	go func() {
		_ = d.srv.ServeConn(context.Background(), far)
		d.mu.Lock()
		d.live--
		d.mu.Unlock()
		close(gone)
	}()
	d.conns = append(d.conns, far)
	return &Launched{Target: client.Conn(near), Stop: func() { near.Close(); <-gone }, Gone: gone}, nil
}

// closes ends the server with the test.
func (d *inMemory) closes(t *testing.T) *inMemory {
	t.Cleanup(d.srv.Close)
	return d
}

func (d *inMemory) breakAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.conns {
		c.Close()
	}
	d.conns = nil
}

func (d *inMemory) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

// caller is a client that answers questions and counts notifications.
type caller struct {
	mu    sync.Mutex
	heard []string
}

func (c *caller) Notify(_ context.Context, method string, _ Raw) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = append(c.heard, method)
	return nil
}

func (*caller) Ask(_ context.Context, requests map[string]rpc.InputRequest) (map[string]Raw, error) {
	answers := map[string]Raw{}
	for key := range requests {
		answers[key] = Raw(`{"action":"accept","content":{"name":"Ada"}}`)
	}
	return answers, nil
}

func newRemote(t *testing.T, d Launcher) *Remote {
	t.Helper()
	return newPooled(t, Config{Launch: d})
}

// newPooled is a Remote by cfg that ends with the test.
func newPooled(t *testing.T, cfg Config) *Remote {
	t.Helper()
	cfg.Name, cfg.CallTimeout, cfg.Log = "inner", time.Minute, slog.New(slog.DiscardHandler)
	r := New(cfg, func(subscription.Event) {})
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func callOf(tool, args string, c rpc.Client) *rpc.Call {
	params := Raw(`{"name":"` + tool + `","arguments":` + args + `,"_meta":{"progressToken":7,"x.example/kept":true}}`)
	meta, _ := jsonrpc.Get(params, "_meta")
	return &rpc.Call{
		Method: mcp.MethodCallTool, Target: tool, Params: params, Meta: meta, ProgressToken: Raw("7"),
		Peer: &rpc.Peer{
			Features:     mcp.Latest.Features(),
			Capabilities: mcp.ClientCapabilities{Elicitation: &mcp.ElicitationCapability{}},
		}, Principal: rpc.Local, Client: c,
	}
}

func TestCallsInBothEras(t *testing.T) {
	for _, era := range []mcp.Era{mcp.Legacy, mcp.Modern} {
		t.Run(era.String(), func(t *testing.T) {
			d := newInMemory(era).closes(t)
			r := newRemote(t, d.dial)
			c := &caller{}
			res, err := r.Handle(t.Context(), callOf("echo", `{"text":"hi"}`, c))
			if err != nil || !strings.Contains(string(res.Body), `"hi"`) {
				t.Fatalf("echo = %s, %v", res.Body, err)
			}
			if strings.Contains(string(res.Body), "resultType") {
				t.Errorf("the result keeps its hop's members: %s", res.Body)
			}
			if len(c.heard) != 1 || c.heard[0] != mcp.NotificationProgress {
				t.Errorf("notifications %q, want one progress", c.heard)
			}
		})
	}
}

func TestQuestionsReachTheCaller(t *testing.T) {
	r := newRemote(t, newInMemory(mcp.Legacy).closes(t).dial)
	res, err := r.Handle(t.Context(), callOf("who", `{}`, &caller{}))
	if err != nil || !strings.Contains(string(res.Body), "accept Ada") {
		t.Errorf("legacy server: %s, %v", res.Body, err)
	}
}

func TestModernQuestionsTravelAsResults(t *testing.T) {
	r := newRemote(t, newInMemory(mcp.Modern).closes(t).dial)
	call := callOf("who", `{}`, &caller{})
	res, err := r.Handle(t.Context(), call)
	if err != nil || res.Input == nil || len(res.Input.Requests) != 1 || res.Input.State == nil {
		t.Fatalf("first round: %+v, %v", res, err)
	}
	answers, _ := (*caller)(nil).Ask(t.Context(), res.Input.Requests)
	call.Input = rpc.Input{Responses: answers, State: res.Input.State}
	res, err = r.Handle(t.Context(), call)
	if err != nil || !strings.Contains(string(res.Body), "accept Ada") {
		t.Errorf("second round: %s, %v", res.Body, err)
	}
}

func TestReconnects(t *testing.T) {
	d := newInMemory(mcp.Legacy).closes(t)
	r := newRemote(t, d.dial)
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.breakAll()
	var err error
	for range 100 { // the first calls may meet the broken connection and fail, each with one explicit error
		if _, err = r.Handle(t.Context(), callOf("echo", `{"text":"again"}`, &caller{})); err == nil {
			return
		}
		wire, ok := jsonrpc.AsError(err)
		if !ok || wire.FromPeer() || !strings.Contains(string(wire.Data), `"gateway"`) {
			t.Fatalf("a broken connection's error %v does not say it is the gateway's", err)
		}
	}
	t.Errorf("the server did not come back: %v", err)
}

func TestFailuresBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newInMemory(mcp.Legacy)
		d.fail(errors.New("no such program"))
		var log bytes.Buffer
		r := New(Config{Name: "inner", Launch: d.dial, Log: slog.New(slog.NewTextHandler(&log, nil))}, func(subscription.Event) {})
		for range 1000 {
			_, err := r.Handle(t.Context(), callOf("echo", `{}`, &caller{}))
			if err == nil || !strings.Contains(err.Error(), `server "inner": it could not be started`) {
				t.Fatalf("error %v does not name server and kind", err)
			}
			if cause := lineOf(t, &log, err); !strings.Contains(cause, "no such program") {
				t.Fatalf("the log does not name the cause: %s", cause)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if d.dials > 12 {
			t.Errorf("%d attempts in 100 s", d.dials)
		}
		d.fail(nil)
		time.Sleep(maxPause)
		if _, err := r.Handle(t.Context(), callOf("echo", `{"text":"x"}`, &caller{})); err != nil {
			t.Errorf("after recovery: %v", err)
		}
		r.Close()
		d.srv.Close()
	})
}

func TestStartErrorHasTheLastWords(t *testing.T) {
	keeper := process.NewKeeper(slog.New(slog.DiscardHandler))
	defer keeper.Close()
	r := newRemote(t, Command(keeper, process.Spec{
		Name: "broken", Command: "sh", Args: []string{"-c", "echo missing token >&2; exit 3"}, Env: []string{"PATH=/usr/bin:/bin"}, Stderr: io.Discard,
	}))
	err := r.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "missing token") {
		t.Errorf("error %v lacks the server's last words", err)
	}
}
