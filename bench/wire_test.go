// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

// TestMessages reads every request the way a server does.
func TestMessages(t *testing.T) {
	cases := []struct {
		era          era
		kind, method string
	}{
		{legacy, "initialize", "initialize"},
		{legacy, "initialized", "notifications/initialized"},
		{legacy, "call", "tools/call"},
		{legacy, "stream", ""},
		{modern, "call", "tools/call"},
		{modern, "stream", "subscriptions/listen"},
	}
	for _, c := range cases {
		t.Run(string(c.era)+" "+c.kind, func(t *testing.T) {
			m := newMessage(c.era, c.kind, direct("127.0.0.1:1"), "the-session")
			for range 2 {
				rest := bufio.NewReader(bytes.NewReader(m.next()))
				req, err := http.ReadRequest(rest)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(req.Body)
				if err != nil {
					t.Fatal(err)
				}
				if n := rest.Buffered(); n != 0 {
					t.Errorf("%d bytes after the request", n)
				}
				checkRequest(t, req, body, c.era, c.kind, c.method, m.id)
			}
		})
	}
}

func checkRequest(t *testing.T, req *http.Request, body []byte, e era, kind, method string, id int64) {
	t.Helper()
	if strings.ContainsRune(string(body), '$') || req.Host != "127.0.0.1:1" {
		t.Errorf("placeholder left or wrong host: %s %s", req.Host, body)
	}
	if got, want := req.Header.Get("Mcp-Session-Id") != "", e == legacy && kind != "initialize"; got != want {
		t.Errorf("has a session: %v, want %v", got, want)
	}
	if method == "" {
		if req.Method != http.MethodGet || len(body) != 0 {
			t.Errorf("%s with %d bytes, want an empty GET", req.Method, len(body))
		}
		return
	}
	var got struct {
		ID     int64  `json:"id"`
		Method string `json:"method"`
		Params struct {
			Arguments struct {
				Text string `json:"text"`
			} `json:"arguments"`
			Meta map[string]any `json:"_meta"`
		} `json:"params"`
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if got.Method != method || req.Method != http.MethodPost {
		t.Errorf("%s %s, want POST %s", req.Method, got.Method, method)
	}
	if got.ID != id && kind != "initialized" {
		t.Errorf("id %d, want %d", got.ID, id)
	}
	if kind == "call" && !strings.HasPrefix(got.Params.Arguments.Text, echoed) {
		t.Errorf("text %q, want %q and an id", got.Params.Arguments.Text, echoed)
	}
	if e == modern {
		version := got.Params.Meta["io.modelcontextprotocol/protocolVersion"]
		if req.Header.Get("Mcp-Protocol-Version") != version || req.Header.Get("Mcp-Method") != method {
			t.Errorf("headers %v do not mirror the body %s", req.Header, body)
		}
	}
}

func TestMessageCheck(t *testing.T) {
	m := newMessage(modern, "call", direct("h"), "")
	m.next()
	const good = `{"jsonrpc":"2.0","id":1000000000,"result":{"content":[{"type":"text","text":"hold fast 1000000000"}]}}`
	cases := map[string]struct {
		status int
		body   string
		ok     bool
	}{
		"json":           {200, good, true},
		"event stream":   {200, "event: message\ndata: " + good + "\n\n", true},
		"other status":   {500, good, false},
		"previous call":  {200, strings.ReplaceAll(good, "1000000000", "0999999999"), false},
		"no text":        {200, `{"jsonrpc":"2.0","id":1000000000,"result":{"content":[]}}`, false},
		"tool error":     {200, strings.Replace(good, `"content"`, `"isError":true,"content"`, 1), false},
		"protocol error": {200, `{"jsonrpc":"2.0","id":1000000000,"error":{"code":1,"message":"hold fast 1000000000"}}`, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := m.check(c.status, []byte(c.body))
			if (err == nil) != c.ok {
				t.Errorf("check: %v, want ok %v", err, c.ok)
			}
			if err != nil && !strings.Contains(err.Error(), c.body) {
				t.Errorf("%v does not show the body", err)
			}
		})
	}
}
