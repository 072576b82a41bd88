// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// kills ends a random node by kill -9 again and again, under load.
func kills(ctx context.Context, e *env) error {
	s := size{legacy: 1000, modern: 100, owners: 20, listeners: 100, pause: 10 * time.Second}
	rounds, sdk := 20, 20
	if e.small {
		s = size{legacy: 40, modern: 10, owners: 4, listeners: 8, pause: 300 * time.Millisecond}
		rounds, sdk = 3, 4
	}
	if e.rounds > 0 {
		rounds = e.rounds
	}
	u, err := e.underLoad(ctx, plan{balancer: "haproxy"}, s, sdk)
	if err != nil {
		return err
	}
	defer u.close()
	rng := rand.New(rand.NewPCG(e.seed, 0))
	for round := range rounds {
		n := u.Nodes[rng.IntN(len(u.Nodes))]
		u.sleep(ctx, 500*time.Millisecond+time.Duration(rng.Int64N(int64(time.Second))))
		u.crowd.disturb()
		n.Kill()
		u.sleep(ctx, 500*time.Millisecond+time.Duration(rng.Int64N(int64(2*time.Second))))
		if err := n.Start(); err != nil {
			return err
		}
		ready, cancel := context.WithTimeout(ctx, startTimeout)
		err := n.Ready(ready)
		cancel()
		if err != nil {
			return err
		}
		if err := u.settle(ctx); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		e.l.Say("round %d of %d: %s was killed and is back; next success: reads %v; writes %v",
			round+1, rounds, n.Name, &u.crowd.reads, &u.crowd.writes)
	}
	if err := u.finish(ctx); err != nil {
		return err
	}
	e.limit("the next success of who needed no write, p99", u.crowd.reads.quantile(0.99), readLimit)
	e.limit("the next success of who needed one, p99", u.crowd.writes.quantile(0.99), writeLimit)
	return nil
}

// Limits of the time from a kill to the next success of a client that it affects.
const (
	readLimit  = time.Second
	writeLimit = 2500 * time.Millisecond
)

// underLoad is a fleet with a crowd on it, and SDK clients beside.
type underLoad struct {
	*fleet
	e     *env
	crowd *crowd
	sdks  []*sdkCrowd
}

func (e *env) underLoad(ctx context.Context, plan plan, s size, sdk int) (*underLoad, error) {
	f, err := launch(ctx, e.programs, e.dir, plan)
	if err != nil {
		return nil, err
	}
	u := &underLoad{fleet: f, e: e}
	if err := u.begin(ctx, s, sdk); err != nil {
		u.close()
		return nil, fmt.Errorf("%w\n%s", err, f.logs())
	}
	return u, nil
}

func (u *underLoad) begin(ctx context.Context, s size, sdk int) error {
	for _, language := range []string{"typescript", "go"} {
		if sdk == 0 {
			break
		}
		c, err := u.startSDK(ctx, language, sdk, sdk/2, 0)
		if err != nil {
			return err
		}
		u.sdks = append(u.sdks, c)
	}
	u.crowd = newCrowd(ctx, u.e.l, u.url(), u.http, s, u.e.seed)
	began := time.Now()
	if err := u.crowd.start(); err != nil {
		return err
	}
	u.e.l.Say("%d sessions and %d modern clients, all changed and subscribed after %v, and %d SDK clients of each language",
		s.legacy, s.modern, time.Since(began).Round(time.Millisecond), sdk+sdk/2)
	return nil
}

func (u *underLoad) sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// settle waits until what a fault has affected goes on, which has to be soon after
// it is over, and notes that from now on nothing may fail.
func (u *underLoad) settle(ctx context.Context) error {
	if err := u.Ready(ctx); err != nil {
		return err
	}
	u.sleep(ctx, 2*time.Second)
	u.crowd.calm()
	return nil
}

// finish has every session show what it has, stops the load and checks its end.
func (u *underLoad) finish(ctx context.Context) error {
	u.crowd.verify(ctx)
	u.e.l.Say("all sessions have shown what they have")
	u.crowd.stop()
	for _, c := range u.sdks {
		if err := c.finish(u.e.l, true, true); err != nil {
			return err
		}
	}
	u.sdks = nil
	u.e.l.Say("next success of who needed no write: %v", &u.crowd.reads)
	u.e.l.Say("next success of who needed one: %v", &u.crowd.writes)
	return nil
}

func (u *underLoad) close() {
	if u.crowd != nil {
		u.crowd.cancel()
		u.crowd.stop()
	}
	for _, c := range u.sdks {
		c.kill()
	}
	u.fleet.close()
}
