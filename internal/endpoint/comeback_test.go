// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package endpoint_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/endpoint"
	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/seal"
	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/internal/sse"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport/httpsse"
)

// restartable is an endpoint over HTTP+SSE that can be restarted, with its keys and records.
type restartable struct {
	t     *testing.T
	ring  *seal.Ring
	store session.Store

	url  string
	hub  *subscription.Hub
	stop func()

	mu    sync.Mutex
	ended []string // sessions
}

// told answers tools/call with who calls, and with its log level for the message.
func told(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	switch call.Method {
	case mcp.MethodDiscover:
		return rpc.Result{Body: rpc.Raw(`{"capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{}}}`)}, nil
	case mcp.MethodCallTool:
		_ = call.Client.Notify(ctx, mcp.NotificationMessage, rpc.Raw(`{"level":"info","data":"calling"}`)) // a client that left hears nothing
		return rpc.Result{Body: rpc.Raw(`{"content":[{"type":"text","text":"` + call.Peer.Client.Name + ` of ` + string(call.Peer.Features.Version) + `"}]}`)}, nil
	}
	return rpc.Result{Body: rpc.Raw("{}")}, nil
}

func newRestartable(t *testing.T) *restartable {
	s := &restartable{t: t, ring: seal.NewRing(), store: session.NewMemory(0)}
	s.start()
	t.Cleanup(func() { s.stop() })
	return s
}

func (s *restartable) start() {
	s.hub = &subscription.Hub{}
	e := endpoint.New(endpoint.Config{
		Handler: rpc.HandlerFunc(told), Ring: s.ring, Sessions: s.store, Hub: s.hub, Log: slog.New(slog.DiscardHandler),
		SessionEnded: func(id string) { s.mu.Lock(); defer s.mu.Unlock(); s.ended = append(s.ended, id) },
	})
	h := httpsse.NewHandler(e, httpsse.Config{})
	mux := http.NewServeMux()
	mux.Handle("/sse", h)
	mux.Handle("/messages", h)
	web := httptest.NewServer(mux)
	s.url = web.URL
	s.stop = func() { h.Close(); web.CloseClientConnections(); web.Close(); e.Close() }
}

func (s *restartable) endedSessions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ended)
}

// listener is a client as a browser's EventSource is one.
type listener struct {
	*restartable
	post   string
	lastID string
	body   func() error
	events *sse.Reader
}

// open opens a stream, again if lastID is not empty.
func (s *restartable) open(lastID string, headers ...string) *listener {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+"/sse", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { res.Body.Close() })
	l := &listener{restartable: s, lastID: lastID, body: res.Body.Close, events: sse.NewReader(res.Body, 1<<20)}
	l.post = s.url + "/" + l.next("messages?")
	return l
}

// next returns the data of the next event that holds text.
func (l *listener) next(text string) string {
	l.t.Helper()
	for {
		e, err := l.events.Read()
		if err != nil {
			l.t.Fatalf("no event with %q: %v", text, err)
		}
		if e.ID != "" {
			l.lastID = e.ID
		}
		if strings.Contains(string(e.Data), text) {
			return string(e.Data)
		}
	}
}

// send posts a message and, if it is to have an answer, returns the event with text.
func (l *listener) send(body, text string) string {
	l.t.Helper()
	res, err := http.Post(l.post, "application/json", strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusAccepted {
		l.t.Fatalf("POST: %d", res.StatusCode)
	}
	if text == "" {
		return ""
	}
	return l.next(text)
}

const sayHello = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{},"clientInfo":{"name":"browser","version":"1"}}}`

const callTool = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x","arguments":{}}}`

// TestStreamsClientGoesOnAfterARestart: its EventSource opens the stream again, and the
// program behind it goes on as if nothing had been, with what it has set.
func TestStreamsClientGoesOnAfterARestart(t *testing.T) {
	s := newRestartable(t)
	c := s.open("")
	c.send(sayHello, `"id":1`)
	if c.lastID == "" {
		t.Fatal("nothing to come back with")
	}
	c.send(`{"jsonrpc":"2.0","method":"notifications/initialized"}`, "")
	c.send(`{"jsonrpc":"2.0","id":2,"method":"logging/setLevel","params":{"level":"error"}}`, `"id":2`)
	for id, uri := range map[string]string{"3": "x://kept", "4": "x://left"} {
		c.send(`{"jsonrpc":"2.0","id":`+id+`,"method":"resources/subscribe","params":{"uri":"`+uri+`"}}`, `"id":`+id)
	}
	c.send(`{"jsonrpc":"2.0","id":5,"method":"resources/unsubscribe","params":{"uri":"x://left"}}`, `"id":5`)
	for range 2 { // more than once
		s.stop()
		s.start()
		c = s.open(c.lastID)
		c.next("notifications/tools/list_changed") // for it may have been
		c.next(`"uri":"x://kept"`)
	}
	s.hub.Publish(subscription.Event{Topic: subscription.Topic{Kind: subscription.Resource, Key: "x://left"}, Params: rpc.Raw(`{"uri":"x://left"}`)})
	s.hub.Publish(subscription.Event{Topic: subscription.Topic{Kind: subscription.Resource, Key: "x://kept"}, Params: rpc.Raw(`{"uri":"x://kept"}`)})
	if got := c.next(`"uri":`); !strings.Contains(got, "x://kept") {
		t.Errorf("told of %s", got)
	}
	if got := c.send(callTool, ":"); !strings.Contains(got, "browser of 2024-11-05") { // and no message below its level
		t.Errorf("answered %s", got)
	}
}

// TestStreamsClientMayBeginAnew: who initializes although it came back is a new client.
func TestStreamsClientMayBeginAnew(t *testing.T) {
	s := newRestartable(t)
	c := s.open("")
	c.send(sayHello, `"id":1`)
	first := c.lastID
	again := s.open(first)
	again.send(strings.Replace(sayHello, "browser", "second", 1), `"id":1`)
	if again.lastID == first {
		t.Error("it has the session of before")
	}
	if got := again.send(callTool, `"id":7`); !strings.Contains(got, "second of") {
		t.Errorf("answered %s", got)
	}
	if got := again.send(sayHello, `"error"`); !strings.Contains(got, "initialized already") {
		t.Errorf("a third time: %s", got)
	}
	if got := c.send(callTool, `"id":7`); !strings.Contains(got, "browser of") {
		t.Errorf("the stream before: %s", got)
	}
}

// TestStreamsSessionEndsWithItsLastStream: a client may be back before anybody has noticed
// that its stream had ended.
func TestStreamsSessionEndsWithItsLastStream(t *testing.T) {
	s := newRestartable(t)
	c := s.open("")
	c.send(sayHello, `"id":1`)
	again := s.open(c.lastID)
	again.send(callTool, `"id":7`)
	if err := c.body(); err != nil {
		t.Fatal(err)
	}
	other := s.open("")
	other.send(sayHello, `"id":1`)
	if err := other.body(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return len(s.endedSessions()) == 1 }) // of the other client alone
	again.send(callTool, `"id":7`)
	if err := again.body(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return len(s.endedSessions()) == 2 })
}

// TestStreamsClientWithoutItsTicket holds that a client which only says what version it
// has negotiated goes on, as one without capabilities, and may initialize as well.
func TestStreamsClientWithoutItsTicket(t *testing.T) {
	s := newRestartable(t)
	c := s.open("", mcp.HeaderProtocolVersion, "2025-06-18")
	if got := c.send(callTool, `"id":7`); !strings.Contains(got, `" of 2025-06-18"`) {
		t.Errorf("answered %s", got)
	}
	if c = s.open(c.lastID); !strings.Contains(c.send(callTool, `"id":7`), `" of 2025-06-18"`) {
		t.Error("it has no ticket now")
	}
	anew := s.open("", mcp.HeaderProtocolVersion, "2025-06-18")
	if got := anew.send(sayHello, ":"); !strings.Contains(got, `"result"`) { // and nothing before
		t.Errorf("initialize: %s", got)
	}
	late := s.open("", mcp.HeaderProtocolVersion, "2025-06-18")
	late.send(callTool, `"id":7`)
	if got := late.send(sayHello, `"id":1`); !strings.Contains(got, `"result"`) {
		t.Errorf("initialize after a call: %s", got)
	}
	if got := late.send(callTool, `"id":7`); !strings.Contains(got, "browser of 2024-11-05") {
		t.Errorf("and a call then: %s", got)
	}
	for _, version := range []string{"2026-07-28", "1900-01-01", "x"} {
		if got := s.open("", mcp.HeaderProtocolVersion, version).send(callTool, `"id":7`); !strings.Contains(got, "initialize first") {
			t.Errorf("%s: %s", version, got)
		}
	}
}

// TestStreamsClientWithoutASession: what opens nothing is no session, nor is one that was ended.
func TestStreamsClientWithoutASession(t *testing.T) {
	s := newRestartable(t)
	c := s.open("")
	c.send(sayHello, `"id":1`)
	o, err := session.OpenTicket(s.ring, engine.Binding("", rpc.PrincipalFrom(t.Context())), c.lastID, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Update(t.Context(), s.store, o.ID, o.Expires, func(r *session.Record) error {
		r.Ended = true
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	foreign := (&session.Ticket{ID: session.NewID(), Expires: time.Now().Add(time.Hour), Version: mcp.V20241105}).Seal(seal.NewRing(), engine.Binding("", rpc.PrincipalFrom(t.Context())))
	for _, id := range []string{"1", "x", foreign, c.lastID, strings.Repeat("x", 10_000)} {
		if got := s.open(id).send(callTool, `"id":7`); !strings.Contains(got, "initialize first") {
			t.Errorf("%.20s: %s", id, got)
		}
	}
}

// eventually waits for what happens soon.
func eventually(t *testing.T, happened func() bool) {
	t.Helper()
	for range 1000 {
		if happened() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("it has not happened")
}
