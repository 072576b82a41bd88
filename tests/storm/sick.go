// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// hospital serves sick HTTP servers, one per path. Those of callSick greet and
// list well and are sick when called; those of greetSick never get so far.
type hospital struct {
	url    string
	server *http.Server
	turn   atomic.Uint32
	done   chan struct{} // of the goroutine that serves
}

// request is what a sick server needs to know of one.
type request struct {
	ID     jsontext.Value `json:"id"`
	Method string         `json:"method"`
	Params struct {
		Meta jsontext.Value `json:"_meta"`
	} `json:"params"`
}

var (
	callSick = map[string]func(http.ResponseWriter, *http.Request, *request){
		"hang":     func(_ http.ResponseWriter, r *http.Request, _ *request) { <-r.Context().Done() },
		"wrongid":  wrongID,
		"badjson":  badJSON,
		"bigevent": bigEvent,
		"headers":  endlessHeaders,
		"type":     wrongType,
		"status":   wrongStatus,
		"reset":    reset,
		"flood":    flood,
		"noanswer": noAnswer,
	}
	greetSick = map[string]func(http.ResponseWriter, *http.Request, *request){
		"era":         unknownEra,
		"stranger":    wrongType,
		"headersonly": endlessHeaders,
	}
	// mixture is the garbage that one server returns in turns.
	mixture = []string{"wrongid", "badjson", "bigevent", "headers", "type", "status", "reset", "noanswer"}
)

func newHospital() (*hospital, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	h := &hospital{url: "http://" + l.Addr().String() + "/", done: make(chan struct{})}
	h.server = &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { defer close(h.done); _ = h.server.Serve(l) }()
	return h, nil
}

func (h *hospital) close() {
	_ = h.server.Close()
	<-h.done
}

func (h *hospital) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	var m request
	body, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(body, &m) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	name := path.Base(r.URL.Path)
	if answer := greetSick[name]; answer != nil {
		answer(w, r, &m)
		return
	}
	if name == "mixed" {
		name = mixture[int(h.turn.Add(1))%len(mixture)]
	}
	result := ""
	switch m.Method {
	case "initialize":
		result = `{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"sick","version":"1"}}`
	case "tools/list":
		result = `{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}`
	case "ping":
		result = `{}`
	case "tools/call":
		callSick[name](w, r, &m)
		return
	default:
		if m.ID == nil {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		plain(w, fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"unknown method"}}`, m.ID))
		return
	}
	plain(w, fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, m.ID, result))
}

func plain(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, body)
}

func events(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/event-stream") }

func wrongID(w http.ResponseWriter, _ *http.Request, m *request) {
	plain(w, fmt.Sprintf(`{"jsonrpc":"2.0","id":"not %s","result":{"content":[]}}`, strings.Trim(string(m.ID), `"`)))
}

func badJSON(w http.ResponseWriter, _ *http.Request, m *request) {
	plain(w, fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"content":[`, m.ID))
}

// tenMegabytes is an event whose data is no JSON.
var tenMegabytes = append(append([]byte("data: {\"jsonrpc\":"), bytes.Repeat([]byte("9"), 10<<20)...), "x}\n\n"...)

func bigEvent(w http.ResponseWriter, _ *http.Request, _ *request) {
	events(w)
	_, _ = w.Write(tenMegabytes)
}

func wrongType(w http.ResponseWriter, _ *http.Request, _ *request) {
	w.Header().Set("Content-Type", "text/html")
	_, _ = io.WriteString(w, "<!doctype html><title>Sign in</title>")
}

func wrongStatus(w http.ResponseWriter, _ *http.Request, _ *request) {
	http.Error(w, "the tide is out", http.StatusInternalServerError)
}

// noAnswer ends a stream before the answer.
func noAnswer(w http.ResponseWriter, _ *http.Request, _ *request) {
	events(w)
	_, _ = io.WriteString(w, ": wait\n\n")
}

func flood(w http.ResponseWriter, _ *http.Request, _ *request) {
	events(w)
	note := fmt.Sprintf("data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"error\",\"data\":%q}}\n\n",
		strings.Repeat("flood ", 40))
	for {
		if _, err := io.WriteString(w, note); err != nil {
			return
		}
	}
}

func endlessHeaders(w http.ResponseWriter, _ *http.Request, _ *request) {
	hijacked(w, func(c net.Conn) {
		line := []byte("X-More: " + strings.Repeat("a", 4000) + "\r\n")
		_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n")
		for err == nil {
			_, err = c.Write(line)
		}
	})
}

// reset breaks the connection in the middle of the answer.
func reset(w http.ResponseWriter, _ *http.Request, _ *request) {
	hijacked(w, func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{\"jsonrpc\"")
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	})
}

func hijacked(w http.ResponseWriter, do func(net.Conn)) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	do(conn)
}

// unknownEra speaks versions that do not exist.
func unknownEra(w http.ResponseWriter, _ *http.Request, m *request) {
	if m.Method == "initialize" {
		plain(w, fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"3025-01-01","capabilities":{},"serverInfo":{"name":"x","version":"1"}}}`, m.ID))
		return
	}
	plain(w, fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"resultType":"complete","supportedVersions":["3025-01-01"],"capabilities":{},"serverInfo":{"name":"x","version":"1"}}}`, m.ID))
}
