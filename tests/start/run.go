// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"
)

// What is held: a way through Holdfast takes no more than this many times as long as
// the direct one, and so much more; a first answer no longer than that.
const (
	maxRatio  = 1.2
	maxMore   = 2 * time.Second
	maxAnswer = time.Second
)

// cold is how many servers are started from an empty cache.
const cold = 10

// run is one run of the measurements.
type run struct {
	dir, holdfast, echo, listen string
	rounds, warm                int
	out                         io.Writer
	make                        func(n int, cache string) []spec
}

// all measures everything, prints it, and fails when a bar is not kept.
func (r *run) all(ctx context.Context) error {
	fmt.Fprintf(r.out, "%-34s %9s %9s %7s  %s\n", "", "direct", "through", "ratio", "first answer: at the start, when all are up")
	var failures []error
	caches := [2]string{}
	measure := func(what string, n int, fresh bool, never ...spec) error {
		var best [2]time.Duration
		var worst passage
		for round := range r.rounds {
			if fresh {
				caches = [2]string{r.cache("direct", round), r.cache("through", round)}
			}
			took, p, err := r.both(ctx, n, caches, round%2 == 1, never...)
			if err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			for i := range took {
				if best[i] == 0 || took[i] < best[i] {
					best[i] = took[i]
				}
			}
			worst.greeted, worst.listed = max(worst.greeted, p.greeted), max(worst.listed, p.listed)
		}
		fmt.Fprintf(r.out, "%-34s %8.1fs %8.1fs %6.2fx  %v, %v\n", what, best[0].Seconds(), best[1].Seconds(),
			best[1].Seconds()/best[0].Seconds(), worst.greeted.Round(time.Millisecond), worst.listed.Round(time.Millisecond))
		failures = append(failures, judge(what, best[0], best[1], worst))
		return nil
	}
	if err := measure(fmt.Sprintf("%d servers, empty cache", cold), cold, true); err != nil {
		return err
	}
	if err := measure(fmt.Sprintf("%d servers, warm", r.warm), r.warm, false); err != nil {
		return err
	}
	if err := measure(fmt.Sprintf("%d servers, warm, and one hangs", r.warm), r.warm, false, hanging()); err != nil {
		return err
	}
	return errors.Join(failures...)
}

// cache returns the path of an npm cache that does not exist yet.
func (r *run) cache(way string, round int) string {
	return filepath.Join(r.dir, fmt.Sprintf("cache-%s-%d", way, round))
}

// both measures both ways, the direct one first unless turned. Beside the servers
// stand, behind Holdfast, some that never come up.
func (r *run) both(ctx context.Context, n int, caches [2]string, turned bool, never ...spec) (took [2]time.Duration, p passage, err error) {
	ways := [2]func() error{
		func() (err error) { took[0], err = direct(ctx, r.make(n, caches[0])); return err },
		func() (err error) {
			p, err = r.through(ctx, r.make(n, caches[1]), never...)
			took[1] = p.all
			return err
		},
	}
	if turned {
		ways[0], ways[1] = ways[1], ways[0]
	}
	for _, way := range ways {
		if err := errors.Join(way(), ctx.Err()); err != nil {
			return took, p, err
		}
	}
	return took, p, nil
}

// judge says what of a measurement is over its bar.
func judge(what string, direct, through time.Duration, p passage) error {
	var over []error
	if most := time.Duration(maxRatio*float64(direct)) + maxMore; through > most {
		over = append(over, fmt.Errorf("%s: %v through Holdfast, at most %v is held", what, through.Round(time.Millisecond), most.Round(time.Millisecond)))
	}
	for when, answer := range map[string]time.Duration{"at the start": p.greeted, "when all are up": p.listed} {
		if answer > maxAnswer {
			over = append(over, fmt.Errorf("%s: the first answer %s took %v, at most %v is held", what, when, answer.Round(time.Millisecond), maxAnswer))
		}
	}
	return errors.Join(over...)
}
