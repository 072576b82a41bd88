// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package rpc

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// LargeSource yields a result object while it arrives, in the inner model's
// shape and without resultType, ttlMs and cacheScope. It is for one goroutine,
// except for Close. A [client.LargeResult] is one.
//
// [client.LargeResult]: https://pkg.go.dev/github.com/holdfast-mcp/holdfast/client#LargeResult
type LargeSource interface {
	// Next moves to the next member and returns its name, quoted and without
	// needless escapes, valid until the next call. It returns nil after the last
	// one, and only if the server's whole answer has arrived and is well formed.
	// After an error of Stream it returns that error in its own terms.
	Next() (Raw, error)
	// Stream is what the member's value is read from, before Next is called again.
	Stream() *jsonrpc.Stream
	// Cache is what the server said of caching; it is whole once Next returned nil.
	Cache() mcp.CacheHint
	// Close cancels what has not arrived, and makes Next and Stream fail. It is
	// idempotent and safe for concurrent use.
	Close() error
}

// Large is a result that is passed on while it arrives, because it is too large
// to be held. Whoever gets a Result with one must read it to its end or Close
// it: the engine does, and so must a middleware that returns another Result
// instead. It is independent of the context of the call that returned it.
//
// An engine reads as fast as its client does and closes the Large when the
// client has gone, stalls, or cancels its request. When the source fails after
// the answer has begun, the engine breaks the answer off: no client gets a
// well-formed answer that lacks something.
type Large struct {
	LargeSource
	once   sync.Once
	closed []func()
}

// NewLarge returns a Large over src. The closed functions, which must not block,
// run once when it has been closed.
func NewLarge(src LargeSource, closed ...func()) *Large {
	return &Large{LargeSource: src, closed: closed}
}

// Close closes the source. It is idempotent and safe for concurrent use.
func (l *Large) Close() error {
	l.once.Do(func() {
		_ = l.LargeSource.Close() // there is nothing left to lose
		for _, f := range l.closed {
			f()
		}
	})
	return nil
}

// Bytes reads the whole result into memory, at most limit bytes, and closes l.
// It is for where results cannot be passed on while they arrive.
func (l *Large) Bytes(limit int) (Raw, error) {
	defer func() { _ = l.Close() }() // never fails
	w := &limited{limit: limit}
	w.WriteByte('{')
	for n := 0; ; n++ {
		name, err := l.Next()
		if err != nil {
			return nil, fmt.Errorf("read a large result: %w", err)
		}
		if name == nil {
			w.WriteByte('}')
			return w.Bytes(), nil
		}
		if n > 0 {
			w.WriteByte(',')
		}
		_, _ = w.Buffer.Write(name) // never fails
		w.WriteByte(':')
		if err := l.Stream().Copy(w); err != nil {
			return nil, fmt.Errorf("read a large result: %w", err)
		}
	}
}

type limited struct {
	bytes.Buffer
	limit int
}

func (w *limited) Write(p []byte) (int, error) {
	if w.Len()+len(p) > w.limit {
		return 0, jsonrpc.Errorf(jsonrpc.CodeInternal,
			"the result is over the limit of %d bytes for results that cannot be passed on while they arrive", w.limit)
	}
	return w.Buffer.Write(p)
}
