// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/mcp"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// FuzzResponse: whatever bytes a server answers with, as an object or as a
// stream, a call ends with a result or an error, in both eras.
func FuzzResponse(f *testing.F) {
	for _, seed := range []string{
		"", "data: \n\n", event([]byte(`{"jsonrpc":"2.0","id":1,"result":{}}`)), `{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","requestState":"s"}}`,
		event([]byte(`{"jsonrpc":"2.0","id":"q","method":"ping"}`)), "id: 1\nretry: 0\ndata:\n\n", `[{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}]`,
		event([]byte(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1}}`)),
		event([]byte(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"q"}}`)),
		`{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"t","inputSchema":{"properties":{"a":{"x-mcp-header":"A"}}}}]}}`,
	} {
		for _, modern := range []bool{true, false} {
			f.Add([]byte(seed), true, modern, 200)
			f.Add([]byte(seed), false, modern, 400)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, streamed, modern bool, status int) {
		answers := 0
		rt := roundTripper(func(r *http.Request) (*http.Response, error) {
			resp := &http.Response{StatusCode: 202, Header: http.Header{}, Body: http.NoBody, Request: r}
			if r.Method != http.MethodPost {
				resp.StatusCode = 405
				return resp, nil
			}
			if answers++; answers == 2 || answers == 1 && modern {
				return resp, nil
			}
			if answers == 1 {
				resp.StatusCode = 200
				resp.Header.Set("Content-Type", typeJSON)
				resp.Body = io.NopCloser(strings.NewReader(`{"jsonrpc":"2.0","id":1,"result":` + initResult + `}`))
				return resp, nil
			}
			resp.StatusCode = 200 + max(0, status)%400
			resp.Header.Set("Content-Type", typeJSON)
			if streamed {
				resp.Header.Set("Content-Type", typeSSE)
			}
			resp.Body = io.NopCloser(strings.NewReader(string(body)))
			return resp, nil
		})
		k, err := newCore(t.Context(), newConfig([]Option{RoundTripper(rt), MaxMessage(1 << 16), CallTimeout(100 * time.Millisecond)}))
		if err != nil {
			t.Fatal(err)
		}
		p, err := newHTTPPeer(k, "http://fuzz.example/mcp", nil)
		if err != nil {
			t.Fatal(err)
		}
		var l link = newModernHTTP(k, p, mcp.Latest)
		answers = 2
		if !modern {
			answers = 0
			if l, err = openLegacyHTTP(t.Context(), k, p, ""); err != nil {
				t.Fatal(err)
			}
		}
		c := &Client{core: k, link: l}
		for _, method := range []string{mcp.MethodListTools, mcp.MethodGetTask} {
			result, err := c.Call(t.Context(), method, nil, CallOptions{OnNotify: func(string, Raw) {}})
			if (result == nil) == (err == nil) {
				t.Errorf("%s: result %s and error %v", method, result, err)
			}
		}
		c.Close()
	})
}
