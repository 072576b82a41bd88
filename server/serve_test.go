// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

const (
	modernMeta     = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}`
	initialize     = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}},"clientInfo":{"name":"t","version":"1"}}}`
	initialized    = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
	callAdd        = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":1,"b":2}}}`
	callAddModern  = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":1,"b":2},` + modernMeta + `}}`
	sumResult      = `"structuredContent":{"sum":3}`
	callCityModern = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"city",` + modernMeta + `}}`
	callCity       = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"city"}}`
)

func served(t *testing.T) *Server {
	t.Helper()
	s := New("test", "1")
	AddTool(s, "add", "Adds", add)
	AddTool(s, "city", "Asks", func(ctx context.Context, req *Request, _ None) (string, error) {
		in, action, err := Elicit[cityForm](ctx, req, "Which city?")
		return action + " " + in.City, err
	})
	return s
}

// talk sends a message and returns the next one that comes back.
func talk(t *testing.T, c transport.Conn, msg string) string {
	t.Helper()
	if err := c.Write([]byte(msg)); err != nil {
		t.Fatal(err)
	}
	return next(t, c)
}

func next(t *testing.T, c transport.Conn) string {
	t.Helper()
	got, err := c.Read()
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func contains(t *testing.T, got string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(got, part) {
			t.Errorf("got %s, want it to hold %s", got, part)
		}
	}
}

func TestServeConnInBothEras(t *testing.T) {
	s := served(t)
	ours, theirs := transport.Pipe()
	done := make(chan error, 1)
	go func() { done <- s.ServeConn(t.Context(), theirs) }()

	contains(t, talk(t, ours, callAddModern), sumResult, `"resultType":"complete"`)
	contains(t, talk(t, ours, initialize), `"protocolVersion":"2025-11-25"`, `"tools":{"listChanged":true}`)
	if err := ours.Write([]byte(initialized)); err != nil {
		t.Fatal(err)
	}
	contains(t, talk(t, ours, callAdd), sumResult)
	s.RemoveTools("none")
	AddTool(s, "more", "", add)
	contains(t, next(t, ours), `"notifications/tools/list_changed"`)

	contains(t, talk(t, ours, callCity), `"method":"elicitation/create"`, `"Which city?"`)
	// Requests of the server have ids of its own; the question above is its first.
	if err := ours.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	s.Close()
}

// postTo posts a message with header name, value pairs.
func postTo(t *testing.T, client *http.Client, url, body string, headers ...string) (string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), res.Header
}

func TestServeHTTPInBothErasAndDrains(t *testing.T) {
	s := served(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	base := "http://" + l.Addr().String()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	post := func(body string, headers ...string) (string, http.Header) {
		return postTo(t, client, base+"/mcp", body, headers...)
	}
	modern := []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name"}
	body, _ := post(callAddModern, append(modern, "add")...)
	contains(t, body, sumResult)
	body, _ = post(callCityModern, append(modern, "city")...)
	contains(t, body, `"resultType":"input_required"`, `"elicitation/create"`)
	body, _ = post(retryOf(t, body), append(modern, "city")...) // so that draining has nothing to wait for
	contains(t, body, `"text":"accept Bern"`)
	body, head := post(initialize)
	contains(t, body, `"protocolVersion":"2025-11-25"`)
	session := []string{"Mcp-Session-Id", head.Get("Mcp-Session-Id"), "Mcp-Protocol-Version", "2025-11-25"}
	post(initialized, session...)
	body, _ = post(callAdd, session...)
	contains(t, body, sumResult)

	stream, err := client.Get(base + "/sse")
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stream.Body).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	contains(t, line, "event: endpoint")

	cancel()
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
	stream.Body.Close()
}

// TestServesPages holds that pages which may read answers, also of what is not there,
// and that clients which add a slash are served.
func TestServesPages(t *testing.T) {
	s := served(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }() // ends with cancel
	base := "http://" + l.Addr().String()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	body, head := postTo(t, client, base+"/mcp/", initialize, "Origin", "http://localhost:6274")
	contains(t, body, `"protocolVersion":"2025-11-25"`)
	contains(t, head.Get("Access-Control-Expose-Headers"), "Mcp-Session-Id")
	for origin, want := range map[string]string{"http://localhost:6274": "http://localhost:6274", "http://evil.example": ""} {
		for _, path := range []string{"/mcp", "/mcp/", "/sse", "/messages", "/nothing"} {
			if _, head := postTo(t, client, base+path, "{}", "Origin", origin); head.Get("Access-Control-Allow-Origin") != want {
				t.Errorf("%s for %s: shared with %q, want %q", path, origin, head.Get("Access-Control-Allow-Origin"), want)
			}
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// retryOf returns the call of the tool city with the answer to its question.
func retryOf(t *testing.T, inputRequired string) string {
	t.Helper()
	var msg struct {
		Result mcp.InputRequiredResult `json:"result"`
	}
	if err := json.Unmarshal([]byte(inputRequired), &msg); err != nil {
		t.Fatal(err)
	}
	responses := map[string]mcp.ElicitResult{}
	for key := range msg.Result.InputRequests {
		responses[key] = mcp.ElicitResult{Action: mcp.ActionAccept, Content: Raw(`{"city":"Bern"}`)}
	}
	answers, err := json.Marshal(responses)
	if err != nil {
		t.Fatal(err)
	}
	return `{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"city","inputResponses":` + string(answers) +
		`,"requestState":"` + *msg.Result.RequestState + `",` + modernMeta + `}}`
}
