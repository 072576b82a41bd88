// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package websocket

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/transport"
)

// upgrade is a request that would be upgraded.
func upgrade(edit func(*http.Request)) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/ws", nil)
	r.Host = "localhost:8080"
	for name, value := range map[string]string{
		"Connection": "keep-alive, Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		r.Header.Set(name, value)
	}
	if edit != nil {
		edit(r)
	}
	return r
}

func TestRefusals(t *testing.T) {
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, tc := range []struct {
		name   string
		edit   func(*http.Request)
		status int
		says   string
		header string // that must be there
	}{
		{"bad origin", set("Origin", "http://evil.example"), 403, "allowedOrigins", ""},
		{"origin of another host", set("Origin", "http://other.example"), 403, "allowedOrigins", ""},
		{"null origin", set("Origin", "null"), 403, "allowedOrigins", ""},
		{"another loopback page", set("Origin", "http://localhost:3000"), 403, "allowedOrigins", ""},
		{"another site", set("Sec-Fetch-Site", "cross-site"), 403, "allowedOrigins", ""},
		{"bad host", func(r *http.Request) { r.Host = "evil.example" }, 403, "allowedHosts", ""},
		{"origin equal to a bad host", func(r *http.Request) { r.Host = "evil.example"; r.Header.Set("Origin", "http://evil.example") }, 403, "allowedHosts", ""},
		{"HTTP/2", func(r *http.Request) { r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0 }, 505, "HTTP/1.1", ""},
		{"HTTP/1.0", func(r *http.Request) { r.Proto, r.ProtoMinor = "HTTP/1.0", 0 }, 426, "HTTP/1.1", "Upgrade"},
		{"post", func(r *http.Request) { r.Method = "POST" }, 405, "GET", "Allow"},
		{"plain get", func(r *http.Request) { r.Header.Del("Upgrade") }, 426, "upgrade to websocket", "Upgrade"},
		{"no connection header", set("Connection", "keep-alive"), 426, "upgrade to websocket", "Upgrade"},
		{"another sub-protocol", set("Sec-WebSocket-Protocol", "graphql-ws"), 400, "offer mcp", ""},
		{"several others", set("Sec-WebSocket-Protocol", "graphql-ws, mcp2"), 400, "offer mcp", ""},
		{"nobody to hijack", nil, 501, "connection", ""},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			w := httptest.NewRecorder()
			NewHandler(conns(echo), Config{}).ServeHTTP(w, upgrade(tc.edit))
			if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.says) {
				t.Errorf("got %d %q, want %d with %q", w.Code, w.Body, tc.status, tc.says)
			}
			if tc.header != "" && w.Header().Get(tc.header) == "" {
				t.Errorf("header %s is missing", tc.header)
			}
		})
	}
}

func TestHandshakes(t *testing.T) {
	s, _ := serve(t, Config{}, echo)
	for _, tc := range []struct {
		name, headers string
		want          int
	}{
		{"none offered", "", 101},
		{"empty offer", "Sec-WebSocket-Protocol: \r\n", 101},
		{"among others", "Sec-WebSocket-Protocol: other\r\nSec-WebSocket-Protocol: x, MCP\r\n", 101},
		{"own page", "Origin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n", 101},
		{"another loopback page", "Origin: http://localhost:3000\r\n", 403},
		{"others only", "Sec-WebSocket-Protocol: other\r\n", 400},
		{"bad origin", "Origin: http://evil.example\r\n", 403},
		{"two keys", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 400},
	} {
		p, got := handshake(t, s, tc.headers)
		if got != tc.want {
			t.Errorf("%s: status %d, want %d", tc.name, got, tc.want)
		}
		if got == http.StatusSwitchingProtocols {
			p.send(opText, []byte(`{"n":1}`))
			if op, msg, err := p.frame(); op != opText || string(msg) != `{"n":1}` {
				t.Errorf("%s: frame %d %q, %v", tc.name, op, msg, err)
			}
		}
	}
}

// TestBadMessages: RFC 6455 §7.4.1.
func TestBadMessages(t *testing.T) {
	for _, tc := range []struct {
		name    string
		op      byte
		payload string
		status  int
		says    string
	}{
		{"binary", opBinary, "{}", 1003, "send text"},
		{"empty binary", opBinary, "", 1003, "send text"},
		{"over the limit", opText, strings.Repeat("x", 101), 1009, "100 bytes"},
		{"far over the limit", opText, strings.Repeat("x", 10_000), 1009, "limited"},
		{"not UTF-8", opText, "{\"a\":\"\xff\"}", 1007, "UTF-8"},
		{"a surrogate in UTF-8", opText, "\"\xed\xa0\x80\"", 1007, "UTF-8"},
		{"unknown opcode", 3, "", 1002, "opcode"},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			ended := make(chan error, 1)
			s, _ := serve(t, Config{MaxMessage: 100, PongTimeout: 50 * time.Millisecond}, func(ctx context.Context, c transport.Conn) error {
				err := echo(ctx, c)
				ended <- err
				return err
			})
			p := rawPeer(t, s)
			p.send(opText, []byte(strings.Repeat("x", 100)))
			if _, msg, err := p.frame(); len(msg) != 100 || err != nil {
				t.Fatalf("at the limit: %q, %v", msg, err)
			}
			p.send(tc.op, []byte(tc.payload))
			status, why := p.closeStatus()
			if status != tc.status || !strings.Contains(why, tc.says) && tc.status != 1009 {
				t.Errorf("closed with %d %q, want %d %q", status, why, tc.status, tc.says)
			}
			if err := within(t, ended); !errors.Is(err, ErrMessage) && tc.status != 1002 {
				t.Errorf("ServeConn: %v", err)
			}
			p.ends()
		})
	}
}

// TestEndsAreLogged: with the reason, even though the server saw a regular end.
func TestEndsAreLogged(t *testing.T) {
	var text lockedBuffer
	s, h := serve(t, Config{
		PongTimeout: 50 * time.Millisecond, Log: slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}, func(_ context.Context, c transport.Conn) error {
		_, _ = c.Read()
		return nil
	})
	rawPeer(t, s).send(opClose, []byte{0x03, 0xe8}) // 1000
	p := rawPeer(t, s)
	p.send(opBinary, nil)
	p.ends()
	h.Close()
	if got := text.String(); strings.Count(got, "ended") != 1 || !strings.Contains(got, "binary messages") {
		t.Errorf("log:\n%s", got)
	}
}

func TestConnsAreBounded(t *testing.T) {
	s, _ := serve(t, Config{MaxConns: 1}, echo)
	first := dial(t, s, DialConfig{})
	_, err := Dial(t.Context(), wsURL(s), nil, DialConfig{})
	refused, ok := errors.AsType[*HandshakeError](err)
	if !ok || refused.Status != 503 || refused.Header.Get("Retry-After") == "" {
		t.Fatalf("second connection: %v", err)
	}
	first.Close()
	until(t, func() bool { // the first has left
		c, err := Dial(t.Context(), wsURL(s), nil, DialConfig{})
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func TestPrincipal(t *testing.T) {
	seen := make(chan string, 1)
	h := NewHandler(conns(func(ctx context.Context, c transport.Conn) error {
		seen <- rpc.PrincipalFrom(ctx).ID
		return c.Close()
	}), Config{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(rpc.WithPrincipal(r.Context(), &rpc.Principal{ID: "alice"})))
	}))
	defer s.Close()
	defer h.Close()
	dial(t, s, DialConfig{})
	if got := within(t, seen); got != "alice" {
		t.Errorf("principal %q, want alice", got)
	}
}

func TestShutdownOfTheHTTPServerEndsNothing(t *testing.T) {
	s, h := serve(t, Config{}, echo)
	c := dial(t, s, DialConfig{})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Config.Shutdown(ctx); err != nil {
		t.Fatalf("Shutdown: %v", err)
	}
	if err := c.Write([]byte("1")); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Read(); string(got) != "1" {
		t.Fatalf("Read = %q, %v", got, err)
	}
	read := make(chan error, 1)
	go func() {
		_, err := c.Read()
		read <- err
	}()
	if err := h.Drain(ctx); err != nil {
		t.Errorf("Drain: %v", err)
	}
	if err := within(t, read); !errors.Is(err, io.EOF) {
		t.Errorf("Read of the drained connection: %v, want EOF", err)
	}
}

func TestDrain(t *testing.T) {
	reading := make(chan error, 1)
	release := make(chan struct{})
	s, h := serve(t, Config{}, func(_ context.Context, c transport.Conn) error {
		_, err := c.Read()
		reading <- err
		<-release // a call in flight
		err = c.Write([]byte("last"))
		c.Close()
		return err
	})
	p := rawPeer(t, s)
	drained := make(chan error, 1)
	until(t, func() bool { return h.openConns() > 0 }) // the handshake is over before the connection is known
	go func() { drained <- h.Drain(t.Context()) }()
	if err := within(t, reading); !errors.Is(err, transport.ErrDraining) {
		t.Errorf("Read while draining: %v, want ErrDraining", err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(struct {
		http.ResponseWriter
		http.Hijacker
	}{w, nil}, upgrade(nil))
	if w.Code != 503 {
		t.Errorf("a new connection got %d, want 503", w.Code)
	}
	close(release)
	if op, msg, err := p.frame(); op != opText || string(msg) != "last" {
		t.Errorf("frame %d %q, %v; want the answer of the call", op, msg, err)
	}
	if status, why := p.closeStatus(); status != 1001 || why == "" {
		t.Errorf("closed with %d %q, want 1001", status, why)
	}
	p.Close()
	if err := within(t, drained); err != nil {
		t.Errorf("Drain: %v", err)
	}
}

// openConns is how many connections Drain knows.
func (h *Handler) openConns() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.conns)
}

func TestDrainCutsOff(t *testing.T) {
	s, h := serve(t, Config{PongTimeout: 50 * time.Millisecond}, func(ctx context.Context, c transport.Conn) error {
		<-ctx.Done() // a call that takes for ever
		return c.Close()
	})
	p := rawPeer(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	until(t, func() bool { return h.openConns() > 0 }) // the handshake is over before the connection is known
	if err := h.Drain(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Drain: %v", err)
	}
	if status, _ := p.closeStatus(); status != 1001 {
		t.Errorf("closed with %d, want 1001", status)
	}
	h.Close()
}

func TestContextEnds(t *testing.T) {
	base, cancel := context.WithCancel(context.Background())
	h := NewHandler(conns(echo), Config{})
	s := httptest.NewUnstartedServer(h)
	s.Config.BaseContext = func(net.Listener) context.Context { return base }
	s.Start()
	defer s.Close()
	defer h.Close()
	p := rawPeer(t, s)
	cancel()
	if status, _ := p.closeStatus(); status != 1001 {
		t.Errorf("closed with %d, want 1001", status)
	}
	p.send(opClose, []byte{0x03, 0xe9})
	p.ends()
}
