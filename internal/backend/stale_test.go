// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
)

// guarded is a server behind a proxy that refuses some requests by what is in them.
type guarded struct {
	*changing
	seen    atomic.Int64  // probes
	opened  atomic.Int64  // greetings
	running chan struct{} // one for each slow call that has begun
	release chan struct{}
}

func newGuarded(t *testing.T, era mcp.Era, status int, body string) *guarded {
	g := &guarded{running: make(chan struct{}, 3), release: make(chan struct{})}
	d := newInMemory(era).closes(t)
	server.AddTool(d.srv, "slow", "Wait", func(_ context.Context, _ *server.Request, _ server.None) (string, error) {
		g.running <- struct{}{}
		<-g.release
		return "slow is done", nil
	})
	g.changing = newChanging(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		m, _ := jsonrpc.Decode(data, jsonrpc.Limits{})
		switch {
		case bytes.Contains(data, []byte("DROP TABLE")):
			w.WriteHeader(status)
			fmt.Fprint(w, body)
			return
		case m.Method == mcp.MethodInitialize:
			g.opened.Add(1)
		case m.Method == mcp.MethodPing, m.Method == mcp.MethodDiscover:
			g.seen.Add(1)
		}
		r.Body = io.NopCloser(bytes.NewReader(data))
		d.srv.ServeHTTP(w, r)
	}))
	return g
}

// TestOneRefusalIsOneCalls: a request that is refused for what is in it costs nobody
// else anything: calls in flight are answered, the session stays, and the server is
// still called however often that happens.
func TestOneRefusalIsOneCalls(t *testing.T) {
	const page, wire = `<html>blocked</html>`, `{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"no"}}`
	for _, era := range eras {
		for _, status := range []int{400, 403, 404, 405, 413} {
			for _, body := range []string{page, wire} {
				t.Run(fmt.Sprintf("%v %d %.6s", era, status, body), func(t *testing.T) {
					g := newGuarded(t, era, status, body)
					r := newHTTPRemote(t, Config{}, g.URL+"/mcp", HTTPConfig{})
					var wg sync.WaitGroup
					for range 3 {
						wg.Go(func() {
							res, err := r.Handle(t.Context(), callOf("slow", `{}`, &caller{}))
							if err != nil || !strings.Contains(string(res.Body), "slow is done") {
								t.Errorf("a call in flight: %s, %v", res.Body, err)
							}
						})
					}
					for range cap(g.running) {
						<-g.running
					}
					greeted, probed := g.opened.Load(), g.seen.Load()
					for range 3 * tolerated {
						if _, err := r.Handle(t.Context(), callOf("echo", `{"text":"'; DROP TABLE users"}`, &caller{})); err == nil {
							t.Fatal("the refused call had a result")
						}
					}
					if n := g.opened.Load(); n != greeted {
						t.Errorf("greeted %d times for refused calls", n-greeted)
					}
					if n := g.seen.Load() - probed; n > 3 {
						t.Errorf("probed %d times for %d refused calls", n, 3*tolerated)
					}
					if s := r.Status(); !s.Up {
						t.Errorf("the server counts as down: %s", s.Reason)
					}
					if _, err := r.Handle(t.Context(), callOf("echo", `{"text":"hi"}`, &caller{})); err != nil {
						t.Errorf("another's call: %v", err)
					}
					close(g.release)
					wg.Wait()
				})
			}
		}
	}
}

// TestCallsInFlightOutliveTheirInstance: when the server has to be greeted anew, calls
// that it still works on are answered; and Close ends them.
func TestCallsInFlightOutliveTheirInstance(t *testing.T) {
	for _, era := range eras {
		g := newGuarded(t, era, 400, "")
		r := newHTTPRemote(t, Config{Max: 3}, g.URL+"/mcp", HTTPConfig{})
		done := make(chan error, 1)
		go func() {
			res, err := r.Handle(t.Context(), callOf("slow", `{}`, &caller{}))
			if err == nil && !strings.Contains(string(res.Body), "slow is done") {
				err = fmt.Errorf("result %s", res.Body)
			}
			done <- err
		}()
		<-g.running
		for range 3 { // more than there may be instances
			g.become(echoServer(t, era))
			if other := map[mcp.Era]mcp.Era{mcp.Legacy: mcp.Modern, mcp.Modern: mcp.Legacy}[era]; other != 0 {
				g.become(echoServer(t, other))
				era = other
			}
			if _, err := r.Handle(t.Context(), callOf("echo", `{"text":"hi"}`, &caller{})); err != nil {
				t.Fatalf("after the server changed: %v", err)
			}
		}
		close(g.release)
		if err := <-done; err != nil {
			t.Errorf("a call in flight: %v", err)
		}
	}
}

// TestCallThatFailedIsNotRepeated: a server that fails in the middle of a call, and
// then has to be greeted anew, gets the call once, unless it may be repeated.
func TestCallThatFailedIsNotRepeated(t *testing.T) {
	for _, repeatable := range []bool{false, true} {
		ran := 0
		good := echoServer(t, mcp.Modern)
		var srv *changing
		srv = newChanging(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			data, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			if bytes.Contains(data, []byte(mcp.MethodCallTool)) {
				ran++
				srv.become(echoServer(t, mcp.Legacy)) // it comes back as another
				http.Error(w, "no", http.StatusInternalServerError)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(data))
			good.ServeHTTP(w, r)
		}))
		r := newHTTPRemote(t, Config{Repeatable: func(string) bool { return repeatable }}, srv.URL+"/mcp", HTTPConfig{})
		_, err := r.Handle(t.Context(), callOf("echo", `{"text":"hi"}`, &caller{}))
		if (err == nil) != repeatable || ran != 1 {
			t.Errorf("repeatable %v: %v, after it ran %d times", repeatable, err, ran)
		}
		if _, err := r.Handle(t.Context(), callOf("echo", `{"text":"hi"}`, &caller{})); err != nil {
			t.Errorf("the next call: %v", err)
		}
	}
}
