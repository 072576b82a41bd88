// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
)

// Headers of a batch's messages.
const (
	headerBatch         = "Nats-Batch-Id"
	headerBatchSequence = "Nats-Batch-Sequence"
	headerBatchCommit   = "Nats-Batch-Commit"
)

const (
	// maxFlights is how many requests of one table are under way before others
	// wait for company. Fewer make larger batches, which cost less: with two, a
	// change costs a quarter more. While one node waits for its answer the leader
	// is busy with the others'.
	maxFlights = 1
	// maxBatch and maxBatchBytes bound a batch. The server takes 1000 writes, and
	// a whole batch is one proposal to the followers.
	maxBatch      = 256
	maxBatchBytes = 512 << 10
	// maxTogether is the size from which a write gains nothing by company.
	maxTogether = 16 << 10
)

// errRefused reports a batch that was not done, or not known to be: its writes go
// one by one.
var errRefused = errors.New("the batch was refused")

// batches gathers the writes of one table that come while others are under way.
// They go as one batch, which the leader does as a whole or not at all and
// answers once. A write that comes when there are no others goes by itself.
//
// A write goes in a batch only once: whatever happens to that, what it leaves
// unknown or undone is then resolved by the write alone.
//
// run is called on maxFlights goroutines, which are its owner's.
type batches struct {
	table  *kv
	on     atomic.Bool // the stream takes batches
	prefix string      // of their names
	done   <-chan struct{}
	filled chan struct{} // capacity 1: there may be something to send

	mu      sync.Mutex
	flights int // requests under way
	queue   []*pending
	keys    map[string]struct{} // of all writes waiting or under way
	number  uint64              // of the last batch
}

func newBatches(table *kv, done <-chan struct{}) *batches {
	return &batches{
		table: table, done: done, prefix: rand.Text()[:writeName], filled: make(chan struct{}, 1), keys: map[string]struct{}{},
	}
}

// takes reports whether a write may be part of a batch.
func (b *batches) takes(w *pending) bool {
	return b.on.Load() && !w.doubtful && len(w.data) <= maxTogether
}

// How a write goes.
type passage int

const (
	goesAlone    passage = iota // its key has another write under way, so it would have its batch refused
	goesFirst                   // nobody is waiting; end has to follow
	goesTogether                // await has to follow
)

func (b *batches) begin(w *pending) passage {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, busy := b.keys[w.key]; busy {
		return goesAlone
	}
	b.keys[w.key] = struct{}{}
	if b.flights < maxFlights && len(b.queue) == 0 {
		b.flights++
		return goesFirst
	}
	if w.done == nil {
		w.done = make(chan outcome, 1)
	}
	b.queue = append(b.queue, w)
	b.signal()
	return goesTogether
}

// signal wakes a sender if there is something that it may send. b.mu is held.
func (b *batches) signal() {
	if b.flights == maxFlights || len(b.queue) == 0 {
		return
	}
	select {
	case b.filled <- struct{}{}:
	default:
	}
}

// end ends a flight.
func (b *batches) end(flown ...*pending) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range flown {
		delete(b.keys, w.key)
	}
	b.flights--
	b.signal()
}

// await waits for the outcome of a write's batch.
func (b *batches) await(ctx context.Context, w *pending) (uint64, error) {
	select {
	case o := <-w.done:
		return w.take(o)
	case <-ctx.Done():
		if b.withdraw(w) {
			return 0, errNoLeader // nobody was sent it
		}
		return 0, errNoAnswer
	case <-b.done:
		if b.withdraw(w) {
			return 0, ErrClosed
		}
		return w.take(<-w.done) // its flight ends too
	}
}

// withdraw takes a write out of the queue; it is false when that is too late.
func (b *batches) withdraw(w *pending) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := slices.Index(b.queue, w)
	if at < 0 {
		return false
	}
	b.queue = slices.Delete(b.queue, at, at+1)
	delete(b.keys, w.key)
	return true
}

// run sends batches until ctx ends.
func (b *batches) run(ctx context.Context) {
	var batch []*pending
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.filled:
		}
		for {
			if batch = b.take(batch[:0]); len(batch) == 0 {
				break
			}
			last, err := b.fly(ctx, batch)
			first := last - uint64(len(batch)) + 1
			for i, w := range batch {
				w.done <- outcome{first + uint64(i), err} //nolint:gosec // not negative
			}
			clear(batch)
		}
	}
}

// take takes what goes in the next batch, if one may go.
func (b *batches) take(batch []*pending) []*pending {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.flights == maxFlights || len(b.queue) == 0 {
		return batch
	}
	size := 0
	for _, w := range b.queue {
		if size += len(w.data); len(batch) == maxBatch || size > maxBatchBytes && len(batch) > 0 {
			break
		}
		batch = append(batch, w)
	}
	b.queue = slices.Delete(b.queue, 0, len(batch))
	b.flights++
	b.signal()
	return batch
}

// fly sends a batch and returns the revision of its last write; those of the
// others come right before it. What has been done it tells the others of.
func (b *batches) fly(ctx context.Context, batch []*pending) (last uint64, err error) {
	t := b.table
	if len(batch) == 1 {
		last, err = t.attempt(ctx, &batch[0].msg)
	} else {
		last, err = b.commit(ctx, batch)
	}
	b.end(batch...)
	if err != nil || t.tell == nil {
		return last, err
	}
	values := make([]value, len(batch))
	for i, w := range batch {
		values[i] = w.value
		values[i].rev = last - uint64(len(batch)-1-i) //nolint:gosec // not negative
	}
	t.tell(values...)
	return last, nil
}

// commit sends several writes as one batch.
func (b *batches) commit(ctx context.Context, batch []*pending) (last uint64, err error) {
	name := b.name()
	defer func() {
		for _, w := range batch { // each may have to go by itself
			for _, field := range fieldNames[fieldBatch:] {
				delete(w.msg.Header, field)
			}
		}
	}()
	for i, w := range batch {
		w.set(fieldBatch, name)
		w.set(fieldSequence, strconv.Itoa(i+1))
		if i == len(batch)-1 {
			break
		}
		if err := b.table.asker.send(&w.msg); err != nil {
			return 0, askError(err)
		}
	}
	end := batch[len(batch)-1]
	end.set(fieldCommit, "1")
	r, err := b.table.request(ctx, &end.msg)
	switch {
	case errors.Is(err, errNoLeader), errors.Is(err, ErrClosed):
		return 0, err
	case err != nil:
		return 0, fmt.Errorf("%w: %w", errNoAnswer, err)
	case r.Error != nil:
		if err = r.Error.typed(); errors.Is(err, ErrStorage) {
			return 0, err
		}
		return 0, fmt.Errorf("%w: %w", errRefused, err)
	case r.Batch != name || r.Count != len(batch):
		return 0, fmt.Errorf("%w: the answer is not to a batch", errRefused)
	}
	return r.Sequence, nil
}

// name returns a new batch's name, short, since each of its messages carries it.
func (b *batches) name() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.number++
	return b.prefix + strconv.FormatUint(b.number, 36)
}
