// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// childEnv makes the test binary play a server on its stdin and stdout.
const childEnv = "HOLDFAST_CLIENT_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		goleak.VerifyTestMain(m)
	case "legacy":
		serveLines(legacyReply)
	case "fragile": // dies of a question from before initialize
		serveLines(func(m jsonrpc.Message) []byte {
			if m.Method == mcp.MethodDiscover {
				os.Exit(3)
			}
			return legacyReply(m)
		})
	case "stubborn": // ignores the end of stdin
		serveLines(legacyReply)
		select {}
	}
}

func serveLines(reply func(jsonrpc.Message) []byte) {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		m, err := jsonrpc.Decode(in.Bytes(), jsonrpc.Limits{})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			continue
		}
		if answer := reply(m); answer != nil {
			fmt.Printf("%s\n", answer)
		}
	}
}

const (
	initResult     = `{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{}},"serverInfo":{"name":"old","version":"1"}}`
	discoverResult = `{"resultType":"complete","supportedVersions":["2026-07-28","2025-11-25"],"capabilities":{"tools":{"listChanged":true}},"instructions":"be nice","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"new","version":"2"}}}`
	textResult     = `{"content":[{"type":"text","text":"hi"}]}`
)

// legacyReply is a small legacy server.
func legacyReply(m jsonrpc.Message) []byte {
	switch {
	case m.ID.IsZero():
		return nil
	case m.Method == mcp.MethodInitialize:
		return result(m, initResult)
	case m.Method == mcp.MethodPing:
		return result(m, `{}`)
	case m.Method == mcp.MethodCallTool:
		return result(m, textResult)
	}
	return failure(m, -32601, "no such method", "")
}

func result(m jsonrpc.Message, raw string) []byte { return jsonrpc.AppendResult(nil, m.ID, Raw(raw)) }

func failure(m jsonrpc.Message, code int64, text, data string) []byte {
	var raw Raw
	if data != "" {
		raw = Raw(data)
	}
	return jsonrpc.AppendError(nil, m.ID, jsonrpc.PeerError(code, text, raw))
}

// seen is one HTTP request as a wire server received it.
type seen struct {
	verb   string
	header http.Header
	msg    jsonrpc.Message
}

// wire is an HTTP server that plays a script and keeps what it received.
type wire struct {
	*httptest.Server
	t    *testing.T
	play func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message)

	mu  sync.Mutex
	log []seen
}

func newWire(t *testing.T, play func(http.ResponseWriter, *http.Request, jsonrpc.Message)) *wire {
	s := &wire{t: t, play: play}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *wire) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone
	}
	var m jsonrpc.Message
	if r.Method == http.MethodPost {
		if m, err = jsonrpc.Decode(body, jsonrpc.Limits{}); err != nil {
			s.t.Errorf("the client sent %q: %v", body, err)
		}
	}
	s.mu.Lock()
	s.log = append(s.log, seen{r.Method, r.Header.Clone(), m})
	s.mu.Unlock()
	s.play(w, r, m)
}

// methods lists what was received: method names, or the HTTP verb without one.
func (s *wire) methods() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, q := range s.log {
		name := q.msg.Method
		if name == "" && q.verb == http.MethodPost {
			name = "response"
		}
		if name == "" {
			name = q.verb
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

func (s *wire) requests(method string) []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []seen
	for _, q := range s.log {
		if q.msg.Method == method || q.msg.Method == "" && q.verb == method {
			found = append(found, q)
		}
	}
	return found
}

func reply(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(body)
}

// stream begins an event stream, or goes on with it.
func stream(w http.ResponseWriter, events ...string) {
	w.Header().Set("Content-Type", "text/event-stream")
	for _, e := range events {
		io.WriteString(w, e)
	}
	w.(http.Flusher).Flush()
}

func event(message []byte) string { return "event: message\ndata: " + string(message) + "\n\n" }

func notification(method, params string) []byte {
	return jsonrpc.AppendNotification(nil, method, Raw(params))
}

// modernWire answers server/discover and leaves the rest to play.
func modernWire(t *testing.T, play func(http.ResponseWriter, *http.Request, jsonrpc.Message)) *wire {
	return newWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
		if m.Method == mcp.MethodDiscover {
			reply(w, 200, result(m, discoverResult))
			return
		}
		play(w, r, m)
	})
}

// legacyWire opens a session and leaves the rest to play.
func legacyWire(t *testing.T, play func(http.ResponseWriter, *http.Request, jsonrpc.Message)) *wire {
	return newWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
		switch {
		case m.Method == mcp.MethodDiscover:
			reply(w, 400, []byte(`{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"no session"}}`))
		case m.Method == mcp.MethodInitialize:
			w.Header().Set("Mcp-Session-Id", "s1")
			reply(w, 200, result(m, initResult))
		case m.Method == mcp.NotificationInitialized:
			w.WriteHeader(http.StatusAccepted)
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusNoContent)
		default:
			play(w, r, m)
		}
	})
}

func connect(t *testing.T, target Target, opts ...Option) *Client {
	t.Helper()
	c, err := Connect(t.Context(), target, append([]Option{RememberIn(nil)}, opts...)...)
	if err != nil {
		t.Fatalf("Connect: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return c
}

// pipeServer plays a server at the other end of a pipe. It ends with the pipe.
func pipeServer(play func(m jsonrpc.Message, send func([]byte))) transport.Conn {
	near, far := transport.Pipe()
	go func() {
		defer far.Close()
		send := func(b []byte) { far.Write(b) }
		for {
			data, err := far.Read()
			if err != nil {
				return
			}
			m, err := jsonrpc.Decode(data, jsonrpc.Limits{})
			if err != nil {
				panic(fmt.Sprintf("the client sent %q: %v", data, err))
			}
			play(m, send)
		}
	}()
	return near
}

func modernPipe(play func(m jsonrpc.Message, send func([]byte))) transport.Conn {
	return pipeServer(func(m jsonrpc.Message, send func([]byte)) {
		if m.Method == mcp.MethodDiscover {
			send(result(m, discoverResult))
			return
		}
		play(m, send)
	})
}

func legacyPipe(play func(m jsonrpc.Message, send func([]byte))) transport.Conn {
	return pipeServer(func(m jsonrpc.Message, send func([]byte)) {
		switch m.Method {
		case mcp.MethodDiscover:
			send(failure(m, -32601, "what?", ""))
		case mcp.MethodInitialize:
			send(result(m, initResult))
		case mcp.NotificationInitialized:
		default:
			play(m, send)
		}
	})
}
