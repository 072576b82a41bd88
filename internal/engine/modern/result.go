// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package modern

import (
	"bytes"
	"slices"
	"strconv"
	"sync"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// features are those of the version this engine speaks; bodies and errors of the
// inner model, which knows members of other eras too, are brought to it.
var features = mcp.Latest.Features()

// answer sends an outcome to l.
func (p *Protocol) answer(l leg, m *method, peer *rpc.Peer, round int, o outcome) {
	if o.res.Large != nil && p.answerLarge(l, m, &o) {
		return
	}
	if o.wire == nil && p.answerShared(l, m, &o.res) {
		return
	}
	buf := getBuffer()
	req := l.from()
	wire, status := o.wire, 200
	if wire != nil {
		down := mcp.DownError(features, m.name, wire)
		if status = statusOf(wire); status != 503 {
			status = statusOf(down)
		}
		if status == 500 && ofServer(wire) {
			status = 200
		}
		wire = down
	} else if *buf, wire = p.appendOutcome((*buf)[:0], req, m, peer, round, &o.res); wire != nil {
		status = statusOf(wire)
	}
	if wire != nil {
		*buf = jsonrpc.AppendError((*buf)[:0], req.in.ID, wire)
	}
	l.answer(message{status: status, data: oneLine(*buf), pooled: buf})
}

// sharedFrom is the size, in bytes, from which on a body that many answers share is
// sent as it is. Smaller ones are copied into the answer, which is one write less.
const sharedFrom = 2 << 10

// answerShared sends a large body that other answers share without a copy of it,
// which a client that reads slowly would keep for as long. It reports false when l
// has not been answered.
func (p *Protocol) answerShared(l leg, m *method, res *rpc.Result) bool {
	req := l.from()
	if len(res.Body) < sharedFrom || res.Shared == nil || res.Type != "" && res.Type != mcp.ResultComplete || req.retry() {
		return false
	}
	whole, wire := p.shared(m, res)
	if wire != nil {
		return false
	}
	head := append([]byte(`{"jsonrpc":"2.0","id":`), req.in.ID.Raw()...)
	l.answer(message{status: 200, parts: [][]byte{append(head, `,"result":`...), whole, []byte("}")}})
	return true
}

// shared returns the result object of a complete result that many calls get.
func (p *Protocol) shared(m *method, res *rpc.Result) (Raw, *jsonrpc.Error) {
	cache := (*mcp.CacheHint)(nil)
	if m.cacheable {
		hint := res.Cache
		cache = &hint
	}
	own := *res // so that results which are not shared stay on the stack
	whole, err := own.Shared.Form(p, func() (Raw, error) {
		body, wire := p.appendBody(nil, m, &own, mcp.ResultComplete, cache)
		if wire != nil {
			return nil, wire
		}
		return oneLine(body), nil
	})
	wire, _ := jsonrpc.AsError(err)
	return whole, wire
}

// appendOutcome appends the response that res stands for.
func (p *Protocol) appendOutcome(dst []byte, req *request, m *method, peer *rpc.Peer, round int, res *rpc.Result) ([]byte, *jsonrpc.Error) {
	dst = append(dst, `{"jsonrpc":"2.0","id":`...)
	dst = append(dst, req.in.ID.Raw()...)
	dst = append(dst, `,"result":`...)
	var wire *jsonrpc.Error
	if res.Input != nil {
		dst, wire = p.appendInput(dst, req, m, peer, round, res.Input)
	} else {
		dst, wire = p.appendComplete(dst, req, m, peer, res)
	}
	return append(dst, '}'), wire
}

func (p *Protocol) appendComplete(dst []byte, req *request, m *method, peer *rpc.Peer, res *rpc.Result) ([]byte, *jsonrpc.Error) {
	resultType := mcp.ResultComplete
	if res.Type != "" && res.Type != resultType {
		resultType = res.Type
		e := p.results[resultType]
		if e == nil {
			p.cfg.Log.Error("handler returned an unregistered result type", "type", resultType, "method", m.name)
			return dst, jsonrpc.NewError(jsonrpc.CodeInternal, "internal error")
		}
		if !peer.Capabilities.Has(e.ID) {
			return dst, mcp.MissingExtension(e.ID)
		}
	}
	if res.Shared != nil && resultType == mcp.ResultComplete && !req.retry() {
		whole, wire := p.shared(m, res)
		return append(slices.Grow(dst, len(whole)+1), whole...), wire
	}
	cache := (*mcp.CacheHint)(nil)
	if m.cacheable && resultType == mcp.ResultComplete {
		cache = &res.Cache
		if req.retry() { // spec 2026-07-28 server/utilities/caching: results of retries must not be cached
			cache = &mcp.CacheHint{}
		}
	}
	return p.appendBody(dst, m, res, resultType, cache)
}

// appendBody appends the result object of a complete result.
func (p *Protocol) appendBody(dst []byte, m *method, res *rpc.Result, resultType string, cache *mcp.CacheHint) ([]byte, *jsonrpc.Error) {
	body, err := mcp.DownResult(features, m.name, res.Body)
	if err != nil {
		return dst, jsonrpc.Errorf(jsonrpc.CodeInternal, "the result cannot be expressed in this version: %w", err)
	}
	return appendResult(dst, resultType, cache, body, p.serverMeta), nil
}

// appendResult appends the result object: body with resultType, the cache hints
// if cache is not nil, and meta merged into its _meta. The body is not decoded.
//
// spec 2026-07-28 basic: every result carries resultType; serverInfo should be
// in _meta. Cache hints default to stale at once and private.
func appendResult(dst []byte, resultType string, cache *mcp.CacheHint, body, meta Raw) []byte {
	body, own := plainBody(body, meta, cache != nil)
	dst = append(dst, `{"resultType":`...)
	dst = jsonrpc.AppendString(dst, resultType)
	if cache != nil {
		dst = append(dst, `,"ttlMs":`...)
		dst = strconv.AppendInt(dst, max(cache.TTLMillis, 0), 10)
		if cache.Scope == mcp.CachePublic {
			dst = append(dst, `,"cacheScope":"public"`...)
		} else {
			dst = append(dst, `,"cacheScope":"private"`...)
		}
	}
	inner := members(body)
	if len(inner) > 0 {
		dst = append(dst, ',')
		dst = append(dst, inner...)
	}
	if !own && meta != nil {
		dst = append(dst, `,"_meta":`...)
		dst = append(dst, meta...)
	}
	return append(dst, '}')
}

var reserved = [][]byte{[]byte(`"_meta"`), []byte(`"resultType"`), []byte(`"ttlMs"`), []byte(`"cacheScope"`)}

// plainBody returns body without the members that are the engine's to write
// (the cache hints only where it writes them: a task has a ttlMs of its own),
// and with meta merged into its own _meta; own says whether it has one. Most
// bodies have none of the names anywhere, which is found out without parsing.
func plainBody(body, meta Raw, hints bool) (plain Raw, own bool) {
	if !slices.ContainsFunc(reserved, func(name []byte) bool { return bytes.Contains(body, name) }) {
		return body, false
	}
	body = jsonrpc.Delete(body, "resultType")
	if hints {
		body = jsonrpc.Delete(body, "ttlMs", "cacheScope")
	}
	existing, ok := jsonrpc.Get(body, "_meta")
	if !ok || existing.Kind() != '{' {
		return jsonrpc.Delete(body, "_meta"), false
	}
	for name, value := range jsonrpc.Members(meta) {
		key, _ := jsonrpc.Unquote(name)
		if _, has := jsonrpc.Get(existing, key); !has {
			existing = jsonrpc.Set(existing, key, value)
		}
	}
	return jsonrpc.Set(body, "_meta", existing), true
}

// members returns what stands between the braces of an object.
func members(object Raw) []byte {
	inner := bytes.TrimSpace(object)
	if len(inner) < 2 {
		return nil
	}
	return bytes.TrimSpace(inner[1 : len(inner)-1])
}

// oneLine replaces raw newlines, which JSON has only between tokens, in place:
// a message must be one line on stdio and one data line on an event stream.
func oneLine(msg []byte) []byte {
	if bytes.IndexByte(msg, '\n') < 0 && bytes.IndexByte(msg, '\r') < 0 {
		return msg
	}
	for i, b := range msg {
		if b == '\n' || b == '\r' {
			msg[i] = ' '
		}
	}
	return msg
}

// maxBuffer bounds the buffers that are kept for reuse.
const maxBuffer = 64 << 10

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

func getBuffer() *[]byte { return buffers.Get().(*[]byte) }

func putBuffer(b *[]byte) {
	if cap(*b) <= maxBuffer {
		buffers.Put(b)
	}
}
