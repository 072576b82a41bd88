// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"time"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/share"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// link is one instance: a connection that has been greeted.
type link struct {
	id       uint64 // unlike any other's
	key      key
	caller   share.Caller // for whom it was started; zero if for all
	client   *client.Client
	launched *Launched
	born     time.Time
	roots    *roots // nil unless one client with roots owns it

	memo   memo
	shaped shaped
	strays flood
	health health

	// guarded by the pool's mu:
	calls     int                  // that hold it
	used      time.Time            // when it became idle
	open      map[uint64]time.Time // questions that nobody has answered yet, and until when they may be
	questions uint64               // so far
	retired   bool                 // it gets no new calls
	slotless  bool                 // its slot has been given back
	out       bool                 // no longer the pool's
}

// features returns what the connected server's version has.
func (l *link) features() *mcp.Features { return l.client.Version().Features() }

func (l *link) era() mcp.Era { return l.features().Era }

func (l *link) close() {
	l.client.Close()
	l.launched.stop()
}

// greeting is what a new instance is told.
type greeting struct {
	key    key
	caller share.Caller
	as     mcp.Implementation // the client, when the instance is one client's; else empty
	era    mcp.Era            // to speak; 0 to find out
}

// holder is who has a share of the instances for the one that a call is to start:
// nobody, if it is for all.
func (r *Remote) holder(k key, call *rpc.Call) share.Caller {
	if call == nil || k.turn == 0 && k.whose == r.cfg.Credential {
		return share.Caller{}
	}
	return call.Caller()
}

// shown is who an instance started for call will be told is its client.
func (r *Remote) shown(call *rpc.Call) mcp.Implementation {
	if call == nil || r.cfg.Sharing != PerSession && r.cfg.Sharing != PerCall || isCatalog(call.Method) {
		return mcp.Implementation{}
	}
	return call.Peer.Client
}

// greet makes the handshake with what was launched.
func (r *Remote) greet(ctx context.Context, g greeting, up *Launched) (*link, error) {
	l := &link{id: newLinkID(), key: g.key, caller: g.caller, launched: up, born: time.Now(), roots: r.rootsFor(g.key)}
	opts := append(r.options(l), up.Options...)
	if g.as.Name != "" {
		opts = append(opts, client.Info(g.as))
	}
	switch {
	case r.cfg.Version != "":
		opts = append(opts, client.ForceVersion(r.cfg.Version))
	case g.era != 0:
		opts = append(opts, client.ForceEra(g.era))
	}
	c, err := client.Connect(ctx, up.Target, opts...)
	if err != nil {
		return nil, err
	}
	l.client = c
	r.era.Store(int32(l.era()))
	return l, nil
}

// options are the client's: what is declared, and where changes and questions go.
func (r *Remote) options(l *link) []client.Option {
	list := func(k subscription.Kind) func() { return func() { r.changed(k) } }
	return []client.Option{
		client.Logger(r.cfg.Log.With("server", r.cfg.Name)),
		client.Capabilities(r.capabilities(l)),
		client.OnToolsChanged(list(subscription.Tools)),
		client.OnPromptsChanged(list(subscription.Prompts)),
		client.OnResourcesChanged(list(subscription.Resources)),
		client.OnResourceUpdated(func(uri string) { r.updated(l, uri) }),
		client.OnAsk(r.askAside(l)),
		client.OnNotification(func(string, Raw) { r.stray(l) }),
		client.ProbeTimeout(r.probeTimeout()),
		client.Reinitialize(),
		client.LogFaults(&r.faults),
	}
}
