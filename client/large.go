// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

const (
	maxEnvelope = 4 << 10 // of one member beside a large result that is looked at
	maxHop      = 1 << 10 // of one member of the result that concerns this hop
)

// LargeResults bounds results that are handed to [CallOptions].Large: they have
// more than over bytes (default 1 MiB) and at most max (default 1 GiB).
func LargeResults(over, max int) Option {
	return option(func(c *config) { c.largeOver, c.maxLarge = over, max })
}

// LargeResult is the result of a call while it arrives. It holds some 64 KiB of
// it; what is not read stays with the server, whose sending waits.
//
// Its reader calls Next for each member of the result and reads the member's
// value from Stream. Only when Next has returned nil without error is the result
// whole: before, the server may break off, or turn out not to keep to the
// protocol. It lives until then or until Close, whatever the end of the context
// of the call, and breaks when the server is silent for the [IdleTimeout] while
// it is being read. Members that concern the hop to the server, resultType,
// ttlMs and cacheScope of the modern era, are not among those that Next yields.
//
// A LargeResult is for one goroutine, except for Close.
type LargeResult struct {
	stream  *jsonrpc.Stream
	id      jsonrpc.ID
	modern  bool
	message envelopeSeen
	hint    mcp.CacheHint
	err     error // the end, io.EOF for a good one

	mu      sync.Mutex
	closed  bool
	body    *http.Response
	release func(*http.Response) // of a body whose message has been read
	unbind  func() bool          // ends the watch over the client's end
}

// envelopeSeen is what of the message around the result has been read.
type envelopeSeen struct{ version, id bool }

// errLate is the failure of a result that turned out to be another than the
// complete one it was taken for.
var errLate = errors.New("resultType came after much of the result, and is not " + mcp.ResultComplete)

// Next moves to the next member of the result and returns its name, quoted,
// which is valid until the next call. It returns nil at the end.
func (l *LargeResult) Next() (Raw, error) {
	for {
		if l.err != nil {
			return nil, l.outcome()
		}
		name, err := l.stream.Member()
		if err == nil && l.over() {
			err = ErrClosed
		}
		if err != nil {
			return nil, l.fail(err)
		}
		if name == nil {
			return nil, l.finish()
		}
		if !l.modern || !hopMember(name) {
			return name, nil
		}
		if err := l.hop(string(name)); err != nil {
			return nil, l.fail(err)
		}
	}
}

// Stream returns what values of members are read from.
func (l *LargeResult) Stream() *jsonrpc.Stream { return l.stream }

// Cache returns the result's cache hint, as far as it has come: at the end it is whole.
func (l *LargeResult) Cache() mcp.CacheHint { return l.hint }

func hopMember(name Raw) bool {
	switch string(name) {
	case `"resultType"`, `"ttlMs"`, `"cacheScope"`:
		return true
	}
	return false
}

// hop takes a member that concerns this hop.
func (l *LargeResult) hop(name string) error {
	value, err := l.stream.Value(maxHop)
	if err != nil {
		return err
	}
	switch name {
	case `"resultType"`:
		if kind, _ := jsonrpc.Unquote(value); kind != mcp.ResultComplete {
			return &ProtocolError{What: "a large result of another type than " + mcp.ResultComplete, Err: errLate}
		}
	case `"ttlMs"`:
		l.hint.TTLMillis, _ = strconv.ParseInt(string(value), 10, 64) // not an integer: stale at once
	case `"cacheScope"`:
		if scope, _ := jsonrpc.Unquote(value); scope == string(mcp.CachePublic) {
			l.hint.Scope = mcp.CachePublic
		}
	}
	return nil
}

// over reports whether l has been closed.
func (l *LargeResult) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

func (l *LargeResult) outcome() error {
	if errors.Is(l.err, io.EOF) {
		return nil
	}
	return l.err
}

// fail makes err the end, in the terms of this package.
func (l *LargeResult) fail(err error) error {
	if _, ours := errors.AsType[*ProtocolError](err); !ours {
		if _, unreadableText := jsonrpc.AsError(err); unreadableText {
			err = unreadable(err)
		} else {
			err = fmt.Errorf("%w: %w", ErrStreamBroken, err)
		}
	}
	l.err = err
	_ = l.Close() // never fails
	return err
}

// begin reads the envelope up to the result.
func (l *LargeResult) begin() error {
	if err := l.stream.Open('{'); err != nil {
		return err
	}
	found, err := l.envelope()
	if err == nil && !found {
		return protocolErrorf("a message that lost its result")
	}
	if err != nil {
		return err
	}
	return l.stream.Open('{')
}

// envelope reads members of the message up to the result, which it reports, or to the end.
func (l *LargeResult) envelope() (bool, error) {
	for {
		name, err := l.stream.Member()
		if name == nil || err != nil {
			return false, err
		}
		switch string(name) {
		case `"result"`:
			return true, nil
		case `"jsonrpc"`:
			value, err := l.stream.Value(maxEnvelope)
			if err != nil {
				return false, err
			}
			if l.message.version = string(value) == `"2.0"`; !l.message.version {
				return false, protocolErrorf(`a response whose "jsonrpc" is not "2.0"`)
			}
		case `"id"`:
			value, err := l.stream.Value(maxEnvelope)
			if err != nil {
				return false, err
			}
			id, err := jsonrpc.ParseID(value)
			if l.message.id = err == nil && id == l.id; !l.message.id {
				return false, protocolErrorf("a large response to another request")
			}
		case `"method"`, `"error"`:
			return false, protocolErrorf("a response with result and %s", name)
		default:
			if err := l.stream.Copy(nil); err != nil {
				return false, err
			}
		}
	}
}

// finish reads what follows the result, which must make the message whole.
func (l *LargeResult) finish() error {
	_, err := l.envelope()
	if err == nil {
		err = l.stream.End()
	}
	if err == nil && !(l.message.version && l.message.id) {
		err = protocolErrorf("a response without id or version")
	}
	if err != nil {
		return l.fail(err)
	}
	l.err = io.EOF
	l.end(l.release)
	return nil
}

// Close gives the result up unless all of it has been read: the server's
// sending is cancelled, and reading fails. It is idempotent and safe for
// concurrent use.
func (l *LargeResult) Close() error {
	l.end(func(resp *http.Response) { resp.Body.Close() })
	return nil
}

func (l *LargeResult) end(body func(*http.Response)) {
	l.mu.Lock()
	was := l.closed
	l.closed = true
	l.mu.Unlock()
	if !was {
		l.unbind()
		body(l.body)
	}
}

// take makes a large result of a response of which head has been read, if the
// message in it is one; then the response belongs to it. release takes back the
// response when the message has been read. It is called by the goroutine of the
// exchange.
func (f *flight) take(k *core, resp *http.Response, modern bool, head []byte, rest io.Reader, release func(*http.Response)) bool {
	limits := k.limits
	if !f.isLarge(head, limits, modern) {
		return false
	}
	limits.Bytes = k.cfg.maxLarge
	l := &LargeResult{
		stream: jsonrpc.NewStream(io.MultiReader(bytes.NewReader(head), rest), limits),
		id:     f.id, modern: modern, body: resp, release: release,
	}
	l.stream.Repair()
	l.unbind = context.AfterFunc(k.group.ctx, func() { _ = l.Close() })
	if loose, ok := resp.Body.(*idleBody); ok {
		loose.detach()
	}
	f.mu.Lock()
	f.taken, f.large = true, l
	abandoned := f.abandoned
	f.mu.Unlock()
	if err := l.begin(); err != nil {
		_ = l.fail(err) // land tells
	}
	if abandoned {
		_ = l.Close() // never fails
	}
	return true
}

// isLarge reports whether head is the beginning of f's response with a complete
// result. Members may come in any order; everything else, such as an error or a
// notification, is for memory.
func (f *flight) isLarge(head []byte, limits jsonrpc.Limits, modern bool) bool {
	limits.Bytes = 0
	s := jsonrpc.NewStream(bytes.NewReader(head), limits)
	s.Repair()
	if s.Open('{') != nil {
		return false
	}
	for {
		name, err := s.Member()
		if name == nil || err != nil {
			return false
		}
		switch string(name) {
		case `"result"`:
			if s.Open('{') != nil {
				return false
			}
			return isComplete(s, modern)
		case `"method"`, `"error"`:
			return false
		case `"id"`:
			value, err := s.Value(maxEnvelope)
			if id, idErr := jsonrpc.ParseID(value); err != nil || idErr != nil || id != f.id {
				return false
			}
		default:
			if s.Copy(nil) != nil {
				return false
			}
		}
	}
}

// isComplete looks for another result type in what of the result is there.
func isComplete(s *jsonrpc.Stream, modern bool) bool {
	for {
		name, err := s.Member()
		switch {
		case err != nil:
			return errors.Is(err, io.ErrUnexpectedEOF)
		case name == nil:
			return true
		case modern && string(name) == `"resultType"`:
			value, err := s.Value(maxHop)
			if kind, _ := jsonrpc.Unquote(value); err == nil && kind != mcp.ResultComplete {
				return false
			}
		default:
			if err := s.Copy(nil); err != nil {
				return errors.Is(err, io.ErrUnexpectedEOF)
			}
		}
	}
}

// land hands a large result to the caller, on its goroutine.
func (f *flight) land(result Raw, err error) (Raw, error) {
	f.mu.Lock()
	l := f.large
	f.large, f.abandoned = nil, err != nil
	f.mu.Unlock()
	if l == nil {
		return result, err
	}
	if err != nil {
		_ = l.Close() // never fails
		return nil, err
	}
	if l.err != nil {
		return nil, l.err
	}
	f.req.opts.Large(l)
	return nil, nil
}

// leave closes the response unless a large result has it.
func (f *flight) leave(resp *http.Response) {
	if !f.taken {
		resp.Body.Close()
	}
}

// taker returns what takes a large event of f's response stream, or nil.
func (k *core) taker(resp *http.Response, f *flight, p *httpPeer, modern bool) func([]byte, io.Reader) bool {
	if f.req.opts.Large == nil {
		return nil
	}
	return func(head []byte, more io.Reader) bool { return f.take(k, resp, modern, head, more, p.release) }
}
