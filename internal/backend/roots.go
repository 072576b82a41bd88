// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// A legacy server that works on its client's roots asks for them when it has been
// greeted, and again when it is told that they have changed. Neither question belongs
// to a call. An instance that one session or call owns has one client that it can
// mean: that client is asked, by way of the call that is about to be sent, and the call
// is sent once the server has its answer.
//
// spec 2025-11-25 client/roots.

// rootsWait bounds how long a call waits for the server to have its client's roots, and
// a question for a call by which its client can be asked.
const rootsWait = 5 * time.Second

// rootsGrace is what a server gets to take its client's roots in: it looks at the
// directories first, and says nothing when it has. A client that is connected directly
// has long been greeted when it makes its first call; here that call starts the server.
const rootsGrace = 250 * time.Millisecond

// roots is how an instance that has one owner gets its client's roots. It is safe for
// concurrent use.
type roots struct {
	turn chan struct{} // taken while a call waits for the server to have them

	mu      sync.Mutex
	due     bool           // the server may ask before the next call
	changed bool           // and has to be told that they are others now
	callers []*rootsCaller // the owner's calls, the newest last
	came    chan struct{}  // closed when there is a caller
	fresh   bool           // the server has got an answer that no call has waited for
}

// rootsCaller is a call by which the owner can be asked.
type rootsCaller struct {
	ctx  context.Context // ends with the call
	call *rpc.Call
}

// rootsFor returns how an instance with this key gets its client's roots, nil when it has no
// single owner, or one without roots.
func (r *Remote) rootsFor(k key) *roots {
	if k.caps&capRoots == 0 || k.turn == 0 && !r.ofSession(k) {
		return nil
	}
	return &roots{turn: make(chan struct{}, 1), due: true}
}

// ofSession reports whether an instance with this key belongs to a legacy session.
func (r *Remote) ofSession(k key) bool {
	return strings.HasPrefix(strings.TrimPrefix(k.whose, r.cfg.Credential), sessionMark)
}

// capabilities is what an instance is told that its client can do.
func (r *Remote) capabilities(l *link) Raw {
	caps := l.key.caps.json()
	if l.roots != nil && r.ofSession(l.key) {
		return jsonrpc.Set(caps, "roots", Raw(`{"listChanged":true}`))
	}
	return caps
}

// RootsChanged takes in that the roots of a legacy session's client are others now. The
// session's instance is told before its next call, by which it can ask for them.
func (r *Remote) RootsChanged(session string) {
	if r.cfg.Sharing != PerSession {
		return
	}
	whose := r.cfg.Credential + sessionPart(session)
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	for _, l := range r.pool.links {
		if l.key.whose == whose && l.roots != nil {
			l.roots.mu.Lock()
			l.roots.due, l.roots.changed = true, true
			l.roots.mu.Unlock()
		}
	}
}

// bringRoots lets an instance ask the client of a call for its roots, if it has not yet,
// and waits for it. The caller calls leave when the call is over.
func (r *Remote) bringRoots(ctx context.Context, l *link, call *rpc.Call) (leave func()) {
	leave = l.roots.enter(ctx, call)
	if l.era() != mcp.Legacy {
		return leave
	}
	select {
	case l.roots.turn <- struct{}{}:
		defer func() { <-l.roots.turn }()
	case <-ctx.Done():
		return leave
	}
	due, changed := l.roots.takeDue()
	if !due {
		return leave
	}
	ctx, cancel := context.WithTimeout(ctx, rootsWait)
	defer cancel()
	if changed {
		if err := l.client.Notify(ctx, mcp.NotificationRootsChanged, nil); err != nil {
			r.cfg.Log.Debug("change of roots not told", "server", r.cfg.Name, "error", err)
		}
	}
	// The server answers after it has asked what it asks when it is greeted or told.
	if err := l.client.Ping(ctx); err != nil {
		r.cfg.Log.Debug("no answer to ping", "server", r.cfg.Name, "error", err)
	}
	if err := l.client.Answered(ctx, mcp.MethodListRoots); err != nil {
		r.cfg.Log.Debug("roots not there in time", "server", r.cfg.Name, "error", err)
	}
	l.roots.settle(ctx)
	return leave
}

// askAside answers what an instance asks outside all calls.
func (r *Remote) askAside(l *link) func(ctx context.Context, method string, params Raw) (Raw, error) {
	if l.roots == nil {
		return r.refuseQuestion
	}
	return func(ctx context.Context, method string, params Raw) (Raw, error) {
		if method != mcp.MethodListRoots {
			return r.refuseQuestion(ctx, method, params)
		}
		by := l.roots.caller(ctx)
		if by == nil {
			return r.refuseQuestion(ctx, method, params)
		}
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		defer context.AfterFunc(by.ctx, func() { cancel(context.Cause(by.ctx)) })()
		return r.ask(ctx, l, by.call, method, params)
	}
}

// enter notes a call by which the owner can be asked until leave is called.
func (o *roots) enter(ctx context.Context, call *rpc.Call) (leave func()) {
	ctx, cancel := context.WithCancel(ctx)
	by := &rootsCaller{ctx, call}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.callers = append(o.callers, by)
	if o.came != nil {
		close(o.came)
		o.came = nil
	}
	return func() {
		cancel()
		o.mu.Lock()
		defer o.mu.Unlock()
		o.callers = slices.DeleteFunc(o.callers, func(c *rootsCaller) bool { return c == by })
	}
}

// caller returns the newest call by which the owner can be asked. If there is none it waits
// for one, and returns nil when none comes.
func (o *roots) caller(ctx context.Context) *rootsCaller {
	ctx, cancel := context.WithTimeout(ctx, rootsWait)
	defer cancel()
	for {
		o.mu.Lock()
		if n := len(o.callers); n > 0 {
			defer o.mu.Unlock()
			return o.callers[n-1]
		}
		if o.came == nil {
			o.came = make(chan struct{})
		}
		came := o.came
		o.mu.Unlock()
		select {
		case <-came:
		case <-ctx.Done():
			return nil
		}
	}
}

// takeDue reports, once, whether the server may have to ask, and whether it has to be told.
func (o *roots) takeDue() (due, changed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	due, changed = o.due, o.changed
	o.due, o.changed = false, false
	return due, changed
}

// answered notes that the server has got an answer.
func (o *roots) answered() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fresh = true
}

// settle gives a server that has got an answer the time to take it in.
func (o *roots) settle(ctx context.Context) {
	o.mu.Lock()
	fresh := o.fresh
	o.fresh = false
	o.mu.Unlock()
	if !fresh {
		return
	}
	timer := time.NewTimer(rootsGrace)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
