// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/tests/wire"
)

// drain has a node leave while long calls are in flight behind a balancer. All of
// them get their result.
func drain(ctx context.Context, e *env) error {
	for _, kind := range []string{"haproxy", "nginx"} {
		if err := e.drainBehind(ctx, kind); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}

// drainCalls is how many calls are in flight for each duration. They spread over
// three nodes and two servers, in both eras.
const drainCalls = 12

func (e *env) drainBehind(ctx context.Context, kind string) error {
	lasts := []time.Duration{4 * time.Second, 8 * time.Second, 30 * time.Second}
	if e.small {
		lasts = lasts[:2]
	}
	f, err := launch(ctx, e.programs, e.dir, plan{balancer: kind})
	if err != nil {
		return err
	}
	defer f.close()
	var wg sync.WaitGroup
	for i := range drainCalls * len(lasts) {
		id, last := fmt.Sprint("drain-", i), lasts[i/drainCalls]
		c := &wire.Client{URL: f.url(), Name: id, Modern: i%2 == 0, HTTP: &http.Client{Transport: f.http}}
		server := []string{"kit", "web"}[i/2%2]
		wg.Go(func() { e.holdThrough(ctx, c, server, id, last) })
	}
	time.Sleep(time.Second)
	n := f.Nodes[0]
	began := time.Now()
	leave, cancel := context.WithTimeout(ctx, lasts[len(lasts)-1]+startTimeout)
	defer cancel()
	if err := n.Leave(leave); err != nil {
		return err
	}
	left := time.Since(began)
	wg.Wait()
	e.l.Say("%s: %s left in %v, with calls in flight that take up to %v", kind, n.Name, left.Round(time.Millisecond), lasts[len(lasts)-1])
	return nil
}

// holdThrough makes one call and holds that it comes to its result.
func (e *env) holdThrough(ctx context.Context, c *wire.Client, server, id string, last time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, last+startTimeout)
	defer cancel()
	if !c.Modern {
		if err := c.Open(ctx); err != nil {
			e.l.Breach("%s: no session: %v", id, err)
			return
		}
	}
	a, err := c.Tool(ctx, server+"__hold", fmt.Sprintf(`{"id":%q,"ms":%d}`, id, last.Milliseconds()))
	switch {
	case err != nil:
		e.l.Breach("%s: the call of %v at %s came to %v", id, last, server, err)
	case a.Error != nil, a.Failed, a.Text != id:
		e.l.Breach("%s: the call of %v at %s was answered %q, %v", id, last, server, a.Text, a.Error)
	default:
		e.l.Count("call finished while its node was leaving, or elsewhere")
	}
}
