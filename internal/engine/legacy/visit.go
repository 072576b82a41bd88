// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// opened is an opened ticket. It is immutable and may be cached.
type opened struct {
	token, binding string
	id             session.ID
	expires        time.Time
	peer           *rpc.Peer
	partial        bool // the capabilities are in the record
}

// openedCache remembers a few opened tickets, so that a busy session is not
// decrypted for each request. It is lossy and of fixed size.
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

// binding names a principal in seals and as the owner of tasks.
func binding(p *rpc.Principal) string {
	if p.Tenant == "" {
		return p.ID
	}
	return "\x00" + p.Tenant + "\x00" + p.ID
}

// refusal says why a request is not served: an HTTP status and an error.
type refusal struct {
	status int
	wire   *jsonrpc.Error
}

func refuse(status int, message string) *refusal {
	return &refusal{status, jsonrpc.NewError(jsonrpc.CodeInvalidRequest, message)}
}

// visit is one request's view of its session.
type visit struct {
	p *Protocol
	*opened
	principal *rpc.Principal
	record    *session.Record // nil when there is none
}

// open finds the session of an exchange.
//
// spec 2025-11-25 basic/transports#session-management: 400 without an id, 404
// for a session that has ended; here also for one that never was, has expired
// or is another principal's.
func (p *Protocol) open(x transport.Exchange, v *visit) *refusal {
	tokens := x.Header(mcp.HeaderSessionID)
	if len(tokens) != 1 || tokens[0] == "" {
		return refuse(400, "the Mcp-Session-Id header is missing; initialize first")
	}
	v.p, v.principal = p, rpc.PrincipalFrom(x.Context())
	if v.opened = p.openTicket(tokens[0], binding(v.principal)); v.opened == nil {
		return refuse(404, "session not found; initialize again")
	}
	record, err := p.store.Get(x.Context(), v.id)
	switch {
	case err == nil && record.Ended:
		return refuse(404, "session has ended; initialize again")
	case err == nil:
		v.record = record
	case !errors.Is(err, session.ErrNotFound):
		p.cfg.Log.Error("session record not read", "session", v.peer.Session, "error", err)
		return &refusal{503, jsonrpc.NewError(jsonrpc.CodeInternal, "the session cannot be read at the moment")}
	}
	if v.partial {
		v.opened = v.withRecord()
	}
	return v.checkVersion(x)
}

// checkVersion holds the version header against the negotiated version.
//
// spec 2025-11-25 basic/transports#protocol-version-header.
func (v *visit) checkVersion(x transport.Exchange) *refusal {
	for _, asked := range x.Header(mcp.HeaderProtocolVersion) {
		switch {
		case asked == string(v.peer.Features.Version):
		case !mcp.Version(asked).Known():
			return refuse(400, "the Mcp-Protocol-Version header names an unsupported version")
		default:
			return refuse(400, "the Mcp-Protocol-Version header differs from the version of the session, "+string(v.peer.Features.Version))
		}
	}
	return nil
}

// openTicket opens a ticket, or returns nil.
func (p *Protocol) openTicket(token, binding string) *opened {
	now := time.Now()
	slot := p.opened.slot(token)
	if o := slot.Load(); o != nil && o.token == token && o.binding == binding {
		if !now.Before(o.expires) {
			return nil
		}
		return o
	}
	t, err := session.OpenTicket(p.cfg.Ring, binding, token, now)
	if err != nil || t.Version.Era() != mcp.Legacy {
		return nil
	}
	o := &opened{token: token, binding: binding, id: t.ID, expires: t.Expires, peer: &rpc.Peer{
		Features: t.Version.Features(), Session: t.ID.String(),
		Client:       mcp.Implementation{Name: t.ClientName, Version: t.ClientVersion},
		Capabilities: t.Capabilities.Unpack(), RawCapabilities: t.Capabilities.Raw(),
	}}
	if o.partial = t.Capabilities&session.InRecord != 0; !o.partial {
		slot.Store(o)
	}
	return o
}

// withRecord returns the opened ticket with the capabilities that the record
// holds. A record that was lost leaves those of the ticket.
func (v *visit) withRecord() *opened {
	peer := *v.peer
	if v.record != nil && v.record.Capabilities != nil {
		var all mcp.ClientCapabilities
		if err := json.Unmarshal(v.record.Capabilities, &all); err == nil {
			peer.Capabilities, peer.RawCapabilities = all, v.record.Capabilities
		}
	}
	o := *v.opened
	o.peer = &peer
	return &o
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
	record, err := session.Change(ctx, v.p.store, v.id, v.expires, change)
	switch _, refused := jsonrpc.AsError(err); {
	case err == nil:
	case refused, errors.Is(err, session.ErrNotFound):
		return err
	default:
		return fmt.Errorf("%w: %w", errUnsaved, err)
	}
	v.withHome(func(h *home) { h.heed(record) })
	v.p.peers.settle(ctx, v.id, record.Revision)
	return nil
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
