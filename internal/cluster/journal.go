// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/holdfast-mcp/holdfast/internal/session"
)

// journal is the store of session records: one stream of frames, each with the
// changes that one node had to make at about the same time. No change is compared
// when it is written. Every node applies all frames in the order of the stream,
// compares each change there with what it is over, and so comes to the same
// result: the writer learns the outcome from its own node. docs/adr/0008 says why.
//
// One frame of a node is under way, and the next one fills meanwhile. A frame that
// is not answered is sent again; of several copies only the first can change
// anything.
//
// Its goroutines are those of work, which are its owner's.
type journal struct {
	leader
	progress

	name    string // of the stream
	subject string
	feed    string // subject under which nodes send each other what they have written
	conn    *nats.Conn
	self    string        // instance of this node
	limit   time.Duration // of one write
	health  *health
	stale   func(began time.Time) bool // whether a change that began then comes too late
	table   *Sessions                  // what the frames change
	sub     *nats.Subscription

	// Of following; under progress.mu.
	ahead      map[uint64][]byte // frames behind a gap
	aheadBytes int
	replay     *replay // nil when what came before is known

	writing sync.Mutex
	queue   []*entry
	filled  chan struct{}           // capacity 1: there may be something to send
	ids     map[session.ID]struct{} // of the frame that is being made
	number  uint64                  // of the last frame
	flights map[uint64]*flight
}

// entry is a change on its way.
type entry struct {
	change
	done chan outcome // capacity 1
}

// outcome is what became of a change.
type outcome struct {
	rev uint64
	err error
}

// flight is a frame on its way, until its first copy has been applied here or it
// is given up.
type flight struct {
	entries []*entry
	over    chan struct{} // closed at the end
	at      uint64        // number in the stream of a copy that a majority has; under journal.writing
}

const (
	// maxChanges and maxFrameBytes bound a frame.
	maxChanges    = 1024
	maxFrameBytes = 512 << 10
)

// put writes a change and returns its revision once a majority has it and this
// node has applied it. It fails with errConflict, or [ErrNoQuorum] when the
// outcome is unknown.
func (j *journal) put(ctx context.Context, c change) (rev uint64, err error) {
	if len(c.body) > maxPayload-1<<10 {
		return 0, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(c.body))
	}
	if err := j.health.fault(); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, j.health.writeLimit(j.limit))
	defer cancel()
	e := &entry{change: c, done: make(chan outcome, 1)}
	j.enqueue(e)
	select {
	case o := <-e.done:
		return o.rev, o.err
	case <-ctx.Done():
		last := errNoAnswer
		if j.withdraw(e) {
			last = errNoLeader // nobody was sent it
		}
		return 0, j.health.unknown(ctx, last)
	case <-j.done:
		if j.withdraw(e) {
			return 0, ErrClosed
		}
		o := <-e.done // its flight ends too
		return o.rev, o.err
	}
}

func (j *journal) enqueue(e *entry) {
	j.writing.Lock()
	j.queue = append(j.queue, e)
	j.writing.Unlock()
	select {
	case j.filled <- struct{}{}:
	default:
	}
}

// withdraw takes a change out of the queue; it is false when that is too late.
func (j *journal) withdraw(e *entry) bool {
	j.writing.Lock()
	defer j.writing.Unlock()
	at := slices.Index(j.queue, e)
	if at < 0 {
		return false
	}
	j.queue = slices.Delete(j.queue, at, at+1)
	return true
}

// send sends frames until ctx ends.
func (j *journal) send(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			j.giveUp(ErrClosed)
			return
		case <-j.filled:
		}
		for {
			f, number, body := j.next()
			if f == nil {
				break
			}
			if err := j.fly(ctx, f, body); err != nil {
				j.end(number, failing(err))
			}
		}
	}
}

// next makes a frame of what is waiting; nil when there is nothing. It has one
// change of a record, so that its revision says which.
func (j *journal) next() (f *flight, number uint64, body []byte) {
	j.writing.Lock()
	defer j.writing.Unlock()
	if len(j.queue) == 0 {
		return nil, 0, nil
	}
	f = &flight{over: make(chan struct{})}
	size := 0
	rest := j.queue[:0]
	for i, e := range j.queue {
		if len(f.entries) == maxChanges || size+len(e.body) > maxFrameBytes && len(f.entries) > 0 {
			rest = append(rest, j.queue[i:]...)
			break
		}
		if _, twice := j.ids[e.id]; twice {
			rest = append(rest, e)
			continue
		}
		j.ids[e.id] = struct{}{}
		f.entries = append(f.entries, e)
		size += len(e.body)
	}
	clear(j.queue[len(rest):])
	clear(j.ids)
	j.queue = rest
	entries := make([]byte, 0, size+32*len(f.entries))
	for _, e := range f.entries {
		entries = appendChange(entries, &e.change)
	}
	number, body = j.launch(f, frame{entries: entries})
	return f, number, body
}

// launch enters a flight and encodes its frame. j.writing is held.
func (j *journal) launch(f *flight, content frame) (number uint64, body []byte) {
	j.number++
	j.flights[j.number] = f
	content.origin, content.number = j.self, j.number
	return j.number, appendFrame(make([]byte, 0, len(content.entries)+64), &content)
}

// fly sends a frame until a majority has it. It returns nil when it has, and the
// outcomes come with the frame.
func (j *journal) fly(ctx context.Context, f *flight, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, j.health.writeLimit(j.limit))
	defer cancel()
	msg := &nats.Msg{Subject: j.subject, Data: body}
	for {
		number, err := j.attempt(ctx, msg)
		switch {
		case err == nil:
			j.health.wrote()
			j.writing.Lock()
			f.at = number
			j.writing.Unlock()
			j.tell(number, body)
			j.arrived(number, body)
			return nil
		case errors.Is(err, ErrStorage):
			j.health.full.Store(true)
			return err
		case errors.Is(err, ErrTooLarge), errors.Is(err, ErrClosed):
			return err
		}
		select {
		case <-f.over: // an earlier copy has been done, which this node has heard of
			j.health.wrote()
			return nil
		case <-time.After(retryWait):
		case <-ctx.Done():
			j.tell(0, nil) // it may have been done
			j.nudge()
			return j.health.unknown(ctx, err)
		}
	}
}

// end ends a flight with what became of each of its changes.
func (f *flight) end(result func(i int) outcome) {
	for i, e := range f.entries {
		e.done <- result(i)
	}
	close(f.over)
}

// fail ends a flight of which nothing is known, or nothing was done.
func (f *flight) fail(err error) { f.end(failing(err)) }

// failing is what becomes of every change of a flight that fails.
func failing(err error) func(i int) outcome {
	return func(int) outcome { return outcome{err: err} }
}

// land takes flights out of those on their way, so that each is ended once.
func (j *journal) land(which func(number uint64, f *flight) bool) (landed []*flight) {
	j.writing.Lock()
	defer j.writing.Unlock()
	maps.DeleteFunc(j.flights, func(number uint64, f *flight) bool {
		lands := which(number, f)
		if lands {
			landed = append(landed, f)
		}
		return lands
	})
	return landed
}

// end ends the flight of a number, if there is one any more.
func (j *journal) end(number uint64, result func(i int) outcome) {
	for _, f := range j.land(func(n uint64, _ *flight) bool { return n == number }) {
		f.end(result)
	}
}

// strand fails the flights whose frames were before one from which on this node
// goes on: their outcomes will not be known.
func (j *journal) strand(before uint64) {
	for _, f := range j.land(func(_ uint64, f *flight) bool { return 0 < f.at && f.at < before }) {
		f.fail(fmt.Errorf("%w: this node was too far behind to see what became of it", ErrNoQuorum))
	}
}

// giveUp ends all flights and refuses what is waiting.
func (j *journal) giveUp(err error) {
	for _, f := range j.land(func(uint64, *flight) bool { return true }) {
		f.fail(err)
	}
	j.writing.Lock()
	waiting := j.queue
	j.queue = nil
	j.writing.Unlock()
	for _, e := range waiting {
		e.done <- outcome{err: err}
	}
}
