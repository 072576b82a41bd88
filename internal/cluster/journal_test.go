// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"

	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// gate is an asker that holds frames back until it is opened, so that changes come
// together, and keeps how many changes each had that passes.
type gate struct {
	asker
	open chan struct{}
	// spoil may do something else to a frame; it returns false to have it go its way.
	spoil func(msg *nats.Msg) (spoilt bool, err error)

	mu     sync.Mutex
	frames []int
	bytes  []int
}

func (g *gate) ask(ctx context.Context, msg *nats.Msg) (*nats.Msg, error) {
	f, err := parseFrame(msg.Data)
	if err != nil { // a read
		return g.asker.ask(ctx, msg)
	}
	select {
	case <-g.open:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	n := 0
	_ = f.each(func(*change) bool { n++; return true })
	g.mu.Lock()
	g.frames, g.bytes = append(g.frames, n), append(g.bytes, len(msg.Data))
	g.mu.Unlock()
	if g.spoil != nil {
		if spoilt, err := g.spoil(msg); spoilt {
			return nil, err
		}
	}
	return g.asker.ask(ctx, msg)
}

// gated returns a store of its own behind a gate.
func gated(t *testing.T, c *Cluster) (*Sessions, *gate) {
	t.Helper()
	g := &gate{open: make(chan struct{})}
	s := sessionsOver(t, c, 10_000, func(a asker) asker { g.asker = a; return g })
	return s, g
}

// newChanges returns changes of sessions there are not yet.
func newChanges(n, size int) []change {
	list := make([]change, n)
	for i := range list {
		list[i] = change{id: session.NewID(), expires: time.Now().Add(time.Hour).UnixMilli(), body: fmt.Appendf(nil, `{"logLevel":"%s"}`, strings.Repeat("x", size))}
	}
	return list
}

// result is what a put returned.
type result struct {
	rev uint64
	err error
}

// putAll puts changes at once: the first is under way alone, the rest waits until
// all have come and the gate is opened.
func putAll(t *testing.T, j *journal, g *gate, list []change) []result {
	t.Helper()
	results := make([]result, len(list))
	var wg sync.WaitGroup
	for i, c := range list {
		wg.Go(func() { results[i].rev, results[i].err = j.put(t.Context(), c) })
		if i == 0 {
			eventually(t, time.Second, func() error { return j.state(1, 0) })
		}
	}
	eventually(t, time.Second, func() error { return j.state(1, len(list)-1) })
	close(g.open)
	wg.Wait()
	return results
}

// state holds how many changes are under way in how many frames.
func (j *journal) state(flights, queued int) error {
	j.writing.Lock()
	defer j.writing.Unlock()
	if len(j.flights) != flights || len(j.queue) != queued {
		return fmt.Errorf("%d frames under way and %d changes waiting, want %d and %d", len(j.flights), len(j.queue), flights, queued)
	}
	return nil
}

// done holds that every change was done once, at the revision returned, and is
// known to every node.
func done(t *testing.T, nodes []*Cluster, list []change, results []result) {
	t.Helper()
	for i, r := range results {
		if r.err != nil {
			t.Errorf("change %d: %v", i, r.err)
			continue
		}
		for _, n := range nodes {
			eventually(t, 2*time.Second, func() error {
				if rev := n.sessions.revision(list[i].id); rev != r.rev {
					return fmt.Errorf("%s knows revision %d of change %d, want %d", n.Name(), rev, i, r.rev)
				}
				return nil
			})
		}
	}
}

// TestTogether holds that changes that come together go in one frame, and are
// compared with what they are over one by one.
func TestTogether(t *testing.T) {
	nodes := three(t)
	s, g := gated(t, nodes[1])
	list := newChanges(50, 20)
	late := 11
	if _, err := nodes[0].sessions.journal.put(t.Context(), list[late]); err != nil {
		t.Fatal(err)
	}
	results := putAll(t, s.journal, g, list)
	if !errors.Is(results[late].err, errConflict) {
		t.Errorf("a change that came late: %v, want a conflict", results[late].err)
	}
	list, results = append(list[:late:late], list[late+1:]...), append(results[:late:late], results[late+1:]...)
	done(t, nodes, list, results)
	for i := range list {
		list[i].over = results[i].rev
	}
	s, g = gated(t, nodes[2])
	done(t, nodes, list, putAll(t, s.journal, g, list))
	if len(g.frames) != 2 || g.frames[1] != len(list)-1 {
		t.Errorf("frames of %v changes, want 1 and the rest", g.frames)
	}
}

// TestOfOneRecord holds that of two changes of one record at one node one is done,
// in frames of their own.
func TestOfOneRecord(t *testing.T) {
	nodes := three(t)
	s, g := gated(t, nodes[1])
	list := newChanges(3, 20)
	list = append(list, list[1], list[1])
	results := putAll(t, s.journal, g, list)
	won := 0
	for _, r := range results[1:] {
		if r.err == nil {
			won++
		} else if !errors.Is(r.err, errConflict) {
			t.Error(r.err)
		}
	}
	if won != 2 { // that of list[2] and one of the other three
		t.Errorf("%d changes were done", won)
	}
	if len(g.frames) != 4 {
		t.Errorf("frames of %v changes: two of one record are together", g.frames)
	}
	c, err := s.journal.find(t.Context(), list[1].id, s.revision(list[1].id))
	if err != nil || string(c.body) != string(list[1].body) {
		t.Errorf("the record in its frame is %q, %v", c.body, err)
	}
}

// TestAnswerLost holds that a frame that was done and not answered is known again,
// and done once.
func TestAnswerLost(t *testing.T) {
	nodes := three(t)
	s, g := gated(t, nodes[0])
	var lost atomic.Int64
	g.spoil = func(msg *nats.Msg) (bool, error) {
		if lost.Add(1)%2 == 0 {
			return false, nil
		}
		_, _ = g.asker.ask(t.Context(), msg)
		return true, context.DeadlineExceeded
	}
	list := newChanges(20, 20)
	done(t, nodes, list, putAll(t, s.journal, g, list))
	if err := s.journal.state(0, 0); err != nil {
		t.Error(err)
	}
}

// TestWithoutLeader holds that a frame nobody was there to take is sent again.
func TestWithoutLeader(t *testing.T) {
	nodes := three(t)
	s, g := gated(t, nodes[2])
	away := time.Now().Add(100 * time.Millisecond)
	g.spoil = func(*nats.Msg) (bool, error) { return time.Now().Before(away), nats.ErrNoResponders }
	list := newChanges(20, 20)
	done(t, nodes, list, putAll(t, s.journal, g, list))
}

// archive is an asker that is the leader of a stream of frames, and keeps which
// were asked for.
type archive struct {
	frames map[uint64][]byte
	asked  []uint64
}

func (a *archive) ask(_ context.Context, msg *nats.Msg) (*nats.Msg, error) {
	var query struct {
		Seq uint64 `json:"seq"`
	}
	if err := json.Unmarshal(msg.Data, &query); err != nil {
		return nil, err
	}
	a.asked = append(a.asked, query.Seq)
	answer, err := json.Marshal(map[string]any{"message": storedMessage{Sequence: query.Seq, Data: a.frames[query.Seq]}})
	return &nats.Msg{Data: answer}, err
}

// TestNarrowGap holds that the leader is asked for a frame that nobody has told,
// before any replica: the one that is asked may be the leader that has just been
// lost.
func TestNarrowGap(t *testing.T) {
	a := &archive{frames: map[uint64][]byte{}}
	for n, c := range newChanges(5, 10) {
		number := uint64(n + 1)
		a.frames[number] = appendFrame(nil, &frame{origin: "other", number: number, entries: appendChange(nil, &c)})
	}
	j := offline() // without a connection to replicas
	j.asker = a
	for _, number := range []uint64{1, 3, 5} {
		j.hears(number, a.frames[number])
	}
	if !j.narrow() {
		t.Error("a gap of two frames is not narrow")
	}
	if more, err := j.read(t.Context(), 2); more || err != nil {
		t.Errorf("more %t, %v", more, err)
	}
	if j.last != 5 || len(j.ahead) != 0 || !slices.Equal(a.asked, []uint64{2, 4}) {
		t.Errorf("it is at frame %d and asked for %d, want 5 and [2 4]", j.last, a.asked)
	}
	j.hears(5+narrowGap+2, a.frames[5])
	if j.narrow() {
		t.Error("a gap of 17 frames is narrow")
	}
}

// TestFrameBounds holds that frames are bounded in changes and bytes, and that
// what is large goes all the same.
func TestFrameBounds(t *testing.T) {
	nodes := three(t)
	s, g := gated(t, nodes[0])
	list := append(newChanges(maxChanges+50, 20), newChanges(80, 16<<10)...)
	list = append(list, newChanges(1, 2*maxFrameBytes)...)
	done(t, nodes, list, putAll(t, s.journal, g, list))
	for i, n := range g.frames {
		if n > maxChanges || n > 1 && g.bytes[i] > maxFrameBytes+n*64 {
			t.Errorf("a frame of %d changes and %d bytes", n, g.bytes[i])
		}
	}
	if _, err := s.journal.put(t.Context(), newChanges(1, maxPayload)[0]); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a record of %d bytes: %v", maxPayload, err)
	}
}

// TestWaitingChangeGivenUp holds that a change that waits can be given up at once,
// and is then not done.
func TestWaitingChangeGivenUp(t *testing.T) {
	nodes := three(t)
	s, g := gated(t, nodes[0])
	ctx, cancel := context.WithCancel(t.Context())
	list := newChanges(2, 20)
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = s.journal.put(t.Context(), list[0]) })
	eventually(t, time.Second, func() error { return s.journal.state(1, 0) })
	given := make(chan error)
	go func() {
		_, err := s.journal.put(ctx, list[1])
		given <- err
	}()
	eventually(t, time.Second, func() error { return s.journal.state(1, 1) })
	began := time.Now()
	cancel()
	if err := <-given; !errors.Is(err, context.Canceled) || time.Since(began) > 100*time.Millisecond {
		t.Errorf("given up: %v after %v", err, time.Since(began))
	}
	close(g.open)
	wg.Wait()
	if rev := s.revision(list[1].id); rev != 0 {
		t.Errorf("it was done all the same, at revision %d", rev)
	}
}

// TestLeaderLostAmongFrames kills the leader while frames are on their way to it,
// and holds that sessions are where their writers were told they are.
func TestLeaderLostAmongFrames(t *testing.T) {
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
	eventually(t, 20*time.Second, more(5000))
	crash(leader)
	eventually(t, 20*time.Second, more(5000))
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
	t.Logf("%d changes acknowledged", total.Load())
}

// FuzzFrame holds that no bytes are read beyond their end, and that what is read is
// what was written.
func FuzzFrame(f *testing.F) {
	c := change{id: session.NewID(), over: 7, expires: 1 << 40, body: []byte(`{"logLevel":"info"}`)}
	f.Add(appendFrame(nil, &frame{origin: "a node", number: 3, entries: appendChange(appendChange(nil, &c), &c)}))
	f.Add(appendFrame(nil, &frame{floor: 1 << 60}))
	f.Fuzz(func(t *testing.T, b []byte) {
		in, err := parseFrame(b)
		if err != nil {
			return
		}
		out := frame{origin: in.origin, number: in.number, floor: in.floor}
		_ = in.each(func(c *change) bool { out.entries = appendChange(out.entries, c); return true })
		again, err := parseFrame(appendFrame(nil, &out))
		if err != nil || again.origin != in.origin || again.number != in.number || again.floor != in.floor {
			t.Fatalf("%+v became %+v, %v", in, again, err)
		}
		n, m := 0, 0
		_ = in.each(func(*change) bool { n++; return true })
		if err := again.each(func(*change) bool { m++; return true }); err != nil || n != m {
			t.Fatalf("%d changes became %d, %v", n, m, err)
		}
	})
}
