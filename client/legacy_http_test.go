// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

func TestLegacySession(t *testing.T) {
	s := legacyWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) { reply(w, 200, result(m, textResult)) })
	c := connect(t, HTTP(s.URL))
	params := Raw(`{"name":"t", "arguments":{}}`)
	if got, err := c.Call(t.Context(), mcp.MethodCallTool, params, CallOptions{}); err != nil || string(got) != textResult {
		t.Fatalf("Call: %s, %v", got, err)
	}
	q := s.requests(mcp.MethodCallTool)[0]
	if string(q.msg.Params) != string(params) {
		t.Errorf("params %s, want them as given", q.msg.Params)
	}
	if got := q.header.Get("Mcp-Session-Id") + " " + q.header.Get("Mcp-Protocol-Version"); got != "s1 2025-11-25" {
		t.Errorf("headers %q", got)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	deleted := s.requests(http.MethodDelete)
	if len(deleted) != 1 || deleted[0].header.Get("Mcp-Session-Id") != "s1" {
		t.Errorf("DELETE: %v", deleted)
	}
	first := s.requests(mcp.MethodInitialize)[0]
	if first.header.Get("Mcp-Protocol-Version") != "" || first.header.Get("Mcp-Session-Id") != "" {
		t.Errorf("initialize carries %v", first.header)
	}
}

// TestLegacyQuestionsOnTheCallsStream: spec 2025-11-25 basic/transports#sending-messages.
func TestLegacyQuestionsOnTheCallsStream(t *testing.T) {
	answered := make(chan jsonrpc.Message, 3)
	s := legacyWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
		switch {
		case r.Method == http.MethodGet:
			w.WriteHeader(http.StatusMethodNotAllowed)
		case m.Method == mcp.MethodCallTool:
			stream(w,
				event(notification(mcp.NotificationProgress, `{"progressToken":`+m.ID.String()+`,"progress":0.5,"message":"half"}`)),
				event([]byte(`{"jsonrpc":"2.0","id":"q1","method":"elicitation/create","params":{"message":"?"}}`)),
				event([]byte(`{"jsonrpc":"2.0","id":"q2","method":"sampling/createMessage","params":{}}`)),
				event([]byte(`{"jsonrpc":"2.0","id":"q3","method":"ping"}`)))
			got := map[string]string{}
			for range 3 {
				a := <-answered
				got[a.ID.String()] = fmt.Sprint(string(a.Result), a.Error)
			}
			want := map[string]string{
				`"q1"`: `{"action":"decline"}<nil>`, `"q3"`: `{}<nil>`,
				`"q2"`: "the client does not offer sampling/createMessage (code -32601)",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
			stream(w, event(result(m, textResult)))
		default:
			answered <- m
			w.WriteHeader(http.StatusAccepted)
		}
	})
	c := connect(t, HTTP(s.URL), OnElicit(decline))
	var progress []Progress
	if _, err := c.CallTool(t.Context(), "t", nil, OnProgress(func(p Progress) { progress = append(progress, p) })); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Progress{{Progress: 0.5, Message: "half"}}, progress); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
}

// TestLegacyResume: a stream that breaks off is resumed where it was, as often
// as needed. spec 2025-11-25 basic/transports#resumability-and-redelivery.
func TestLegacyResume(t *testing.T) {
	var id atomic.Value
	var gets atomic.Int32
	s := legacyWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
		if m.Method == mcp.MethodCallTool {
			id.Store(m)
			stream(w, "id: e0\nretry: 10\ndata: \n\n")
			return
		}
		switch gets.Add(1) {
		case 1:
			http.Error(w, "not yet", http.StatusServiceUnavailable)
		case 2:
			stream(w, "id: e1\n"+event(notification(mcp.NotificationMessage, `{"level":"info","data":1}`)))
		default:
			stream(w, "id: e2\n"+event(result(id.Load().(jsonrpc.Message), textResult)))
		}
	})
	c := connect(t, HTTP(s.URL))
	var logs []string
	var detached atomic.Int32
	alone := With(CallOptions{OnDetach: func(retry time.Duration) {
		if retry == 10*time.Millisecond {
			detached.Add(1)
		}
	}})
	res, err := c.CallTool(t.Context(), "t", nil, alone, OnCallLog("info", func(m LogMessage) { logs = append(logs, string(m.Data)) }))
	if err != nil || res.Text() != "hi" || len(logs) != 1 {
		t.Fatalf("CallTool: %v, %v, logs %v", res, err, logs)
	}
	if detached.Load() == 0 {
		t.Error("nobody was told that the server closed the stream")
	}
	var from []string
	for _, q := range s.requests(http.MethodGet) {
		from = append(from, q.header.Get("Last-Event-Id"))
	}
	if got := strings.Join(from, " "); got != "e0 e0 e1" {
		t.Errorf("resumed from %q", got)
	}
}

// TestWordOfAPageIsTheCalls: that a page is done is told on the stream of the
// call that asked for it. spec 2025-11-25 client/elicitation.
func TestWordOfAPageIsTheCalls(t *testing.T) {
	s := legacyWire(t, func(w http.ResponseWriter, _ *http.Request, m jsonrpc.Message) {
		stream(w, event(notification(mcp.NotificationElicitationComplete, `{"elicitationId":"e1"}`))+event(result(m, textResult)))
	})
	c := connect(t, HTTP(s.URL))
	var heard []string
	_, err := c.Call(t.Context(), mcp.MethodCallTool, Raw(`{"name":"t"}`), CallOptions{OnNotify: func(method string, params Raw) {
		heard = append(heard, method+string(params))
	}})
	if err != nil || len(heard) != 1 || heard[0] != `notifications/elicitation/complete{"elicitationId":"e1"}` {
		t.Errorf("heard %q, %v", heard, err)
	}
}

func TestLegacyResumeGivesUp(t *testing.T) {
	for _, tt := range []struct {
		name, begin string
		status      int
		gets        int
	}{
		{"no-event-id", ":\n\n", 200, 0},
		{"not-offered", "id: 1\nretry: 1\ndata:\n\n", 405, 1},
		{"session-gone", "id: 1\nretry: 1\ndata:\n\n", 404, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := legacyWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
				if r.Method == http.MethodGet {
					w.WriteHeader(tt.status)
					return
				}
				stream(w, tt.begin)
			})
			c := connect(t, HTTP(s.URL), Reinitialize())
			_, err := c.CallTool(t.Context(), "t", nil)
			if !errors.Is(err, ErrStreamBroken) || errors.Is(err, ErrSessionExpired) {
				t.Errorf("CallTool: %v, want ErrStreamBroken alone", err)
			}
			if got := len(s.requests(http.MethodGet)); got != tt.gets {
				t.Errorf("%d GETs, want %d", got, tt.gets)
			}
			if got := len(s.requests(mcp.MethodCallTool)); got != 1 {
				t.Errorf("the call was made %d times", got)
			}
		})
	}
}

// TestLegacyCancel: spec 2025-11-25 basic/utilities/cancellation.
func TestLegacyCancel(t *testing.T) {
	started, cancelled := make(chan jsonrpc.Message, 1), make(chan jsonrpc.Message, 1)
	s := legacyWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
		if m.Method == mcp.NotificationCancelled {
			w.WriteHeader(http.StatusAccepted)
			cancelled <- m
			return
		}
		stream(w, ":\n\n")
		started <- m
		<-r.Context().Done()
	})
	c := connect(t, HTTP(s.URL))
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		m := <-started
		cancel(errors.New("changed my mind"))
		got := <-cancelled
		if want := `{"requestId":` + m.ID.String() + `,"reason":"changed my mind"}`; string(got.Params) != want {
			t.Errorf("params %s, want %s", got.Params, want)
		}
		close(cancelled)
	}()
	if _, err := c.CallTool(ctx, "t", nil); err == nil || !strings.Contains(err.Error(), "changed my mind") {
		t.Errorf("CallTool: %v", err)
	}
	<-cancelled
}

// expiring is a server that forgets its first session when that calls a tool.
func expiring(t *testing.T) *wire {
	var sessions atomic.Int32
	var forgotten atomic.Bool
	return newWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
		switch {
		case m.Method == mcp.MethodInitialize:
			w.Header().Set("Mcp-Session-Id", fmt.Sprintf("s%d", sessions.Add(1)))
			reply(w, 200, result(m, initResult))
		case r.Header.Get("Mcp-Session-Id") == "s1" && (m.Method == mcp.MethodCallTool || forgotten.Load()):
			forgotten.Store(true)
			reply(w, 404, []byte(`{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"}}`))
		case r.Method == http.MethodGet:
			stream(w, ":\n\n")
			<-r.Context().Done()
		case m.Method != "" && !m.ID.IsZero():
			reply(w, 200, result(m, textResult))
		default:
			w.WriteHeader(http.StatusAccepted)
		}
	})
}

func TestLegacySessionExpires(t *testing.T) {
	s := expiring(t)
	c := connect(t, HTTP(s.URL), ForceEra(mcp.Legacy))
	_, err := c.CallTool(t.Context(), "t", nil)
	if !errors.Is(err, ErrSessionExpired) || peerCode(err) != -32001 {
		t.Errorf("CallTool: %v, want ErrSessionExpired and what the server said", err)
	}
}

func TestLegacyReinitialize(t *testing.T) {
	s := expiring(t)
	c := connect(t, HTTP(s.URL), ForceEra(mcp.Legacy), Reinitialize())
	if err := c.Subscribe(t.Context(), "test://a"); err != nil {
		t.Fatal(err)
	}
	if err := c.SetLogLevel(t.Context(), "warning"); err != nil {
		t.Fatal(err)
	}
	errs := make(chan error)
	for range 4 {
		go func() { _, err := c.CallTool(t.Context(), "t", nil); errs <- err }()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got := len(s.requests(mcp.MethodInitialize)); got != 2 {
		t.Errorf("initialized %d times, want 2", got)
	}
	for _, method := range []string{mcp.MethodSubscribe, mcp.MethodSetLevel} {
		again := s.requests(method)
		if len(again) != 2 || again[1].header.Get("Mcp-Session-Id") != "s2" {
			t.Errorf("%s was sent %d times, want once more in the new session", method, len(again))
		}
	}
}

// TestLegacyRefusalIsNoExpiry: 404 to one request, as a proxy says it too, does not
// replace a session that the server knows, and is not asked about each time.
func TestLegacyRefusalIsNoExpiry(t *testing.T) {
	s := legacyWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
		switch {
		case m.Method == mcp.MethodCallTool:
			reply(w, 404, []byte(`<html>blocked</html>`))
		case m.Method == mcp.MethodPing:
			reply(w, 404, failure(m, jsonrpc.CodeMethodNotFound, "no ping here", ""))
		}
	})
	c := connect(t, HTTP(s.URL), ForceEra(mcp.Legacy), Reinitialize())
	for range 10 {
		_, err := c.CallTool(t.Context(), "t", nil)
		if e, ok := errors.AsType[*HTTPError](err); !ok || e.Status != 404 || errors.Is(err, ErrSessionExpired) {
			t.Errorf("CallTool: %v, want the status alone", err)
		}
	}
	if n := len(s.requests(mcp.MethodInitialize)); n != 1 {
		t.Errorf("initialized %d times", n)
	}
	if n := len(s.requests(mcp.MethodPing)); n == 0 || n > 2 {
		t.Errorf("%d pings for ten refusals", n)
	}
}

// TestLegacyStandingStream: what the server says by itself, and again after the
// stream broke off.
func TestLegacyStandingStream(t *testing.T) {
	var gets atomic.Int32
	answered := make(chan jsonrpc.Message, 1)
	s := legacyWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
		switch {
		case r.Method == http.MethodGet && gets.Add(1) == 1:
			stream(w, "id: 1\nretry: 5\n"+event(notification(mcp.NotificationToolsChanged, `{}`)))
		case r.Method == http.MethodGet:
			stream(w, "data: nonsense\n\n", "id: 2\n"+event(notification(mcp.NotificationResourceUpdated, `{"uri":"test://a"}`)),
				event([]byte(`{"jsonrpc":"2.0","id":5,"method":"roots/list"}`)))
			<-r.Context().Done()
		case m.Method == "":
			answered <- m
			w.WriteHeader(http.StatusAccepted)
		default:
			reply(w, 200, result(m, `{}`))
		}
	})
	changed, updated := make(chan struct{}, 1), make(chan string, 1)
	c := connect(t, HTTP(s.URL), OnToolsChanged(func() { changed <- struct{}{} }), OnResourceUpdated(func(uri string) { updated <- uri }),
		OnRoots(func(context.Context) ([]mcp.Root, error) { return nil, nil }))
	<-changed
	if got := <-updated; got != "test://a" {
		t.Errorf("updated %q", got)
	}
	if got := string((<-answered).Result); got != `{"roots":[]}` {
		t.Errorf("answered %s", got)
	}
	if err := c.Subscribe(t.Context(), "test://a"); err != nil {
		t.Error(err)
	}
	if got := s.requests(http.MethodGet)[1].header.Get("Last-Event-Id"); got != "1" {
		t.Errorf("resumed from %q", got)
	}
}

func TestLegacyBatch(t *testing.T) {
	s := newWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
		switch {
		case m.Method == mcp.MethodInitialize:
			reply(w, 200, result(m, strings.Replace(initResult, "2025-11-25", "2025-03-26", 1)))
		case m.ID.IsZero():
			w.WriteHeader(http.StatusAccepted)
		default:
			reply(w, 200, fmt.Appendf(nil, "[%s,%s]", notification(mcp.NotificationMessage, `{"level":"info","data":1}`), result(m, textResult)))
		}
	})
	logged := make(chan LogMessage, 1)
	c := connect(t, HTTP(s.URL), ForceEra(mcp.Legacy), OnLog(func(m LogMessage) { logged <- m }))
	if res, err := c.CallTool(t.Context(), "t", nil); err != nil || res.Text() != "hi" {
		t.Errorf("CallTool: %v, %v", res, err)
	}
	<-logged
}

func TestLegacyWrongVersion(t *testing.T) {
	s := newWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
		reply(w, 200, result(m, `{"protocolVersion":"1999-01-01","capabilities":{},"serverInfo":{"name":"x","version":"1"}}`))
	})
	if _, err := Connect(t.Context(), HTTP(s.URL), ForceEra(mcp.Legacy)); !errors.Is(err, ErrNoCommonVersion) {
		t.Errorf("Connect: %v, want ErrNoCommonVersion", err)
	}
}

func TestCursorDelay(t *testing.T) {
	asked := cursor{retry: 500 * time.Millisecond}
	if d := asked.delay(0); d < 500*time.Millisecond || d > 550*time.Millisecond {
		t.Errorf("after retry: 500 it waits %v", d)
	}
	for n := range 100 {
		if d := (&cursor{}).delay(n); d <= 0 || d > maxBackoff {
			t.Errorf("after %d failures it waits %v", n, d)
		}
	}
}
