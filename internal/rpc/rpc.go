// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package rpc is the one contract everything meets at: a Call, the Handler that
// answers it, and middleware of the same shape. Engines turn wire messages into
// calls; gates, the gateway, backends and SDK servers handle them. A package
// above or below a handler knows only this.
//
// The inner model is the newest revision's: each call carries its version,
// capabilities and principal, and asking the client for input is a result or a
// blocking question, never a property of a connection. The package starts no
// goroutine.
package rpc

import (
	"context"
	"strings"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/share"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Raw is a JSON value kept as received.
type Raw = jsonrpc.Raw

// Handler answers calls. It must be safe for concurrent use. A returned error
// that is a *jsonrpc.Error goes to the client as it is; any other becomes an
// internal error with an opaque reference, its text only logged.
type Handler interface {
	Handle(ctx context.Context, call *Call) (Result, error)
}

// HandlerFunc is a function as a Handler.
type HandlerFunc func(ctx context.Context, call *Call) (Result, error)

// Handle calls f.
func (f HandlerFunc) Handle(ctx context.Context, call *Call) (Result, error) { return f(ctx, call) }

// Middleware wraps a handler.
type Middleware func(Handler) Handler

// Chain wraps h so that the first middleware sees a call first.
func Chain(h Handler, middleware ...Middleware) Handler {
	for i := len(middleware) - 1; i >= 0; i-- {
		h = middleware[i](h)
	}
	return h
}

// Call is one request and its life. It is read-only for handlers; a middleware
// that changes something passes on a copy.
type Call struct {
	Method    string
	ID        jsonrpc.ID // as received
	Params    Raw        // as received, _meta included; nil when absent
	Target    string     // params.name, params.uri or params.taskId, decoded
	Arguments Raw        // params.arguments; nil when absent
	Meta      Raw        // params._meta; nil when absent

	Peer      *Peer
	Principal *Principal
	Address   string // of the caller in the network, without the port; empty if it has none

	ProgressToken Raw          // string or integer; nil when the client wants no progress
	LogLevel      mcp.LogLevel // "" when the client wants no log messages
	Input         Input        // what an earlier round of this call asked for
	Task          *TaskRequest // set when the client asked for a task (2025-11-25)
	AllowTask     bool         // the client can follow a Result with Deferred set
	AllowLarge    bool         // a Result with Large set can be passed on as it arrives
	AllowEntries  bool         // of a list, the Result may have Entries

	Client Client // the way back; never nil
	Seat   Seat   // at the processors; may be nil
}

// Seat is one at the processors, which a call has while it is worked at: see
// [quota.Seats].
type Seat interface {
	// Leave gives the seat back; idempotent.
	Leave()
}

// Wait says that the call is about to wait, or to do what may take long: others may have
// its processor.
func (c *Call) Wait() {
	if c.Seat != nil {
		c.Seat.Leave()
	}
}

// Peer is who is calling, as it described itself. It is shared between calls
// and immutable.
type Peer struct {
	Features     *mcp.Features // of the version in use
	Client       mcp.Implementation
	Capabilities mcp.ClientCapabilities
	// RawCapabilities are the declared capabilities as received, for mirroring to a backend.
	RawCapabilities Raw
	// Session is the random id of a legacy session, the key for state that lives
	// as long as it; empty for modern requests. It is not the ticket.
	Session string
}

// Principal is on whose behalf a call is made.
type Principal struct {
	ID     string // stable and unique across issuers
	Tenant string
}

// Key names the principal in seals and as the owner of tasks. It differs for
// principals that differ.
func (p *Principal) Key() string {
	if p.Tenant == "" {
		return p.ID
	}
	return "\x00" + p.Tenant + "\x00" + p.ID
}

// Local is the principal of callers when no credentials are configured.
var Local = &Principal{ID: "local"}

// Caller returns who makes the call, for what callers have shares of.
func (c *Call) Caller() share.Caller {
	who := c.Principal
	if who == nil {
		who = Local
	}
	caller := share.Caller{Group: share.Group{Tenant: who.Tenant, Principal: who.ID, Address: c.Address}}
	if caller.Session = c.Peer.Session; caller.Session == "" {
		caller.Client = c.Peer.Client.Name
		if len(caller.Client) > maxClientName {
			caller.Client = strings.ToValidUTF8(caller.Client[:maxClientName], "")
		}
	}
	return caller
}

// maxClientName is how much of a client's name tells it from others, in bytes.
const maxClientName = 64

type addressKey struct{}

// WithAddress returns a context that carries the caller's network address, without
// the port, from the transport to the engine.
func WithAddress(ctx context.Context, address string) context.Context {
	return context.WithValue(ctx, addressKey{}, address)
}

// AddressFrom returns the context's network address, or "".
func AddressFrom(ctx context.Context) string {
	address, _ := ctx.Value(addressKey{}).(string)
	return address
}

type principalKey struct{}

// WithPrincipal returns a context that carries p from the transport to the engine.
func WithPrincipal(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalFrom returns the context's principal, or [Local].
func PrincipalFrom(ctx context.Context) *Principal {
	if p, ok := ctx.Value(principalKey{}).(*Principal); ok {
		return p
	}
	return Local
}

// Client is the way back to the client while a call runs. It is safe for
// concurrent use. After the call has been answered, Notify does nothing.
type Client interface {
	// Notify sends a notification that belongs to the call. It returns an error
	// only when the client can no longer be reached.
	Notify(ctx context.Context, method string, params Raw) error
	// Ask asks the client and waits for all answers, which are bare results by
	// key. It fails with a -32021 *jsonrpc.Error when the client did not declare
	// what a request needs, with the client's own error when it sent one, and
	// with ctx's cause when ctx ends first.
	Ask(ctx context.Context, requests map[string]InputRequest) (map[string]Raw, error)
}

// Detacher is a Client whose stream can be closed early: a client that can
// resume fetches the rest on its own (2025-11-25 polling). It is a no-op where
// the client cannot.
type Detacher interface {
	Detach(retry time.Duration)
}

// InputRequest is one question to the client.
type InputRequest struct {
	Method string `json:"method"` // elicitation/create, sampling/createMessage or roots/list
	Params Raw    `json:"params,omitzero"`
}

// Input holds the client's answers to an earlier [InputRequired].
type Input struct {
	Responses map[string]Raw // by key; nil on the first round
	State     []byte         // the State that was returned with the questions; nil if none
}

// InputRequired asks the client for input by returning. The call comes again
// with the answers; nothing is kept here in between. State is opaque to the
// client and cannot be forged by it: the engine seals it.
type InputRequired struct {
	Requests map[string]InputRequest
	State    []byte
}

// TaskRequest is a client's wish to have the call run as a task.
type TaskRequest struct {
	TTL time.Duration // 0 when the client named none
}

// Deferred is work that goes on after the call has been answered with a task.
// Run gets a context that ends when the task is cancelled or expires, and a
// Client whose questions reach the client by way of the task.
type Deferred struct {
	Run  func(ctx context.Context, client Client) (Result, error)
	TTL  time.Duration // how long the result is kept; 0 means the engine's default
	Poll time.Duration // suggested polling interval; 0 means the engine's default
	// Repeatable says that the call may be made again when its outcome is lost with
	// the node that ran it: the tool is marked as read-only or idempotent.
	Repeatable bool
}

// Result is the outcome of a call. Exactly one of Body, Input, Deferred and Large is set.
type Result struct {
	// Body is the result object in the inner model's shape, without
	// resultType, ttlMs and cacheScope.
	Body     Raw
	Entries  []Raw   // that belong into the empty list of Body; only when the call's AllowEntries is true, not to be modified
	Shared   *Shared // set when many calls get this very Body; keeps what is derived from it
	Type     string  // "" means complete; an extension's result type otherwise
	Cache    mcp.CacheHint
	Input    *InputRequired
	Deferred *Deferred // only when the call's AllowTask is true
	Large    *Large    // a complete result, only when the call's AllowLarge is true; never from a Deferred
}
