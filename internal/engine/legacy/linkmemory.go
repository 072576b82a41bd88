// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"context"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// What a connection remembers of its client's wishes lives as long as it, and in the
// record of a session that may outlive it.
var _ memory = (*link)(nil)

func (l *link) level() mcp.LogLevel {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.logLevel
}

func (l *link) setLevel(ctx context.Context, level mcp.LogLevel) error {
	l.mu.Lock()
	l.logLevel = level
	l.mu.Unlock()
	l.record(ctx, func(r *session.Record) { r.LogLevel = level })
	return nil
}

func (l *link) subscribe(ctx context.Context, uri string) error {
	l.mu.Lock()
	if wire := l.keepLocked(uri); wire != nil {
		l.mu.Unlock()
		return wire
	}
	sub := l.sub
	l.mu.Unlock()
	sub.Add(subscription.Topic{Kind: subscription.Resource, Key: uri})
	l.record(ctx, func(r *session.Record) { r.Subscribe(uri) })
	return nil
}

// errSubscribed refuses a subscription that finds no place.
var errSubscribed = jsonrpc.NewError(jsonrpc.CodeInternal, "too many subscriptions are open, of this client or in all; try again in a while")

// keepLocked counts a URI that is subscribed to.
func (l *link) keepLocked(uri string) *jsonrpc.Error {
	if _, has := l.uris[uri]; has {
		return nil
	}
	all := l.all
	if wire := all.Add(uri, l.p.cfg.Limits.Subscriptions); wire != nil {
		return wire
	}
	if l.p.cfg.Shares.Subscribed.Take(l.client, engine.SubscriptionCost(uri)) != nil {
		return errSubscribed
	}
	l.all = all
	l.uris[uri] = struct{}{}
	return nil
}

func (l *link) unsubscribe(ctx context.Context, uri string) error {
	l.mu.Lock()
	_, has := l.uris[uri]
	if has {
		delete(l.uris, uri)
		l.all.Remove(uri)
		l.p.cfg.Shares.Subscribed.Give(l.client, engine.SubscriptionCost(uri))
	}
	sub := l.sub
	l.mu.Unlock()
	sub.Remove(subscription.Topic{Kind: subscription.Resource, Key: uri})
	if has {
		l.record(ctx, func(r *session.Record) { r.Unsubscribe(uri) })
	}
	return nil
}

// forgetLocked gives back what the subscriptions of a session that is over took.
func (l *link) forgetLocked() {
	for uri := range l.uris {
		l.p.cfg.Shares.Subscribed.Give(l.client, engine.SubscriptionCost(uri))
	}
	l.uris, l.all = map[string]struct{}{}, engine.Subscribed{}
}
