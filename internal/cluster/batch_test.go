// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// gate is an asker that holds requests back until it is opened, so that writes
// come together, and counts what passes.
type gate struct {
	asker
	open chan struct{}
	// spoil may do something else to a message of a batch; it returns false to
	// have it go its way.
	spoil func(msg *nats.Msg, commit bool) (spoilt bool, err error)

	mu      sync.Mutex
	batches []int          // sizes of those that were committed
	bytes   map[string]int // of each
	alone   int
}

func (g *gate) ask(ctx context.Context, msg *nats.Msg) (*nats.Msg, error) {
	select {
	case <-g.open:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	g.mu.Lock()
	commit := msg.Header.Get(headerBatchCommit) != ""
	switch {
	case commit:
		g.bytes[msg.Header.Get(headerBatch)] += len(msg.Data)
		n, _ := strconv.Atoi(msg.Header.Get(headerBatchSequence))
		g.batches = append(g.batches, n)
	case msg.Header.Get(headerExpected) != "":
		g.alone++
	}
	g.mu.Unlock()
	if g.spoil != nil && commit {
		if spoilt, err := g.spoil(msg, true); spoilt {
			return nil, err
		}
	}
	return g.asker.ask(ctx, msg)
}

func (g *gate) send(msg *nats.Msg) error {
	g.mu.Lock()
	g.bytes[msg.Header.Get(headerBatch)] += len(msg.Data)
	g.mu.Unlock()
	if g.spoil != nil {
		if spoilt, err := g.spoil(msg, false); spoilt {
			return err
		}
	}
	return g.asker.send(msg)
}

// gated returns c's table of sessions behind a gate.
func gated(t *testing.T, c *Cluster) (*kv, *gate) {
	t.Helper()
	table := *c.sessions.kv
	g := &gate{asker: table.asker, open: make(chan struct{}), bytes: map[string]int{}}
	table.asker = g
	batchesFor(t, &table)
	return &table, g
}

// batchesFor gives a table of a test's own batches of its own.
func batchesFor(t *testing.T, table *kv) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	table.batches = newBatches(table, ctx.Done())
	table.batches.on.Store(true)
	var wg sync.WaitGroup
	for range maxFlights {
		wg.Go(func() { table.batches.run(ctx) })
	}
	t.Cleanup(func() { cancel(); wg.Wait() })
}

// result is what a put returned.
type result struct {
	rev uint64
	err error
}

// putAll puts values at once: the first ones occupy the flights, the rest wait
// until all have come and the gate is opened.
func putAll(t *testing.T, table *kv, g *gate, values []value) []result {
	t.Helper()
	results := make([]result, len(values))
	var wg sync.WaitGroup
	for i, v := range values {
		wg.Go(func() { _, results[i].rev, results[i].err = table.put(t.Context(), v, time.Hour) })
		if i < maxFlights {
			eventually(t, time.Second, func() error { return table.batches.state(i+1, 0) })
		}
	}
	eventually(t, time.Second, func() error { return table.batches.state(maxFlights, len(values)-maxFlights) })
	close(g.open)
	wg.Wait()
	return results
}

func (b *batches) state(flights, queued int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.flights != flights || len(b.queue) != queued {
		return fmt.Errorf("%d under way and %d waiting, want %d and %d", b.flights, len(b.queue), flights, queued)
	}
	return nil
}

// newValues returns values for sessions there are not yet.
func newValues(n, size int) []value {
	values := make([]value, n)
	for i := range values {
		values[i] = value{key: session.NewID().String(), data: append(appendHead(nil, time.Now().Add(time.Hour)), make([]byte, size)...)}
	}
	return values
}

// stored holds that every write was done once, at the revision returned, and is
// known to every node.
func stored(t *testing.T, nodes []*Cluster, values []value, results []result) {
	t.Helper()
	for i, r := range results {
		if r.err != nil {
			t.Errorf("write %d: %v", i, r.err)
			continue
		}
		v, err := nodes[0].sessions.kv.last(t.Context(), values[i].key)
		if err != nil || v.rev != r.rev || v.previous != values[i].rev {
			t.Errorf("write %d is at %d over %d, want %d over %d: %v", i, v.rev, v.previous, r.rev, values[i].rev, err)
		}
		id, _ := parseSessionID(values[i].key)
		for _, n := range nodes {
			eventually(t, 2*time.Second, func() error {
				if _, rev := n.sessions.known(id); rev != r.rev {
					return fmt.Errorf("%s knows revision %d of write %d, want %d", n.Name(), rev, i, r.rev)
				}
				return nil
			})
		}
	}
}

func (s *Sessions) known(id session.ID) (names string, rev uint64) {
	sh := s.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.entries[id]
	return string(e.data[:e.names]), e.rev
}

func TestBatch(t *testing.T) {
	nodes := three(t)
	table, g := gated(t, nodes[1])
	values := newValues(50, 200)
	stored(t, nodes, values, putAll(t, table, g, values))
	if len(g.batches) != 1 || g.batches[0] != len(values)-maxFlights || g.alone != maxFlights {
		t.Errorf("batches of %v and %d alone, want one of %d and %d", g.batches, g.alone, len(values)-maxFlights, maxFlights)
	}
	again := make([]value, len(values)) // changes are compared with what they are over
	for i, v := range values {
		_, rev := nodes[1].sessions.known(mustParse(t, v.key))
		again[i] = value{key: v.key, rev: rev, data: v.data}
	}
	table, g = gated(t, nodes[2])
	stored(t, nodes, again, putAll(t, table, g, again))
}

func mustParse(t *testing.T, key string) session.ID {
	t.Helper()
	id, ok := parseSessionID(key)
	if !ok {
		t.Fatalf("key %q", key)
	}
	return id
}

// TestBatchConflict holds that one write that comes too late costs the others of
// its batch nothing.
func TestBatchConflict(t *testing.T) {
	nodes := three(t)
	values := newValues(20, 200)
	late := 11
	if _, _, err := nodes[0].sessions.kv.put(t.Context(), values[late], time.Hour); err != nil {
		t.Fatal(err)
	}
	table, g := gated(t, nodes[1])
	results := putAll(t, table, g, values)
	if !errors.Is(results[late].err, errConflict) {
		t.Errorf("late write: %v, want a conflict", results[late].err)
	}
	others, theirs := append(values[:late:late], values[late+1:]...), append(results[:late:late], results[late+1:]...)
	stored(t, nodes, others, theirs)
	if len(g.batches) != 1 || g.alone != 20 {
		t.Errorf("batches of %v and %d alone, want one and each alone", g.batches, g.alone)
	}
}

// TestBatchAnswerLost holds that a batch that was done and not answered is known again, write by write.
func TestBatchAnswerLost(t *testing.T) {
	nodes := three(t)
	table, g := gated(t, nodes[0])
	g.spoil = func(msg *nats.Msg, commit bool) (bool, error) {
		if !commit {
			return false, nil
		}
		_, _ = g.asker.ask(t.Context(), msg)
		return true, context.DeadlineExceeded
	}
	values := newValues(20, 200)
	stored(t, nodes, values, putAll(t, table, g, values))
}

// TestBatchTornApart holds that a batch of which a message is lost is done write by write.
func TestBatchTornApart(t *testing.T) {
	nodes := three(t)
	table, g := gated(t, nodes[0])
	g.spoil = func(msg *nats.Msg, _ bool) (bool, error) { return msg.Header.Get(headerBatchSequence) == "7", nil }
	values := newValues(20, 200)
	stored(t, nodes, values, putAll(t, table, g, values))
}

// TestBatchWithoutLeader holds that a batch nobody was there to take is made again.
func TestBatchWithoutLeader(t *testing.T) {
	nodes := three(t)
	table, g := gated(t, nodes[2])
	away := time.Now().Add(100 * time.Millisecond)
	g.spoil = func(_ *nats.Msg, commit bool) (bool, error) {
		return time.Now().Before(away), map[bool]error{true: nats.ErrNoResponders}[commit]
	}
	values := newValues(20, 200)
	stored(t, nodes, values, putAll(t, table, g, values))
	if last := g.batches[len(g.batches)-1]; last < 2 {
		t.Errorf("batches of %v: with a leader again the writes went one by one", g.batches)
	}
}

// TestBatchBounds holds that batches are bounded in writes and bytes, and that
// what is large goes by itself.
func TestBatchBounds(t *testing.T) {
	nodes := three(t)
	table, g := gated(t, nodes[0])
	values := append(newValues(maxBatch+50, 100), newValues(80, maxTogether-100)...)
	stored(t, nodes, values, putAll(t, table, g, values))
	for _, n := range g.batches {
		if n > maxBatch {
			t.Errorf("a batch of %d", n)
		}
	}
	for _, n := range g.bytes {
		if n > maxBatchBytes {
			t.Errorf("a batch of %d bytes", n)
		}
	}
	if len(g.batches) < 3 {
		t.Errorf("batches of %v", g.batches)
	}
	large := newValues(1, 2*maxTogether)[0]
	if table.batches.takes(&pending{value: large}) {
		t.Error("a large write waits for company")
	}
}

// TestBatchOfOneKey holds that writes of one key are never together: the second
// would have the batch refused.
func TestBatchOfOneKey(t *testing.T) {
	b := newBatches(nil, nil)
	v := newValues(4, 10)
	first, third, same := &pending{value: v[0]}, &pending{value: v[2]}, &pending{value: v[2]}
	for i, step := range []struct {
		w    *pending
		want passage
	}{{first, goesFirst}, {first, goesAlone}, {third, goesTogether}, {same, goesAlone}} {
		if got := b.begin(step.w); got != step.want {
			t.Errorf("step %d: %v, want %v", i, got, step.want)
		}
	}
	b.end(first)
	if batch := b.take(nil); len(batch) != 1 || batch[0] != third {
		t.Errorf("a batch of %v", batch)
	}
	b.end(third)
	if got := b.begin(same); got != goesFirst {
		t.Errorf("the key is still taken: %v", got)
	}
}

// TestWaitingWriteGivenUp holds that a write that waits for company can be given
// up at once, and is then not done.
func TestWaitingWriteGivenUp(t *testing.T) {
	nodes := three(t)
	table, g := gated(t, nodes[0])
	ctx, cancel := context.WithCancel(t.Context())
	values := newValues(maxFlights+1, 10)
	var wg sync.WaitGroup
	for i, v := range values[:maxFlights] {
		wg.Go(func() { _, _, _ = table.put(t.Context(), v, time.Hour) })
		eventually(t, time.Second, func() error { return table.batches.state(i+1, 0) })
	}
	given := make(chan error)
	go func() {
		_, _, err := table.put(ctx, values[maxFlights], time.Hour)
		given <- err
	}()
	eventually(t, time.Second, func() error { return table.batches.state(maxFlights, 1) })
	began := time.Now()
	cancel()
	if err := <-given; !errors.Is(err, context.Canceled) || time.Since(began) > 100*time.Millisecond {
		t.Errorf("given up: %v after %v", err, time.Since(began))
	}
	close(g.open)
	wg.Wait()
	if _, err := table.last(t.Context(), values[maxFlights].key); !errors.Is(err, errAbsent) {
		t.Errorf("it was done all the same: %v", err)
	}
}

// TestLeaderLostAmongBatches kills the leader while batches are on their way to
// it, and holds that sessions are where their writers were told they are.
func TestLeaderLostAmongBatches(t *testing.T) {
	nodes := openAll(t, threeConfigs(t, t.TempDir()))
	leader, others := leads(t, nodes)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const writers = 64
	var done [writers]atomic.Int64 // the last change acknowledged to each
	var total atomic.Int64
	ids := make([]session.ID, writers)
	var wg sync.WaitGroup
	for i := range ids {
		ids[i] = session.NewID()
		wg.Go(func() {
			s := others[i%len(others)].Sessions()
			for n := int64(1); ctx.Err() == nil; n++ {
				level := mcp.LogLevel(strconv.FormatInt(n, 10))
				err := session.Update(ctx, s, ids[i], time.Now().Add(time.Hour), func(r *session.Record) error { r.LogLevel = level; return nil })
				switch {
				case err == nil:
					done[i].Store(n)
					total.Add(1)
				case !errors.Is(err, ErrNoQuorum) && ctx.Err() == nil:
					t.Errorf("change: %v", err)
				}
			}
		})
	}
	more := func(n int64) func() error {
		want := total.Load() + n
		return func() error {
			if have := total.Load(); have < want {
				return fmt.Errorf("%d changes acknowledged, waiting for %d", have, want)
			}
			return nil
		}
	}
	eventually(t, 20*time.Second, more(1000))
	crash(leader)
	eventually(t, 20*time.Second, more(1000))
	cancel()
	wg.Wait()
	for i, id := range ids {
		want := done[i].Load()
		for _, n := range others {
			eventually(t, 10*time.Second, func() error {
				r, err := n.Sessions().Get(t.Context(), id)
				if err != nil {
					return err
				}
				if have, _ := strconv.ParseInt(string(r.LogLevel), 10, 64); have < want {
					return fmt.Errorf("%s has change %d, and %d was acknowledged", n.Name(), have, want)
				}
				return nil
			})
		}
	}
	for _, n := range others {
		if n.sessions.kv.batches.number < 10 {
			t.Errorf("%s sent %d batches", n.Name(), n.sessions.kv.batches.number)
		}
	}
	t.Logf("%d changes acknowledged", total.Load())
}

// TestBatchesAllowed holds that streams from before there were batches are
// brought up to date by whatever node starts, and that a single node has none.
func TestBatchesAllowed(t *testing.T) {
	nodes, ctx := openAll(t, threeConfigs(t, t.TempDir())), bounded(t)
	js, err := jetstream.New(nodes[0].conn)
	if err != nil {
		t.Fatal(err)
	}
	info, err := nodes[0].streamInfo(ctx, nodes[0].stream(kindSession))
	if err != nil || !info.Config.AllowAtomicPublish || !nodes[0].sessions.kv.batches.on.Load() {
		t.Fatalf("a new stream takes no batches: %v", err)
	}
	info.Config.AllowAtomicPublish = false
	if _, err := js.UpdateStream(ctx, info.Config); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		eventually(t, 5*time.Second, func() error { return errors.Join(n.allowBatches(ctx), n.sessions.kv.batches.mustBe(false)) })
	}
	_, follower := metaLeader(nodes)
	eventually(t, 5*time.Second, func() error { return follower.createStreams(ctx) })
	for _, n := range nodes {
		eventually(t, 5*time.Second, func() error { return errors.Join(n.allowBatches(ctx), n.sessions.kv.batches.mustBe(true)) })
	}
	if err := openAlone(t, t.TempDir()).sessions.kv.batches.mustBe(false); err != nil {
		t.Error(err)
	}
}

func (b *batches) mustBe(on bool) error {
	if b.on.Load() != on {
		return fmt.Errorf("batches: %t, want %t", !on, on)
	}
	return nil
}

func metaLeader(nodes []*Cluster) (leader, follower *Cluster) {
	for _, n := range nodes {
		if n.server.leads() {
			leader = n
		} else {
			follower = n
		}
	}
	return leader, follower
}
