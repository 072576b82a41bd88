// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"time"
)

// roll restarts every node in order, under load, behind each balancer. No request
// may fail.
func roll(ctx context.Context, e *env) error {
	for _, kind := range []string{"haproxy", "nginx"} {
		if err := e.rollBehind(ctx, kind); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}

func (e *env) rollBehind(ctx context.Context, kind string) error {
	s := size{legacy: 500, modern: 100, owners: 0, listeners: 50, pause: 2 * time.Second}
	rounds, sdk := 3, 20
	if e.small {
		s = size{legacy: 40, modern: 10, owners: 0, listeners: 8, pause: 300 * time.Millisecond}
		rounds, sdk = 1, 4
	}
	if e.rounds > 0 {
		rounds = e.rounds
	}
	u, err := e.underLoad(ctx, plan{balancer: kind}, s, sdk)
	if err != nil {
		return err
	}
	defer u.close()
	for round := range rounds {
		for _, n := range u.Nodes {
			began := time.Now()
			leave, cancel := context.WithTimeout(ctx, startTimeout)
			err := n.Leave(leave)
			if err == nil {
				left := time.Since(began)
				if err = n.Start(); err == nil {
					err = n.Ready(leave)
				}
				e.l.Say("%s, round %d: %s left in %v and is back after %v", kind, round+1, n.Name, left.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
			}
			cancel()
			if err != nil {
				return err
			}
			u.sleep(ctx, time.Second)
		}
	}
	return u.finish(ctx)
}
