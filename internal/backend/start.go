// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/process"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/share"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// maxStarts is how many instances of one server are started at a time.
const maxStarts = 4

// start brings up an instance: room, process, greeting.
func (p *pool) start(ctx context.Context, g greeting, e *entry) (*link, error) {
	up, waited, err := p.room(ctx, g.caller)
	if err == nil {
		select {
		case p.starting <- struct{}{}:
			defer func() { <-p.starting }()
		case <-ctx.Done():
			err = context.Cause(ctx)
			p.giveUp(g.caller, up)
		}
	}
	p.mu.Lock()
	e.queued = false
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	l, err := p.startIn(ctx, g, up, waited)
	if err != nil {
		p.free(g.caller, nil)
		if g.key != p.r.commonKey() && refusedStart(err) {
			return nil, p.r.tell(err, false) // one caller's, while others' may start
		}
		return nil, p.startFailed(err)
	}
	p.r.started(l)
	return l, nil
}

// giveUp lets go of what room has taken.
func (p *pool) giveUp(c share.Caller, up *Launched) {
	if up != nil {
		up.stop()
	}
	p.free(c, nil)
}

// room takes a caller a slot, or a spare that has one.
func (p *pool) room(ctx context.Context, c share.Caller) (up *Launched, waited bool, err error) {
	if up := p.takeSpare(); up != nil {
		p.slots.pass(share.Caller{}, c)
		p.r.cfg.Processes.pass(share.Caller{}, c)
		return up, false, nil
	}
	if err := p.slots.acquire(ctx, c); err != nil {
		return nil, true, err
	}
	if p.r.cfg.Processes == nil {
		return nil, true, nil
	}
	if err := p.r.cfg.Processes.acquire(ctx, c); err != nil {
		p.slots.release(c, false)
		return nil, true, err
	}
	return nil, true, nil
}

var (
	errNotStarted = errors.New("not started")
	errNotReady   = errors.New("not ready")
)

// startIn launches, unless a spare is up already, and greets.
func (p *pool) startIn(ctx context.Context, g greeting, up *Launched, fresh bool) (*link, error) {
	leave := func() {}
	var err error
	if fresh {
		if leave, err = p.r.cfg.Starts.enter(ctx); err != nil {
			return nil, err
		}
	}
	defer leave()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	w := p.r.watchStart(leave)
	p.wg.Go(func() { w.run(ctx, end) })
	if fresh {
		if up, err = p.launch(ctx); err != nil {
			return nil, fmt.Errorf("%w: %w", errNotStarted, err)
		}
	}
	w.up.Store(up)
	l, err := p.r.greeted(ctx, g, up, w)
	if err == nil {
		p.r.served.Store(true)
		p.r.slowStarts.Store(0)
		return l, nil
	}
	if errors.Is(context.Cause(ctx), errNotReady) {
		p.r.slowStarts.Add(1)
	}
	return nil, err
}

// greeted greets what was launched. An old server may die of being asked which era it
// speaks: it is launched once more and greeted as it expects. Of one that dies of
// that too, the starts to come are made in one way each, in turn.
func (r *Remote) greeted(ctx context.Context, g greeting, up *Launched, w *startWatch) (*link, error) {
	g.era = r.knownEra()
	twice := g.era == 0 && r.cfg.Processes != nil && r.deaths.Load() == 0
	if g.era == 0 && r.deaths.Load()%2 == 1 {
		g.era = mcp.Legacy
	}
	l, err := r.greetOnce(ctx, g, up)
	if err == nil {
		r.deaths.Store(0)
		return l, nil
	}
	r.era.Store(0) // it may have become another program
	if r.cfg.Processes == nil || !errors.Is(err, client.ErrConnClosed) {
		return nil, err
	}
	if twice {
		if up, legacyErr := r.cfg.Launch(ctx); legacyErr == nil {
			r.newest.Store(up)
			w.up.Store(up)
			g.era = mcp.Legacy
			if l, legacyErr := r.greetOnce(ctx, g, up); legacyErr == nil {
				return l, nil
			}
		}
	}
	r.deaths.Add(1)
	return nil, err
}

// greetOnce greets what was launched, and stops it when that fails. The error of a
// start that took too long is a [slowStartError].
func (r *Remote) greetOnce(ctx context.Context, g greeting, up *Launched) (*link, error) {
	l, err := r.greet(ctx, g, up)
	if err == nil {
		return l, nil
	}
	if cause := context.Cause(ctx); errors.Is(cause, errNotReady) {
		err = cause // whatever the client makes of it
	}
	up.stop()
	return nil, up.explain(err)
}

// launch launches, once more when the parent of all processes died: that is not
// the server's fault.
func (p *pool) launch(ctx context.Context) (*Launched, error) {
	up, err := p.r.cfg.Launch(ctx)
	if errors.Is(err, process.ErrKeeperDied) {
		up, err = p.r.cfg.Launch(ctx)
	}
	if err == nil {
		p.r.newest.Store(up)
	}
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errNotReady) {
		err = cause
	}
	return up, err
}

// knownEra is what the configuration says, or else what a process of this server
// spoke last; HTTP servers are asked, as the client remembers them itself.
func (r *Remote) knownEra() mcp.Era {
	if r.cfg.Era != 0 {
		return r.cfg.Era
	}
	if r.cfg.Processes == nil {
		return 0
	}
	return mcp.Era(r.era.Load())
}

// startFailed counts a failed start against the server, unless the pool is
// being closed.
func (p *pool) startFailed(err error) error {
	if p.ctx.Err() != nil {
		return errClosed
	}
	err = p.r.tell(err, false)
	p.r.breaker.failure(err, failedStart)
	return err
}

// started restores what the server is to know and tells what may have changed.
func (r *Remote) started(l *link) {
	info := l.client.ServerInfo()
	level := slog.LevelInfo
	if l.key == r.commonKey() { // that the server is available is said where its lists are
		level = slog.LevelDebug
	}
	r.cfg.Log.Log(context.Background(), level, "server connected", "server", r.cfg.Name, "version", l.client.Version(), "implementation", info.Name, "release", info.Version)
	r.rewatch(l)
	if !r.breaker.sound.Load() && l.key == r.commonKey() {
		r.listsChanged() // it was away: its lists may come back different
	}
}

// maxEmptied bounds the owners remembered to be told.
const maxEmptied = 4096

// forgot notes that an instance ended with what it remembered for its owner.
// p.mu is held.
func (p *pool) forgot(k key) {
	if p.r.cfg.Processes == nil || k == p.r.commonKey() || k.turn != 0 || len(p.emptied) >= maxEmptied {
		return
	}
	p.emptied[k] = struct{}{}
}

// tellEmptied tells the caller that the instance is a new one: what its
// predecessor remembered is gone.
func (p *pool) tellEmptied(ctx context.Context, k key, call *rpc.Call) {
	p.mu.Lock()
	_, was := p.emptied[k]
	delete(p.emptied, k)
	p.mu.Unlock()
	if !was || call == nil || call.LogLevel == "" || !call.LogLevel.Allows("warning") {
		return
	}
	text := fmt.Sprintf("server %q was started anew; what it remembered of this session is gone", p.r.cfg.Name)
	params, err := json.Marshal(map[string]any{"level": "warning", "logger": "holdfast", "data": text})
	if err == nil {
		_ = call.Client.Notify(ctx, mcp.NotificationMessage, jsonrpc.Raw(params))
	}
}
