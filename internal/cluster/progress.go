// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// follower keeps what this node knows of one store in step with the store.
type follower interface {
	// start subscribes and reads everything there is. After an error it may be called again.
	start(ctx context.Context) error
	// work goes on with that until ctx ends; it is called once, after start.
	work(ctx context.Context, failed func(error))
	// nudge has it look for what it may have missed.
	nudge()
	// heard tells how far another node is.
	heard(number uint64)
	// position returns how far this node is.
	position() uint64
	// stream returns the store's name.
	stream() string
}

// listen subscribes to what other nodes tell, unless that has been done, and
// returns when that is in effect.
func listen(ctx context.Context, conn *nats.Conn, sub **nats.Subscription, subject string, receive nats.MsgHandler) error {
	if *sub == nil {
		s, err := conn.Subscribe(subject, receive)
		if err != nil {
			return fmt.Errorf("subscribe to changes: %w", err)
		}
		_ = s.SetPendingLimits(1<<20, 256<<20) // what is dropped beyond is caught up with
		*sub = s
	}
	wait, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	if err := conn.FlushWithContext(wait); err != nil {
		return fmt.Errorf("subscribe to changes: %w", err)
	}
	return nil
}

// progress is how far this node has followed a stream, whose messages are
// numbered from 1 on.
type progress struct {
	done <-chan struct{} // closed when the cluster is
	wake chan struct{}   // capacity 1: there may be something to catch up with

	mu      sync.Mutex
	last    uint64 // everything up to here has been applied
	seen    uint64 // the highest that is known to exist
	heardOf uint64 // what another node has seen and this one has not, until that is looked at
	watched bool   // the gap behind last will be looked at

	applied atomic.Uint64 // last, for others to read
}

func newProgress(done <-chan struct{}) progress {
	return progress{done: done, wake: make(chan struct{}, 1)}
}

const (
	// catchUpInterval is the time between regular looks.
	catchUpInterval = 5 * time.Second
	// replicaWait is the pause when a replica does not have yet what is known to exist.
	replicaWait = 20 * time.Millisecond
	// replicaTries bounds that.
	replicaTries = 100
	// heardPatience is how far in time this node may be behind what others have seen.
	heardPatience = 300 * time.Millisecond
)

func (p *progress) position() uint64 { return p.applied.Load() }

func (p *progress) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *progress) heard(number uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if number <= p.seen || p.heardOf > 0 {
		return
	}
	p.heardOf = number
	time.AfterFunc(heardPatience, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.seen = max(p.seen, p.heardOf)
		if p.last < p.heardOf {
			p.nudge()
		}
		p.heardOf = 0
	})
}

// watchGap has the gap behind last looked at when it has lasted, and again while
// there is one. p.mu is held.
func (p *progress) watchGap(patience time.Duration, open func() bool) {
	if p.watched {
		return
	}
	p.watched = true
	last := p.last
	time.AfterFunc(patience, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.watched = false
		if !open() || isClosed(p.done) {
			return
		}
		if p.last == last {
			p.nudge()
		}
		p.watchGap(patience, open)
	})
}

// work runs send, and calls catchUp whenever there is reason to, until ctx ends.
func (p *progress) work(ctx context.Context, send func(context.Context), catchUp func(context.Context) error, failed func(error)) {
	var sender sync.WaitGroup
	defer sender.Wait()
	sender.Go(func() { send(ctx) })
	ticker := time.NewTicker(catchUpInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-p.wake:
		}
		if err := catchUp(ctx); err != nil && ctx.Err() == nil {
			failed(err)
		}
	}
}

// errMissing reports what others have seen and no replica has.
var errMissing = errors.New("what other nodes have seen is not there")

// catchUp reads until nothing known is missing: read applies some of what comes
// from a number on and says whether there is more. It fails with errMissing when
// nothing comes for long.
func (p *progress) catchUp(ctx context.Context, read func(ctx context.Context, from uint64) (more bool, err error)) error {
	for tries := 0; ; {
		p.mu.Lock()
		from := p.last + 1
		p.mu.Unlock()
		more, err := read(ctx, from)
		if err != nil {
			return fmt.Errorf("read changes: %w", err)
		}
		p.mu.Lock()
		if p.last >= from {
			tries = 0
		}
		complete := !more && p.last >= p.seen
		p.mu.Unlock()
		switch {
		case complete:
			return nil
		case more:
			continue
		case tries == replicaTries:
			return errMissing
		}
		tries++
		select {
		case <-time.After(replicaWait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
