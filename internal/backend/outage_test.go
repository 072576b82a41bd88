// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bytes"
	"context"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// TestOnlyOutagesOpenTheBreaker: what a server answers to one call, be it as often as
// it may, keeps no other call away; what says that nobody is there does.
func TestOnlyOutagesOpenTheBreaker(t *testing.T) {
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", code) }
	}
	said := func(kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			io.WriteString(w, body)
		}
	}
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		down   bool
	}{
		{"400", status(400), false},
		{"401", status(401), false},
		{"403", status(403), false},
		{"413", status(413), false},
		{"429", status(429), false},
		{"500", status(500), false},
		{"501", status(501), false},
		{"507", status(507), false},
		{"a redirect elsewhere", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example", http.StatusTemporaryRedirect)
		}, false},
		{"a page", said("text/html", "<html>"), false},
		{"not JSON", said("application/json", "{"), false},
		{"another's answer", said("application/json", `{"jsonrpc":"2.0","id":"other","result":{}}`), false},
		{"an unknown compression", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			said("application/json", "x")(w, r)
		}, false},
		{"502", status(502), true},
		{"503", status(503), true},
		{"504", status(504), true},
		{"a broken connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, true},
		{"a stream that ends", said("text/event-stream", ": hello\n\n"), true},
	} {
		for _, era := range eras {
			t.Run(fmt.Sprint(tt.name, " ", era), func(t *testing.T) {
				d := newInMemory(era).closes(t)
				srv := newChanging(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					data, err := io.ReadAll(r.Body)
					if err != nil {
						return
					}
					if bytes.Contains(data, []byte(`"bad"`)) {
						tt.answer(w, r)
						return
					}
					r.Body = io.NopCloser(bytes.NewReader(data))
					d.srv.ServeHTTP(w, r)
				}))
				srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
				r := newHTTPRemote(t, Config{}, srv.URL+"/mcp", HTTPConfig{})
				for range 3 * tolerated {
					if _, err := r.Handle(t.Context(), callOf("echo", `{"text":"bad"}`, &caller{})); err == nil || !strings.Contains(err.Error(), `server "inner"`) {
						t.Fatalf("the call came to %v", err)
					}
				}
				if up := r.Status().Up; up == tt.down {
					t.Errorf("up: %v", up)
				}
				if _, err := r.Handle(t.Context(), callOf("echo", `{"text":"hi"}`, &caller{})); (err != nil) != tt.down {
					t.Errorf("another call: %v", err)
				}
			})
		}
	}
}

// quiet launches a legacy server that answers no call named slow, and others and pings
// as long as it is told to.
func quiet(pings, others bool) Launcher {
	return func(context.Context) (*Launched, error) {
		near, far := transport.Pipe()
		go func() { // ends when the near end is closed
			for {
				data, err := far.Read()
				if err != nil {
					return
				}
				m, err := jsonrpc.Decode(data, jsonrpc.DefaultLimits())
				if err != nil || m.Kind() != jsonrpc.Request {
					continue
				}
				body := `{"content":[]}`
				switch {
				case m.Method == mcp.MethodInitialize:
					body = `{"protocolVersion":"` + string(mcp.LatestLegacy) + `","capabilities":{"tools":{}},"serverInfo":{"name":"quiet","version":"1"}}`
				case m.Method == mcp.MethodPing:
					if !pings {
						continue
					}
				case m.Method != mcp.MethodCallTool:
					far.Write(jsonrpc.AppendError(nil, m.ID, jsonrpc.NewError(jsonrpc.CodeMethodNotFound, "no such method")))
					continue
				case !others || bytes.Contains(data, []byte("slow")):
					continue
				}
				far.Write(jsonrpc.AppendResult(nil, m.ID, Raw(body)))
			}
		}()
		return &Launched{Target: client.Conn(near), Stop: func() { near.Close() }}, nil
	}
}

// TestOneSlowToolIsNoOutage: calls that time out count against a server only if it
// answers nothing else, neither to other calls nor when it is asked.
func TestOneSlowToolIsNoOutage(t *testing.T) {
	for _, tt := range []struct {
		name          string
		pings, others bool
		beside        bool // other calls are made meanwhile
		down          bool
	}{
		{"answers pings", true, true, false, false},
		{"answers pings alone", true, false, false, false},
		{"answers other calls", false, true, true, false},
		{"answers nothing", false, false, true, true},
		{"answers no ping, and nothing else is asked", false, true, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := New(Config{Name: "inner", Launch: quiet(tt.pings, tt.others), Processes: NewSlots(1), CallTimeout: 20 * time.Second,
					Log: slog.New(slog.DiscardHandler)}, func(subscription.Event) {})
				defer r.Close()
				for i := range 2 * tolerated {
					if tt.beside {
						go func() {
							time.Sleep(time.Second)
							_, _ = r.Handle(t.Context(), callOf("quick", `{}`, &caller{}))
						}()
					}
					_, err := r.Handle(t.Context(), callOf("slow", `{}`, &caller{}))
					if err == nil {
						t.Fatal("the slow tool answered")
					}
					if !tt.down && !strings.Contains(err.Error(), "no answer in time") {
						t.Errorf("call %d: %v", i, err)
					}
					time.Sleep(askedWait + time.Second)
				}
				if s := r.Status(); s.Up == tt.down {
					t.Errorf("up: %v, %s", s.Up, s.Reason)
				}
			})
		})
	}
}

// TestOneRefusedGreetingIsNoOutage: a server that refuses the session of one caller,
// for what that one can do, is called by the others.
func TestOneRefusedGreetingIsNoOutage(t *testing.T) {
	for name, refuse := range map[string]func(http.ResponseWriter, jsonrpc.Message){
		"403": func(w http.ResponseWriter, _ jsonrpc.Message) { http.Error(w, "no sampling here", 403) },
		"error": func(w http.ResponseWriter, m jsonrpc.Message) {
			w.Header().Set("Content-Type", "application/json")
			w.Write(jsonrpc.AppendError(nil, m.ID, jsonrpc.NewError(-32602, "no sampling here")))
		},
		"garbage": func(w http.ResponseWriter, _ jsonrpc.Message) { io.WriteString(w, "<html>") },
	} {
		t.Run(name, func(t *testing.T) {
			d := newInMemory(mcp.Legacy).closes(t)
			srv := newChanging(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				data, err := io.ReadAll(r.Body)
				if err != nil {
					return
				}
				m, _ := jsonrpc.Decode(data, jsonrpc.Limits{})
				if m.Method == mcp.MethodInitialize && !bytes.Contains(data, []byte(`"roots"`)) && bytes.Contains(data, []byte(`"sampling"`)) {
					refuse(w, m)
					return
				}
				r.Body = io.NopCloser(bytes.NewReader(data))
				d.srv.ServeHTTP(w, r)
			}))
			r := newHTTPRemote(t, Config{}, srv.URL+"/mcp", HTTPConfig{})
			odd := callOf("echo", `{"text":"hi"}`, &caller{})
			odd.Peer.Capabilities = mcp.ClientCapabilities{Sampling: &mcp.SamplingCapability{}}
			for range 3 {
				if _, err := r.Handle(t.Context(), odd); err == nil || !strings.Contains(err.Error(), `server "inner"`) {
					t.Errorf("the refused caller's call: %v", err)
				}
				if _, err := r.Handle(t.Context(), callOf("echo", `{"text":"hi"}`, &caller{})); err != nil {
					t.Errorf("another's call: %v", err)
				}
			}
			if s := r.Status(); !s.Up {
				t.Errorf("the server counts as down: %s", s.Reason)
			}
		})
	}
}
