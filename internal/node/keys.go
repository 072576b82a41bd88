// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/cluster"
	"github.com/holdfast-mcp/holdfast/internal/seal"
	"github.com/holdfast-mcp/holdfast/internal/session"
)

const (
	// maxSealed is after how many seals of all nodes a key is replaced, and noteEvery
	// after how many of its own a node notes them. Of 32 nodes each may have that many
	// more: together the 2^32 that random nonces allow.
	maxSealed = 1 << 31
	noteEvery = 1 << 26
	// noteAtEnd is how many are worth noting when a node ends.
	noteAtEnd = 1 << 16
	// tendInterval is the time between two looks at whether a key is due.
	tendInterval = time.Minute
	// tendTimeout bounds what such a look asks of the store.
	tendTimeout = 10 * time.Second
	// refreshPause is the least time between two questions for newer keys, which
	// strangers can provoke; refreshTimeout bounds one.
	refreshPause   = 50 * time.Millisecond
	refreshTimeout = time.Second
)

// clusterKeys is the key ring that nodes share.
type clusterKeys interface {
	All() []cluster.Key
	Watch(func([]cluster.Key)) (stop func())
	Maintain(ctx context.Context, secret []byte, sealed uint64, l cluster.KeyLimits) (replaced bool, err error)
	Refresh(ctx context.Context) error
}

// keyFollower keeps a ring as the cluster's, and sees to it that keys are replaced in
// time. It owns a timer for the moment at which a key begins to seal or ceases to
// open, and a goroutine that looks at their age; close ends both.
type keyFollower struct {
	keys   clusterKeys
	ring   *seal.Ring
	limits cluster.KeyLimits
	log    *slog.Logger
	stop   func() // of watching
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	timer   *time.Timer
	ended   bool
	sealing []byte // key that seals
	noted   uint64 // of what it has sealed here
}

// followKeys follows the keys of a cluster. Where other nodes may have newer ones, a
// token of a key that is not known here has the ring brought up to date.
func followKeys(c *cluster.Cluster, ring *seal.Ring, age time.Duration, log *slog.Logger) *keyFollower {
	f := newKeyFollower(c.Keys(), ring, cluster.KeyLimits{Age: age, Sealed: maxSealed, Keep: session.TicketLife}, log)
	if c.Mode() != cluster.Alone {
		r := &refresher{apart: c.Apart, ask: c.Keys().Refresh, turn: make(chan struct{}, 1)}
		ring.Follow(r.refresh)
	}
	return f
}

func newKeyFollower(keys clusterKeys, ring *seal.Ring, limits cluster.KeyLimits, log *slog.Logger) *keyFollower {
	f := &keyFollower{keys: keys, ring: ring, limits: limits, log: log, done: make(chan struct{})}
	f.stop = keys.Watch(func([]cluster.Key) { f.use() })
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	go func() { // close waits for it
		defer close(f.done)
		f.tend(ctx)
	}()
	return f
}

// use puts the keys into the ring: the newest whose time has come seals, those that
// have not expired open. It is called again at the moment when that changes.
func (f *keyFollower) use() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return
	}
	open, newest, next := inUse(f.keys.All(), time.Now()) // under mu, so that none is older than the last
	if len(open) == 0 {
		return
	}
	var others [][]byte
	for i := range open {
		if i != newest {
			others = append(others, open[i].Secret)
		}
	}
	if err := f.ring.Use(open[newest].Secret, others...); err != nil {
		f.log.Error("the cluster's key ring cannot be used; the one before stays", "error", err)
		return
	}
	if string(f.sealing) != string(open[newest].Secret) {
		f.sealing, f.noted = open[newest].Secret, 0
	}
	if f.timer != nil {
		f.timer.Stop()
	}
	if next > 0 {
		f.timer = time.AfterFunc(next, f.use)
	}
}

// inUse returns which keys open, of those newest first, which of these is to be
// sealed with, and when either changes; 0 for never.
func inUse(keys []cluster.Key, now time.Time) (open []cluster.Key, newest int, next time.Duration) {
	soonest := func(at time.Time) bool {
		wait := at.Sub(now)
		if wait > 0 && (next == 0 || wait < next) {
			next = wait
		}
		return wait > 0
	}
	for _, k := range keys {
		if k.Expires.IsZero() || soonest(k.Expires) {
			open = append(open, k)
		}
	}
	newest = len(open) - 1
	for i := len(open) - 1; i >= 0; i-- {
		if !soonest(open[i].From) {
			newest = i
		}
	}
	return open, newest, next
}

// tend notes how much this node has sealed and has old keys replaced, until ctx ends.
func (f *keyFollower) tend(ctx context.Context) {
	ticker := time.NewTicker(tendInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f.maintain(ctx, noteEvery)
		}
	}
}

// maintain asks the store to note what this node has sealed, if it is at least least,
// and to replace a key whose time is over.
func (f *keyFollower) maintain(ctx context.Context, least uint64) {
	f.mu.Lock()
	secret := f.sealing
	sealed := f.ring.Sealed(secret) - f.noted
	f.mu.Unlock()
	if sealed < least {
		sealed = 0
	}
	keys := f.keys.All()
	if due := len(keys) > 0 && f.limits.Old(keys, time.Now()); secret == nil || sealed == 0 && !due {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tendTimeout)
	defer cancel()
	replaced, err := f.keys.Maintain(ctx, secret, sealed, f.limits)
	switch {
	case err != nil && ctx.Err() == nil:
		f.log.Warn("the age of the keys was not looked after; tried again", "error", err)
		return
	case err != nil:
		return
	case replaced:
		f.log.Info("a new key for session ids takes over; the one before opens what it sealed", "for", f.limits.Keep)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if string(secret) == string(f.sealing) {
		f.noted += sealed
	}
}

// close ends following, after noting what was sealed here, if that can be done soon.
func (f *keyFollower) close() {
	f.stop()
	f.cancel()
	<-f.done
	ctx, cancel := context.WithTimeout(context.Background(), refreshTimeout)
	defer cancel()
	f.maintain(ctx, noteAtEnd)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	if f.timer != nil {
		f.timer.Stop()
	}
}

// errApart is why newer keys are not asked for.
var errApart = errors.New("this node may be cut off from the others")

// refresher asks for newer keys, once at a time for however many need it. It is safe
// for concurrent use.
type refresher struct {
	apart func() bool // whether this node may be cut off from those that know
	ask   func(ctx context.Context) error
	turn  chan struct{} // capacity 1: held while asking, and for what is below

	began time.Time // when it was last asked
	err   error     // what came of it
}

// refresh returns once it was asked since the call began.
func (r *refresher) refresh(ctx context.Context) error {
	came := time.Now()
	if r.apart() {
		return errApart
	}
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if r.began.After(came) {
		return r.err
	}
	select {
	case <-time.After(time.Until(r.began.Add(refreshPause))):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	r.began = time.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTimeout)
	defer cancel()
	r.err = r.ask(ctx)
	return r.err
}
