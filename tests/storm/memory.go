// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"time"
)

// What Holdfast may hold more of after a storm than before it.
const (
	rssFactor    = 1.5
	heapFactor   = 1.5
	heapSlack    = 4 // MiB: the runtime tells whole ones
	fdSlack      = 8
	stackSlack   = 12 // goroutines
	settleLimit  = 45 * time.Second
	settlePeriod = 500 * time.Millisecond
)

// holding is what one moment of an idle Holdfast shows.
type holding struct {
	usage
	heap int // MiB live at the last collection
}

func (h holding) String() string {
	return fmt.Sprintf("RSS %.1f MiB, live heap %d MiB, %d descriptors, %d threads", float64(h.RSS)/1024, h.heap, h.FDs, h.Threads)
}

// calmLives measures what a storm leaves in a Holdfast that lives on: one life
// without a storm counts the goroutines of an idle Holdfast, the next has the
// same and a storm in between.
func (s *storm) calmLives(ctx context.Context) error {
	if err := s.h.start(ctx); err != nil {
		return err
	}
	s.light(ctx)
	idle, err := s.settle(ctx, holding{})
	if err != nil {
		return err
	}
	s.l.Say("idle: %s", idle)
	before, err := s.h.dump()
	if err != nil {
		return err
	}
	if err := s.h.start(ctx); err != nil {
		return err
	}
	s.light(ctx)
	start, err := s.settle(ctx, holding{})
	if err != nil {
		return err
	}
	s.l.Say("before the wave: %s", start)
	crowd := newCrowd(ctx, s.h, s.l, s.names(), s.seed+1, s.pause)
	crowd.start(s.clients)
	s.blow(ctx, s.wave, true)
	peak, _ := usageOf(s.h.cmd.Process.Pid)
	crowd.stop()
	end, err := s.settle(ctx, start)
	if err != nil {
		return err
	}
	s.l.Say("after the wave:  %s (RSS in it %.1f MiB)", end, float64(peak.RSS)/1024)
	after, err := s.h.dump()
	if err != nil {
		return err
	}
	s.l.Say("goroutines: %d without a wave, %d after it", before.total(), after.total())
	s.compare(start, end, before, after)
	return nil
}

func (s *storm) compare(start, end holding, before, after stacks) {
	s.l.Most("KiB resident before the wave", start.RSS)
	s.l.Most("KiB resident after the wave", end.RSS)
	s.l.Most("goroutines before the wave", before.total())
	s.l.Most("goroutines after the wave", after.total())
	s.l.Most("goroutines kept for calls after the wave", after.parked())
	s.l.Most("descriptors before the wave", start.FDs)
	s.l.Most("descriptors after the wave", end.FDs)
	if float64(end.RSS) > rssFactor*float64(start.RSS) {
		s.l.Breach("%d KiB resident after the wave, %d before: over %.1f times", end.RSS, start.RSS, rssFactor)
	}
	if float64(end.heap) > heapFactor*float64(start.heap)+heapSlack {
		s.l.Breach("%d MiB of live heap after the wave, %d before: over %.1f times and %d", end.heap, start.heap, heapFactor, heapSlack)
	}
	if end.FDs > start.FDs+fdSlack {
		s.l.Breach("%d descriptors after the wave, %d before", end.FDs, start.FDs)
	}
	if after.total() > before.total()+stackSlack {
		s.l.Breach("%d goroutines after the wave, %d without one:%s", after.total(), before.total(), after.over(before))
	}
}

// light makes a few calls to every server, of both eras, so that everything has
// been used once and garbage is collected.
func (s *storm) light(ctx context.Context) {
	crowd := newCrowd(ctx, s.h, s.l, s.names(), s.seed+2, 0)
	defer crowd.stop()
	for i := range 2 {
		m := &member{crowd: crowd, name: fmt.Sprintf("light%d", i), modern: i == 1, rng: rand.New(rand.NewPCG(s.seed, 0))}
		if !m.connect() {
			return
		}
		for n := range 20 {
			for _, name := range s.names() {
				if ctx.Err() != nil {
					return
				}
				nonce := fmt.Sprintf("light.%d.%d.%s", i, n, name)
				m.outcome(call{tool: "echo", args: fmt.Sprintf(`{"Text":%q}`, nonce), server: name, nonce: nonce})
			}
		}
		m.leave()
	}
}

// settle waits until nothing runs below and Holdfast holds no more than goal
// allows, or the limit is over: memory goes back to the system by and by.
func (s *storm) settle(ctx context.Context, goal holding) (holding, error) {
	deadline := time.Now().Add(settleLimit)
	for {
		select {
		case <-time.After(settlePeriod):
		case <-ctx.Done():
			return holding{}, context.Cause(ctx)
		}
		if s.h.crashed() {
			return holding{}, fmt.Errorf("holdfast ended by itself:\n%s", s.h.tail(40))
		}
		if len(carrying(markVar, s.h.lifeMark())) > 0 && time.Now().Before(deadline) {
			continue
		}
		u, err := usageOf(s.h.cmd.Process.Pid)
		if err != nil {
			return holding{}, err
		}
		now := holding{usage: u, heap: s.liveHeap()}
		if goal.RSS == 0 || float64(now.RSS) <= rssFactor*float64(goal.RSS) && now.FDs <= goal.FDs+fdSlack {
			return now, nil
		}
		if time.Now().After(deadline) {
			return now, nil
		}
		s.light(ctx)
	}
}

// gcTrace is a line of the runtime's; its third size is what was live.
var gcTrace = regexp.MustCompile(`(?m)^gc \d+ @.*, \d+->\d+->(\d+) MB`)

// liveHeap is what the last garbage collection left, in MiB.
func (s *storm) liveHeap() int {
	data, err := os.ReadFile(s.h.log.Name())
	if err != nil {
		return 0
	}
	all := gcTrace.FindAllSubmatch(data, -1)
	if len(all) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(string(all[len(all)-1][1]))
	return n
}
