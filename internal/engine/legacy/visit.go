// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/quota"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/seal"
	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// opened is an opened ticket. It is immutable and may be cached.
type opened struct {
	token, principal string
	id               session.ID
	expires          time.Time
	peer             *rpc.Peer
	partial          bool   // the capabilities are in the record
	generation       uint64 // of the ring when it was opened
}

// openedCache remembers a few opened tickets, so that a busy session is not
// decrypted for each request. It is lossy and of fixed size. What was opened with
// other keys than the ring has now counts for nothing.
type openedCache struct {
	seed  maphash.Seed
	slots []atomic.Pointer[opened]
}

const openedSlots = 1024

func newOpenedCache() openedCache {
	return openedCache{seed: maphash.MakeSeed(), slots: make([]atomic.Pointer[opened], openedSlots)}
}

func (c *openedCache) slot(token string) *atomic.Pointer[opened] {
	return &c.slots[maphash.String(c.seed, token)%openedSlots]
}

// audience says which changes concern a session.
func audience(peer *rpc.Peer, p *rpc.Principal) subscription.Audience {
	return subscription.Audience{Session: peer.Session, Principal: p.ID, Tenant: p.Tenant}
}

// refusal says why a request is not served: an HTTP status and an error.
type refusal struct {
	status int
	wire   *jsonrpc.Error
}

func refuse(status int, message string) *refusal {
	return &refusal{status, jsonrpc.NewError(jsonrpc.CodeInvalidRequest, message)}
}

// notNow refuses a request that another node, or this one in a moment, may serve.
func notNow(message string) *refusal {
	return &refusal{503, jsonrpc.NewError(jsonrpc.CodeInternal, message)}
}

// reply answers the request of an id, if it has one.
func (r *refusal) reply(x transport.Exchange, id jsonrpc.ID) {
	if r.status == 503 {
		unavailable(x, id, r.wire.Message)
		return
	}
	engine.ReplyError(x, r.status, id, r.wire)
}

// visit is one request's view of its session.
type visit struct {
	p *Protocol
	*opened
	principal *rpc.Principal
	client    quota.Client
	address   string          // of the client in the network
	record    *session.Record // nil when there is none
}

// open finds the session of an exchange.
//
// spec 2025-11-25 basic/transports#session-management: 400 without an id, 404
// for a session that has ended; here also for one that never was, has expired
// or is another principal's. 404 makes a client give its session up, so a node that
// may only be behind the others answers 503.
func (p *Protocol) open(x transport.Exchange, v *visit) *refusal {
	tokens := x.Header(mcp.HeaderSessionID)
	if len(tokens) != 1 || tokens[0] == "" {
		return refuse(400, "the Mcp-Session-Id header is missing; initialize first")
	}
	v.p, v.principal, v.address = p, rpc.PrincipalFrom(x.Context()), rpc.AddressFrom(x.Context())
	v.client = engine.ClientOf(x, v.principal)
	var err error
	if v.opened, err = p.openTicket(tokens[0], v.principal); err != nil {
		if errors.Is(err, seal.ErrBehind) {
			return notNow("this node may not know the session's key yet; send the request again")
		}
		return refuse(404, "session not found; initialize again")
	}
	record, err := p.store.Get(x.Context(), v.id)
	switch {
	case err == nil && record.Ended:
		return refuse(404, "session has ended; initialize again")
	case err == nil:
		v.record = record
	case !errors.Is(err, session.ErrNotFound):
		p.lines.Log(p.cfg.Log, slog.LevelWarn, "session record not read", "session", v.peer.Session, "error", err)
		return notNow("the session cannot be read at the moment")
	}
	v.confirmRecord()
	if v.partial {
		v.opened = v.withRecord()
	}
	return v.checkVersion(x)
}

// checkVersion refuses a version header that names no revision of this era. One that
// names another than the session's is what clients send that keep theirs over a new
// initialize; the session's counts.
//
// spec 2025-11-25 basic/transports#protocol-version-header: 400 for "an invalid or
// unsupported" version.
func (v *visit) checkVersion(x transport.Exchange) *refusal {
	for _, asked := range x.Header(mcp.HeaderProtocolVersion) {
		if version := mcp.Version(asked); !version.Known() || version.Era() != mcp.Legacy {
			return refuse(400, "the Mcp-Protocol-Version header names an unsupported version")
		}
	}
	return nil
}

// openTicket opens a ticket. It fails as [session.OpenTicket] does.
func (p *Protocol) openTicket(token string, principal *rpc.Principal) (*opened, error) {
	now, generation := time.Now(), p.cfg.Ring.Generation()
	key, slot := principal.Key(), p.opened.slot(token)
	if o := slot.Load(); o != nil && o.token == token && o.principal == key && o.generation == generation {
		if !now.Before(o.expires) {
			return nil, session.ErrInvalidTicket
		}
		return o, nil
	}
	t, err := session.OpenTicket(p.cfg.Ring, engine.Binding(p.cfg.Endpoint, principal), token, now)
	if err == nil && t.Version.Era() != mcp.Legacy {
		err = session.ErrInvalidTicket
	}
	if err != nil {
		return nil, err
	}
	o := &opened{token: token, principal: key, generation: generation, id: t.ID, expires: t.Expires, peer: &rpc.Peer{
		Features: t.Version.Features(), Session: t.ID.String(),
		Client:       mcp.Implementation{Name: t.ClientName, Version: t.ClientVersion},
		Capabilities: t.Capabilities.Unpack(), RawCapabilities: t.Capabilities.Raw(),
	}}
	if t.Declared != nil {
		declare(o.peer, t.Declared)
	}
	if o.partial = t.Capabilities&session.InRecord != 0; !o.partial {
		slot.Store(o)
	}
	return o, nil
}

// withRecord returns the opened ticket with the capabilities that the record
// holds. A record that was lost leaves those of the ticket.
func (v *visit) withRecord() *opened {
	peer := *v.peer
	if v.record != nil && v.record.Capabilities != nil {
		declare(&peer, v.record.Capabilities)
	}
	o := *v.opened
	o.peer = &peer
	return &o
}

// declare gives a peer capabilities as they were received in initialize.
func declare(peer *rpc.Peer, raw Raw) {
	var all mcp.ClientCapabilities
	if err := json.Unmarshal(raw, &all); err == nil {
		peer.Capabilities, peer.RawCapabilities = all, raw
	}
}

// memory is what a session remembers of its client's wishes.
type memory interface {
	level() mcp.LogLevel
	setLevel(ctx context.Context, level mcp.LogLevel) error
	subscribe(ctx context.Context, uri string) error
	unsubscribe(ctx context.Context, uri string) error
}

func (v *visit) level() mcp.LogLevel {
	if v.record != nil && v.record.LogLevel != "" {
		return v.record.LogLevel
	}
	return defaultLevel
}

// errUnsaved marks a change that the store did not acknowledge.
var errUnsaved = errors.New("the session's change was not stored")

// update changes the session's record. When it returns, what is live of the
// session here follows the change, and so do the other nodes, if they are well.
func (v *visit) update(ctx context.Context, change func(*session.Record) error) error {
	if err := v.p.cfg.Shares.EnterChange(ctx, v.client); err != nil {
		return err
	}
	return v.write(ctx, change)
}

// write is update for what waits for no turn.
func (v *visit) write(ctx context.Context, change func(*session.Record) error) error {
	record, err := session.Change(ctx, v.p.store, v.id, firstExpiry(v.expires), change)
	switch _, refused := jsonrpc.AsError(err); {
	case err == nil:
	case refused, errors.Is(err, session.ErrNotFound):
		return err
	default:
		return fmt.Errorf("%w: %w", errUnsaved, err)
	}
	v.p.cfg.Shares.Changed(v.client, sizeOf(record))
	v.withHome(func(h *home) { h.heed(record) })
	v.p.peers.settle(ctx, v.id, record.Revision)
	return nil
}

// sizeOf returns about how many bytes a record has.
func sizeOf(r *session.Record) int {
	size := len(r.Capabilities)
	for _, uri := range r.Subscriptions {
		size += len(uri)
	}
	return size
}

func (v *visit) setLevel(ctx context.Context, level mcp.LogLevel) error {
	return v.update(ctx, func(r *session.Record) error {
		r.LogLevel = level
		return nil
	})
}

func (v *visit) subscribe(ctx context.Context, uri string) error {
	max := v.p.cfg.Limits.Subscriptions
	return v.update(ctx, func(r *session.Record) error {
		if !r.Subscribe(uri) {
			return nil
		}
		var all engine.Subscribed
		for _, uri := range r.Subscriptions {
			if wire := all.Add(uri, max); wire != nil {
				return wire
			}
		}
		return nil
	})
}

func (v *visit) unsubscribe(ctx context.Context, uri string) error {
	known := v.record != nil && slices.Contains(v.record.Subscriptions, uri)
	if !known && v.p.peers == nil { // with peers, this node may not know it yet
		return nil
	}
	return v.update(ctx, func(r *session.Record) error {
		r.Unsubscribe(uri)
		return nil
	})
}

// withHome calls do if the session is live on this node.
func (v *visit) withHome(do func(*home)) {
	if l := v.p.cfg.Sessions.Find(v.id); l != nil {
		do(homeOf(v.p, l))
		v.p.cfg.Sessions.Release(l)
	}
}
