// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"fmt"
	"io"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

const (
	// MaxWhole bounds a large result that has to be read into memory, in bytes.
	MaxWhole = 64 << 20
	maxMeta  = 1 << 20 // of a large result's _meta
)

// MayBeLarge reports whether results of the method can be passed on while they
// arrive: those whose size is the author's of a tool or a resource.
func MayBeLarge(method string) bool {
	return method == mcp.MethodCallTool || method == mcp.MethodReadResource
}

// LargeForm is what an era makes of a large result. It is used once.
type LargeForm interface {
	// First returns the members that go first, without braces; nil for none.
	First() []byte
	// Member returns how to write the value of a member other than _meta, or nil to
	// leave the member out.
	Member(name string, value *jsonrpc.Stream) (write func(io.Writer) error, err error)
	// Last returns the members that go last, without braces; nil for none. meta is
	// the result's own _meta, nil when it has none.
	Last(meta Raw) ([]byte, error)
}

// LargeAnswer is the response with a large result, written while the result arrives.
type LargeAnswer struct {
	ID    jsonrpc.ID
	Large *rpc.Large
	Form  LargeForm
}

var _ transport.Text = (*LargeAnswer)(nil)

// Close implements [transport.Text].
func (a *LargeAnswer) Close() error { return a.Large.Close() }

// WriteTo implements [transport.Text].
func (a *LargeAnswer) WriteTo(w io.Writer) (int64, error) {
	out := &members{w: w}
	out.text(`{"jsonrpc":"2.0","id":`, string(a.ID.Raw()), `,"result":{`)
	out.several(a.Form.First())
	var meta Raw
	for {
		name, err := a.Large.Next()
		if err != nil {
			return out.n, err
		}
		if name == nil {
			break
		}
		if string(name) == `"_meta"` {
			meta, err = a.Large.Stream().Value(maxMeta)
		} else {
			err = a.member(out, name)
		}
		if err != nil {
			return out.n, a.reason(out, err)
		}
	}
	last, err := a.Form.Last(meta)
	if err != nil {
		return out.n, err
	}
	out.several(last)
	out.text("}}")
	return out.n, out.err
}

// reason returns why the result could not be passed on: what the writer said,
// or the source, which says it in its own terms; else err.
func (a *LargeAnswer) reason(out *members, err error) error {
	if out.err != nil {
		return out.err
	}
	if _, said := a.Large.Next(); said != nil {
		return said
	}
	return err
}

func (a *LargeAnswer) member(out *members, name Raw) error {
	key, _ := jsonrpc.Unquote(name)
	s := a.Large.Stream()
	write, err := a.Form.Member(key, s)
	if err != nil {
		return err
	}
	if write == nil {
		return s.Copy(nil)
	}
	out.begin()
	out.text(string(name), ":")
	if out.err != nil {
		return out.err
	}
	return write(out)
}

// members writes the members of an object.
type members struct {
	w    io.Writer
	n    int64
	some bool
	err  error
}

func (m *members) begin() {
	if m.some {
		m.text(",")
	}
	m.some = true
}

func (m *members) several(inner []byte) {
	if len(inner) > 0 {
		m.begin()
		m.text(string(inner))
	}
}

func (m *members) text(parts ...string) {
	for _, part := range parts {
		if m.err == nil {
			_, _ = io.WriteString(m, part) // the error stays with m
		}
	}
}

// Write implements io.Writer for the values.
func (m *members) Write(p []byte) (int, error) {
	n, err := m.w.Write(p)
	m.n += int64(n)
	if err != nil {
		m.err = err
	}
	return n, err
}

// Whole reads a large result into memory where it cannot be passed on while it
// arrives. res then has a Body.
func Whole(res *rpc.Result) error {
	if res.Large == nil {
		return nil
	}
	body, err := res.Large.Bytes(MaxWhole)
	if err != nil {
		return fmt.Errorf("hold a large result: %w", err)
	}
	res.Body, res.Cache, res.Large = body, res.Large.Cache(), nil
	return nil
}
