// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
)

var eras = []mcp.Era{mcp.Legacy, mcp.Modern}

// newBridged is a server of one era that tells what reaches it.
func newBridged(era mcp.Era) *inMemory {
	d := newInMemory(era)
	server.AddTool(d.srv, "seen", "Tell who calls", func(_ context.Context, req *server.Request, _ server.None) (string, error) {
		c := req.Client()
		caps, err := json.Marshal(c.Capabilities, json.Deterministic(true))
		return c.Name + " " + string(caps), err
	})
	server.AddTool(d.srv, "log", "Log", func(_ context.Context, req *server.Request, _ server.None) (string, error) {
		req.Log("debug", "", "fine")
		req.Log("error", "", "coarse")
		return "logged", nil
	})
	job := func(ctx context.Context, req *server.Request, in EchoIn) (string, error) {
		select {
		case <-time.After(3 * time.Second):
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
		switch in.Text {
		case "fail":
			return "", errors.New("it failed")
		case "refuse":
			return "", jsonrpc.NewError(-32000, "refused")
		case "ask":
			form, action, err := server.Elicit[struct {
				Name string `json:"name"`
			}](ctx, req, "Who?")
			return action + " " + form.Name, err
		}
		return "done " + in.Text, nil
	}
	server.AddTool(d.srv, "job", "A job", job, server.Task(server.TaskOptional, time.Hour, time.Second))
	server.AddTool(d.srv, "must", "A long job", job, server.Task(server.TaskRequired, time.Hour, time.Second))
	server.AddTool(d.srv, "login", "Needs a page", func(context.Context, *server.Request, server.None) (string, error) {
		return "", jsonrpc.NewError(mcp.CodeURLElicitationRequired, "sign in first").WithData(map[string]any{
			"elicitations": []any{map[string]string{"mode": "url", "elicitationId": "e1", "url": "https://example.com/login", "message": "Sign in"}},
		})
	})
	return d
}

// asking is a call of a client of one era that declares everything and, if
// tasks, can follow a task.
func asking(era mcp.Era, tool, args string, tasks bool) (*rpc.Call, *heard) {
	h := &heard{}
	call := callOf(tool, args, h)
	peer := &rpc.Peer{Features: mcp.Latest.Features(), Client: mcp.Implementation{Name: "caller", Version: "7"}}
	peer.Capabilities = mcp.ClientCapabilities{
		Elicitation: &mcp.ElicitationCapability{Form: Raw("{}"), URL: Raw("{}")}, Sampling: &mcp.SamplingCapability{},
	}
	if era == mcp.Legacy {
		peer.Features = mcp.LatestLegacy.Features()
		peer.Session = "s1"
	}
	if tasks {
		call.AllowTask = true
		if era == mcp.Legacy {
			call.Task = &rpc.TaskRequest{}
		} else {
			peer.Capabilities.Extensions = map[string]Raw{mcp.ExtensionTasks: Raw("{}")}
		}
	}
	call.Peer = peer
	return call, h
}

// heard is a client that answers every question and keeps what it hears.
type heard struct {
	mu        sync.Mutex
	levels    []string
	questions []string
}

func (h *heard) Notify(_ context.Context, method string, params Raw) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if method == mcp.NotificationMessage {
		h.levels = append(h.levels, memberText(params, "level"))
	}
	return nil
}

func (h *heard) Ask(_ context.Context, requests map[string]rpc.InputRequest) (map[string]Raw, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.questions = append(h.questions, slices.Sorted(maps.Keys(requests))...)
	return (*caller)(nil).Ask(context.Background(), requests)
}

func textOf(t *testing.T, res rpc.Result, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var body mcp.CallToolResult
	if err := json.Unmarshal(res.Body, &body); err != nil || len(body.Content) == 0 {
		t.Fatalf("body %s: %v", res.Body, err)
	}
	return body.Content[0].Text
}

func TestCapabilitiesAreMirrored(t *testing.T) {
	for _, tc := range []struct {
		name   string
		policy []string
		want   string
	}{
		{"all", nil, `caller {"sampling":{},"elicitation":{"form":{},"url":{}}}`},
		{"narrowed", []string{"elicitation"}, `caller {"elicitation":{"form":{},"url":{}}}`},
		{"none", []string{}, `caller {}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newPooled(t, Config{Launch: newBridged(mcp.Modern).closes(t).dial, Capabilities: tc.policy})
			call, _ := asking(mcp.Modern, "seen", `{}`, false)
			res, err := r.Handle(t.Context(), call)
			if got := textOf(t, res, err); got != tc.want {
				t.Errorf("the server saw %s, want %s", got, tc.want)
			}
		})
	}
	t.Run("extensions", func(t *testing.T) {
		call, _ := asking(mcp.Modern, "seen", `{}`, true)
		call.Peer.Capabilities.Extensions = map[string]Raw{mcp.ExtensionUI: Raw(`{"mimeTypes":["text/html"]}`), "example.com/other": Raw("{}")}
		if got := string(mirrored(call, 0, true)); got != `{"extensions":{"`+mcp.ExtensionTasks+`":{},"`+mcp.ExtensionUI+`":{"mimeTypes":["text/html"]}}}` {
			t.Errorf("declared %s", got)
		}
	})
}

// TestLegacyServersAreToldPerSession shows that a legacy server sees what the
// session's callers declared.
func TestLegacyServersAreToldPerSession(t *testing.T) {
	r := newPooled(t, Config{Launch: newBridged(mcp.Legacy).closes(t).dial, Sharing: PerSession})
	call, _ := asking(mcp.Legacy, "seen", `{}`, false)
	res, err := r.Handle(t.Context(), call)
	if got := textOf(t, res, err); !strings.HasSuffix(got, `{"sampling":{},"elicitation":{"form":{},"url":{}}}`) {
		t.Errorf("the server saw %s", got)
	}
}

func TestLogLevelFollowsTheCaller(t *testing.T) {
	for _, era := range eras {
		t.Run(era.String(), func(t *testing.T) {
			r := newPooled(t, Config{Launch: newBridged(era).closes(t).dial})
			for _, tc := range []struct {
				level mcp.LogLevel
				want  string
			}{{"error", "error"}, {"debug", "debug error"}} {
				call, h := asking(era, "log", `{}`, false) // for a legacy server of one session: else a message is nobody's
				call.LogLevel = tc.level
				if _, err := r.Handle(t.Context(), call); err != nil {
					t.Fatal(err)
				}
				if got := strings.Join(h.levels, " "); got != tc.want {
					t.Errorf("at %s heard %q, want %q", tc.level, got, tc.want)
				}
			}
		})
	}
}

// TestTasksOfBothKinds follows tasks of servers of both eras for clients of both.
func TestTasksOfBothKinds(t *testing.T) {
	for _, era := range eras {
		for _, client := range eras {
			t.Run(client.String()+" client "+era.String()+" server", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := newBridged(era)
					defer d.srv.Close()
					r := newPooled(t, Config{Launch: d.dial})
					defer r.Close()
					for args, want := range map[string]string{
						`{"text":"it"}`: "done it", `{"text":"ask"}`: "accept Ada", `{"text":"fail"}`: "it failed",
					} {
						call, h := asking(client, "job", args, true)
						res, err := r.Handle(t.Context(), call)
						if err != nil || res.Deferred == nil {
							t.Fatalf("%s: %+v, %v, want a task", args, res, err)
						}
						if res.Deferred.TTL != time.Hour || res.Deferred.Poll != time.Second {
							t.Errorf("kept for %s, polled every %s", res.Deferred.TTL, res.Deferred.Poll)
						}
						res, err = res.Deferred.Run(t.Context(), h)
						if got := textOf(t, res, err); got != want {
							t.Errorf("%s: %q, want %q", args, got, want)
						}
						if strings.Contains(string(res.Body), "related-task") || strings.Contains(string(res.Body), "resultType") {
							t.Errorf("the outcome tells of its hop: %s", res.Body)
						}
					}
					call, h := asking(client, "must", `{"text":"refuse"}`, true)
					res, err := r.Handle(t.Context(), call)
					if err != nil || res.Deferred == nil {
						t.Fatalf("%+v, %v, want a task", res, err)
					}
					_, err = res.Deferred.Run(t.Context(), h)
					if wire, ok := jsonrpc.AsError(err); !ok || wire.Code != -32000 {
						t.Errorf("the task failed with %v", err)
					}
				})
			})
		}
	}
}

// TestTasksAreKeptAsClientsWish: a server that can be told keeps a task as long as its
// client asked for.
func TestTasksAreKeptAsClientsWish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newBridged(mcp.Legacy)
		defer d.srv.Close()
		r := newPooled(t, Config{Launch: d.dial})
		defer r.Close()
		call, h := asking(mcp.Legacy, "job", `{"text":"it"}`, true)
		call.Task.TTL = 10 * time.Second
		res, err := r.Handle(t.Context(), call)
		if err != nil || res.Deferred == nil || res.Deferred.TTL != 10*time.Second {
			t.Fatalf("%+v, %v; want a task of 10 s", res.Deferred, err)
		}
		if _, err := res.Deferred.Run(t.Context(), h); err != nil {
			t.Error(err)
		}
	})
}

func TestTaskIsCancelledAtTheServer(t *testing.T) {
	for _, era := range eras {
		t.Run(era.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newBridged(era)
				defer d.srv.Close()
				stopped := make(chan error, 1)
				server.AddTool(d.srv, "forever", "Goes on", func(ctx context.Context, _ *server.Request, _ server.None) (string, error) {
					<-ctx.Done()
					stopped <- context.Cause(ctx)
					return "", context.Cause(ctx)
				}, server.Task(server.TaskOptional, time.Hour, time.Second))
				r := newPooled(t, Config{Launch: d.dial})
				defer r.Close()
				call, h := asking(mcp.Modern, "forever", `{}`, true)
				res, err := r.Handle(t.Context(), call)
				if err != nil || res.Deferred == nil {
					t.Fatalf("%+v, %v, want a task", res, err)
				}
				enough := errors.New("enough")
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(5*time.Second, func() { cancel(enough) })
				if _, err := res.Deferred.Run(ctx, h); !errors.Is(err, enough) {
					t.Errorf("ended with %v", err)
				}
				<-stopped
			})
		})
	}
}

// TestTasksThatNobodyFollows checks that an instance is not held for ever by a
// task which the endpoint did not take in.
func TestTasksThatNobodyFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newBridged(mcp.Legacy)
		defer d.srv.Close()
		r := newPooled(t, Config{Launch: d.dial, Sharing: PerCall})
		defer r.Close()
		call, h := asking(mcp.Modern, "job", `{"text":"it"}`, true)
		res, err := r.Handle(t.Context(), call)
		if err != nil || res.Deferred == nil {
			t.Fatalf("%+v, %v, want a task", res, err)
		}
		time.Sleep(2 * startGrace)
		if _, err := res.Deferred.Run(t.Context(), h); err == nil {
			t.Error("a task was followed after its instance was given up")
		}
	})
}

func TestTaskWithinTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newBridged(mcp.Modern)
		defer d.srv.Close()
		r := newPooled(t, Config{Launch: d.dial})
		defer r.Close()
		call, _ := asking(mcp.Legacy, "must", `{"text":"ask"}`, false)
		res, err := r.Handle(t.Context(), call)
		if got := textOf(t, res, err); got != "accept Ada" {
			t.Errorf("got %q", got)
		}
	})
}

func TestTaskThatTheClientCannotFollow(t *testing.T) {
	for _, era := range eras {
		t.Run(era.String(), func(t *testing.T) {
			r := newPooled(t, Config{Launch: newBridged(era).closes(t).dial})
			call, _ := asking(mcp.Modern, "must", `{"text":"it"}`, false)
			_, err := r.Handle(t.Context(), call)
			if wire, ok := jsonrpc.AsError(err); !ok || wire.Code != mcp.CodeMissingCapability {
				t.Errorf("got %v, want the missing extension", err)
			}
		})
	}
}

func TestPagesToOpenFirst(t *testing.T) {
	r := newPooled(t, Config{Launch: newBridged(mcp.Legacy).closes(t).dial})
	call, _ := asking(mcp.Modern, "login", `{}`, false)
	res, err := r.Handle(t.Context(), call)
	if err != nil || res.Input == nil || len(res.Input.Requests) != 1 || res.Input.State != nil {
		t.Fatalf("modern client: %+v, %v, want a question", res, err)
	}
	if p := res.Input.Requests["url-1"].Params; memberText(p, "mode") != "url" || memberText(p, "url") != "https://example.com/login" {
		t.Errorf("the question is %s", p)
	}
	call.Input.Responses = map[string]Raw{"url-1": Raw(`{"action":"decline"}`)}
	res, err = r.Handle(t.Context(), call)
	if got := textOf(t, res, err); !strings.Contains(got, "https://example.com/login") {
		t.Errorf("after a refusal: %q", got)
	}

	call, _ = asking(mcp.Legacy, "login", `{}`, false)
	_, err = r.Handle(t.Context(), call)
	if wire, ok := jsonrpc.AsError(err); !ok || wire.Code != mcp.CodeURLElicitationRequired {
		t.Errorf("client of the same version: %v, want the error as it is", err)
	}

	call, _ = asking(mcp.Legacy, "login", `{}`, false)
	call.Peer.Features = mcp.V20250618.Features()
	res, err = r.Handle(t.Context(), call)
	if got := textOf(t, res, err); !strings.Contains(got, "https://example.com/login") {
		t.Errorf("older client: %q", got)
	}
}

func TestDiscoveryMirrorsTheServer(t *testing.T) {
	for _, tc := range []struct {
		name string
		d    *inMemory
		want string
	}{
		{"legacy with tasks", newBridged(mcp.Legacy), `"tasks":{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}},"extensions":{"io.modelcontextprotocol/skills":null,"io.modelcontextprotocol/tasks":{},"io.modelcontextprotocol/ui":null}`},
		{"modern with tasks", newBridged(mcp.Modern), `"tasks":{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}},"extensions":{"io.modelcontextprotocol/skills":null,"io.modelcontextprotocol/tasks":{},"io.modelcontextprotocol/ui":null}`},
		{"legacy without", newInMemory(mcp.Legacy), `"extensions":{"io.modelcontextprotocol/skills":null,"io.modelcontextprotocol/tasks":null,"io.modelcontextprotocol/ui":null}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newPooled(t, Config{Launch: tc.d.closes(t).dial})
			call := callOf("", `{}`, &caller{})
			call.Method = mcp.MethodDiscover
			res, err := r.Handle(t.Context(), call)
			if err != nil || !strings.Contains(string(res.Body), tc.want) {
				t.Errorf("discovery %s, %v; want %s", res.Body, err, tc.want)
			}
		})
	}
}

// TestToolsOfModernServersMayBeTasks checks that legacy clients are told so, as
// they may not ask for a task otherwise.
func TestToolsOfModernServersMayBeTasks(t *testing.T) {
	r := newPooled(t, Config{Launch: newBridged(mcp.Modern).closes(t).dial})
	call := callOf("", `{}`, &caller{})
	call.Method, call.Params, call.Meta = mcp.MethodListTools, nil, nil
	res, err := r.Handle(t.Context(), call)
	if err != nil || strings.Count(string(res.Body), `"execution":{"taskSupport":"optional"}`) != 7 {
		t.Errorf("%s, %v", res.Body, err)
	}
}

func TestLegacyServersAreNotAskedForExtensions(t *testing.T) {
	r := newPooled(t, Config{Launch: newBridged(mcp.Legacy).closes(t).dial})
	call := callOf("", `{}`, &caller{})
	call.Method = mcp.MethodListSkills
	_, err := r.Handle(t.Context(), call)
	if wire, ok := jsonrpc.AsError(err); !ok || wire.Code != jsonrpc.CodeMethodNotFound || wire.FromPeer() {
		t.Errorf("got %v", err)
	}
}
