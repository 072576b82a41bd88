// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/tests/ledger"
)

// size says how much storm there is.
type size struct {
	servers, clients, processes, rounds int
	round                               time.Duration // before each kill of Holdfast, at most
	pause                               time.Duration // of a client between calls, at most
	idle                                time.Duration // after which a server's process is stopped
	calm                                bool          // a last life without kills, to measure what is left
	wave                                time.Duration // of that life's storm
}

// fullSize is what must hold; smallSize is for every test run.
var (
	fullSize = size{
		servers: 50, clients: 200, processes: 100, rounds: 20, round: 7 * time.Second,
		pause: 600 * time.Millisecond, idle: 8 * time.Second, calm: true, wave: 20 * time.Second,
	}
	smallSize = size{
		servers: 8, clients: 16, processes: 16, rounds: 3, round: 1500 * time.Millisecond,
		pause: 100 * time.Millisecond, idle: time.Second, calm: true, wave: 1500 * time.Millisecond,
	}
)

// storm is one run. The killer and the sampler are goroutines of run, which
// ends and awaits them.
type storm struct {
	size
	programs
	seed uint64
	rng  *rand.Rand // of run's goroutine
	l    *ledger.Ledger
	h    *holdfast
	mark string

	keeperKilled time.Time // when the keeper alone was last killed
}

// mourning is how long Holdfast may take to end what a killed keeper left.
// When it is killed itself meanwhile, both are as good as killed together.
const mourning = 3 * time.Second

func newStorm(p programs, s size, seed uint64, out io.Writer) *storm {
	return &storm{
		size: s, programs: p, seed: seed, rng: rand.New(rand.NewPCG(seed, 0)), l: ledger.New("storm", out),
		mark: fmt.Sprintf("storm%d", time.Now().UnixNano()),
	}
}

// names returns the servers' names.
func (s *storm) names() []string {
	names := make([]string, s.servers)
	for i := range names {
		names[i] = fmt.Sprintf("s%02d", i)
	}
	return names
}

// config has three kinds of servers: of either era, and of both.
func (s *storm) config() ([]byte, error) {
	servers := map[string]any{}
	for i, name := range s.names() {
		servers[name] = map[string]any{
			"command": s.server, "args": []string{"-era", []string{"both", "legacy", "modern"}[i%3]},
			"env":     map[string]string{markVar: s.mark + "-${" + lifeVar + "}"},
			"sharing": "session", "max": s.processes, "idle": s.idle.String(), "timeout": serverLimit.String(),
		}
	}
	return json.Marshal(map[string]any{"mcpServers": servers, "limits": map[string]any{"processes": s.processes}})
}

// run makes the storm. The error says what did not hold, or what kept it from
// being shown.
func (s *storm) run(ctx context.Context) error {
	config, err := s.config()
	if err != nil {
		return fmt.Errorf("make configuration: %w", err)
	}
	s.h, err = newHoldfast(s.holdfast, filepath.Join(s.dir, s.mark), config, s.mark, "GODEBUG=gctrace=1")
	if err != nil {
		return err
	}
	defer s.h.log.Close()
	defer s.sweep()
	if err := s.h.start(ctx); err != nil {
		return err
	}
	crowd := newCrowd(ctx, s.h, s.l, s.names(), s.seed, s.pause)
	crowd.start(s.clients)
	for round := range s.rounds {
		if err = s.blowAndKill(ctx, round); err != nil {
			break
		}
	}
	s.l.Say("the clients stop")
	crowd.stop()
	if err == nil {
		err = s.endLife()
	}
	if err == nil && s.calm {
		err = s.calmLives(ctx)
	}
	if err != nil {
		return err
	}
	return s.l.Verdict()
}

// sweep leaves nothing behind, whatever failed.
func (s *storm) sweep() {
	if s.h.cmd != nil {
		_ = s.h.end(9)
	}
	for _, p := range carrying(markVar, s.mark+"-*") {
		killProc(p)
	}
}

// blowAndKill is a while of storm in which servers are killed, then the end of
// Holdfast, then its next life.
func (s *storm) blowAndKill(ctx context.Context, round int) error {
	length := s.round/2 + time.Duration(s.rng.Int64N(int64(s.round/2)))
	s.l.Say("round %d of %d: %s", round+1, s.rounds, length.Round(100*time.Millisecond))
	s.blow(ctx, length, round%4 == 1)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if s.h.crashed() {
		s.l.Breach("Holdfast ended by itself:\n%s", s.h.tail(40))
	}
	all, keeper := below(s.h.cmd.Process.Pid)
	mark := s.h.lifeMark()
	s.l.Count("Holdfast killed")
	together := keeper.pid != 0 && round%3 == 2
	if together || time.Since(s.keeperKilled) < mourning { // what outlives this is the next life's to find
		var others []proc
		if together {
			s.l.Count("… together with its keeper")
			others = []proc{keeper}
		}
		s.h.kill(others, s.rng.IntN(2) == 0)
		if err := s.h.start(ctx); err != nil {
			return err
		}
		took, left := gone(all, mark)
		s.orphans("the restart after a kill of Holdfast and keeper", took, left)
		return nil
	}
	s.h.kill(nil, false)
	took, left := gone(all, mark)
	s.orphans("a kill of Holdfast", took, left)
	return s.h.start(ctx)
}

// orphans judges what is left, and how long it took to go.
func (s *storm) orphans(when string, took time.Duration, left []proc) {
	s.l.Most("ms until nothing is left after "+when, int(took.Milliseconds()))
	s.l.Add("orphans", len(left))
	if len(left) > 0 {
		s.l.Breach("%d orphans %s after %s: %v", len(left), took.Round(time.Millisecond), when, left)
	}
	for _, p := range left {
		killProc(p)
	}
}

// blow kills servers at random, and the keeper once if asked to, and watches
// the ceiling meanwhile.
func (s *storm) blow(ctx context.Context, length time.Duration, keeperToo bool) {
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { s.sample(ctx) })
	for n := 0; ; n++ {
		select {
		case <-time.After(time.Duration(20+s.rng.IntN(180)) * time.Millisecond):
		case <-ctx.Done():
			wg.Wait()
			return
		}
		all, keeper := below(s.h.cmd.Process.Pid)
		switch {
		case keeperToo && n == 10 && killProc(keeper):
			s.keeperKilled = time.Now()
			s.l.Count("keepers killed alone")
		case len(all) > 1:
			if p := all[s.rng.IntN(len(all))]; p != keeper && hasEnv(p.pid, markVar, s.h.lifeMark()) && killProc(p) {
				s.l.Count("servers and strays killed")
			}
		}
	}
}

// sample counts the servers that run at once.
func (s *storm) sample(ctx context.Context) {
	for {
		n := atOnce(s.server, markVar, s.h.lifeMark())
		s.l.Count("samples of the ceiling")
		s.l.Most("servers at once", n)
		if n > s.processes {
			s.l.Breach("%d servers at once, allowed are %d", n, s.processes)
		}
		select {
		case <-time.After(150 * time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
}

// endLife stops Holdfast in order.
func (s *storm) endLife() error {
	all, _ := below(s.h.cmd.Process.Pid)
	if err := s.h.stop(); err != nil {
		s.l.Breach("%v:\n%s", err, s.h.tail(20))
	}
	took, left := gone(all, s.h.lifeMark())
	s.orphans("an orderly stop", took, left)
	return nil
}
