// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	contract "github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/session"
)

// crash ends a node as a kill would: nothing is handed over, nobody is told.
func crash(c *Cluster) {
	c.closing.Do(func() {
		c.stop(ErrClosed)
		c.rpc.close()
		c.wg.Wait()
		c.conn.Close()
		c.server.srv.Shutdown()
		c.server.close()
		_ = c.dir.close()
	})
}

// writers put records of new sessions at a node until stopped; they keep what was
// acknowledged, and the longest time without an acknowledgement.
type writers struct {
	mu    sync.Mutex
	acked []session.ID
	last  time.Time
	gap   time.Duration
	atGap int
	stop  context.CancelFunc
	wg    sync.WaitGroup
}

func write(t *testing.T, nodes ...*Cluster) *writers {
	ctx, cancel := context.WithCancel(t.Context())
	w := &writers{stop: cancel, last: time.Now()}
	for i := range 8 {
		w.wg.Go(func() {
			for ctx.Err() == nil {
				id := session.NewID()
				_, err := nodes[i%len(nodes)].Sessions().Put(ctx, id, testRecord("a"))
				switch {
				case err == nil:
					w.note(id)
				case ctx.Err() == nil && !errors.Is(err, ErrNoQuorum):
					t.Error(err)
				}
			}
		})
	}
	return w
}

func (w *writers) note(id session.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acked = append(w.acked, id)
	w.gap = max(w.gap, time.Since(w.last))
	w.last = time.Now()
}

func (w *writers) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acked)
}

// finish stops the writers and holds that a node has everything acknowledged.
func (w *writers) finish(t *testing.T, nodes ...*Cluster) {
	t.Helper()
	w.stop()
	w.wg.Wait()
	for _, n := range nodes {
		eventually(t, 10*time.Second, func() error {
			for _, id := range w.acked {
				if _, err := n.Sessions().Get(t.Context(), id); err != nil {
					return fmt.Errorf("%s: acknowledged session: %w", n.Name(), err)
				}
			}
			return nil
		})
	}
	t.Logf("%d writes acknowledged, longest gap %v", len(w.acked), w.gap.Round(time.Millisecond))
}

// leads returns the nodes with the leader of the session store first.
func leads(t *testing.T, nodes []*Cluster) (leader *Cluster, others []*Cluster) {
	t.Helper()
	eventually(t, 10*time.Second, func() error {
		name := nodes[0].leader(t.Context(), nodes[0].stream(kindSession))
		leader, others = nil, nil
		for _, n := range nodes {
			if n.Name() == name {
				leader = n
			} else {
				others = append(others, n)
			}
		}
		if leader == nil {
			return fmt.Errorf("no leader: %q", name)
		}
		return nil
	})
	return leader, others
}

// TestLeaderLost kills the leader of the session store, a second node's handler in
// mid-request with it, and brings it back.
func TestLeaderLost(t *testing.T) {
	configs := threeConfigs(t, t.TempDir())
	nodes := openAll(t, configs)
	ctx := bounded(t)
	leader, others := leads(t, nodes)
	entered := make(chan struct{})
	leader.Serve("hang", func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
		close(entered)
		<-ctx.Done()
		<-time.After(50 * time.Millisecond) // its answer must not get out
		return nil, nil
	})
	leader.ServeStream("idle", func(ctx context.Context, _ *Stream) { <-ctx.Done() })
	s, err := others[0].Open(ctx, at(leader.Name(), "idle"), nil)
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan error, 1)
	go func() {
		_, err := others[0].Request(ctx, leader.Name(), "hang", nil)
		asked <- err
	}()
	<-entered
	w := write(t, others...)
	eventually(t, 10*time.Second, func() error { return atLeast(w, 200) })
	before := w.count()
	killed := time.Now()
	leader.conn.Close() // its answers go nowhere from now on
	leader.server.srv.Shutdown()
	err = <-asked
	if lost, ok := errors.AsType[*contract.LostError](err); !ok || !lost.Sent {
		t.Errorf("request in work at a node that died: %v", err)
	}
	t.Logf("request failed after %v", time.Since(killed).Round(time.Millisecond))
	if _, err := s.Receive(ctx); !errors.Is(err, contract.ErrLost) {
		t.Errorf("stream to a node that died: %v", err)
	}
	if _, err := others[1].Request(ctx, leader.Name(), "hang", nil); !errors.Is(err, contract.ErrLost) {
		t.Errorf("request to a dead node: %v", err)
	}
	crash(leader)
	eventually(t, 10*time.Second, func() error { return atLeast(w, before+500) })
	again := openAll(t, configsOf(configs, leader.Name()))[0]
	w.finish(t, append(others, again)...)
	eventually(t, 3*time.Second, func() error {
		for _, m := range others[0].Members() {
			if !m.Up() {
				return fmt.Errorf("%s is not up", m.Name)
			}
		}
		return nil
	})
	if w.gap > 5*time.Second {
		t.Errorf("writes stopped for %v", w.gap)
	}
}

func atLeast(w *writers, n int) error {
	if have := w.count(); have < n {
		return fmt.Errorf("%d writes acknowledged, waiting for %d", have, n)
	}
	return nil
}

func configsOf(configs []Config, names ...string) (list []Config) {
	for _, c := range configs {
		for _, n := range names {
			if c.Name == n {
				list = append(list, c)
			}
		}
	}
	return list
}

// TestLeave takes nodes out one after the other, under load, as a rolling restart does.
func TestLeave(t *testing.T) {
	configs := threeConfigs(t, t.TempDir())
	nodes := openAll(t, configs)
	for i := range nodes {
		others := append(append([]*Cluster{}, nodes[:i]...), nodes[i+1:]...)
		w := write(t, others...)
		eventually(t, 10*time.Second, func() error { return atLeast(w, 50) })
		began := time.Now()
		nodes[i].Leave(bounded(t))
		t.Logf("%s left in %v", nodes[i].Name(), time.Since(began).Round(time.Millisecond))
		have := w.count()
		eventually(t, 10*time.Second, func() error { return atLeast(w, have+50) })
		for _, o := range others {
			eventually(t, time.Second, func() error {
				if n := len(o.Members()); n != 2 {
					return fmt.Errorf("%s sees %d members", o.Name(), n)
				}
				return nil
			})
		}
		nodes[i] = openAll(t, configs[i:i+1])[0]
		w.finish(t, nodes...)
		if w.gap > 4*time.Second {
			t.Errorf("writes stopped for %v", w.gap)
		}
	}
}

// TestQuorumLost leaves one node of three: it reads and refuses writes, soon and
// with the right error, and goes on when a second one returns.
func TestQuorumLost(t *testing.T) {
	configs := threeConfigs(t, t.TempDir())
	for i := range configs {
		configs[i].WriteTimeout = 2 * time.Second
	}
	nodes := openAll(t, configs)
	ctx, id := bounded(t), session.NewID()
	rev, err := nodes[1].Sessions().Put(ctx, id, testRecord("a"))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Second, func() error { _, err := nodes[0].Sessions().Get(ctx, id); return err })
	if err := nodes[0].Ready(); err != nil {
		t.Fatal(err)
	}
	crash(nodes[1])
	crash(nodes[2])
	next := testRecord("b")
	next.Revision = rev
	began := time.Now()
	if _, err := nodes[0].Sessions().Put(ctx, id, next); !errors.Is(err, ErrNoQuorum) {
		t.Errorf("write without a majority: %v", err)
	}
	if d := time.Since(began); d > 3*time.Second {
		t.Errorf("the first refusal took %v", d)
	}
	began = time.Now()
	if _, err := nodes[0].Sessions().Put(ctx, id, next); !errors.Is(err, ErrNoQuorum) {
		t.Errorf("second write without a majority: %v", err)
	}
	if d := time.Since(began); d > time.Second {
		t.Errorf("the second refusal took %v", d)
	}
	r, err := nodes[0].Sessions().Get(ctx, id)
	if err != nil || r.Subscriptions[0] != "a" {
		t.Errorf("read without a majority: %+v, %v", r, err)
	}
	began = time.Now()
	if _, err := nodes[0].Sessions().Get(ctx, session.NewID()); !errors.Is(err, session.ErrNotFound) || time.Since(began) > 10*time.Millisecond {
		t.Errorf("read of a session without a record: %v after %v", err, time.Since(began))
	}
	if _, err := nodes[0].sessions.fetch(ctx, id, rev); err != nil { // and what is not in memory
		t.Errorf("read from the replica without a majority: %v", err)
	}
	if err := nodes[0].Ready(); err != nil {
		t.Errorf("not ready when it may be an election: %v", err)
	}
	eventually(t, electionPatience+time.Second, func() error {
		if err := nodes[0].Ready(); !errors.Is(err, ErrNoQuorum) {
			return fmt.Errorf("ready without a majority: %w", err)
		}
		return nil
	})
	back := openAll(t, configs[1:2])[0]
	eventually(t, 10*time.Second, nodes[0].Ready)
	if err := session.Update(ctx, back.Sessions(), id, next.Expires, func(r *session.Record) error { r.Subscribe("c"); return nil }); err != nil {
		t.Errorf("write with a majority again: %v", err)
	}
}

// TestAloneSurvives holds that a single node that is killed has everything again.
func TestAloneSurvives(t *testing.T) {
	dir, ctx := t.TempDir(), bounded(t)
	c := openAlone(t, dir)
	w := write(t, c)
	eventually(t, 10*time.Second, func() error { return atLeast(w, 500) })
	w.stop()
	w.wg.Wait()
	if err := c.Keys().Init(ctx, nil); err != nil {
		t.Fatal(err)
	}
	ring := c.Keys().All()
	crash(c)
	c = openAlone(t, dir)
	w.finish(t, c)
	if again := c.Keys().All(); len(again) != 1 || string(again[0].Secret) != string(ring[0].Secret) {
		t.Error("the key ring is another one")
	}
	if err := c.Ready(); err != nil {
		t.Error(err)
	}
}

// TestSuspicion stops a node's heartbeats as a hang does, and holds that the
// others notice within their bound and believe it when it is back.
func TestSuspicion(t *testing.T) {
	nodes, ctx := openAll(t, threeConfigs(t, t.TempDir())), bounded(t)
	began := time.Now()
	hung := nodes[2].members
	hung.mu.Lock() // its heart stops, and its answers with it
	down := nodes[0].Down("n3")
	select {
	case <-down:
	case <-ctx.Done():
		t.Fatal("not noticed")
	}
	noticed := time.Since(began)
	t.Logf("noticed after %v", noticed.Round(time.Millisecond))
	if noticed > 1500*time.Millisecond {
		t.Errorf("a hang was noticed after %v", noticed)
	}
	if _, err := nodes[0].Request(ctx, "n3", "any", nil); !errors.Is(err, contract.ErrLost) {
		t.Errorf("request to a suspected node: %v", err)
	}
	hung.mu.Unlock()
	eventually(t, 2*time.Second, func() error {
		for _, n := range nodes {
			for _, m := range n.Members() {
				if !m.Up() {
					return fmt.Errorf("%s holds %s for lost", n.Name(), m.Name)
				}
			}
		}
		return nil
	})
}

// TestTiming holds that the server still has the variables this package sets, and
// that they are what elections follow. When it fails after an upgrade of
// nats-server, see docs/adr/0006.
func TestTiming(t *testing.T) {
	three(t)
	if !timingKnown() || !shortenElections() {
		t.Fatalf("the NATS server has lost a timing variable: heartbeat %v, elections %v to %v, quorum %v and %v",
			natsHeartbeat, natsMinElection, natsMaxElection, natsLostQuorum, natsLostQuorumCheck)
	}
	if natsHeartbeat != raftHeartbeat || natsMaxElection != maxElection || natsLostQuorum != lostQuorum {
		t.Error("the timing is not what was set")
	}
}

func TestDrainIsNotReady(t *testing.T) {
	c := openAlone(t, t.TempDir())
	c.Drain()
	if err := c.Ready(); err == nil || !strings.Contains(err.Error(), "leaving") {
		t.Errorf("ready while draining: %v", err)
	}
	c.Close()
	if err := c.Ready(); err == nil {
		t.Error("ready after Close")
	}
	if _, err := c.Sessions().Put(t.Context(), session.NewID(), testRecord()); !errors.Is(err, ErrClosed) {
		t.Errorf("write after Close: %v", err)
	}
}
