// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package peer

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
	data, err := e.encode()
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

type chopped struct{ frames [][]byte }

func (*chopped) Node() string { return "n" }

func (*chopped) Send(context.Context, []byte) error { return nil }

func (*chopped) Close(error) {}

func (c *chopped) Receive(context.Context) ([]byte, error) {
	if len(c.frames) == 0 {
		return nil, errLost
	}
	f := c.frames[0]
	c.frames = c.frames[1:]
	return f, nil
}

func FuzzDecode(f *testing.F) {
	seed, err := encodeCall(context.Background(), call("echo", `{"text":"x"}`, "s1", nil)).encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append([]byte{frameVersion, frameLast}, seed...), 10)
	f.Add([]byte{frameVersion, frameMore, '{', '}'}, 3)
	f.Add([]byte("\x01\x00"+`{"kind":"result","body":{"content":[]},"cache":{"ttl":1}}`), 100)
	f.Add([]byte("\x01\x00"+`{"kind":"error","error":{"code":-1,"message":"m","data":null}}`), 100)
	f.Add([]byte("\x01\x00"+`{"kind":"ask","n":1,"requests":{"a":{"method":"roots/list"}}}`), 100)
	f.Add([]byte("\x01"+`{"node":"n","server":"s","held":[{"key":"k","generation":18446744073709551615}]}`), 100)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		s := &chopped{frames: [][]byte{data}}
		if cut > 0 && cut < len(data) {
			s.frames = [][]byte{data[:cut], data[cut:]}
		}
		if e, err := newWire(s, 1<<10).receive(context.Background()); err == nil {
			if call, err := e.decodeCall(); err == nil {
				if _, err := encodeCall(context.Background(), call).encode(); err != nil {
					t.Errorf("a decoded call cannot be encoded: %v", err)
				}
			}
			_, _ = e.decodeResult()
			if e.Error != nil {
				_ = e.Error.error().Error()
			}
			if _, err := e.encode(); err != nil {
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
