// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// TestProbeHTTP walks the ways a server may answer the first request.
// spec 2026-07-28 basic/versioning.
func TestProbeHTTP(t *testing.T) {
	unsupported := func(supported string) func(http.ResponseWriter, jsonrpc.Message) {
		return func(w http.ResponseWriter, m jsonrpc.Message) {
			reply(w, 400, failure(m, -32022, "no", `{"supported":`+supported+`,"requested":"x"}`))
		}
	}
	status := func(code int) func(http.ResponseWriter, jsonrpc.Message) {
		return func(w http.ResponseWriter, m jsonrpc.Message) { http.Error(w, "no", code) }
	}
	tests := []struct {
		name     string
		discover func(http.ResponseWriter, jsonrpc.Message)
		opts     []Option
		version  mcp.Version
		asked    string // the version that initialize proposes
		status   int    // of the error, if Connect fails
		methods  string
	}{
		{name: "modern", discover: func(w http.ResponseWriter, m jsonrpc.Message) { reply(w, 200, result(m, discoverResult)) },
			version: "2026-07-28", methods: "server/discover"},
		{name: "only-legacy-supported", discover: unsupported(`["2025-06-18","2024-11-05"]`),
			version: "2025-11-25", asked: "2025-06-18", methods: "server/discover initialize notifications/initialized"},
		{name: "method-not-found-in-200", discover: func(w http.ResponseWriter, m jsonrpc.Message) { reply(w, 200, failure(m, -32601, "?", "")) },
			version: "2025-11-25", asked: "2025-11-25", methods: "server/discover initialize notifications/initialized"},
		{name: "400-text", discover: status(400), version: "2025-11-25", asked: "2025-11-25", methods: "server/discover initialize notifications/initialized"},
		{name: "404", discover: status(404), version: "2025-11-25", asked: "2025-11-25", methods: "server/discover initialize notifications/initialized"},
		{name: "406", discover: status(406), version: "2025-11-25", asked: "2025-11-25", methods: "server/discover initialize notifications/initialized"},
		{name: "500", discover: status(500), version: "2025-11-25", asked: "2025-11-25", methods: "server/discover initialize notifications/initialized"},
		{name: "501", discover: status(501), version: "2025-11-25", asked: "2025-11-25", methods: "server/discover initialize notifications/initialized"},
		{name: "202", discover: func(w http.ResponseWriter, m jsonrpc.Message) { w.WriteHeader(202) },
			version: "2025-11-25", asked: "2025-11-25", methods: "server/discover initialize notifications/initialized"},
		{name: "breaks-off", discover: func(http.ResponseWriter, jsonrpc.Message) { panic(http.ErrAbortHandler) },
			version: "2025-11-25", asked: "2025-11-25", methods: "server/discover initialize notifications/initialized"},
		{name: "html", discover: func(w http.ResponseWriter, m jsonrpc.Message) { w.Write([]byte("<html>")) },
			version: "2025-11-25", asked: "2025-11-25", methods: "server/discover initialize notifications/initialized"},
		{name: "401", discover: status(401), status: 401, methods: "server/discover"},
		{name: "403", discover: status(403), status: 403, methods: "server/discover"},
		{name: "401-for-want-of-a-session", discover: func(w http.ResponseWriter, m jsonrpc.Message) { http.Error(w, "no session", 401) },
			version: "2025-11-25", asked: "2025-11-25", methods: "server/discover initialize notifications/initialized"},
		{name: "429", discover: status(429), status: 429, methods: "server/discover"},
		{name: "503", discover: status(503), status: 503, methods: "server/discover"},
		{name: "redirect", discover: func(w http.ResponseWriter, m jsonrpc.Message) {
			w.Header().Set("Location", "https://elsewhere.example/mcp")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, status: 307, methods: "server/discover"},
		{name: "header-mismatch", discover: func(w http.ResponseWriter, m jsonrpc.Message) { reply(w, 400, failure(m, -32020, "no", "")) },
			status: 400, methods: "server/discover"},
		{name: "forced-modern", discover: status(400), opts: []Option{ForceEra(mcp.Modern)}, status: 400, methods: "server/discover"},
		{name: "forced-legacy", opts: []Option{ForceVersion("2025-03-26")},
			version: "2025-11-25", asked: "2025-03-26", methods: "initialize notifications/initialized"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			asked := ""
			s := newWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
				switch {
				case m.Method == mcp.MethodDiscover:
					tt.discover(w, m)
				case m.Method == mcp.MethodInitialize:
					raw, _ := jsonrpc.Get(m.Params, "protocolVersion")
					asked, _ = jsonrpc.Unquote(raw)
					reply(w, 200, result(m, initResult))
				default:
					w.WriteHeader(http.StatusAccepted)
				}
			})
			c, err := Connect(t.Context(), HTTP(s.URL), append(tt.opts, RememberIn(nil))...)
			if err == nil {
				defer c.Close()
			}
			if got := httpStatus(err); got != tt.status || (err == nil) != (tt.status == 0) {
				t.Fatalf("Connect: %v (status %d), want status %d", err, got, tt.status)
			}
			if got := s.methods(); got != tt.methods {
				t.Errorf("the server saw %q, want %q", got, tt.methods)
			}
			if err == nil && (c.Version() != tt.version || asked != tt.asked) {
				t.Errorf("version %q after proposing %q, want %q and %q", c.Version(), asked, tt.version, tt.asked)
			}
		})
	}
}

func TestProbeRetriesOnceWithASupportedVersion(t *testing.T) {
	n := 0
	s := newWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
		if n++; n == 1 {
			reply(w, 400, failure(m, -32022, "no", `{"supported":["2026-07-28"],"requested":"2026-07-28"}`))
			return
		}
		reply(w, 200, result(m, discoverResult))
	})
	c := connect(t, HTTP(s.URL))
	if got := c.ServerInfo().Name + " " + c.Instructions(); got != "new be nice" {
		t.Errorf("the server introduced itself as %q", got)
	}
	if got := s.methods(); got != "server/discover server/discover" {
		t.Errorf("the server saw %q", got)
	}
	for _, q := range s.requests(mcp.MethodDiscover) {
		if got := q.header.Get("Mcp-Protocol-Version") + " " + q.header.Get("Mcp-Method"); got != "2026-07-28 server/discover" {
			t.Errorf("headers %q", got)
		}
	}
}

func TestProbeFallsBackToHTTPSSE(t *testing.T) {
	s := sseWire(t)
	cache := NewEraCache()
	for _, want := range []string{"POST:server/discover POST:initialize GET", "GET"} {
		s.reset()
		c, err := Connect(t.Context(), HTTP(s.URL+"/sse"), RememberIn(cache))
		if err != nil {
			t.Fatal(err)
		}
		if res, err := c.CallTool(t.Context(), "t", nil); err != nil || res.Text() != "hi" {
			t.Errorf("CallTool: %v, %v", res, err)
		}
		if got := s.probes(); got != want {
			t.Errorf("the server saw %q, want %q", got, want)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestWhoeverRefusesThePOSTMaySpeakHTTPSSE: whatever it refuses it with, as far as
// that may come of the POST.
func TestWhoeverRefusesThePOSTMaySpeakHTTPSSE(t *testing.T) {
	for status, speaks := range map[int]bool{400: true, 404: true, 405: true, 406: true, 415: true, 422: true, 500: true, 501: true, 401: false, 403: false, 503: false} {
		s := sseWire(t)
		s.refusal = status
		c, err := Connect(t.Context(), HTTP(s.URL+"/sse"), RememberIn(nil))
		if (err == nil) != speaks {
			t.Errorf("%d: %v", status, err)
		}
		if err == nil {
			c.Close()
		}
	}
}

func TestEraCacheIsVerifiedByUse(t *testing.T) {
	cache := NewEraCache()
	legacy := true
	s := newWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
		switch {
		case m.Method == mcp.MethodDiscover && !legacy:
			reply(w, 200, result(m, discoverResult))
		case m.Method == mcp.MethodInitialize && legacy:
			reply(w, 200, result(m, initResult))
		case m.ID.IsZero():
			w.WriteHeader(http.StatusAccepted)
		default:
			reply(w, 404, failure(m, -32601, "?", ""))
		}
	})
	for i, want := range []mcp.Version{"2025-11-25", "2025-11-25", "2026-07-28"} {
		legacy = i < 2
		c, err := Connect(t.Context(), HTTP(s.URL), RememberIn(cache))
		if err != nil {
			t.Fatal(err)
		}
		if c.Version() != want {
			t.Errorf("connection %d: version %q, want %q", i, c.Version(), want)
		}
		c.Close()
	}
	const want = "server/discover initialize notifications/initialized" + // probed
		" initialize notifications/initialized" + // remembered
		" initialize server/discover" // what was remembered fails: probed anew
	if got := s.methods(); got != want {
		t.Errorf("the server saw %q, want %q", got, want)
	}
}

func TestProbeStream(t *testing.T) {
	tests := []struct {
		name    string
		play    func(m jsonrpc.Message) []byte
		version mcp.Version
		err     error
	}{
		{"modern", func(m jsonrpc.Message) []byte { return result(m, discoverResult) }, "2026-07-28", nil},
		{"any-error", func(m jsonrpc.Message) []byte { return failure(m, -32000, "x", "") }, "2025-11-25", nil},
		{"silence", func(m jsonrpc.Message) []byte { return nil }, "2025-11-25", nil},
		{"garbage", func(m jsonrpc.Message) []byte { return []byte("Listening on stdio...") }, "2025-11-25", nil},
		{"nonsense-result", func(m jsonrpc.Message) []byte { return result(m, `{"supportedVersions":7}`) }, "2025-11-25", nil},
		{"only-unknown", func(m jsonrpc.Message) []byte { return result(m, `{"supportedVersions":["2099-01-01"]}`) }, "", ErrNoCommonVersion},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := pipeServer(func(m jsonrpc.Message, send func([]byte)) {
					answer := legacyReply(m)
					if m.Method == mcp.MethodDiscover {
						answer = tt.play(m)
					}
					if answer != nil {
						send(answer)
					}
				})
				c, err := Connect(t.Context(), Conn(conn))
				if !errors.Is(err, tt.err) {
					t.Fatalf("Connect: %v, want %v", err, tt.err)
				}
				if err != nil {
					return
				}
				if c.Version() != tt.version {
					t.Errorf("version %q, want %q", c.Version(), tt.version)
				}
				c.Close()
			})
		})
	}
}

func TestConnectEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := pipeServer(func(jsonrpc.Message, func([]byte)) {}) // never answers
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("enough"))
		defer cancel()
		_, err := Connect(ctx, Conn(conn))
		if err == nil || !strings.Contains(err.Error(), "enough") {
			t.Errorf("Connect: %v, want the cause of its end", err)
		}
	})
}

func TestConnectGivesUpOnASilentServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := pipeServer(func(jsonrpc.Message, func([]byte)) {})
		start := time.Now()
		_, err := Connect(t.Context(), Conn(conn))
		if !errors.Is(err, ErrTimeout) {
			t.Errorf("Connect: %v, want ErrTimeout", err)
		}
		if took := time.Since(start); took != 32*time.Second { // 2 s for discover alone, 30 s for initialize
			t.Errorf("it took %v", took)
		}
	})
}

func TestBadTargets(t *testing.T) {
	for _, target := range []Target{HTTP("ftp://x"), HTTP("://"), HTTP("/mcp"), Command("/nonexistent/program")} {
		if c, err := Connect(t.Context(), target); err == nil {
			c.Close()
			t.Errorf("Connect(%v) works", fmt.Sprint(target))
		}
	}
}
