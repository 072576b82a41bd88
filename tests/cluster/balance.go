// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"time"
)

// balance has real clients do everything that a session has, behind a balancer
// that sends each request to the next node. Nothing may fail.
func balance(ctx context.Context, e *env) error {
	for _, kind := range []string{"haproxy", "nginx"} {
		if err := e.balanceOver(ctx, kind); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}

func (e *env) balanceOver(ctx context.Context, kind string) error {
	legacy, modern, rounds := 500, 100, 2 // in each language
	if kind == "nginx" {
		legacy, modern = 100, 20
	}
	if e.small {
		legacy, modern, rounds = 12, 4, 1
	}
	f, err := launch(ctx, e.programs, e.dir, plan{balancer: kind})
	if err != nil {
		return err
	}
	defer f.close()
	began := time.Now()
	var crowds []*sdkCrowd
	for _, language := range []string{"typescript", "go"} {
		c, err := f.startSDK(ctx, language, legacy, modern, rounds)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, f.logs())
		}
		defer c.kill()
		crowds = append(crowds, c)
	}
	e.l.Say("%s: %d legacy sessions and %d modern clients are connected after %v", kind, 2*legacy, 2*modern, time.Since(began).Round(time.Millisecond))
	for _, c := range crowds {
		if err := c.finish(e.l, false, false); err != nil {
			return err
		}
	}
	e.l.Say("%s: done after %v", kind, time.Since(began).Round(time.Millisecond))
	return f.alike(ctx, e)
}

// alike holds that all nodes took part.
func (f *fleet) alike(_ context.Context, e *env) error {
	for _, n := range f.Nodes {
		used, err := cpuTime(n.PID())
		if err != nil {
			return err
		}
		e.l.Say("%s has used %v of processors", n.Name, used.Round(time.Millisecond))
	}
	return nil
}
