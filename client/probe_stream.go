// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-mcp/holdfast/mcp"
)

// streamProbe finds out what the server on a message stream speaks.
type streamProbe struct {
	core   *core
	target *streamTarget
}

// discovery is the outcome of server/discover.
type discovery struct {
	found finding
	err   error
}

func (p streamProbe) run(ctx context.Context, m *mux) (link, error) {
	l, err := p.find(ctx, m)
	if err != nil {
		m.fail(err)
	}
	return l, err
}

func (p streamProbe) find(ctx context.Context, m *mux) (link, error) {
	if p.core.cfg.era == mcp.Legacy {
		return p.legacy(ctx, m, p.core.cfg.version)
	}
	wait := p.core.cfg.probeTimeout
	if p.core.cfg.era == 0 {
		wait = min(wait, firstProbe)
	}
	c := newModernConn(m, p.core.versionToTry())
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	discovered := p.ask(asking, c)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case d := <-discovered:
		return p.judge(ctx, m, c, d)
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w", mcp.MethodDiscover, context.Cause(ctx))
	case <-timer.C:
	}
	err := fmt.Errorf("%s: no answer after %v: %w", mcp.MethodDiscover, wait, ErrTimeout)
	if p.core.cfg.era == mcp.Modern {
		return nil, err
	}
	l, lateErr := p.both(ctx, m, c, discovered)
	if lateErr != nil {
		return nil, fmt.Errorf("%w (and before: %w)", lateErr, err)
	}
	return l, nil
}

// ask sends server/discover, and waits for the answer as long as ctx lives.
func (p streamProbe) ask(ctx context.Context, c *modernConn) <-chan discovery {
	out := make(chan discovery, 1)
	started := p.core.group.start(func(context.Context) {
		found, err := p.core.discover(ctx, func(ctx context.Context, v mcp.Version) (Raw, error) {
			c.version = v
			return c.call(ctx, &request{method: mcp.MethodDiscover})
		})
		out <- discovery{found, err}
	})
	if !started {
		out <- discovery{err: ErrClosed}
	}
	return out
}

// judge goes the way that the answer to server/discover shows.
func (p streamProbe) judge(ctx context.Context, m *mux, c *modernConn, d discovery) (link, error) {
	switch {
	case d.err == nil && d.found.modern != "":
		c.settle(d.found.greeted)
		return c, nil
	case d.err == nil:
		return p.legacy(ctx, m, d.found.legacy)
	case ctx.Err() != nil, p.core.cfg.era == mcp.Modern, isModernError(d.err):
		return nil, fmt.Errorf("%s: %w", mcp.MethodDiscover, d.err)
	case errors.Is(d.err, ErrConnClosed):
		return p.reopened(ctx, m, fmt.Errorf("%s: %w", mcp.MethodDiscover, d.err))
	}
	// Any other error means legacy.
	// spec 2026-07-28 basic/versioning: not keyed to one error code.
	l, err := p.legacy(ctx, m, "")
	if err == nil {
		return l, nil
	}
	if c := p.modern(ctx, m, nil, err); c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("%w (and before: %s: %w)", err, mcp.MethodDiscover, d.err)
}

// both asks in the legacy way a server that has not answered server/discover: an old
// one has ignored it. A slow one, which reads both when it is ready, shows its era by
// what it answers first.
func (p streamProbe) both(ctx context.Context, m *mux, c *modernConn, discovered <-chan discovery) (link, error) {
	type greeting struct {
		l   link
		err error
	}
	greeted := make(chan greeting, 1)
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	if !p.core.group.start(func(context.Context) { l, err := p.legacy(asking, m, ""); greeted <- greeting{l, err} }) {
		return nil, ErrClosed
	}
	for {
		select {
		case d := <-discovered:
			if d.err == nil && d.found.modern != "" {
				c.settle(d.found.greeted)
				return c, nil
			}
			discovered = nil // it is legacy, and answers initialize next
		case g := <-greeted:
			if g.err == nil {
				if c := p.within(ctx, m, passing, discovered); c != nil {
					return c, nil // it speaks both, and has answered both at once
				}
				return g.l, nil
			}
			if errors.Is(g.err, ErrConnClosed) {
				return p.reopened(ctx, m, g.err)
			}
			if c := p.modern(ctx, m, discovered, g.err); c != nil {
				return c, nil
			}
			return nil, g.err
		}
	}
}

const (
	// firstProbe is how long a server over a stream is asked in the modern way alone.
	firstProbe = 2 * time.Second
	// passing is how long the answer to server/discover may take after that to
	// initialize, when both have come.
	passing = 100 * time.Millisecond
	// lateGrace is the same when initialize was refused, which had been sent later.
	lateGrace = 2 * time.Second
)

// modern returns a link to a server that refused initialize but turns out to be
// modern: by the answer to server/discover that is still to come, or because the
// refusal lists modern versions. Else it returns nil.
func (p streamProbe) modern(ctx context.Context, m *mux, discovered <-chan discovery, refusal error) link {
	if fromPeer(refusal) {
		if c := p.within(ctx, m, lateGrace, discovered); c != nil {
			return c
		}
	}
	if !p.core.listsModern(refusal) {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return p.within(ctx, m, p.core.cfg.probeTimeout, p.ask(ctx, newModernConn(m, p.core.versionToTry())))
}

// within returns a link if the server is discovered to be modern in time, else nil.
// discovered is nil when nothing is to come.
func (p streamProbe) within(ctx context.Context, m *mux, wait time.Duration, discovered <-chan discovery) link {
	if discovered == nil {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case d := <-discovered:
		if d.err == nil && d.found.modern != "" {
			c := newModernConn(m, d.found.modern)
			c.settle(d.found.greeted)
			return c
		}
	case <-timer.C:
	case <-ctx.Done():
	}
	return nil
}

// reopened starts over with a server that did not survive the question.
func (p streamProbe) reopened(ctx context.Context, dead *mux, cause error) (link, error) {
	if p.target.once {
		return nil, cause
	}
	dead.fail(cause) // waits for its end
	p.core.flights.renew()
	m, err := p.target.mux(p.core)
	if err != nil {
		return nil, err
	}
	l, err := p.legacy(ctx, m, "")
	if err != nil {
		m.fail(err)
	}
	return l, err
}

func (p streamProbe) legacy(ctx context.Context, m *mux, asked mcp.Version) (link, error) {
	l, err := openLegacyConn(ctx, m, asked)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", mcp.MethodInitialize, err)
	}
	return l, nil
}
