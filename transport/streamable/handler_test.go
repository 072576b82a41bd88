// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package streamable

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-mcp/holdfast/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// exchanges is a server whose answer is a function.
type exchanges func(transport.Exchange)

func (f exchanges) ServeExchange(x transport.Exchange)            { f(x) }
func (exchanges) ServeConn(context.Context, transport.Conn) error { return nil }

func start(t *testing.T, cfg Config, f exchanges) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(NewHandler(f, cfg))
	t.Cleanup(s.Close)
	return s
}

func echo(x transport.Exchange) { x.Reply(200, x.Body(), "X-Extra", "1") }

// do sends one request; edit may change it.
func do(t *testing.T, s *httptest.Server, method, body string, edit func(*http.Request)) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if edit != nil {
		edit(req)
	}
	res, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text), res.Header
}

func TestGuards(t *testing.T) {
	s := start(t, Config{MaxBody: 100, AllowedHosts: []string{"good.example"}, AllowedOrigins: []string{"https://app.example"}}, echo)
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	host := func(h string) func(*http.Request) { return func(r *http.Request) { r.Host = h } }
	for _, tc := range []struct {
		name, method, body string
		edit               func(*http.Request)
		status             int
		says               string
	}{
		{"plain", "POST", "{}", nil, 200, "{}"},
		{"bad origin, good host", "POST", "{}", set("Origin", "http://evil.example"), 403, "allowedOrigins"},
		{"null origin", "POST", "{}", set("Origin", "null"), 403, "allowedOrigins"},
		{"loopback origin", "POST", "{}", set("Origin", "http://localhost:3000"), 200, "{}"},
		{"configured origin", "POST", "{}", set("Origin", "https://app.example"), 200, "{}"},
		{"bad host, no origin", "POST", "{}", host("evil.example"), 403, "allowedHosts"},
		{"bad host with port", "POST", "{}", host("evil.example:80"), 403, "allowedHosts"},
		{"rebound loopback name", "POST", "{}", host("127.0.0.1.evil.example"), 403, "allowedHosts"},
		{"localhost", "POST", "{}", host("localhost:9"), 200, "{}"},
		{"configured host", "POST", "{}", host("good.example:8080"), 200, "{}"},
		{"no accept", "POST", "{}", func(r *http.Request) { r.Header["Accept"] = nil }, 406, "Accept"},
		{"wildcard accept", "POST", "{}", set("Accept", "*/*"), 200, "{}"},
		{"text body", "POST", "{}", set("Content-Type", "text/plain"), 415, "Content-Type"},
		{"charset", "POST", "{}", set("Content-Type", "application/json; charset=utf-8"), 200, "{}"},
		{"at the limit", "POST", strings.Repeat("x", 100), nil, 200, "x"},
		{"over the limit", "POST", strings.Repeat("x", 101), nil, 413, "over the limit of 100 bytes"},
		{"over the limit, chunked", "POST", strings.Repeat("x", 5000), func(r *http.Request) { r.ContentLength = -1 }, 413, "over the limit"},
		{"put", "PUT", "{}", nil, 405, "use POST"},
		{"bad origin on get", "GET", "", set("Origin", "http://evil.example"), 403, "allowedOrigins"},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			status, body, _ := do(t, s, tc.method, tc.body, tc.edit)
			if status != tc.status || !strings.Contains(body, tc.says) {
				t.Errorf("got %d %q, want %d with %q", status, body, tc.status, tc.says)
			}
		})
	}
}

func TestReplyHeaders(t *testing.T) {
	s := start(t, Config{}, echo)
	_, _, h := do(t, s, "POST", "{}", nil)
	if h.Get("Content-Type") != "application/json" || h.Get("X-Extra") != "1" {
		t.Errorf("headers %v", h)
	}
}

func TestConnectionSurvivesRefusals(t *testing.T) {
	s := start(t, Config{}, echo)
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	for _, origin := range []string{"http://evil.example", "http://localhost"} {
		_, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nOrigin: "+origin+
			"\r\nContent-Type: application/json\r\nAccept: */*\r\nContent-Length: 2\r\n\r\n{}")
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("after a refusal: %v", err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
}

func TestStream(t *testing.T) {
	s := start(t, Config{}, func(x transport.Exchange) {
		st := x.Stream()
		if err := st.Send(transport.Event{ID: "a-1", Data: []byte(`{"n":1}`)}); err != nil {
			t.Error(err)
		}
		go func() { // ends with the stream it closes
			_ = st.Send(transport.Event{Data: []byte(`{"n":2}`)})
			st.Close()
		}()
	})
	status, body, h := do(t, s, "POST", "{}", nil)
	want := "id: a-1\ndata: {\"n\":1}\n\ndata: {\"n\":2}\n\n"
	if status != 200 || body != want {
		t.Errorf("got %d %q, want %q", status, body, want)
	}
	if h.Get("X-Accel-Buffering") != "no" || h.Get("Content-Type") != "text/event-stream" {
		t.Errorf("headers %v", h)
	}
}

func TestStreamEndsWithClient(t *testing.T) {
	ended := make(chan error, 1)
	s := start(t, Config{}, func(x transport.Exchange) {
		st := x.Stream()
		go func() { // ends when the transport closes the stream
			<-st.Done()
			ended <- st.Send(transport.Event{Data: []byte("{}")})
		}()
	})
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, "GET", s.URL, nil)
	res, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	res.Body.Close()
	if err := <-ended; err == nil {
		t.Error("Send after the client left succeeds")
	}
}
