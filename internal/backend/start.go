// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"
	"fmt"

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
	ctx, cancel := context.WithTimeoutCause(ctx, p.r.cfg.StartTimeout, fmt.Errorf("%w: after %s", errNotReady, p.r.cfg.StartTimeout))
	defer cancel()
	var err error
	if fresh {
		if up, err = p.launch(ctx); err != nil {
			return nil, fmt.Errorf("%w: %w", errNotStarted, err)
		}
	}
	g.era = p.r.knownEra()
	l, err := p.r.greet(ctx, g, up)
	if err == nil {
		return l, nil
	}
	up.stop()
	err = up.explain(err)
	p.r.era.Store(0) // it may have become another program
	if p.r.cfg.Processes == nil || g.era != 0 || !errors.Is(err, client.ErrConnClosed) {
		return nil, err
	}
	// An old server may die of being asked which era it speaks.
	if up, legacyErr := p.r.cfg.Launch(ctx); legacyErr == nil {
		g.era = mcp.Legacy
		if l, legacyErr := p.r.greet(ctx, g, up); legacyErr == nil {
			return l, nil
		}
		up.stop()
	}
	return nil, err
}

// launch launches, once more when the parent of all processes died: that is not
// the server's fault.
func (p *pool) launch(ctx context.Context) (*Launched, error) {
	up, err := p.r.cfg.Launch(ctx)
	if errors.Is(err, process.ErrKeeperDied) {
		up, err = p.r.cfg.Launch(ctx)
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
	r.cfg.Log.Info("server connected", "server", r.cfg.Name, "version", l.client.Version(), "implementation", info.Name, "release", info.Version)
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
