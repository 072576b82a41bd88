// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
)

// changing is an HTTP server whose program can be exchanged.
type changing struct {
	*httptest.Server
	current atomic.Pointer[http.Handler]
}

func newChanging(t *testing.T, h http.Handler) *changing {
	t.Helper()
	c := &changing{}
	c.become(h)
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*c.current.Load()).ServeHTTP(w, r) }))
	t.Cleanup(c.Close)
	return c
}

func (c *changing) become(h http.Handler) { c.current.Store(&h) }

func echoServer(t *testing.T, era mcp.Era) *server.Server {
	t.Helper()
	d := newInMemory(era).closes(t)
	return d.srv
}

func newHTTPRemote(t *testing.T, cfg Config, url string, http HTTPConfig) *Remote {
	t.Helper()
	cfg.Launch, cfg.Closed = URL(url, http)
	return newPooled(t, cfg)
}

// TestServerChangesEra: an HTTP server may be upgraded, or rolled back, at any time.
func TestServerChangesEra(t *testing.T) {
	srv := newChanging(t, echoServer(t, mcp.Legacy))
	r := newHTTPRemote(t, Config{}, srv.URL+"/mcp", HTTPConfig{})
	for i, era := range []mcp.Era{mcp.Legacy, mcp.Modern, mcp.Legacy, mcp.Modern} {
		if i > 0 {
			srv.become(echoServer(t, era))
		}
		res, err := r.Handle(t.Context(), callOf("echo", `{"text":"hi"}`, &caller{}))
		if err != nil || !strings.Contains(string(res.Body), `"hi"`) {
			t.Fatalf("round %d, server now %v: %s, %v", i, era, res.Body, err)
		}
	}
}

// TestSessionLostBeneath: a legacy server that restarted is greeted again below its callers.
func TestSessionLostBeneath(t *testing.T) {
	srv := newChanging(t, echoServer(t, mcp.Legacy))
	r := newHTTPRemote(t, Config{}, srv.URL+"/mcp", HTTPConfig{})
	for round := range 3 {
		srv.become(echoServer(t, mcp.Legacy)) // with other keys: it knows no session
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := r.Handle(t.Context(), callOf("echo", `{"text":"hi"}`, &caller{})); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		wg.Wait()
	}
}

// TestStreamsDoNotStarveCalls: each legacy session holds a stream open, and many
// sessions more streams than there may be connections for calls.
func TestStreamsDoNotStarveCalls(t *testing.T) {
	srv := newChanging(t, echoServer(t, mcp.Legacy))
	r := newHTTPRemote(t, Config{Sharing: PerSession}, srv.URL+"/mcp", HTTPConfig{MaxConns: 4})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			if _, err := r.Handle(ctx, sessionCall("echo", fmt.Sprint("s", i), "ada")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestBadHTTPServers: whatever a server answers costs its calls an error that
// names it, and nothing else.
func TestBadHTTPServers(t *testing.T) {
	answers := map[string]http.HandlerFunc{
		"status 500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"wrong type": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>hello</html>") },
		"not JSON": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, "{")
		},
		"endless headers":  endlessHeaders,
		"empty stream":     func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/event-stream") },
		"unknown versions": unknownVersions,
	}
	for name, h := range answers {
		t.Run(name, func(t *testing.T) {
			srv := newChanging(t, h)
			r := newHTTPRemote(t, Config{}, srv.URL+"/mcp", HTTPConfig{})
			_, err := r.Handle(t.Context(), callOf("echo", `{"text":"hi"}`, &caller{}))
			wire, ok := jsonrpc.AsError(err)
			if !ok || wire.Code != jsonrpc.CodeInternal || !strings.Contains(string(wire.Data), `"server":"inner"`) {
				t.Errorf("error %v does not name the server as the gateway does", err)
			}
		})
	}
}

// TestStartErrorsSayWhatHelps: the operator is told what the server said at the
// greeting, and what may be done about it.
func TestStartErrorsSayWhatHelps(t *testing.T) {
	for _, tt := range []struct {
		name   string
		secure bool
		answer http.HandlerFunc
		want   []string
	}{
		{"login", false, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "missing token", 401) },
			[]string{"HTTP status 401: missing token", "headers: {Authorization: …}", "mcp-remote"}},
		{"scope", false, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "api key lacks scope mcp", 403) },
			[]string{"HTTP status 403: api key lacks scope mcp"}},
		{"moved", false, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example/mcp", http.StatusPermanentRedirect)
		}, []string{"redirected to https://elsewhere.example/mcp", "another origin"}},
		{"own certificate", true, func(http.ResponseWriter, *http.Request) {}, []string{"tls: {ca: …}"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewUnstartedServer(tt.answer)
			srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
			if tt.secure {
				srv.StartTLS()
			} else {
				srv.Start()
			}
			defer srv.Close()
			err := newHTTPRemote(t, Config{}, srv.URL+"/mcp", HTTPConfig{}).Start(t.Context())
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("Start: %v, want %q", err, want)
				}
			}
		})
	}
}

func endlessHeaders(w http.ResponseWriter, _ *http.Request) {
	for i := range 4000 {
		w.Header().Set(fmt.Sprint("X-Filler-", i), strings.Repeat("x", 100))
	}
}

func unknownVersions(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	fmt.Fprint(w, `{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"unsupported","data":{"supported":["2031-01-01"],"requested":"x"}}}`)
}

// TestBigEventIsRefused: a 100 MB event is over the bound on one message and
// costs its call; the next one works.
func TestBigEventIsRefused(t *testing.T) {
	good := echoServer(t, mcp.Modern)
	srv := newChanging(t, good)
	r := newHTTPRemote(t, Config{}, srv.URL+"/mcp", HTTPConfig{})
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	srv.become(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: ")
		chunk := strings.Repeat("x", 1<<20)
		for range 100 {
			if _, err := fmt.Fprint(w, chunk); err != nil {
				return
			}
		}
	}))
	_, err := r.Handle(t.Context(), callOf("echo", `{"text":"hi"}`, &caller{}))
	if wire, ok := jsonrpc.AsError(err); !ok || !strings.Contains(string(wire.Data), `"gateway"`) {
		t.Errorf("error %v of a big event", err)
	}
	srv.become(good)
	if _, err := r.Handle(t.Context(), callOf("echo", `{"text":"hi"}`, &caller{})); err != nil {
		t.Errorf("after it: %v", err)
	}
}

var _ rpc.Client = (*caller)(nil)
