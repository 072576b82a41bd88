// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// bigText is the size of the tool's text, in bytes.
const bigText = 64 << 20

// bigServer is a modern HTTP server whose one tool answers 64 MiB.
func bigServer(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	m, err := jsonrpc.Decode(body, jsonrpc.DefaultLimits())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch m.Method {
	case mcp.MethodDiscover:
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"supportedVersions":[%q],"capabilities":{"tools":{}},"resultType":"complete","ttlMs":0,"cacheScope":"private"}}`, m.ID.Raw(), mcp.Latest)
	case mcp.MethodListTools:
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"big","inputSchema":{"type":"object"}}],"resultType":"complete","ttlMs":0,"cacheScope":"private"}}`, m.ID.Raw())
	case mcp.MethodCallTool:
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"resultType":"complete","content":[{"type":"text","text":"`, m.ID.Raw())
		chunk := bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
		for range bigText / len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
		fmt.Fprint(w, `"}]}}`)
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}`, m.ID.Raw())
	}
}

// gauge counts what it is given and keeps the highest heap use seen meanwhile.
type gauge struct {
	bytes int64
	peak  uint64
}

func (d *gauge) Write(p []byte) (int, error) {
	if d.bytes>>22 != (d.bytes+int64(len(p)))>>22 { // each 4 MiB
		d.peak = max(d.peak, heapInUse())
	}
	d.bytes += int64(len(p))
	return len(p), nil
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// TestLargeResultPassesThrough: 64 MiB cross the whole gateway without being
// held anywhere.
func TestLargeResultPassesThrough(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(bigServer))
	defer upstream.Close()
	path := filepath.Join(t.TempDir(), "big.yaml")
	if err := os.WriteFile(path, []byte("mcpServers:\n  big: {url: "+upstream.URL+"/mcp}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	url := serving(t, "--config", path)
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"big__big","arguments":{},"_meta":{%q:%q,%q:{}}}}`,
		mcp.MetaProtocolVersion, mcp.Latest, mcp.MetaCapabilities)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		mcp.HeaderProtocolVersion: string(mcp.Latest), mcp.HeaderMethod: mcp.MethodCallTool, mcp.HeaderName: "big__big",
	} {
		req.Header.Set(name, value)
	}
	runtime.GC()
	before := heapInUse()
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	d := &gauge{}
	if _, err := io.Copy(d, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s after %d bytes: %v", resp.Status, d.bytes, err)
	}
	if d.bytes < bigText || d.bytes > bigText+4096 {
		t.Errorf("%d bytes arrived", d.bytes)
	}
	if grown := int64(d.peak) - int64(before); grown > 24<<20 {
		t.Errorf("the heap grew by %d MiB while 64 MiB passed", grown>>20)
	}
}
