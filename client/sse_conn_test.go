// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// oldWire is a server of the first revision.
type oldWire struct {
	*httptest.Server
	endpoint string
	refusal  int // the status of what is no GET of the stream; 0 is 405

	mu  sync.Mutex
	out chan []byte // to the open stream
	log []string
}

func sseWire(t *testing.T) *oldWire {
	s := &oldWire{endpoint: "/post?session=1"}
	mux := http.NewServeMux()
	mux.HandleFunc("/sse", s.stream)
	mux.HandleFunc("POST /post", s.post)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *oldWire) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
}

// probes lists what came to the stream's own URL.
func (s *oldWire) probes() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.log, " ")
}

func (s *oldWire) stream(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	entry := r.Method
	if m, err := jsonrpc.Decode(body, jsonrpc.Limits{}); err == nil {
		entry += ":" + m.Method
	}
	out := make(chan []byte, 16)
	s.mu.Lock()
	s.log = append(s.log, entry)
	s.out = out
	s.mu.Unlock()
	if r.Method != http.MethodGet {
		http.Error(w, "no", cmp.Or(s.refusal, http.StatusMethodNotAllowed))
		return
	}
	stream(w, ": hello\n\n", fmt.Sprintf("event: endpoint\ndata: %s\n\n", s.endpoint))
	for {
		select {
		case message := <-out:
			io.WriteString(w, event(message))
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

func (s *oldWire) post(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	m, err := jsonrpc.Decode(body, jsonrpc.Limits{})
	if err != nil || r.URL.Query().Get("session") != "1" {
		http.Error(w, "no", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	out := s.out
	s.mu.Unlock()
	if answer := legacyReply(m); answer != nil {
		out <- answer
	}
	w.WriteHeader(http.StatusAccepted)
}

func TestSSE(t *testing.T) {
	s := sseWire(t)
	c := connect(t, SSE(s.URL+"/sse"))
	if res, err := c.CallTool(t.Context(), "t", nil); err != nil || res.Text() != "hi" {
		t.Errorf("CallTool: %v, %v", res, err)
	}
	if err := c.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSSEAcceptsOnlyItsOwnOrigin(t *testing.T) {
	s := sseWire(t)
	s.endpoint = "http://other.example/post"
	_, err := Connect(t.Context(), SSE(s.URL+"/sse"))
	if err == nil || !strings.Contains(err.Error(), "another origin") {
		t.Errorf("Connect: %v, want a refusal of the other origin", err)
	}
}

func TestSSEStreamEnds(t *testing.T) {
	s := sseWire(t)
	c := connect(t, SSE(s.URL+"/sse"))
	s.CloseClientConnections()
	if err := c.Ping(t.Context()); err == nil {
		t.Error("Ping works over a stream that has ended")
	}
}
