// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/clustertest"
)

// weather lets one fault follow another, chosen by the seed, while clients at
// every node change the same sessions and tasks.
func weather(ctx context.Context, e *env) error {
	s := &split{e: e, sessions: 8, slots: 3, pause: 250 * time.Millisecond}
	rounds := 20
	if e.small {
		s.sessions, s.slots, rounds = 4, 2, 4
	}
	if e.rounds > 0 {
		rounds = e.rounds
	}
	return s.play(ctx, func(ctx context.Context) error {
		rng := rand.New(rand.NewPCG(e.seed, 1))
		for round := range rounds {
			wait(ctx, 500*time.Millisecond+rand.N(time.Second))
			f := faults[rng.IntN(len(faults))]
			n, other := s.f.Nodes[rng.IntN(3)], s.f.Nodes[rng.IntN(3)]
			for other == n {
				other = s.f.Nodes[rng.IntN(3)]
			}
			lasts := time.Second + time.Duration(rng.Int64N(int64(5*time.Second)))
			what, over, err := f(ctx, s.f, n, other)
			if err == nil {
				wait(ctx, lasts)
				err = over()
			}
			if err != nil {
				return fmt.Errorf("round %d, %s: %w", round+1, what, err)
			}
			healed, err := s.heals(ctx)
			if err != nil {
				return fmt.Errorf("round %d, after %s: %w", round+1, what, err)
			}
			e.l.Say("round %d of %d: %s for %v; every node takes writes %v later", round+1, rounds, what, lasts.Round(time.Millisecond), healed.Round(time.Millisecond))
			e.limit("the healing after "+what, healed, 2*healLimit)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
		return nil
	})
}

// fault does something to a node, or between it and another, and returns what it
// is and what ends it.
type fault func(ctx context.Context, f *fleet, n, other *clustertest.Node) (what string, over func() error, err error)

var faults = []fault{
	func(_ context.Context, _ *fleet, n, _ *clustertest.Node) (string, func() error, error) {
		n.Kill()
		return n.Name + " killed", n.Start, nil
	},
	func(ctx context.Context, _ *fleet, n, _ *clustertest.Node) (string, func() error, error) {
		ctx, cancel := context.WithTimeout(ctx, startTimeout)
		defer cancel()
		return n.Name + " sent away", n.Start, n.Leave(ctx)
	},
	func(_ context.Context, _ *fleet, n, _ *clustertest.Node) (string, func() error, error) {
		return n.Name + " stopped", n.Resume, n.Pause()
	},
	func(_ context.Context, f *fleet, n, _ *clustertest.Node) (string, func() error, error) {
		f.Links.Isolate(n.Name)
		return n.Name + " cut off", f.heal, nil
	},
	func(_ context.Context, f *fleet, n, other *clustertest.Node) (string, func() error, error) {
		f.Links.Cut(n.Name, other.Name)
		return n.Name + " and " + other.Name + " cut apart", f.heal, nil
	},
	func(_ context.Context, f *fleet, n, other *clustertest.Node) (string, func() error, error) {
		f.Links.CutWay(n.Name, other.Name)
		return n.Name + " not heard by " + other.Name, f.heal, nil
	},
	func(_ context.Context, f *fleet, n, other *clustertest.Node) (string, func() error, error) {
		f.Links.Break(n.Name, other.Name)
		return "connections of " + n.Name + " and " + other.Name + " broken", f.heal, nil
	},
	func(_ context.Context, f *fleet, n, other *clustertest.Node) (string, func() error, error) {
		f.Links.Shape(n.Name, other.Name, clustertest.Quality{Delay: 80 * time.Millisecond, Rate: 256 << 10})
		return "the link of " + n.Name + " and " + other.Name + " slow", f.heal, nil
	},
	func(_ context.Context, f *fleet, n, other *clustertest.Node) (string, func() error, error) {
		n.Kill()
		other.Kill()
		return n.Name + " and " + other.Name + " killed", func() error { return errors.Join(n.Start(), other.Start()) }, nil
	},
}

func (f *fleet) heal() error {
	f.Links.Heal()
	return nil
}
