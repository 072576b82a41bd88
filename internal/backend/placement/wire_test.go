// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

func TestCallSurvivesEncoding(t *testing.T) {
	before := call("echo", `{"text":"a\u0041 b"}`, "s1", nil)
	before.Meta = Raw(`{"x":  1.0}`)
	before.Params = jsonrpc.Set(before.Params, "_meta", before.Meta)
	before.ProgressToken = Raw(`7`)
	before.Input = rpc.Input{Responses: map[string]Raw{"k": Raw(`{"a":1}`)}, State: []byte{0, 255}}
	before.Task = &rpc.TaskRequest{TTL: time.Second}
	before.Peer.RawCapabilities = Raw(`{"elicitation":{}}`)
	before.Peer.Capabilities.Extensions = map[string]Raw{"a/b": Raw(`{}`)}
	e := encodeCall(t.Context(), before)
	data, err := e.encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decode(data)
	if err != nil {
		t.Fatal(err)
	}
	after, err := got.decodeCall()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after, cmp.AllowUnexported(jsonrpc.ID{}), cmp.Comparer(func(a, b *mcp.Features) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	odd := call("echo", `{}`, "s1", nil)
	odd.Arguments, odd.Meta = nil, Raw(`{"y":2}`)
	e = encodeCall(t.Context(), odd)
	if after, err = e.decodeCall(); err != nil || after.Arguments != nil || string(after.Meta) != `{"y":2}` {
		t.Errorf("%+v, %v", after, err)
	}
}

func FuzzDecode(f *testing.F) {
	seed, err := encodeCall(context.Background(), call("echo", `{"text":"x"}`, "s1", nil)).encode(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	for head, body := range map[string]string{
		`{"kind":"result","cache":{"ttl":1}}`:                                `{"content":[]}`,
		`{"kind":"error","error":{"code":-1,"message":"m","data":null}}`:     "",
		`{"kind":"ask","n":1,"requests":{"a":{"method":"roots/list"}}}`:      "",
		`{"kind":"call","method":"m","call":{"version":"2025-11-25"},"x":1}`: `{}`,
	} {
		f.Add(append(append(append([]byte{byte(len(head))}, head...), 0), body...))
	}
	f.Add([]byte("\x01" + `{"node":"n","server":"s","held":[{"key":"k","generation":18446744073709551615}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if e, err := decode(data); err == nil {
			if call, err := e.decodeCall(); err == nil {
				if _, err := encodeCall(context.Background(), call).encode(nil); err != nil {
					t.Errorf("a decoded call cannot be encoded: %v", err)
				}
			}
			_, _ = e.decodeResult()
			if e.Error != nil {
				_ = e.Error.error().Error()
			}
			if _, err := e.encode(nil); err != nil {
				t.Errorf("a decoded envelope cannot be encoded: %v", err)
			}
		}
		if n, err := decodeNotice(data); err == nil {
			if _, err := n.encode(); err != nil {
				t.Errorf("a decoded notice cannot be encoded: %v", err)
			}
		}
	})
}
