// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/clustertest"
	"github.com/holdfast-mcp/holdfast/tests/wire"
)

// hang stops a node's process without ending it, with calls in work there, and
// lets it go on later.
func hang(ctx context.Context, e *env) error {
	s := size{legacy: 200, modern: 40, owners: 0, listeners: 60, pause: 2 * time.Second}
	rounds := 6
	if e.small {
		s = size{legacy: 24, modern: 6, owners: 0, listeners: 12, pause: 300 * time.Millisecond}
		rounds = 2
	}
	if e.rounds > 0 {
		rounds = e.rounds
	}
	u, err := e.underLoad(ctx, plan{balancer: "haproxy"}, s, 0)
	if err != nil {
		return err
	}
	defer u.close()
	h := &hanging{underLoad: u}
	for round := range rounds {
		n := u.Nodes[rand.New(rand.NewPCG(e.seed, uint64(round))).IntN(len(u.Nodes))]
		if err := h.round(ctx, round, n); err != nil {
			return fmt.Errorf("%w\n%s", err, u.logs())
		}
	}
	if err := u.finish(ctx); err != nil {
		return err
	}
	return h.once()
}

// hanging is the run.
type hanging struct {
	*underLoad
	calls int
}

const (
	// noticeLimit is how long it may take until others know of a hung node.
	noticeLimit = 1500 * time.Millisecond
	// held is how long the calls in work would take.
	held = 20 * time.Second
	// inWork is how many calls are begun for each round; they spread over the nodes.
	inWork = 30
)

// heldCall is a call that was begun before the node hung.
type heldCall struct {
	id     string
	answer wire.Answer
	err    error
	ended  time.Time
}

func (h *hanging) round(ctx context.Context, round int, n *clustertest.Node) error {
	var other *clustertest.Node
	for _, o := range h.Nodes {
		if o != n {
			other = o
		}
	}
	calls := make([]*heldCall, inWork)
	var wg sync.WaitGroup
	for i := range calls {
		h.calls++
		c := &heldCall{id: fmt.Sprintf("hang-%d-%d", round, i)}
		calls[i] = c
		client := &wire.Client{URL: other.URL("/mcp"), Name: c.id, HTTP: &http.Client{Transport: h.http}}
		wg.Go(func() {
			limited, cancel := context.WithTimeout(ctx, 2*held)
			defer cancel()
			if c.err = client.Open(limited); c.err == nil { // each has a process of its own, which lives at some node
				c.answer, c.err = client.Tool(limited, "own__hold", fmt.Sprintf(`{"id":%q,"ms":%d}`, c.id, held.Milliseconds()))
			}
			c.ended = time.Now()
		})
	}
	if err := h.begun(ctx, calls); err != nil {
		return err
	}
	began := time.Now()
	h.crowd.disturb()
	if err := n.Pause(); err != nil {
		return err
	}
	wait(ctx, 8*time.Second)
	if err := n.Resume(); err != nil {
		return err
	}
	resumed := time.Now()
	if err := h.settle(ctx); err != nil {
		return err
	}
	wg.Wait()
	lost, latest := 0, time.Duration(0)
	for _, c := range calls {
		switch {
		case c.err != nil:
			h.e.l.Breach("a call in work, begun at another node: %v", c.err)
		case c.answer.Error == nil && c.answer.Text == c.id:
			h.e.l.Count("calls in work that ended")
		case c.answer.Error == nil || c.answer.Error.Data.Gateway.Reason != "node_lost" || !c.answer.Error.Data.Gateway.Started:
			h.e.l.Breach("a call in work ends with %q %v", c.answer.Text, c.answer.Error)
		default:
			lost++
			latest = max(latest, c.ended.Sub(began))
			h.e.l.Count("calls in work that were given up explicitly")
		}
	}
	h.e.limit("giving up a call at a hung node", latest, noticeLimit)
	if lost == 0 {
		h.e.l.Count("rounds without a call at the hung node")
	}
	h.e.l.Say("round %d: %s hung for %v; %d calls there given up after at most %v; next success: reads %v; writes %v",
		round+1, n.Name, resumed.Sub(began).Round(time.Millisecond), lost, latest.Round(time.Millisecond), &h.crowd.reads, &h.crowd.writes)
	return nil
}

// begun waits until the calls are in work.
func (h *hanging) begun(ctx context.Context, calls []*heldCall) error {
	deadline := time.Now().Add(15 * time.Second)
	for {
		seen, err := h.executions()
		if err != nil {
			return err
		}
		missing := 0
		for _, c := range calls {
			if seen[c.id] == 0 {
				missing++
			}
		}
		if missing == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d calls are not in work", missing)
		}
		wait(ctx, 50*time.Millisecond)
	}
}

// executions counts, by id, how often hold was executed.
func (f *fleet) executions() (map[string]int, error) {
	file, err := os.Open(f.journal)
	if os.IsNotExist(err) {
		return map[string]int{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	seen := map[string]int{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		seen[strings.TrimSpace(lines.Text())]++
	}
	return seen, nil
}

// once holds that no call that must not be repeated was.
func (h *hanging) once() error {
	seen, err := h.executions()
	if err != nil {
		return err
	}
	for id, n := range seen {
		if n > 1 {
			h.e.l.Breach("%s was executed %d times", id, n)
		}
	}
	h.e.l.Say("%d calls were executed once each", len(seen))
	return nil
}
