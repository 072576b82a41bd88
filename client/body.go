// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
)

// mediaType returns the response's content type without parameters.
func mediaType(resp *http.Response) string {
	value := resp.Header.Get("Content-Type")
	if t, _, err := mime.ParseMediaType(value); err == nil {
		return t
	}
	t, _, _ := strings.Cut(value, ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// carries reports whether the response's content type names kind. The official
// clients look for it anywhere in the header, and so do servers get by that send
// it twice or with something around it.
func carries(resp *http.Response, kind string) bool {
	value := resp.Header.Get("Content-Type")
	return value == kind || strings.Contains(strings.ToLower(value), kind)
}

// isObject reports whether a response is JSON, by its content type or, as some
// servers name a wrong one, by how its body begins.
func isObject(resp *http.Response) bool {
	if carries(resp, typeJSON) {
		return true
	}
	head, err := io.ReadAll(io.LimitReader(resp.Body, 1))
	if err != nil || len(head) == 0 {
		return false
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), resp.Body), resp.Body}
	return head[0] == '{' || head[0] == '['
}

// succeeded reports whether the status is one of success. The official clients make
// no difference between these.
func succeeded(resp *http.Response) bool { return resp.StatusCode >= 200 && resp.StatusCode < 300 }

// empty reports whether a successful answer holds nothing.
func empty(resp *http.Response) bool {
	return resp.StatusCode != http.StatusOK && !carries(resp, typeJSON) && !carries(resp, typeSSE)
}

// maxGrow is what a server's word for the length of a body is taken for; beyond, the
// buffer grows with what arrives.
const maxGrow = 1 << 20

// readBody reads a body of at most max bytes.
func readBody(resp *http.Response, max int) ([]byte, error) {
	if resp.ContentLength > int64(max) {
		return nil, protocolErrorf("a body of %d bytes is over the limit of %d", resp.ContentLength, max)
	}
	var buf bytes.Buffer
	if resp.ContentLength > 0 {
		buf.Grow(int(min(resp.ContentLength, maxGrow)) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, int64(max)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the response: %w", err)
	case n > int64(max):
		return nil, protocolErrorf("a body is over the limit of %d bytes", max)
	}
	return buf.Bytes(), nil
}

// body reads the body of f's response, at most the message limit. It returns nil
// when the body has become a large result.
func (k *core) body(ctx context.Context, resp *http.Response, f *flight, modern bool) ([]byte, error) {
	over := k.cfg.largeOver
	if !f.weighs() || resp.ContentLength >= 0 && resp.ContentLength <= int64(over) {
		return readBody(resp, k.cfg.maxMessage)
	}
	var buf bytes.Buffer
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, int64(over)+1))
	if err != nil {
		return nil, fmt.Errorf("read the response: %w", err)
	}
	if n <= int64(over) {
		return buf.Bytes(), nil
	}
	if f.req.opts.Large != nil && f.take(k, resp, modern, buf.Bytes(), resp.Body, func(resp *http.Response) { resp.Body.Close() }) {
		return nil, nil
	}
	size := k.cfg.maxMessage
	if resp.ContentLength > 0 {
		size = int(min(resp.ContentLength, int64(size)))
	}
	if err := f.reserve(ctx, size); err != nil {
		return nil, err
	}
	return k.rest(&buf, resp.Body, "a body")
}

// weighs reports whether it matters how large f's answer is.
func (f *flight) weighs() bool { return f.req.opts.Large != nil || f.req.opts.Reserve != nil }

// reserve asks for room for f's answer, which is a large one.
func (f *flight) reserve(ctx context.Context, size int) error {
	if f.req.opts.Reserve == nil {
		return nil
	}
	f.noRoom = f.req.opts.Reserve(ctx, size)
	return f.noRoom
}

// grower returns what is asked for room when an event of f's stream is a large one.
func (k *core) grower(ctx context.Context, f *flight) func() error {
	if !f.weighs() {
		return nil
	}
	return func() error { return f.reserve(ctx, k.cfg.maxMessage) }
}

// rest reads on what turned out not to be a large result. It is expected to be about as
// long as the last one.
func (k *core) rest(head *bytes.Buffer, r io.Reader, what string) ([]byte, error) {
	max := k.cfg.maxMessage
	if last := min(int(k.lastRest.Load()), 16*head.Len()); last > head.Len() {
		head.Grow(last - head.Len() + bytes.MinRead)
	}
	if _, err := head.ReadFrom(io.LimitReader(r, int64(max-head.Len())+1)); err != nil {
		return nil, fmt.Errorf("read the response: %w", err)
	}
	if head.Len() > max {
		return nil, protocolErrorf("%s is over the limit of %d bytes", what, max)
	}
	k.lastRest.Store(int64(head.Len()))
	return head.Bytes(), nil
}

// answerIn returns f's answer from a body: one message, or several in an array.
// Batches are of one revision only, but servers of others send arrays of one, and
// the official clients take them apart for any.
func (k *core) answerIn(body []byte, f *flight) (Raw, error) {
	messages, err := k.decode(body)
	if err != nil {
		return nil, err
	}
	for i := range messages {
		if result, err, done := k.accept(f, &messages[i]); done {
			return result, err
		}
	}
	return nil, protocolErrorf("the answer to %s is not its response", f.req.method)
}
