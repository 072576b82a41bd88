// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/internal/throttle"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// Remote is a server reached through a client: a child process or an HTTP
// server, with as many instances as its sharing policy needs. Instances are
// started when first needed and again after they ended.
//
// It owns one goroutine that tends the instances and one per instance being
// started or stopped; Close ends them all and waits.
type Remote struct {
	cfg        Config
	events     Events
	digest     [8]byte // of the server and its credential
	policy     capset
	era        atomic.Int32             // mcp.Era as last seen, 0 while unknown
	turns      atomic.Uint64            // numbers calls that stand alone
	newest     atomic.Pointer[Launched] // what was launched last; nil before
	served     atomic.Bool              // an instance has been up
	slowStarts atomic.Int32             // in a row that took too long
	deaths     atomic.Int32             // starts in a row that ended with the process, however it was greeted
	refused    throttle.Lines           // questions
	faults     client.Faults            // of messages
	failures   failures
	breaker    *breaker
	calls      *bulkhead
	pool       *pool
	lists      listCache
	tools      toolTasks
	watched    watched
}

var (
	_ Backend      = (*Remote)(nil)
	_ StderrTailer = (*Remote)(nil)
)

var errClosed = errors.New("server is being stopped")

// New returns a Remote without an instance. Changes go to events.
func New(cfg Config, events Events) *Remote {
	cfg.defaults()
	r := &Remote{cfg: cfg, events: events, digest: digestOf(&cfg), policy: policyCaps(cfg.Capabilities)}
	r.breaker = newBreaker(r.listsChanged)
	r.calls = newBulkhead(cfg.MaxCalls, fmt.Sprintf("maxCalls of server %q", cfg.Name))
	r.pool = newPool(r)
	return r
}

// Name returns the server's name.
func (r *Remote) Name() string { return r.cfg.Name }

// Status reports whether calls reach the server.
func (r *Remote) Status() Status {
	s := r.breaker.status()
	s.Starting = r.pool.beginning(r.commonKey())
	return s
}

// StderrTail implements [StderrTailer].
func (r *Remote) StderrTail() []string {
	if up := r.newest.Load(); up != nil && up.StderrTail != nil {
		return up.StderrTail()
	}
	return nil
}

// Start brings up the instance that answers lists. Its error is for the operator.
func (r *Remote) Start(ctx context.Context) error {
	if err := r.breaker.allow(); err != nil {
		return err
	}
	l, err := r.pool.acquire(ctx, r.commonKey(), nil)
	if t, ok := errors.AsType[*told](err); ok {
		return t.err
	}
	if err != nil {
		return err
	}
	r.pool.release(l)
	return nil
}

// Release stops the instance that belongs to a session, once its calls are done.
func (r *Remote) Release(session string) {
	if r.cfg.Sharing == PerSession {
		r.pool.dismiss(r.cfg.Credential+sessionPart(session), false)
	}
}

// Close stops every instance.
func (r *Remote) Close() error {
	r.pool.close()
	if r.cfg.Closed != nil {
		r.cfg.Closed()
	}
	return nil
}

// listsChanged announces that everything may have changed.
func (r *Remote) listsChanged() {
	for _, k := range []subscription.Kind{subscription.Tools, subscription.Prompts, subscription.Resources} {
		r.changed(k)
	}
}

// changed announces that one list has changed.
func (r *Remote) changed(k subscription.Kind) {
	r.lists.forget()
	r.events(subscription.Event{Topic: subscription.Topic{Kind: k}})
}

// updated publishes a change of a watched resource to those whose instance told it.
// That of one call has no listeners.
func (r *Remote) updated(l *link, uri string) {
	if l.key.turn != 0 {
		return
	}
	r.events(subscription.Event{
		Topic:  subscription.Topic{Kind: subscription.Resource, Key: uri},
		Params: updatedParams(uri), For: r.audience(l.key),
	})
}

func updatedParams(uri string) Raw {
	return append(jsonrpc.AppendString(Raw(`{"uri":`), uri), '}')
}
