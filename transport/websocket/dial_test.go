// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package websocket

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	ws "github.com/coder/websocket"

	"github.com/holdfast-mcp/holdfast/transport"
)

func TestDialIsRefused(t *testing.T) {
	for _, tc := range []struct {
		name   string
		answer http.HandlerFunc
		status int // of a HandshakeError
		want   []string
	}{
		{"unauthorized", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "token\x00 please\nand more", http.StatusUnauthorized)
		}, 401, []string{"HTTP status 401", `token\x00 please`}},
		{"ordinary page", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusOK)
		}, 200, []string{"HTTP status 200 instead of a WebSocket"}},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "ws://elsewhere.example/?key=secret", http.StatusFound)
		}, 302, []string{"HTTP status 302", `redirected to "ws://elsewhere.example/"`}},
		{"no sub-protocol", func(w http.ResponseWriter, r *http.Request) {
			c, err := ws.Accept(w, r, nil)
			if err == nil {
				_, _, _ = c.Read(r.Context())
			}
		}, 0, []string{ErrSubprotocol.Error()}},
		{"another sub-protocol", func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("Sec-WebSocket-Protocol", "other")
			c, err := ws.Accept(w, r, &ws.AcceptOptions{Subprotocols: []string{"other"}})
			if err == nil {
				_, _, _ = c.Read(r.Context())
			}
		}, 0, []string{ErrSubprotocol.Error(), `"other"`}},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			s := httptest.NewServer(tc.answer)
			defer s.Close()
			_, err := Dial(t.Context(), wsURL(s)+"/path?key=secret", nil, DialConfig{})
			if err == nil {
				t.Fatal("connected")
			}
			for _, want := range append(tc.want, wsURL(s)+"/path") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q, want it to hold %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("error %q shows the query", err)
			}
			refused, _ := errors.AsType[*HandshakeError](err)
			if (refused != nil) != (tc.status != 0) || refused != nil && refused.Status != tc.status {
				t.Errorf("%#v, want status %d", refused, tc.status)
			}
			if tc.status == 0 && !errors.Is(err, ErrSubprotocol) {
				t.Errorf("%v is not ErrSubprotocol", err)
			}
		})
	}
}

func TestDialFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // which accepts nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		name, url, want string
		ctx             context.Context
	}{
		{"no answer", "ws://" + l.Addr().String() + "/?key=secret", "no answer within 50ms", t.Context()},
		{"gone caller", "ws://" + l.Addr().String() + "/?key=secret", "context canceled", cancelled},
		{"another scheme", "http://localhost/?key=secret", "not a ws or wss URL", t.Context()},
		{"no host", "ws:///?key=secret", "not a ws or wss URL", t.Context()},
		{"unreadable", "ws://local host/?key=secret", "invalid character", t.Context()},
	} {
		_, err := Dial(tc.ctx, tc.url, nil, DialConfig{DialTimeout: 50 * time.Millisecond})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v shows the query", tc.name, err)
		}
	}
}

func TestDialSendsHeaders(t *testing.T) {
	got := make(chan http.Header, 1)
	h := NewHandler(conns(echo), Config{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Clone()
		h.ServeHTTP(w, r)
	}))
	defer s.Close()
	defer h.Close()
	c, err := Dial(t.Context(), wsURL(s), http.Header{
		"Authorization": {"Bearer x"}, "Sec-Websocket-Extensions": {"permessage-deflate"}, "sec-websocket-protocol": {"other"},
	}, DialConfig{})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	head := within(t, got)
	if head.Get("Authorization") != "Bearer x" || head.Get("Sec-WebSocket-Extensions") != "" {
		t.Errorf("headers %v", head)
	}
	if offered := head.Values("Sec-WebSocket-Protocol"); len(offered) != 1 || offered[0] != "mcp" {
		t.Errorf("offered %q", offered)
	}
}

// TestTLS: a server that would rather speak HTTP/2 is spoken to in HTTP/1.1, and
// refuses WebSockets in HTTP/2.
func TestTLS(t *testing.T) {
	h := NewHandler(conns(echo), Config{})
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	defer h.Close()
	res, err := s.Client().Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.ProtoMajor != 2 || res.StatusCode != http.StatusHTTPVersionNotSupported {
		t.Errorf("GET over %s: status %d, want 505 over HTTP/2", res.Proto, res.StatusCode)
	}
	c, err := Dial(t.Context(), wsURL(s), nil, DialConfig{RoundTripper: s.Client().Transport})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	msg := strings.Repeat("x", 3*fragment)
	if err := c.Write([]byte(msg)); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Read(); err != nil || string(got) != msg {
		t.Errorf("Read = %d bytes, %v", len(got), err)
	}
}

// TestHowServersEnd: what Read says when the server ends the connection.
func TestHowServersEnd(t *testing.T) {
	var closed *CloseError
	for _, tc := range []struct {
		name string
		end  func(*ws.Conn)
		ok   func(error) bool
	}{
		{"normal", func(c *ws.Conn) { _ = c.Close(ws.StatusNormalClosure, "") }, func(err error) bool { return errors.Is(err, io.EOF) }},
		{"going away", func(c *ws.Conn) { _ = c.Close(ws.StatusGoingAway, "bye") }, func(err error) bool { return errors.Is(err, io.EOF) }},
		{"no status", func(c *ws.Conn) { _ = c.Close(ws.StatusNoStatusRcvd, "") }, func(err error) bool { return errors.Is(err, io.EOF) }},
		{"for a reason", func(c *ws.Conn) { _ = c.Close(ws.StatusTryAgainLater, "full") }, func(err error) bool {
			return errors.As(err, &closed) && closed.Status == 1013 && strings.Contains(err.Error(), "full")
		}},
		{"without a word", func(c *ws.Conn) { _ = c.CloseNow() }, func(err error) bool { return errors.Is(err, ErrLost) && errors.Is(err, io.EOF) == false }},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := ws.Accept(w, r, &ws.AcceptOptions{Subprotocols: []string{"mcp"}})
				if err != nil {
					t.Error(err)
					return
				}
				tc.end(c)
			}))
			defer s.Close()
			c := dial(t, s, DialConfig{})
			for range 2 {
				if _, err := c.Read(); !tc.ok(err) {
					t.Errorf("Read: %v", err)
				}
			}
			if err := c.Write([]byte("1")); !errors.Is(err, transport.ErrClosed) {
				t.Errorf("Write: %v, want ErrClosed", err)
			}
		})
	}
}

func TestLargeMessageOfAServer(t *testing.T) {
	s, _ := serve(t, Config{MaxMessage: 1 << 20}, echo)
	c := dial(t, s, DialConfig{MaxMessage: 1000})
	if err := c.Write(make([]byte, 1001)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(); !errors.Is(err, ErrMessage) || !strings.Contains(err.Error(), "1000 bytes") {
		t.Errorf("Read: %v, want ErrMessage", err)
	}
}

func TestServerThatFallsSilent(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, &ws.AcceptOptions{Subprotocols: []string{"mcp"}})
		if err != nil {
			t.Error(err)
			return
		}
		<-release // reading nothing, so it answers nothing
		_ = c.CloseNow()
	}))
	defer s.Close()
	defer close(release)
	c := dial(t, s, DialConfig{Ping: 10 * time.Millisecond, PongTimeout: 30 * time.Millisecond})
	if _, err := c.Read(); !errors.Is(err, ErrNoPong) {
		t.Errorf("Read: %v, want ErrNoPong", err)
	}
}
