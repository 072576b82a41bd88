// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/holdfast-mcp/holdfast/internal/clustertest"
	"github.com/holdfast-mcp/holdfast/tests/wire"
)

// partition cuts one node off, then all from each other, while clients at every
// node change the same sessions and the same tasks.
func partition(ctx context.Context, e *env) error {
	s := &split{e: e, sessions: 12, slots: 4, pause: 250 * time.Millisecond, cut: 30 * time.Second}
	if e.small {
		s.sessions, s.slots, s.cut = 4, 2, 10*time.Second
	}
	return s.play(ctx, s.cuts)
}

// play starts a fleet and the clients, does what disturbs them, and checks what
// they have been told.
func (s *split) play(ctx context.Context, disturb func(context.Context) error) error {
	f, err := launch(ctx, s.e.programs, s.e.dir, plan{links: true})
	if err != nil {
		return err
	}
	defer f.close()
	s.f, s.subscriptions, s.tasks = f, newHistory(), newHistory()
	if err := s.open(ctx); err != nil {
		return fmt.Errorf("%w\n%s", err, f.logs())
	}
	if err := s.run(ctx, disturb); err != nil {
		return fmt.Errorf("%w\n%s", err, f.logs())
	}
	for name, check := range map[string]func() error{
		"subscriptions": func() error { return s.subscriptions.check(register) },
		"tasks":         func() error { return s.tasks.check(outcome) },
	} {
		if err := check(); err != nil {
			s.e.l.Breach("%s: %v", name, err)
		}
	}
	n, unknown := s.subscriptions.counts()
	m, unsure := s.tasks.counts()
	s.e.l.Say("checked %d operations on subscriptions, %d of unknown outcome, and %d on tasks, %d of unknown outcome", n, unknown, m, unsure)
	return nil
}

// split is the run. Its clients are goroutines of run.
type split struct {
	e *env
	f *fleet

	sessions, slots int // of resources that a session may subscribe to
	pause, cut      time.Duration

	opened        []string // sessions
	subscriptions *history
	tasks         *history

	mu      sync.Mutex
	created []string // tasks
}

// healLimit is how long the cluster may take until every node takes writes again.
const healLimit = 5 * time.Second

func (s *split) client(n *clustertest.Node, session int, modern bool) *wire.Client {
	c := &wire.Client{URL: n.URL("/mcp"), Name: "split", HTTP: &http.Client{Transport: s.f.http}, Modern: modern, Tasks: modern}
	if !modern {
		c.Session = s.opened[session]
	}
	return c
}

func (s *split) open(ctx context.Context) error {
	for i := range s.sessions {
		s.opened = append(s.opened, "")
		c := s.client(s.f.Nodes[i%3], i, false)
		if err := c.Open(ctx); err != nil {
			return err
		}
		s.opened[i] = c.Session
	}
	return nil
}

func (s *split) run(ctx context.Context, disturb func(context.Context) error) error {
	load, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for i, n := range s.f.Nodes {
		for session := range s.sessions {
			rng := rand.New(rand.NewPCG(s.e.seed, uint64(100*i+session)))
			wg.Go(func() { s.change(load, n, session, 100*i+session, rng) })
		}
		wg.Go(func() { s.work(load, n, 100*i, rand.New(rand.NewPCG(s.e.seed, uint64(100*i+99)))) })
	}
	defer wg.Wait()
	defer stop()
	if err := disturb(ctx); err != nil {
		return err
	}
	wait(ctx, time.Second)
	stop()
	wg.Wait()
	return s.read(ctx)
}

// cuts cuts one node off, then all from each other, and then one link of the three,
// which all nodes must bear.
func (s *split) cuts(ctx context.Context) error {
	for _, fault := range []struct {
		name string
		do   func()
		good []*clustertest.Node // that must go on
	}{
		{"n3 is cut off", func() { s.f.Links.Isolate("n3") }, s.f.Nodes[:2]},
		{"all are cut off from each other", func() { s.f.Links.Isolate("n3"); s.f.Links.Cut("n1", "n2") }, nil},
		{"the link of n1 and n2 is cut", func() { s.f.Links.Cut("n1", "n2") }, s.f.Nodes},
		{"n2 does not hear n1", func() { s.f.Links.CutWay("n1", "n2") }, s.f.Nodes},
	} {
		wait(ctx, s.cut/6)
		fault.do()
		began := time.Now()
		if err := s.during(ctx, fault.good); err != nil {
			return fmt.Errorf("%s: %w", fault.name, err)
		}
		wait(ctx, s.cut-time.Since(began))
		s.f.Links.Heal()
		healed, err := s.heals(ctx)
		if err != nil {
			return fmt.Errorf("after %s: %w", fault.name, err)
		}
		s.e.l.Say("%s for %v; every node takes writes %v after the healing", fault.name, s.cut, healed.Round(time.Millisecond))
		s.e.limit("the healing", healed, healLimit)
	}
	wait(ctx, s.cut/6)
	return nil
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// during holds, in the fault, that the nodes which have a majority take writes
// soon, and that the others refuse them clearly and go on with what needs none.
func (s *split) during(ctx context.Context, good []*clustertest.Node) error {
	wait(ctx, min(s.cut*3/4, 10*time.Second))
	for _, n := range s.f.Nodes {
		majority := false
		for _, g := range good {
			majority = majority || g == n
		}
		limited, cancel := context.WithTimeout(ctx, outcomeLimit)
		err := s.write(limited, n)
		a, readErr := s.client(n, 0, false).Tool(limited, "web__echo", `{"Text":"still"}`)
		cancel()
		failure, explicit := errors.AsType[*wire.Failure](err)
		switch {
		case majority && err != nil:
			s.e.l.Breach("%s has a majority and does not take a write: %v", n.Name, err)
		case !majority && err == nil:
			s.e.l.Breach("%s has no majority and takes a write", n.Name)
		case !majority && !explicit:
			s.e.l.Breach("%s refuses a write unclearly: %v", n.Name, err)
		case !majority:
			s.e.l.Count("refused in the fault: " + failure.Error())
		}
		if readErr != nil || a.Error != nil || a.Text != "still" {
			s.e.l.Breach("%s: what needs no write does not go on: %v %v", n.Name, readErr, a.Error)
		}
		if status, why := n.Probe(ctx, "/readyz"); (status == http.StatusOK) != majority {
			s.e.l.Breach("%s: readiness is %d %q", n.Name, status, why)
		}
	}
	return nil
}

// write changes a session at a node.
func (s *split) write(ctx context.Context, n *clustertest.Node) error {
	a, err := s.client(n, 0, false).Ask(ctx, "logging/setLevel", "", `{"level":"info"}`)
	if err == nil && a.Error != nil {
		err = a.Error
	}
	return err
}

// heals returns how long it takes until every node takes a write.
func (s *split) heals(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for _, n := range s.f.Nodes {
		for {
			status, why := n.Probe(ctx, "/readyz")
			err := errors.New(why)
			if status == http.StatusOK {
				if err = s.write(ctx, n); err == nil {
					break
				}
			}
			if ctx.Err() != nil {
				return 0, fmt.Errorf("%s: %w", n.Name, err)
			}
			wait(ctx, 20*time.Millisecond)
		}
	}
	return time.Since(began), nil
}

// change subscribes a session to resources and unsubscribes it, at one node.
func (s *split) change(ctx context.Context, n *clustertest.Node, session, client int, rng *rand.Rand) {
	c := s.client(n, session, false)
	for ctx.Err() == nil {
		slot, method, value := rng.IntN(s.slots), "resources/subscribe", "yes"
		if rng.IntN(2) == 0 {
			method, value = "resources/unsubscribe", "no"
		}
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), outcomeLimit)
		began := time.Now()
		a, err := c.Ask(limited, method, "", `{"uri":"`+s.uri(session, slot)+`"}`)
		cancel()
		known := err == nil && a.Error == nil
		if err == nil && a.Error != nil && a.Error.Code != -32603 || isStatus(err, http.StatusNotFound) {
			s.e.l.Breach("a change is refused: %v %v", err, a.Error)
		}
		s.subscriptions.add(step{object: s.uri(session, slot), kind: "set", value: value}, client, began, known)
		s.e.l.Count(fmt.Sprintf("changes, acknowledged: %t", known))
		wait(ctx, time.Duration(rng.Int64N(int64(2*s.pause))))
	}
}

func isStatus(err error, status int) bool {
	e, ok := errors.AsType[*wire.StatusError](err)
	return ok && e.Status == status
}

func (s *split) uri(session, slot int) string { return fmt.Sprintf("kit://item/s%d-%d", session, slot) }

// read has each node, one after the other, show what every session subscribes to.
func (s *split) read(ctx context.Context) error {
	for i, n := range s.f.Nodes {
		began := time.Now()
		heard, err := s.hear(ctx, n)
		if err != nil {
			return err
		}
		for session := range s.sessions {
			for slot := range s.slots {
				uri, value := s.uri(session, slot), "no"
				if heard[session][uri] {
					value = "yes"
				}
				s.subscriptions.add(step{object: uri, kind: "see", value: value}, 1000+i, began, true)
			}
		}
		s.see(ctx, n, 1000+i, true)
	}
	return nil
}

// hear opens the stream of every session at a node, has every resource change, and
// returns which changes each was told of.
func (s *split) hear(ctx context.Context, n *clustertest.Node) ([]map[string]bool, error) {
	ctx, cancel := context.WithCancel(ctx)
	var mu sync.Mutex
	heard := make([]map[string]bool, s.sessions)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for session := range s.sessions {
		heard[session] = map[string]bool{}
		c := s.client(n, session, false)
		c.Notified = func(method string, params jsontext.Value) {
			if method == "notifications/resources/updated" {
				mu.Lock()
				heard[session][field(params, "uri")] = true
				mu.Unlock()
			}
		}
		wg.Go(func() { _ = c.Listen(ctx, "") })
	}
	for range 3 { // whether it is told is asked thrice, as the first change may come before the stream
		wait(ctx, time.Second)
		for session := range s.sessions {
			for slot := range s.slots {
				a, err := s.client(n, session, false).Tool(ctx, "kit__touch", `{"uri":"`+s.uri(session, slot)+`"}`)
				if err != nil || a.Error != nil {
					return nil, fmt.Errorf("touch: %w %v", err, a.Error)
				}
			}
		}
	}
	wait(ctx, time.Second)
	mu.Lock()
	defer mu.Unlock()
	return heard, nil
}

// work creates tasks at a node, and looks at and cancels those of all nodes.
func (s *split) work(ctx context.Context, n *clustertest.Node, client int, rng *rand.Rand) {
	for i := 0; ctx.Err() == nil; i++ {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), outcomeLimit)
		switch rng.IntN(4) {
		case 0:
			s.create(limited, n, fmt.Sprintf("%s-%d", n.Name, i), rng.IntN(8000))
		case 1:
			s.cancel(limited, n, client, rng)
		default:
			s.see(limited, n, client, false)
		}
		cancel()
		wait(ctx, time.Duration(rng.Int64N(int64(4*s.pause))))
	}
}

func (s *split) create(ctx context.Context, n *clustertest.Node, id string, ms int) {
	a, err := s.client(n, 0, true).Tool(ctx, "web__work", fmt.Sprintf(`{"id":%q,"ms":%d}`, id, ms))
	if task := field(a.Result, "taskId"); err == nil && a.Error == nil && task != "" {
		s.mu.Lock()
		s.created = append(s.created, task)
		s.mu.Unlock()
		s.e.l.Count("tasks created")
		return
	}
	s.e.l.Count("tasks not created")
}

func (s *split) cancel(ctx context.Context, n *clustertest.Node, client int, rng *rand.Rand) {
	s.mu.Lock()
	var task string
	if len(s.created) > 0 {
		task = s.created[rng.IntN(len(s.created))]
	}
	s.mu.Unlock()
	if task == "" {
		return
	}
	began := time.Now()
	a, err := s.client(n, 0, true).Ask(ctx, "tasks/cancel", task, `{"taskId":"`+task+`"}`)
	s.tasks.add(step{object: task, kind: "set", value: "cancelled"}, client, began, err == nil && a.Error == nil)
	s.e.l.Count(fmt.Sprintf("tasks cancelled, acknowledged: %t", err == nil && a.Error == nil))
}

// see looks at every task. A task must be there once it was created.
func (s *split) see(ctx context.Context, n *clustertest.Node, client int, strict bool) {
	s.mu.Lock()
	all := append([]string(nil), s.created...)
	s.mu.Unlock()
	if !strict {
		all = all[max(0, len(all)-10):]
	}
	for _, task := range all {
		began := time.Now()
		a, err := s.client(n, 0, true).Ask(ctx, "tasks/get", task, `{"taskId":"`+task+`"}`)
		if err != nil || a.Error != nil {
			if strict {
				s.e.l.Breach("%s: task %s: %v %v", n.Name, task, err, a.Error)
			}
			s.e.l.Count("tasks not seen in the fault")
			continue
		}
		s.tasks.add(step{object: task, kind: "see", value: field(a.Result, "status")}, client, began, true)
		s.e.l.Count("tasks seen " + field(a.Result, "status"))
	}
}
