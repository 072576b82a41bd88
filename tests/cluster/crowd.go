// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-mcp/holdfast/tests/ledger"
)

// size says how large a crowd is.
type size struct {
	legacy, modern int
	owners         int           // of the legacy, with a process of their own
	listeners      int           // of the legacy, with a GET stream
	pause          time.Duration // between two operations of a client, at most
}

// crowd is many clients that keep their sessions and operate at random until
// they are stopped. Each owns a goroutine, listeners two; stop awaits them.
type crowd struct {
	l    *ledger.Ledger
	url  string
	rt   http.RoundTripper
	seed uint64
	size

	// disturbed is when the last fault began: who fails afterwards is affected by it.
	disturbed atomic.Int64
	// faults says that failures are to be expected now; without, each is a breach,
	// unless its operation began before calmed, when the last fault was over: a user
	// who takes seconds to answer hears late of what was lost.
	faults atomic.Bool
	calmed atomic.Int64

	reads, writes delays // until the next success of who was affected

	ctx    context.Context // ends when no operation shall begin any more
	cancel context.CancelFunc
	wg     sync.WaitGroup

	members []*member
}

func newCrowd(ctx context.Context, l *ledger.Ledger, url string, rt http.RoundTripper, s size, seed uint64) *crowd {
	c := &crowd{l: l, url: url, rt: rt, seed: seed, size: s}
	c.ctx, c.cancel = context.WithCancel(ctx)
	return c
}

// start opens all sessions and lets everybody begin.
func (c *crowd) start() error {
	for i := range c.legacy + c.modern {
		m := newMember(c, i)
		c.members = append(c.members, m)
	}
	errs := make(chan error, len(c.members))
	slots := make(chan struct{}, 32)
	for _, m := range c.members {
		slots <- struct{}{}
		go func() { // ends before start does
			defer func() { <-slots }()
			errs <- m.open(c.ctx)
		}()
	}
	for range c.members {
		if err := <-errs; err != nil {
			return fmt.Errorf("open a session: %w", err)
		}
	}
	for _, m := range c.members {
		c.wg.Go(m.live)
		if m.listens {
			c.wg.Go(m.listen)
		}
	}
	return nil
}

// stop waits until every operation has its outcome, within bounds.
func (c *crowd) stop() {
	c.cancel()
	c.l.Await(&c.wg, outcomeLimit+10*time.Second)
}

// disturb notes that a fault begins, and calm that it is over.
func (c *crowd) disturb() {
	c.faults.Store(true)
	c.disturbed.Store(time.Now().UnixNano())
}

func (c *crowd) calm() {
	c.calmed.Store(time.Now().UnixNano())
	c.faults.Store(false)
}

// verify has every session show that it has what was acknowledged, several at a
// time. The crowd may go on meanwhile.
func (c *crowd) verify(ctx context.Context) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, 32)
	for _, m := range c.members {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			m.verify(ctx)
		})
	}
	wg.Wait()
}

// delays are durations, of which quantiles are told.
type delays struct {
	mu   sync.Mutex
	list []time.Duration
}

func (d *delays) add(v time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, v)
}

// quantile returns the least value that the share q does not exceed; 0 without values.
func (d *delays) quantile(q float64) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.list) == 0 {
		return 0
	}
	slices.Sort(d.list)
	return d.list[max(int(math.Ceil(q*float64(len(d.list))))-1, 0)]
}

// String tells count, p50, p99 and maximum.
func (d *delays) String() string {
	d.mu.Lock()
	n := len(d.list)
	d.mu.Unlock()
	round := func(q float64) time.Duration { return d.quantile(q).Round(time.Millisecond) }
	return fmt.Sprintf("%d affected, p50 %v, p99 %v, max %v", n, round(0.5), round(0.99), round(1))
}

func (c *crowd) rng(i int) *rand.Rand { return rand.New(rand.NewPCG(c.seed, uint64(i)+1)) }
