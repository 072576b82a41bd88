// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/jsonform"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Request is one call of a handler and the way back to the client while it
// runs. It is safe for concurrent use.
type Request struct {
	ctx    context.Context
	call   *rpc.Call
	client rpc.Client
	vars   map[string]string

	mu       sync.Mutex
	progress float64 // the last one sent
}

func newRequest(ctx context.Context, call *rpc.Call) *Request {
	return &Request{ctx: ctx, call: call, client: call.Client, progress: math.Inf(-1)}
}

// ClientInfo is who is calling and what it declared.
type ClientInfo struct {
	mcp.Implementation
	Version      mcp.Version // the revision of the protocol in use
	Capabilities mcp.ClientCapabilities
}

// Client returns who is calling.
func (r *Request) Client() ClientInfo {
	p := r.call.Peer
	if p == nil {
		return ClientInfo{}
	}
	info := ClientInfo{Implementation: p.Client, Capabilities: p.Capabilities}
	if p.Features != nil {
		info.Version = p.Features.Version
	}
	return info
}

// Principal returns the stable id of the caller and its tenant.
func (r *Request) Principal() (id, tenant string) {
	if r.call.Principal == nil {
		return rpc.Local.ID, rpc.Local.Tenant
	}
	return r.call.Principal.ID, r.call.Principal.Tenant
}

// Method returns the method that was called.
func (r *Request) Method() string { return r.call.Method }

// Name returns the name of the tool or prompt that was called.
func (r *Request) Name() string { return r.call.Target }

// URI returns the URI of the resource that was asked for.
func (r *Request) URI() string { return r.call.Target }

// Var returns a variable of the resource template that matched, unescaped; several
// values are joined by commas. [Server.AddResourceTemplate] says what it may hold.
func (r *Request) Var(name string) string { return r.vars[name] }

// Params returns the request's params as received.
func (r *Request) Params() Raw { return r.call.Params }

// Arguments returns the arguments as received, nil when there were none.
func (r *Request) Arguments() Raw { return r.call.Arguments }

// Meta decodes the member of the request's _meta with the given key into v and
// reports whether it was there.
func (r *Request) Meta(key string, v any) bool {
	raw, ok := jsonrpc.Get(r.call.Meta, key)
	return ok && json.Unmarshal(raw, v, jsonform.Exact) == nil
}

// WantsProgress reports whether the client asked for progress notifications.
func (r *Request) WantsProgress() bool { return r.call.ProgressToken != nil }

// Progress tells the client how far the call is. Without a wish for progress it
// does nothing, and what does not go beyond the last progress is dropped. A
// total of 0 means unknown.
//
// spec 2026-07-28 basic/utilities/progress: "The progress value MUST increase".
func (r *Request) Progress(progress, total float64, message string) {
	if r.call.ProgressToken == nil || math.IsNaN(progress) || math.IsInf(progress, 0) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock() // held while sending, which keeps the order
	if progress <= r.progress {
		return
	}
	r.progress = progress
	p := append(Raw(`{"progressToken":`), r.call.ProgressToken...)
	p = append(p, `,"progress":`...)
	p = strconv.AppendFloat(p, progress, 'f', -1, 64)
	if total > 0 && !math.IsInf(total, 0) {
		p = append(p, `,"total":`...)
		p = strconv.AppendFloat(p, total, 'f', -1, 64)
	}
	if message != "" {
		p = append(p, `,"message":`...)
		p = jsonrpc.AppendString(p, message)
	}
	_ = r.client.Notify(r.ctx, mcp.NotificationProgress, append(p, '}')) // a client that left ends ctx
}

// Log sends the client a log message if it wants messages of that level. data
// is any value that JSON can show; what cannot be encoded is dropped. Never log
// secrets.
//
// spec 2026-07-28 server/utilities/logging.
func (r *Request) Log(level mcp.LogLevel, logger string, data any) {
	if !r.call.LogLevel.Allows(level) {
		return
	}
	raw, err := marshal(data)
	if err != nil {
		return
	}
	p := append(Raw(`{"level":`), jsonrpc.AppendString(nil, string(level))...)
	if logger != "" {
		p = append(p, `,"logger":`...)
		p = jsonrpc.AppendString(p, logger)
	}
	p = append(p, `,"data":`...)
	p = append(p, raw...)
	_ = r.client.Notify(r.ctx, mcp.NotificationMessage, append(p, '}')) // a client that left ends ctx
}

// CloseStream closes the call's stream early, where the client can fetch the
// rest by itself after the given delay; elsewhere it does nothing. Use it before
// a long wait to free the connection.
//
// spec 2025-11-25 basic/transports#sending-messages-to-the-server: polling.
func (r *Request) CloseStream(retry time.Duration) {
	if d, ok := r.client.(rpc.Detacher); ok {
		d.Detach(retry)
	}
}

// MissingCapability returns the error for a request that cannot be served as
// the client did not declare what it needs.
func MissingCapability(required mcp.ClientCapabilities) error { return mcp.MissingCapability(required) }
