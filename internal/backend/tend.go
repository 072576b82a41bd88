// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/share"
)

func (p *pool) wake() {
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

// tend stops what has been idle too long and keeps up what shall be ready.
func (p *pool) tend() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-p.kick:
		case <-timer.C:
		}
		timer.Reset(p.sweep())
		p.keepUp()
	}
}

// restless is how often the tender looks when nothing is due.
const restless = time.Minute

// sweep stops instances that have been idle too long, down to the minimum, and
// returns when to look again.
func (p *pool) sweep() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := restless
	now := time.Now()
	for _, l := range p.links {
		p.endIfDone(l)
	}
	if p.r.cfg.Idle <= 0 {
		return next
	}
	count := len(p.entries)
	for _, e := range p.entries {
		l := e.link
		if l == nil || l.calls > 0 || l.waiting(now) {
			continue
		}
		left := p.r.cfg.Idle - time.Since(l.used)
		switch {
		case left > 0:
			next = min(next, left)
		case count > p.r.cfg.Min:
			count--
			p.forgot(l.key)
			p.remove(l)
		}
	}
	return next
}

// keepUp starts the common instance and spares up to what is configured, as far
// as there is room without taking it from others.
func (p *pool) keepUp() {
	if p.r.cfg.Min > 0 && p.r.breaker.status().Up && !p.live() {
		p.mu.Lock()
		if k := p.r.commonKey(); !p.closed && p.entries[k] == nil {
			p.begin(greeting{key: k})
		}
		p.mu.Unlock()
	}
	for p.r.breaker.status().Up && p.wantSpare() {
		if !p.slots.try() {
			p.unwantSpare()
			return
		}
		if !p.r.cfg.Processes.try() {
			p.slots.release(share.Caller{}, false)
			p.unwantSpare()
			return
		}
		p.wg.Go(p.makeSpare)
	}
}

// wantSpare counts one more spare as being made if there are too few.
func (p *pool) wantSpare() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.r.cfg.Processes == nil || p.r.cfg.Sharing == Shared {
		return false
	}
	alive := p.spares[:0]
	for _, s := range p.spares {
		if s.up.gone() {
			p.wg.Go(func() { s.up.stop(); p.free(share.Caller{}, nil) })
			continue
		}
		alive = append(alive, s)
	}
	p.spares = alive
	want := max(p.r.cfg.Spare, p.r.cfg.Min-len(p.entries))
	if len(p.spares)+p.making >= want {
		return false
	}
	p.making++
	return true
}

func (p *pool) unwantSpare() {
	p.mu.Lock()
	p.making--
	p.mu.Unlock()
}

func (p *pool) makeSpare() {
	ctx, cancel := context.WithTimeout(p.ctx, p.r.cfg.StartTimeout)
	defer cancel()
	up, err := p.r.cfg.Launch(ctx)
	p.mu.Lock()
	p.making--
	kept := err == nil && !p.closed
	if kept {
		p.spares = append(p.spares, spare{up, time.Now()})
	}
	p.mu.Unlock()
	switch {
	case kept:
	case err == nil:
		up.stop()
		p.free(share.Caller{}, nil)
	default:
		p.free(share.Caller{}, nil)
		_ = p.startFailed(err) // the breaker tells; nobody waits for a spare
	}
}

// takeSpare returns a spare, with its slots.
func (p *pool) takeSpare() *Launched {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.spares) > 0 {
		s := p.spares[0]
		p.spares = p.spares[1:]
		if !s.up.gone() {
			p.wake() // another takes its place
			return s.up
		}
		p.wg.Go(func() { s.up.stop(); p.free(share.Caller{}, nil) })
	}
	return nil
}

// idle implements [idler]. An instance that waits for answers counts as in use.
func (p *pool) idle(s *Slots, yield func(candidate)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, spare := range p.spares {
		yield(candidate{since: spare.since, born: spare.since, of: p})
	}
	now := time.Now()
	for _, l := range p.links {
		if l.calls > 0 || l.slotless && s == p.slots {
			continue
		}
		since := l.used
		if l.waiting(now) {
			since = now
		}
		yield(candidate{since: since, born: l.born, caller: l.caller, link: l, of: p})
	}
}

// evict implements [idler].
func (p *pool) evict(s *Slots, c candidate) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.link == nil {
		if len(p.spares) == 0 {
			return false
		}
		up := p.spares[0].up
		p.spares = p.spares[1:]
		p.wg.Go(func() { up.stop(); p.free(share.Caller{}, s) })
		return true
	}
	if c.link.out || c.link.calls > 0 {
		return false
	}
	if !c.link.retired {
		p.forgot(c.link.key)
	}
	p.drop(c.link)
	p.wg.Go(func() { p.end(c.link, s) })
	return true
}
