// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// TestModernCallOnTheWire pins what one call sends.
// spec 2026-07-28 basic/transports, basic/index#_meta.
func TestModernCallOnTheWire(t *testing.T) {
	s := modernWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) { reply(w, 200, result(m, textResult)) })
	c := connect(t, HTTP(s.URL, "Authorization", "Bearer x"), Info(mcp.Implementation{Name: "c", Version: "1"}),
		Capabilities(Raw(`{"sampling":{}}`)), LogLevel("info"))
	params := Raw(`{"name":"grüße", "arguments":{"b":1,"a":2.0}, "_meta":{"traceparent":"00-1","progressToken":"mine"}}`)
	got, err := c.Call(t.Context(), mcp.MethodCallTool, params, CallOptions{Header: http.Header{"X-Extra": {"1"}}})
	if err != nil || string(got) != textResult {
		t.Fatalf("Call: %s, %v", got, err)
	}
	q := s.requests(mcp.MethodCallTool)[0]
	const want = `{"name":"grüße", "arguments":{"b":1,"a":2.0}, "_meta":{"traceparent":"00-1","progressToken":2,` +
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"sampling":{}},` +
		`"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/logLevel":"info"}}`
	if diff := cmp.Diff(want, string(q.msg.Params)); diff != "" {
		t.Errorf("params (-want +got):\n%s", diff)
	}
	for name, value := range map[string]string{
		"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "=?base64?Z3LDvMOfZQ==?=",
		"Accept": "application/json, text/event-stream", "Content-Type": "application/json",
		"Authorization": "Bearer x", "X-Extra": "1",
	} {
		if got := q.header.Get(name); got != value {
			t.Errorf("header %s is %q, want %q", name, got, value)
		}
	}
}

func TestModernStream(t *testing.T) {
	s := modernWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
		stream(w, ":\r\n\r\n",
			event(notification(mcp.NotificationProgress, `{"progressToken":`+m.ID.String()+`,"progress":1,"total":2}`)),
			event(notification(mcp.NotificationMessage, `{"level":"info","data":"x"}`)),
			event(notification(mcp.NotificationToolsChanged, `{}`)),
			event(jsonrpc.AppendResult(nil, jsonrpc.IntID(999), Raw(`{}`))), // nobody's
			event(result(m, textResult)))
	})
	changed := make(chan struct{}, 1)
	c := connect(t, HTTP(s.URL), OnNotification(func(method string, _ Raw) {
		if method == mcp.NotificationToolsChanged {
			changed <- struct{}{}
		}
	}))
	var notes []string
	got, err := c.Call(t.Context(), mcp.MethodCallTool, Raw(`{"name":"t","_meta":{"progressToken":"mine"}}`),
		CallOptions{OnNotify: func(method string, params Raw) { notes = append(notes, method+" "+string(params)) }})
	if err != nil || string(got) != textResult {
		t.Fatalf("Call: %s, %v", got, err)
	}
	want := []string{
		`notifications/progress {"progressToken":"mine","progress":1,"total":2}`,
		`notifications/message {"level":"info","data":"x"}`,
	}
	if diff := cmp.Diff(want, notes); diff != "" {
		t.Errorf("notifications (-want +got):\n%s", diff)
	}
	select {
	case <-changed:
	case <-t.Context().Done():
		t.Error("list_changed did not reach the client's handler")
	}
}

// TestModernBadAnswers: whatever a server sends, the call ends with an error
// that names what was wrong.
func TestModernBadAnswers(t *testing.T) {
	tests := []struct {
		name string
		play func(w http.ResponseWriter, m jsonrpc.Message)
		want string
		is   error
	}{
		{"empty-body", func(w http.ResponseWriter, m jsonrpc.Message) { reply(w, 200, nil) }, "unreadable", nil},
		{"not-json", func(w http.ResponseWriter, m jsonrpc.Message) { reply(w, 200, []byte("{{{")) }, "unreadable", nil},
		{"batch", func(w http.ResponseWriter, m jsonrpc.Message) { reply(w, 200, []byte("[]")) }, "unreadable", nil},
		{"accepted", func(w http.ResponseWriter, m jsonrpc.Message) { w.WriteHeader(202) }, "HTTP status 202", nil},
		{"html", func(w http.ResponseWriter, m jsonrpc.Message) { w.Write([]byte("<html>")) }, "content type", nil},
		{"other-id", func(w http.ResponseWriter, m jsonrpc.Message) {
			reply(w, 200, []byte(`{"jsonrpc":"2.0","id":77,"result":{}}`))
		}, "not its response", nil},
		{"broken-stream", func(w http.ResponseWriter, m jsonrpc.Message) { stream(w, "id: 1\ndata: \n\n") }, "", ErrStreamBroken},
		{"garbage-event", func(w http.ResponseWriter, m jsonrpc.Message) { stream(w, "data: hello\n\n") }, "ended before", ErrStreamBroken},
		{"request", func(w http.ResponseWriter, m jsonrpc.Message) {
			stream(w, event(jsonrpc.AppendRequest(nil, jsonrpc.IntID(1), "roots/list", nil)))
		}, `a request ("roots/list")`, nil},
		{"big-event", func(w http.ResponseWriter, m jsonrpc.Message) { stream(w, "data: "+strings.Repeat("x", 5000)+"\n\n") }, "over the limit", nil},
		{"big-body", func(w http.ResponseWriter, m jsonrpc.Message) {
			reply(w, 200, result(m, `"`+strings.Repeat("x", 5000)+`"`))
		}, "over the limit", nil},
		{"peer-error", func(w http.ResponseWriter, m jsonrpc.Message) { reply(w, 200, failure(m, -32602, "bad", "")) }, "bad (code -32602)", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := modernWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) { tt.play(w, m) })
			c := connect(t, HTTP(s.URL), MaxMessage(4096))
			_, err := c.Call(t.Context(), mcp.MethodListTools, nil, CallOptions{})
			if err == nil || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("Call: %v, want %q %v", err, tt.want, tt.is)
			}
		})
	}
}

func TestHTTPErrorTellsAll(t *testing.T) {
	s := modernWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
		w.Header().Set("Retry-After", "7")
		reply(w, 503, failure(m, -32603, "busy", `{"a":1}`))
	})
	c := connect(t, HTTP(s.URL+"/mcp?secret=1"))
	_, err := c.ListTools(t.Context(), nil)
	h, ok := errors.AsType[*HTTPError](err)
	if !ok || h.Status != 503 || h.Header.Get("Retry-After") != "7" {
		t.Fatalf("error %v carries %+v", err, h)
	}
	e, ok := jsonrpc.AsError(err)
	if !ok || !e.FromPeer() || e.Code != -32603 || string(e.Data) != `{"a":1}` {
		t.Errorf("the peer's error is %+v", e)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error shows the query: %v", err)
	}
}

// TestModernCancel: ending the call closes the response stream, which is the
// cancellation. spec 2026-07-28 basic/transports#cancellation.
func TestModernCancel(t *testing.T) {
	started, gone := make(chan struct{}), make(chan struct{})
	s := modernWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
		stream(w, ":\n\n")
		close(started)
		<-r.Context().Done()
		close(gone)
	})
	c := connect(t, HTTP(s.URL))
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { <-started; cancel(errors.New("changed my mind")) }()
	_, err := c.CallTool(ctx, "t", nil)
	if err == nil || !strings.Contains(err.Error(), "changed my mind") {
		t.Errorf("CallTool: %v", err)
	}
	<-gone
}

func TestCloseEndsCalls(t *testing.T) {
	started := make(chan struct{})
	s := modernWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
		close(started)
		<-r.Context().Done()
	})
	c := connect(t, HTTP(s.URL))
	ended := make(chan error)
	go func() { _, err := c.CallTool(t.Context(), "t", nil); ended <- err }()
	<-started
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, ErrClosed) {
		t.Errorf("the call ended with %v, want ErrClosed", err)
	}
	if _, err := c.CallTool(t.Context(), "t", nil); !errors.Is(err, ErrClosed) {
		t.Errorf("a call after Close ended with %v, want ErrClosed", err)
	}
}

func TestIdleAndHeaderTimeout(t *testing.T) {
	for name, opt := range map[string]Option{
		"silence": IdleTimeout(30 * time.Millisecond), "headers": HeaderTimeout(30 * time.Millisecond), "call": CallTimeout(30 * time.Millisecond),
	} {
		t.Run(name, func(t *testing.T) {
			s := modernWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
				if name != "headers" {
					stream(w, ":\n\n")
				}
				<-r.Context().Done()
			})
			c := connect(t, HTTP(s.URL), opt)
			if _, err := c.CallTool(t.Context(), "t", nil); !errors.Is(err, ErrTimeout) {
				t.Errorf("CallTool: %v, want ErrTimeout", err)
			}
		})
	}
}

const mirroredTools = `{"tools":[{"name":"good","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}},` +
	`{"name":"bad","inputSchema":{"type":"object","properties":{"n":{"type":"number","x-mcp-header":"N"}}}}]}`

// TestHeaderMismatchRefreshesTheSchema: spec 2026-07-28 basic/transports.
func TestHeaderMismatchRefreshesTheSchema(t *testing.T) {
	s := modernWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
		switch {
		case m.Method == mcp.MethodListTools:
			reply(w, 200, result(m, mirroredTools))
		case r.Header.Get("Mcp-Param-Region") != "eu":
			reply(w, 400, failure(m, -32020, "header missing", ""))
		default:
			reply(w, 200, result(m, textResult))
		}
	})
	c := connect(t, HTTP(s.URL))
	for range 2 {
		if _, err := c.CallTool(t.Context(), "good", map[string]string{"region": "eu"}); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.methods(); got != "server/discover tools/call tools/list tools/call tools/call" {
		t.Errorf("the server saw %q", got)
	}
	// A mismatch that stays is reported after one retry.
	_, err := c.CallTool(t.Context(), "good", map[string]string{"region": "us"})
	if peerCode(err) != mcp.CodeHeaderMismatch {
		t.Errorf("CallTool: %v, want -32020", err)
	}
	if _, err := c.CallTool(t.Context(), "bad", nil); !errors.Is(err, ErrInvalidTool) {
		t.Errorf("CallTool: %v, want ErrInvalidTool", err)
	}
	for tool, err := range c.Tools(t.Context()) {
		if err != nil || tool.Name == "bad" {
			t.Errorf("listed %q, %v", tool.Name, err)
		}
	}
}

// TestModernListen: one request per filter, opened before the old one is
// closed, and opened again when it breaks off. spec 2026-07-28 subscriptions.
func TestModernListen(t *testing.T) {
	filters := make(chan string, 10)
	broken := make(chan struct{})
	s := modernWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
		filter, _ := jsonrpc.Get(m.Params, "notifications")
		filters <- string(filter)
		id := `{"io.modelcontextprotocol/subscriptionId":` + m.ID.String() + `}`
		stream(w, event(notification(mcp.NotificationAcknowledged, `{"_meta":`+id+`,"notifications":`+string(filter)+`}`)))
		if strings.Contains(string(filter), "test://a") {
			stream(w, event(notification(mcp.NotificationResourceUpdated, `{"_meta":`+id+`,"uri":"test://a"}`)))
		}
		select {
		case <-r.Context().Done():
		case <-broken:
		}
	})
	updated := make(chan string, 10)
	changed := make(chan struct{}, 10)
	c := connect(t, HTTP(s.URL), OnToolsChanged(func() { changed <- struct{}{} }), OnResourceUpdated(func(uri string) { updated <- uri }))
	if got := <-filters; got != `{"toolsListChanged":true}` {
		t.Errorf("filter %s", got)
	}
	if err := c.Subscribe(t.Context(), "test://a"); err != nil {
		t.Fatal(err)
	}
	if got := <-filters; got != `{"toolsListChanged":true,"resourceSubscriptions":["test://a"]}` {
		t.Errorf("filter %s", got)
	}
	if got := <-updated; got != "test://a" {
		t.Errorf("updated %q", got)
	}
	close(broken)
	<-filters // opened again
	<-changed // what may have been missed counts as changed
	if err := c.Unsubscribe(t.Context(), "test://a"); err != nil {
		t.Fatal(err)
	}
}
