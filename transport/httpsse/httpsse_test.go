// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package httpsse

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-mcp/holdfast/internal/sse"
	"github.com/holdfast-mcp/holdfast/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo answers each message with itself.
type echo struct{}

func (echo) ServeExchange(transport.Exchange) {}

func (echo) ServeConn(ctx context.Context, c transport.Conn) error {
	defer c.Close()
	for {
		msg, err := c.Read()
		if errors.Is(err, io.EOF) || errors.Is(err, transport.ErrDraining) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := c.Write(msg); err != nil {
			return err
		}
	}
}

func start(t *testing.T, cfg Config) *httptest.Server {
	t.Helper()
	h := NewHandler(echo{}, cfg)
	mux := http.NewServeMux()
	mux.Handle("/sse", h)
	mux.Handle("/messages", h)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// open opens a stream and returns its reader and the path for POSTs.
func open(t *testing.T, s *httptest.Server) (*sse.Reader, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/sse", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	r := sse.NewReader(res.Body, 1<<20)
	e, err := r.Read()
	if err != nil || e.Name != "endpoint" || !strings.HasPrefix(string(e.Data), "messages?session=") {
		t.Fatalf("first event %+v, %v", e, err)
	}
	return r, "/" + string(e.Data)
}

func post(t *testing.T, s *httptest.Server, path, body string, header ...string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

func TestAnswersOnTheStream(t *testing.T) {
	s := start(t, Config{})
	r, path := open(t, s)
	if status := post(t, s, path, `{"n":1}`); status != 202 {
		t.Fatalf("POST = %d, want 202", status)
	}
	if e, err := r.Read(); err != nil || string(e.Data) != `{"n":1}` || e.Name != "message" {
		t.Errorf("event %+v, %v", e, err)
	}
}

func TestRefusals(t *testing.T) {
	s := start(t, Config{MaxBody: 10})
	_, path := open(t, s)
	for _, tc := range []struct {
		name, path, body string
		header           []string
		want             int
	}{
		{"another session", "/messages?session=nobody", "{}", nil, 404},
		{"over the limit", path, strings.Repeat("x", 11), nil, 413},
		{"text", path, "{}", []string{"Content-Type", "text/plain"}, 415},
		{"bad origin", path, "{}", []string{"Origin", "http://evil.example"}, 403},
		{"another loopback page", path, "{}", []string{"Origin", "http://localhost:3000"}, 403},
		{"another site", path, "{}", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"own page", path, "{}", []string{"Origin", s.URL, "Sec-Fetch-Site", "same-origin"}, 202},
	} {
		if got := post(t, s, tc.path, tc.body, tc.header...); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
	for site, want := range map[string]int{"cross-site": 403, "same-site": 403, "same-origin": 200, "none": 200} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/sse", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Sec-Fetch-Site", site)
		req.Header.Set("Sec-Fetch-Mode", "no-cors")
		res, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("an image of a page, %s: %d, want %d", site, res.StatusCode, want)
		}
	}
}

func TestStreamsAreBounded(t *testing.T) {
	s := start(t, Config{MaxStreams: 1})
	open(t, s)
	res, err := s.Client().Get(s.URL + "/sse")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
		t.Errorf("second stream: %d, Retry-After %q", res.StatusCode, res.Header.Get("Retry-After"))
	}
	for _, tc := range []struct {
		method, header, value string
		again                 bool
	}{
		{"GET", "Last-Event-ID", "x", true},
		{"GET", "Mcp-Protocol-Version", "2025-11-25", true},
		{"GET", "Last-Event-ID", "", false},
		{"POST", "Last-Event-ID", "x", false},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tc.method, s.URL+"/sse", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/event-stream")
		req.Header.Set(tc.header, tc.value)
		res, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || (res.StatusCode == 200 && string(body) == "retry: 10000\n\n") != tc.again {
			t.Errorf("%s with %s %q: %d %q, %v, want that it is told to come again: %t", tc.method, tc.header, tc.value, res.StatusCode, body, err, tc.again)
		}
	}
}

// TestMessagesAreBesideTheStream holds that the URL for POSTs leads back through
// whatever stands before the stream's: prefixes that a proxy takes off included.
func TestMessagesAreBesideTheStream(t *testing.T) {
	for _, tc := range []struct{ messages, stream, want string }{
		{"", "/sse", "/messages"},
		{"", "/sse/", "/messages"},
		{"", "/tools/sse", "/tools/messages"},
		{"", "/tools/servers/a%20b/sse", "/tools/servers/a%20b/messages"},
		{"post", "/tools/sse/", "/tools/post"},
		{"/post", "/tools/sse", "/post"},
		{"https://other.example/post", "/sse", "https://other.example/post"},
	} {
		h := NewHandler(echo{}, Config{Messages: tc.messages})
		mux := http.NewServeMux()
		for _, prefix := range []string{"", "/servers/{name}"} {
			mux.Handle(prefix+"/sse", h)
			mux.Handle(prefix+"/sse/{$}", h)
			mux.Handle(prefix+"/messages", h)
		}
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // the proxy
			http.StripPrefix("/tools", mux).ServeHTTP(w, r)
		}))
		if !strings.HasPrefix(tc.stream, "/tools") {
			s.Config.Handler = mux
		}
		res, err := s.Client().Get(s.URL + tc.stream)
		if err != nil {
			t.Fatal(err)
		}
		e, err := sse.NewReader(res.Body, 1<<20).Read()
		if err != nil {
			t.Fatalf("%s: %d, %v", tc.stream, res.StatusCode, err)
		}
		got, err := res.Request.URL.Parse(string(e.Data))
		if err != nil {
			t.Fatal(err)
		}
		got.RawQuery = ""
		if text := strings.TrimPrefix(got.String(), s.URL); text != tc.want {
			t.Errorf("messages %q of %s: POST to %s, want %s", tc.messages, tc.stream, text, tc.want)
		}
		res.Body.Close()
		s.Close()
	}
}

// TestShared holds that a page that is named reads what it is told, errors too, and may
// ask first, and that no other page is told anything.
func TestShared(t *testing.T) {
	s := start(t, Config{AllowedOrigins: []string{"https://app.example"}})
	for origin, want := range map[string]string{"https://app.example": "https://app.example", "http://localhost:3000": "", "https://evil.example": ""} {
		for _, tc := range []struct {
			method, path string
			status       int
		}{
			{"GET", "/sse", 200}, {"POST", "/sse", 405}, {"PUT", "/sse", 405}, {"POST", "/messages?session=x", 404}, {"OPTIONS", "/messages?session=x", 204},
		} {
			req, err := http.NewRequestWithContext(t.Context(), tc.method, s.URL+tc.path, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Origin", origin)
			req.Header.Set("Access-Control-Request-Method", "POST") // counts with OPTIONS only
			res, err := s.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			status := tc.status
			if want == "" {
				status = 403
			}
			if got := res.Header.Get("Access-Control-Allow-Origin"); got != want || res.StatusCode != status {
				t.Errorf("%s, %s %s: %d for %q, want %d for %q", origin, tc.method, tc.path, res.StatusCode, got, status, want)
			}
		}
	}
}
