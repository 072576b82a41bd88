// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"time"
)

// roll restarts every node in order, under load. No request may fail.
func roll(ctx context.Context, e *env) error {
	s := size{legacy: 500, modern: 100, owners: 0, listeners: 50, pause: 2 * time.Second}
	rounds, sdk := 3, 20
	if e.small {
		s = size{legacy: 40, modern: 10, owners: 0, listeners: 8, pause: 300 * time.Millisecond}
		rounds, sdk = 1, 4
	}
	if e.rounds > 0 {
		rounds = e.rounds
	}
	u, err := e.underLoad(ctx, plan{balancer: "haproxy"}, s, sdk)
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
				e.l.Say("round %d: %s left in %v and is back after %v", round+1, n.Name, left.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
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
