// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"
)

// feed follows the changes of one table. Whoever has written tells the others:
// changes go out in frames, as many as have come together while the last frame
// was sent. Every node has one subscription. Changes are numbered without gaps,
// so one that nobody told of, since its writer died or never got the answer, is
// noticed: by a number that stays away, by what other nodes say they have seen,
// or by the regular look. It is then read from a replica. Nothing in this needs
// an elected leader, so a feed goes on as soon as writes do.
type feed struct {
	kv    *kv
	conn  *nats.Conn
	done  <-chan struct{} // closed when the cluster is
	self  string          // instance of this node, which skips its own frames
	apply func(v value)   // in any order; the higher revision of a key counts
	wake  chan struct{}   // capacity 1: there may be something to catch up with
	sub   *nats.Subscription

	mu    sync.Mutex
	last  uint64              // everything up to here has been applied
	seen  uint64              // the highest that is known to exist
	ahead map[uint64]struct{} // applied behind a gap

	heardOf uint64 // what another node has seen and this one has not, until that is looked at

	applied atomic.Uint64 // last, for others to read

	sending sync.Mutex
	outbox  []byte        // entries to tell of
	filled  chan struct{} // capacity 1: there is something in it
}

const (
	// gapPatience is how long a number may stay away: writers tell in any order.
	gapPatience = 250 * time.Millisecond
	// maxAhead bounds what is remembered behind a gap.
	maxAhead = 1 << 16
	// maxOutbox bounds what waits to be told; beyond it others catch up.
	maxOutbox = 64 << 20
	// frameBytes is about the size of one frame.
	frameBytes = 256 << 10
	// catchUpBatch is how many changes one read returns; very large reads end early.
	catchUpBatch = 500
	// catchUpInterval is the time between regular looks.
	catchUpInterval = 5 * time.Second
	// replicaWait is the pause when a replica does not have yet what is known to exist.
	replicaWait = 20 * time.Millisecond
	// replicaTries bounds that; then what is missing no longer exists.
	replicaTries = 100
)

func newFeed(done <-chan struct{}, t *kv, conn *nats.Conn, self string, apply func(value)) *feed {
	f := &feed{
		done: done, kv: t, conn: conn, self: self, apply: apply, wake: make(chan struct{}, 1),
		ahead: map[uint64]struct{}{}, filled: make(chan struct{}, 1),
	}
	t.tell = f.tell
	return f
}

// start subscribes and reads everything there is. After an error it may be called again.
func (f *feed) start(ctx context.Context) error {
	if f.sub == nil {
		sub, err := f.conn.Subscribe(f.kv.feed, f.receive)
		if err != nil {
			return fmt.Errorf("subscribe to changes: %w", err)
		}
		_ = sub.SetPendingLimits(1<<20, 256<<20) // what is dropped beyond is caught up with
		f.sub = sub
	}
	wait, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	if err := f.conn.FlushWithContext(wait); err != nil {
		return fmt.Errorf("subscribe to changes: %w", err)
	}
	return f.catchUp(ctx)
}

// tell puts a change that this node has written into the next frame. Without a
// revision it only says that there may be one.
func (f *feed) tell(v value) {
	f.sending.Lock()
	if len(f.outbox) < maxOutbox {
		f.outbox = appendEntry(f.outbox, v)
	}
	f.sending.Unlock()
	select {
	case f.filled <- struct{}{}:
	default:
	}
	if v.rev == 0 {
		f.nudge()
		return
	}
	f.apply(v)
	f.note(v.rev)
}

// send sends frames until ctx ends. It is the natural batch: while one is being
// sent the next one fills.
func (f *feed) send(ctx context.Context) {
	var spare []byte
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.filled:
		}
		f.sending.Lock()
		entries := f.outbox
		f.outbox = spare[:0]
		f.sending.Unlock()
		for rest := entries; len(rest) > 0; {
			n := frameLength(rest)
			frame := append(append(make([]byte, 0, 1+len(f.self)+n), byte(len(f.self))), f.self...)
			_ = f.conn.Publish(f.kv.feed, append(frame, rest[:n]...)) // the others catch up
			rest = rest[n:]
		}
		if spare = entries; cap(spare) > 4*frameBytes {
			spare = nil
		}
	}
}

// frameLength returns how many bytes of entries, whole ones, make a frame.
func frameLength(entries []byte) int {
	n := 0
	for n < len(entries) {
		_, rest, ok := cutEntry(entries[n:])
		if !ok {
			return len(entries)
		}
		next := len(entries) - len(rest)
		if n > 0 && next > frameBytes {
			break
		}
		n = next
	}
	return n
}

// appendEntry appends v: revision, and the rest with their lengths before them.
func appendEntry(buf []byte, v value) []byte {
	buf = binary.AppendUvarint(buf, v.rev)
	for _, s := range []string{v.key, v.writes} {
		buf = append(binary.AppendUvarint(buf, uint64(len(s))), s...)
	}
	return append(binary.AppendUvarint(buf, uint64(len(v.data))), v.data...)
}

func cutEntry(b []byte) (v value, rest []byte, ok bool) {
	rev, n := binary.Uvarint(b)
	if n <= 0 {
		return value{}, nil, false
	}
	b = b[n:]
	var parts [3][]byte
	for i := range parts {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return value{}, nil, false
		}
		end := n + int(size) //nolint:gosec // bounded above
		parts[i], b = b[n:end], b[end:]
	}
	return value{rev: rev, key: string(parts[0]), writes: string(parts[1]), data: parts[2]}, b, true
}

// receive takes a frame of another node.
func (f *feed) receive(m *nats.Msg) {
	b := m.Data
	if len(b) == 0 || len(b) < 1+int(b[0]) || string(b[1:1+int(b[0])]) == f.self {
		return
	}
	for b = b[1+int(b[0]):]; len(b) > 0; {
		v, rest, ok := cutEntry(b)
		if !ok {
			f.nudge()
			return
		}
		b = rest
		if v.rev == 0 {
			f.nudge()
			continue
		}
		f.apply(v)
		f.note(v.rev)
	}
}

// note notes that the change numbered rev has been applied.
func (f *feed) note(rev uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = max(f.seen, rev)
	if rev <= f.last {
		return
	}
	if rev == f.last+1 {
		f.advance(rev)
		return
	}
	if len(f.ahead) == 0 {
		f.watchGap()
	}
	if len(f.ahead) >= maxAhead {
		f.nudge()
		return
	}
	f.ahead[rev] = struct{}{}
}

// advance moves last to rev and over what has been applied behind it. f.mu is held.
func (f *feed) advance(rev uint64) {
	f.last = rev
	for len(f.ahead) > 0 {
		if _, ok := f.ahead[f.last+1]; !ok {
			break
		}
		f.last++
		delete(f.ahead, f.last)
	}
	f.applied.Store(f.last)
}

// watchGap has the gap behind last looked at when it has lasted, and again while
// there is one. f.mu is held.
func (f *feed) watchGap() {
	last := f.last
	time.AfterFunc(gapPatience, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.ahead) == 0 || isClosed(f.done) {
			return
		}
		if f.last == last {
			f.nudge()
		}
		f.watchGap()
	})
}

// heardPatience is how far in time this node may be behind what others have seen.
const heardPatience = 300 * time.Millisecond

// heard notes that another node has seen changes up to rev.
func (f *feed) heard(rev uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if rev <= f.seen || f.heardOf > 0 {
		return
	}
	f.heardOf = rev
	time.AfterFunc(heardPatience, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.seen = max(f.seen, f.heardOf)
		if f.last < f.heardOf {
			f.nudge()
		}
		f.heardOf = 0
	})
}

func (f *feed) nudge() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// run catches up whenever there is reason to, until ctx ends.
func (f *feed) run(ctx context.Context, failed func(error)) {
	ticker := time.NewTicker(catchUpInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-f.wake:
		}
		if err := f.catchUp(ctx); err != nil && ctx.Err() == nil {
			failed(err)
		}
	}
}

// catchUp reads what is behind f.last from a replica until nothing known is missing.
func (f *feed) catchUp(ctx context.Context) error {
	for tries := 0; ; {
		f.mu.Lock()
		from := f.last + 1
		f.mu.Unlock()
		highest, more, err := f.read(ctx, from)
		if err != nil {
			return fmt.Errorf("read changes: %w", err)
		}
		f.mu.Lock()
		if highest > f.last {
			tries = 0
			f.caughtUp(highest)
		}
		complete := !more && f.last >= f.seen
		if !more && !complete && tries == replicaTries {
			f.caughtUp(f.seen) // it has expired or been replaced
			complete = true
		}
		f.mu.Unlock()
		if complete {
			return nil
		}
		if more {
			continue
		}
		tries++
		select {
		case <-time.After(replicaWait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// caughtUp notes that everything up to rev has been read. f.mu is held.
func (f *feed) caughtUp(rev uint64) {
	for r := range f.ahead {
		if r <= rev {
			delete(f.ahead, r)
		}
	}
	f.seen = max(f.seen, rev)
	f.advance(rev)
}

// read applies one batch of changes from a sequence on. It returns the highest
// and whether there are more.
func (f *feed) read(ctx context.Context, from uint64) (highest uint64, more bool, err error) {
	query := map[string]any{"seq": from, "batch": catchUpBatch}
	more, err = directBatch(ctx, f.conn, f.kv.stream, query, func(m *nats.Msg) error {
		v, err := f.kv.value(m)
		if err != nil {
			return err
		}
		f.apply(v)
		highest = v.rev
		return nil
	})
	return highest, more, err
}

// batchTimeout bounds the wait for the next message of a batch.
const batchTimeout = 2 * time.Second

// directBatch asks a replica for several messages and hands each to do. It
// reports whether there are more behind them, and fails unless the replica said
// that the batch has ended.
func directBatch(ctx context.Context, conn *nats.Conn, stream string, query map[string]any, do func(*nats.Msg) error) (more bool, err error) {
	body, err := json.Marshal(query)
	if err != nil {
		return false, fmt.Errorf("encode a read: %w", err)
	}
	inbox := conn.NewInbox()
	sub, err := conn.SubscribeSync(inbox)
	if err != nil {
		return false, err
	}
	defer func() { _ = sub.Unsubscribe() }() // the connection may be closed
	_ = sub.SetPendingLimits(-1, -1)         // a batch is bounded by what was asked for
	if err := conn.PublishRequest("$JS.API.DIRECT.GET."+stream, inbox, body); err != nil {
		return false, err
	}
	for {
		wait, cancel := context.WithTimeout(ctx, batchTimeout)
		m, err := sub.NextMsgWithContext(wait)
		cancel()
		if err != nil {
			return false, askError(err)
		}
		switch status := m.Header.Get(headerStatus); status {
		case "":
		case "204":
			pending, _ := strconv.ParseUint(m.Header.Get(headerPending), 10, 64)
			return pending > 0, nil
		case "404":
			return false, nil
		case "503":
			return false, errNoLeader
		default:
			return false, fmt.Errorf("read from a replica: status %s", status)
		}
		if m.Header.Get(headerSequence) == "" {
			return false, errors.New("read from a replica: " + string(bytes.TrimSpace(m.Data)))
		}
		if err := do(m); err != nil {
			return false, err
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
