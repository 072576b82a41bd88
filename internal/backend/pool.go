// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/share"
)

// pool holds a Remote's instances by key.
type pool struct {
	r     *Remote
	slots *Slots // of this server alone
	// starting bounds the starts at a time: a crowd of sessions that arrives at
	// once must not make all of them slow.
	starting chan struct{}

	ctx    context.Context // ends with the pool
	cancel context.CancelFunc
	wg     sync.WaitGroup
	kick   chan struct{} // wakes the tender

	mu      sync.Mutex
	closed  bool
	entries map[key]*entry
	spares  []spare
	making  int              // spares being launched
	emptied map[key]struct{} // whose instance ended, with what it remembered
	links   map[uint64]*link // ready instances, those that get no new calls included
}

// entry is one key's instance, or its start.
type entry struct {
	key    key
	caller share.Caller  // for whom it is started; zero if for all
	ready  chan struct{} // closed when link or err is set
	cancel context.CancelFunc
	// guarded by the pool's mu:
	waiters int
	queued  bool // for a slot: the start may still be called off
	link    *link
	err     error // to be read after ready
}

// spare is a launched process that nobody has greeted.
type spare struct {
	up    *Launched
	since time.Time
}

func newPool(r *Remote) *pool {
	p := &pool{
		r: r, slots: newSlots(r.cfg.Max, fmt.Sprintf("instances of server %q", r.cfg.Name), "max"),
		starting: make(chan struct{}, maxStarts), kick: make(chan struct{}, 1), entries: map[key]*entry{}, emptied: map[key]struct{}{},
		links: map[uint64]*link{},
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.slots.join(p)
	if r.cfg.Processes != nil {
		r.cfg.Processes.join(p)
	}
	p.wg.Go(p.tend)
	return p
}

var (
	errSlowStart = errors.New("wait for the server to start")
	errEnded     = errors.New("ended")
)

// acquire returns k's instance, starting it if there is none, held until
// release. call, if any, is the one it is wanted for.
func (p *pool) acquire(ctx context.Context, k key, call *rpc.Call) (*link, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	e := p.entries[k]
	if e != nil && e.link != nil {
		l := e.link
		l.calls++
		p.mu.Unlock()
		return l, nil
	}
	if e == nil {
		e = p.begin(greeting{key: k, caller: p.r.holder(k, call), as: p.r.shown(call)})
	}
	e.waiters++
	p.mu.Unlock()
	select {
	case <-e.ready:
	case <-ctx.Done():
		if left, err := p.desert(e); left {
			return nil, fmt.Errorf("%w: %w", err, context.Cause(ctx))
		}
		<-e.ready
	}
	if e.err != nil {
		return nil, e.err
	}
	l := e.link // one of its calls is ours: the start counted its waiters
	p.tellEmptied(ctx, k, call)
	return l, nil
}

// begin starts an instance on a goroutine of the pool, so that a caller who leaves
// does not take it from those who stay. p.mu is held.
func (p *pool) begin(g greeting) *entry {
	ctx, cancel := context.WithCancel(p.ctx)
	e := &entry{key: g.key, caller: g.caller, ready: make(chan struct{}), cancel: cancel, queued: true}
	p.entries[g.key] = e
	p.wg.Go(func() {
		defer cancel()
		l, err := p.start(ctx, g, e)
		p.settle(g.key, e, l, err)
	})
	return e
}

// desert takes a waiter who gives up off the entry, and says what was waited for; it
// reports false when the instance has become ready meanwhile. Nobody waiting ends a
// start that is still waiting itself.
func (p *pool) desert(e *entry) (left bool, err error) {
	lack := p.lack(e.caller) // before p.mu, which comes after the slots' locks
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.link != nil || e.err != nil {
		return false, nil
	}
	err = errSlowStart
	if e.queued && lack != nil {
		err = lack
	}
	e.waiters--
	if e.waiters == 0 && e.queued {
		e.cancel()
		delete(p.entries, e.key) // who comes now begins anew
	}
	return true, err
}

// lack returns why there is no room for a caller's instance, nil when there is.
func (p *pool) lack(c share.Caller) error {
	if err := p.slots.lack(c); err != nil || p.r.cfg.Processes == nil {
		return err
	}
	return p.r.cfg.Processes.lack(c)
}

// settle makes a start's outcome known. Those who waited hold the instance.
func (p *pool) settle(k key, e *entry, l *link, err error) {
	p.mu.Lock()
	if err == nil && (p.closed || p.entries[k] != e) {
		err = errClosed
		p.wg.Go(func() { p.end(l, nil) })
	}
	if err != nil {
		e.err = err
		if p.entries[k] == e {
			delete(p.entries, k)
		}
	} else {
		e.link, l.calls, l.used = l, e.waiters, time.Now()
		p.links[l.id] = l
		p.wg.Go(func() { p.mourn(l) })
	}
	idle := err == nil && e.waiters == 0
	p.mu.Unlock()
	close(e.ready)
	if idle {
		p.becameIdle()
	}
}

// release gives an instance back after a call.
func (p *pool) release(l *link) {
	p.mu.Lock()
	l.calls--
	if l.calls > 0 {
		p.mu.Unlock()
		return
	}
	l.used = time.Now()
	p.endIfDone(l)
	p.mu.Unlock()
	p.becameIdle()
}

// becameIdle lets those who wait for a slot know that there may be one.
func (p *pool) becameIdle() {
	p.slots.idle()
	if p.r.cfg.Processes != nil {
		p.r.cfg.Processes.idle()
	}
	if p.r.cfg.Idle > 0 {
		p.wake()
	}
}

// remove takes an instance out and stops it. p.mu is held.
func (p *pool) remove(l *link) {
	if l.out {
		return
	}
	p.drop(l)
	p.wg.Go(func() { p.end(l, nil) })
}

// drop takes an instance out of the table. p.mu is held.
func (p *pool) drop(l *link) {
	l.out = true
	delete(p.links, l.id)
	if e := p.entries[l.key]; e != nil && e.link == l {
		delete(p.entries, l.key)
	}
}

// end stops an instance and frees its slots, for a Slots that evicted it.
func (p *pool) end(l *link, evictedBy *Slots) {
	l.close()
	p.mu.Lock()
	slotless := l.slotless
	p.mu.Unlock()
	if !slotless {
		p.slots.release(l.caller, evictedBy == p.slots)
	}
	p.freeProcess(l.caller, evictedBy)
}

// free gives the slots of a caller's instance back.
func (p *pool) free(c share.Caller, evictedBy *Slots) {
	p.slots.release(c, evictedBy == p.slots)
	p.freeProcess(c, evictedBy)
}

func (p *pool) freeProcess(c share.Caller, evictedBy *Slots) {
	if p.r.cfg.Processes != nil {
		p.r.cfg.Processes.release(c, evictedBy == p.r.cfg.Processes)
	}
	p.wake()
}

// lost takes out an instance whose connection broke, and reports whether nobody
// had before.
func (p *pool) lost(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.out {
		return false
	}
	if !l.retired {
		p.forgot(l.key)
	}
	p.remove(l)
	return true
}

// young is the age before which the end of an instance counts as a failed start.
const young = 10 * time.Second

// mourn waits for an instance's end and notes one that nobody ordered.
func (p *pool) mourn(l *link) {
	select {
	case <-l.client.Done():
	case <-l.launched.Gone:
	}
	p.mu.Lock()
	ordered, retired := l.out || p.closed, l.retired
	p.mu.Unlock()
	switch {
	case ordered:
		return
	case retired:
		p.lost(l)
		return
	}
	err := p.r.tell(l.launched.explain(fmt.Errorf("%w: after %s", errEnded, time.Since(l.born).Round(time.Millisecond))), false)
	if p.lost(l) && l.death() == youngDeath {
		p.r.breaker.failure(err, youngDeath)
	}
}

// death is what the end of an instance weighs that nobody ordered.
func (l *link) death() int {
	if time.Since(l.born) < young {
		return youngDeath
	}
	return failedCall
}

// dismiss stops the instances of one owner once their calls are done, and, if
// answers says so, what they have asked is answered.
func (p *pool) dismiss(whose string, answers bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for k := range p.emptied {
		if k.whose == whose {
			delete(p.emptied, k)
		}
	}
	for _, l := range p.links {
		if l.key.whose != whose {
			continue
		}
		if !answers {
			l.open = nil
		}
		p.retireLocked(l)
	}
}

// live reports whether an instance runs that could answer for all.
func (p *pool) live() bool {
	k := p.r.commonKey()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.entries[k] != nil
}

// beginning reports whether an instance is being started.
func (p *pool) beginning(k key) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.entries[k]
	return e != nil && e.link == nil && e.err == nil
}

// hold returns every ready instance that is not one call's, each to be released.
func (p *pool) hold() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*link
	for _, e := range p.entries {
		if e.link != nil && e.key.turn == 0 {
			e.link.calls++
			all = append(all, e.link)
		}
	}
	return all
}

// close stops everything and waits for it.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	for _, l := range p.links {
		p.remove(l)
	}
	spares := p.spares
	p.spares = nil
	p.mu.Unlock()
	p.cancel()
	for _, s := range spares {
		p.wg.Go(func() { s.up.stop(); p.free(share.Caller{}, nil) })
	}
	p.wg.Wait()
	p.slots.leave(p)
	if p.r.cfg.Processes != nil {
		p.r.cfg.Processes.leave(p)
	}
}

// background runs f unless the pool is being closed, which ends its context and
// waits for it.
func (p *pool) background(f func(ctx context.Context)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.wg.Go(func() { f(p.ctx) })
	}
}
