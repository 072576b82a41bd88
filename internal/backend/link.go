// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// link is one instance: a connection that has been greeted.
type link struct {
	id       uint64 // unlike any other's
	key      key
	client   *client.Client
	launched *Launched
	born     time.Time

	running running
	memo    memo
	strays  flood

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

// running are the calls in flight on a link to a legacy server, oldest first: a
// question may come without saying which of them it belongs to.
type running struct {
	mu    sync.Mutex
	calls []inFlight
}

// inFlight is a call; over is closed with its end, and nil as long as nobody asked.
type inFlight struct {
	*rpc.Call
	over chan struct{}
}

func (r *running) add(c *rpc.Call) {
	r.mu.Lock()
	r.calls = append(r.calls, inFlight{Call: c})
	r.mu.Unlock()
}

func (r *running) remove(c *rpc.Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, x := range r.calls {
		if x.Call == c {
			if x.over != nil {
				close(x.over)
			}
			r.calls = slices.Delete(r.calls, i, i+1)
			return
		}
	}
}

// asked returns the call by which a question reaches the only one it can be
// meant for: the newest, if all are on behalf of one session.
func (r *running) asked(alone bool) (inFlight, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.calls)
	if n == 0 {
		return inFlight{}, false
	}
	last := &r.calls[n-1]
	for _, c := range r.calls[:n-1] {
		if !alone && (c.Peer.Session == "" || c.Peer.Session != last.Peer.Session) {
			return inFlight{}, false
		}
	}
	if last.over == nil {
		last.over = make(chan struct{})
	}
	return *last, true
}

// greeting is what a new instance is told.
type greeting struct {
	key key
	as  mcp.Implementation // the client, when the instance is one client's; else empty
	era mcp.Era            // to speak; 0 to find out
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
	l := &link{id: newLinkID(), key: g.key, launched: up, born: time.Now()}
	opts := append(r.options(l), up.Options...)
	if g.as.Name != "" {
		opts = append(opts, client.Info(g.as))
	}
	if g.era != 0 {
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
		client.Capabilities(l.key.caps.json()),
		client.OnToolsChanged(list(subscription.Tools)),
		client.OnPromptsChanged(list(subscription.Prompts)),
		client.OnResourcesChanged(list(subscription.Resources)),
		client.OnResourceUpdated(r.updated),
		client.OnAsk(func(ctx context.Context, method string, params Raw) (Raw, error) {
			return r.strayAsk(ctx, l, method, params)
		}),
		client.OnNotification(func(string, Raw) { r.stray(l) }),
		client.ProbeTimeout(r.cfg.StartTimeout),
		client.Reinitialize(),
	}
}

// strayAsk answers a question that came outside any call's stream. It must
// never reach another user than the one it is meant for.
//
// spec 2025-11-25 basic/transports#stdio: requests carry no sign of the call
// they belong to.
func (r *Remote) strayAsk(ctx context.Context, l *link, method string, params Raw) (Raw, error) {
	alone := r.cfg.Sharing == PerSession || r.cfg.Sharing == PerPrincipal || r.cfg.Sharing == PerCall
	for {
		by, ok := l.running.asked(alone)
		if !ok {
			r.cfg.Log.Warn("question refused: it cannot be told whose call it belongs to; set sharing: session (or call) for this server",
				"server", r.cfg.Name, "method", method)
			return nil, jsonrpc.Errorf(jsonrpc.CodeInternal, "%s cannot be delivered: it cannot be told which call it belongs to", method)
		}
		answer, err := r.askBy(ctx, l, by, method, params)
		if err == nil || ctx.Err() != nil {
			return answer, err
		}
		select {
		case <-by.over: // it went by a call that has ended, so it belongs to another
		default:
			return answer, err
		}
	}
}

// askBy asks as long as the call by which the question goes is in flight.
func (r *Remote) askBy(ctx context.Context, l *link, by inFlight, method string, params Raw) (Raw, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with this function, or with the call before
		select {
		case <-by.over:
			cancel()
		case <-ctx.Done():
		}
	}()
	return r.ask(ctx, l, by.Call, method, params)
}

// ask puts a server's question to the client of a call.
func (r *Remote) ask(ctx context.Context, l *link, call *rpc.Call, method string, params Raw) (Raw, error) {
	params, err := mcp.UpAsk(l.features(), method, params)
	if err != nil {
		return nil, err
	}
	const question = "request"
	answers, err := call.Client.Ask(ctx, map[string]rpc.InputRequest{question: {Method: method, Params: params}})
	if err != nil {
		return nil, err
	}
	answer, ok := answers[question]
	if !ok {
		return nil, fmt.Errorf("the client did not answer %s", method)
	}
	return answer, nil
}
