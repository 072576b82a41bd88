// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/internal/session"
)

// history is a journal that is written without a server, frame by frame.
type history struct {
	rng    *rand.Rand
	frames [][]byte // the first is number 1
	first  uint64   // what is before is no longer there
	truth  *journal // has applied all of them
	ids    []session.ID
	past   map[session.ID][]uint64 // revisions a writer may believe in
}

func newHistory(seed uint64) *history {
	h := &history{rng: rand.New(rand.NewPCG(seed, 1)), first: 1, truth: offline(), past: map[session.ID][]uint64{}}
	for range 5 {
		h.ids = append(h.ids, session.NewID())
	}
	return h
}

// offline is a node that hears of frames by take alone.
func offline() *journal {
	j := newJournal(nil, nil, "self")
	newSessions(j, recordLimits{records: 1 << 20, bytes: 1 << 30, cached: 100 * sessionShards, cachedBytes: 1 << 30})
	return j
}

// hears is take at a node whose gaps are looked after meanwhile.
func (j *journal) hears(number uint64, body []byte) []session.ID {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.take(number, body)
}

func (h *history) add(f frame) {
	body := appendFrame(nil, &f)
	h.frames = append(h.frames, body)
	number := uint64(len(h.frames))
	for _, id := range h.truth.hears(number, body) {
		h.past[id] = append(h.past[id], number)
	}
}

func (h *history) changes(list ...change) frame {
	f := frame{origin: "other", number: uint64(len(h.frames))}
	for _, c := range list {
		c.expires, c.body = time.Now().Add(time.Hour).UnixMilli(), fmt.Appendf(nil, "%d over %d", len(h.frames)+1, c.over)
		f.entries = appendChange(f.entries, &c)
	}
	return f
}

// write adds a frame of changes, some of which come too late.
func (h *history) write() {
	var list []change
	for _, i := range h.rng.Perm(len(h.ids))[:1+h.rng.IntN(3)] {
		c := change{id: h.ids[i], over: h.truth.table.revision(h.ids[i])}
		if past := h.past[c.id]; h.rng.IntN(3) == 0 {
			c.over = 0
			if len(past) > 0 {
				c.over = past[h.rng.IntN(len(past))]
			}
		}
		list = append(list, c)
	}
	h.add(h.changes(list...))
}

// clean does what the cleaner does, while others write: what is valid below a
// floor is put again, then the floor is raised, then the frames below are dropped.
func (h *history) clean() {
	floor := h.first + h.rng.Uint64N(uint64(len(h.frames))-h.first+1)
	for _, id := range h.ids {
		if at := h.truth.table.revision(id); 0 < at && at < floor {
			for range h.rng.IntN(3) {
				h.write()
			}
			h.add(h.changes(change{id: id, over: at}))
		}
	}
	for range h.rng.IntN(3) {
		h.write()
	}
	h.add(frame{origin: "other", floor: floor})
	for range h.rng.IntN(3) {
		h.write()
	}
	h.first = floor
}

// from returns a node that reads what is there, having followed until some frame
// before, 0 for a new one, and been told of some of the rest, out of order.
func (h *history) from(followed uint64) *journal {
	j := offline()
	for i := range followed {
		j.hears(i+1, h.frames[i])
	}
	for _, i := range h.rng.Perm(len(h.frames)) {
		if number := uint64(i + 1); number > followed+1 && h.rng.IntN(3) == 0 {
			j.hears(number, h.frames[i])
		}
	}
	for number := max(h.first, followed+1); number <= uint64(len(h.frames)); number++ {
		j.mu.Lock()
		if number > j.last+1 {
			j.jump(number)
		}
		j.mu.Unlock()
		j.hears(number, h.frames[number-1])
	}
	return j
}

func (s *Sessions) contents() map[session.ID]string {
	all := map[session.ID]string{}
	for i := range s.shards {
		for id, e := range s.shards[i].entries {
			all[id] = fmt.Sprintf("%d: %s", e.rev, e.data)
		}
	}
	return all
}

// TestReplay holds that a node which reads a journal whose beginning has been
// cleaned away comes to what a node has that has followed it all, however far it
// had followed before, and whatever changes came too late meanwhile.
func TestReplay(t *testing.T) {
	for seed := range uint64(3000) {
		h := newHistory(seed)
		for range 1 + h.rng.IntN(4) {
			for range h.rng.IntN(20) {
				h.write()
			}
			if len(h.frames) > 0 {
				h.clean()
			}
		}
		want := h.truth.table.contents()
		for _, followed := range []uint64{0, h.rng.Uint64N(h.first), h.first - 1} {
			j := h.from(followed)
			if diff := cmp.Diff(want, j.table.contents()); diff != "" {
				t.Fatalf("seed %d, %d frames from %d on, followed until %d (-want +got):\n%s", seed, len(h.frames), h.first, followed, diff)
			}
			if j.replay != nil {
				t.Fatalf("seed %d: in doubt at the end", seed)
			}
		}
	}
}
