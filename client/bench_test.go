// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// answers is an http.RoundTripper that answers every call from memory.
type answers struct{ form string }

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	m, err := jsonrpc.Decode(body, jsonrpc.Limits{})
	if err != nil {
		return nil, err
	}
	text, kind := textResult, typeJSON
	if m.Method == mcp.MethodDiscover {
		text = discoverResult
	}
	message := string(result(m, text))
	if a.form == "sse" && m.Method != mcp.MethodDiscover {
		message, kind = event([]byte(message)), typeSSE
	}
	h := http.Header{"Content-Type": {kind}, "Content-Length": {strconv.Itoa(len(message))}}
	return &http.Response{StatusCode: 200, Header: h, ContentLength: int64(len(message)), Body: io.NopCloser(strings.NewReader(message)), Request: r}, nil
}

func benchClient(b *testing.B, form string) *Client {
	b.Helper()
	c, err := Connect(context.Background(), HTTP("http://bench.example"), RememberIn(nil), RoundTripper(answers{form}))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

// BenchmarkCall is one small call over HTTP, plain and ready for a large result.
func BenchmarkCall(b *testing.B) {
	for _, form := range []string{"json", "sse"} {
		for _, ready := range []bool{false, true} {
			b.Run(fmt.Sprintf("form=%s/large=%t", form, ready), func(b *testing.B) { benchmarkCall(b, form, ready) })
		}
	}
}

func benchmarkCall(b *testing.B, form string, ready bool) {
	c := benchClient(b, form)
	o := CallOptions{}
	if ready {
		o.Large = func(*LargeResult) { b.Error("large") }
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Call(b.Context(), mcp.MethodCallTool, Raw(`{"name":"x"}`), o); err != nil {
			b.Fatal(err)
		}
	}
}
