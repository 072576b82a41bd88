// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/holdfast-mcp/holdfast/internal/session"
)

// cleaner returns a cleaner of c's journal that cleans whatever its size.
func cleaner(t *testing.T, c *Cluster) *cleaning {
	t.Helper()
	js, err := jetstream.New(c.conn)
	if err != nil {
		t.Fatal(err)
	}
	return &cleaning{j: c.sessions.journal, js: js, least: 1}
}

// frames returns the numbers of the first and the last frame there are.
func frames(t *testing.T, c *Cluster) (first, last uint64) {
	t.Helper()
	info, err := c.streamInfo(t.Context(), c.stream(kindSession))
	if err != nil {
		t.Fatal(err)
	}
	return info.State.FirstSeq, info.State.LastSeq
}

// TestClean changes some sessions again and again at all nodes while two of them
// clean the journal, and holds that the journal stays short and nothing is lost,
// at nodes that were there and at one that comes later.
func TestClean(t *testing.T) {
	configs := threeConfigs(t, t.TempDir())
	nodes, ctx := openAll(t, configs), bounded(t)
	expires := time.Now().Add(time.Hour)
	var quiet []session.ID // never changed again
	for i := range 300 {
		id := session.NewID()
		quiet = append(quiet, id)
		if _, err := nodes[i%3].Sessions().Put(ctx, id, testRecord(id.String())); err != nil {
			t.Fatal(err)
		}
	}
	var busy []session.ID
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	changes := make([]int, 6)
	var wg sync.WaitGroup
	for i := range changes {
		id := session.NewID()
		busy = append(busy, id)
		wg.Go(func() {
			for stop.Err() == nil {
				uri := fmt.Sprint("file:///", changes[i])
				err := session.Update(ctx, nodes[i%3].Sessions(), id, expires, func(r *session.Record) error { r.Subscriptions = []string{uri}; return nil })
				switch {
				case err == nil:
					changes[i]++
				case !errors.Is(err, session.ErrConflict): // the cleaner has put it again, and again
					t.Error(err)
				}
			}
		})
	}
	for _, n := range nodes[:2] {
		clean := cleaner(t, n)
		wg.Go(func() {
			for range 10 {
				<-time.After(100 * time.Millisecond)
				if err := clean.clean(ctx); err != nil {
					t.Errorf("%s does not clean: %v", n.Name(), err)
				}
			}
			cancel()
		})
	}
	wg.Wait()
	first, last := frames(t, nodes[0])
	if first < last/4 {
		t.Errorf("frames %d to %d are there", first, last)
	}
	crash(nodes[2])
	again := openAll(t, configs[2:])[0]
	for _, n := range []*Cluster{nodes[0], nodes[1], again} {
		eventually(t, 5*time.Second, func() error { return holdsAll(ctx, n, quiet, busy, changes) })
		if n.sessions.journal.certain() == 0 {
			t.Errorf("%s is in doubt", n.Name())
		}
	}
	t.Logf("frames %d to %d are there", first, last)
}

// holdsAll holds that a node has what the sessions of TestClean must show.
func holdsAll(ctx context.Context, n *Cluster, quiet, busy []session.ID, changes []int) error {
	for _, id := range quiet {
		if r, err := n.Sessions().Get(ctx, id); err != nil || r.Subscriptions[0] != id.String() {
			return fmt.Errorf("%s: a session that never changed: %+v, %w", n.Name(), r, err)
		}
	}
	for i, id := range busy {
		want := fmt.Sprint("file:///", changes[i]-1)
		if r, err := n.Sessions().Get(ctx, id); err != nil || r.Subscriptions[0] != want {
			return fmt.Errorf("%s: a session whose last change is %s: %+v, %w", n.Name(), want, r, err)
		}
	}
	return nil
}

// TestCleanShort holds that a short journal is left alone, and so is one that is not
// much larger than what is in it.
func TestCleanShort(t *testing.T) {
	c, ctx := openAlone(t, t.TempDir()), bounded(t)
	for range 20 {
		if _, err := c.Sessions().Put(ctx, session.NewID(), testRecord("a")); err != nil {
			t.Fatal(err)
		}
	}
	for name, set := range map[string]func(*cleaning){
		"short": func(k *cleaning) { k.least, k.sparse = minJournal, 0 },
		"dense": func(k *cleaning) { k.least, k.sparse = 1, sparse },
	} {
		clean := cleaner(t, c)
		set(clean)
		if err := clean.clean(ctx); err != nil {
			t.Fatal(err)
		}
		if first, _ := frames(t, c); first != 1 {
			t.Errorf("a %s journal was cleaned up to %d", name, first)
		}
	}
}

// TestTooFarBehind holds that a node which finds that frames it never saw are no
// longer there goes on with the rest.
func TestTooFarBehind(t *testing.T) {
	nodes, ctx := openAll(t, threeConfigs(t, t.TempDir())), bounded(t)
	s := sessionsOver(t, nodes[0], 1000, func(a asker) asker { return a })
	id := session.NewID()
	if _, err := s.Put(ctx, id, testRecord("a")); err != nil {
		t.Fatal(err)
	}
	if err := s.journal.sub.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	var later session.ID
	for range 20 {
		later = session.NewID()
		if _, err := nodes[1].Sessions().Put(ctx, later, testRecord("a")); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, 2*time.Second, func() error { return known(nodes[0], later) })
	if err := cleaner(t, nodes[0]).clean(ctx); err != nil {
		t.Fatal(err)
	}
	if first, last := frames(t, nodes[0]); first < 4 {
		t.Fatalf("frames %d to %d are there", first, last)
	}
	s.journal.nudge()
	eventually(t, 5*time.Second, func() error {
		for _, id := range []session.ID{id, later} {
			if have, want := s.revision(id), nodes[0].sessions.revision(id); have != want {
				return fmt.Errorf("it has revision %d, want %d", have, want)
			}
		}
		return nil
	})
	if s.journal.certain() == 0 {
		t.Error("it is in doubt")
	}
}

// TestStranded holds that a change is not waited for that was in a frame before
// the one at which its node goes on.
func TestStranded(t *testing.T) {
	j := offline()
	lost, open := &entry{done: make(chan outcome, 1)}, &entry{done: make(chan outcome, 1)}
	j.flights[1] = &flight{entries: []*entry{lost}, over: make(chan struct{}), at: 3}
	j.flights[2] = &flight{entries: []*entry{open}, over: make(chan struct{})}
	j.jump(10)
	if o := <-lost.done; !errors.Is(o.err, ErrNoQuorum) {
		t.Errorf("%+v", o)
	}
	if len(j.flights) != 1 {
		t.Errorf("%d frames are under way, want that which may be done yet", len(j.flights))
	}
}

func known(c *Cluster, id session.ID) error {
	if c.sessions.revision(id) == 0 {
		return fmt.Errorf("%s does not know %s", c.Name(), id)
	}
	return nil
}
