// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/clustertest"
	"github.com/holdfast-mcp/holdfast/tests/wire"
)

// alone kills a node that has no others, and grows it to three: what it held is
// there each time.
func alone(ctx context.Context, e *env) error {
	sessions, crashes := 200, 5
	if e.small {
		sessions, crashes = 20, 2
	}
	f, err := launch(ctx, e.programs, e.dir, plan{nodes: 1})
	if err != nil {
		return err
	}
	defer f.close()
	a := &single{e: e, f: f, sessions: sessions}
	if err := a.run(ctx, crashes); err != nil {
		return fmt.Errorf("%w\n%s", err, f.logs())
	}
	return nil
}

// single is the run.
type single struct {
	e        *env
	f        *fleet
	sessions int

	crowd *crowd
	tasks map[string]string // id → what its result says
}

func (a *single) run(ctx context.Context, crashes int) error {
	a.crowd = newCrowd(ctx, a.e.l, a.f.url(), a.f.http, size{legacy: a.sessions, listeners: a.sessions / 4, pause: 300 * time.Millisecond}, a.e.seed)
	if err := a.crowd.start(); err != nil {
		return err
	}
	defer a.crowd.stop()
	if err := a.work(ctx); err != nil {
		return err
	}
	node := a.f.Nodes[0]
	for i := range crashes {
		wait(ctx, time.Second)
		a.crowd.disturb()
		began := time.Now()
		node.Kill()
		if err := a.back(ctx, node); err != nil {
			return err
		}
		a.e.l.Say("crash %d: back after %v", i+1, time.Since(began).Round(time.Millisecond))
		wait(ctx, time.Second)
		a.crowd.calm()
		a.crowd.verify(ctx)
		if err := a.results(ctx, node); err != nil {
			return err
		}
	}
	return a.grow(ctx, node)
}

func (a *single) back(ctx context.Context, n *clustertest.Node) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := n.Start(); err != nil {
		return err
	}
	return n.Ready(ctx)
}

// grow leaves, and comes back as one of three. Then the clients' URL leads to one
// of them, and what they have must be at each.
func (a *single) grow(ctx context.Context, node *clustertest.Node) error {
	a.crowd.disturb()
	limited, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := node.Leave(limited); err != nil {
		return err
	}
	if err := a.f.Grow(3); err != nil {
		return err
	}
	began := time.Now()
	if err := a.f.Start(limited); err != nil {
		return err
	}
	a.e.l.Say("grown to three nodes after %v", time.Since(began).Round(time.Millisecond))
	wait(ctx, time.Second)
	a.crowd.calm()
	for _, n := range a.f.Nodes {
		for _, m := range a.crowd.members {
			m.busy.Lock()
			m.c.URL = n.URL("/mcp")
			m.busy.Unlock()
		}
		a.crowd.verify(ctx)
		if err := a.results(ctx, n); err != nil {
			return err
		}
	}
	a.crowd.stop()
	a.e.l.Say("%d sessions have shown levels and subscriptions, and %d tasks results, at each of three nodes", len(a.crowd.members), len(a.tasks))
	return nil
}

// work makes tasks and waits until they have results.
func (a *single) work(ctx context.Context) error {
	a.tasks = map[string]string{}
	node := a.f.Nodes[0]
	for i := range a.sessions / 4 {
		id := fmt.Sprint("work-", i)
		answer, err := a.client(node).Tool(ctx, "web__work", fmt.Sprintf(`{"id":%q,"ms":10}`, id))
		task := field(answer.Result, "taskId")
		if err != nil || answer.Error != nil || task == "" {
			return fmt.Errorf("no task is made: %w %v %s", err, answer.Error, answer.Result)
		}
		a.tasks[task] = id
	}
	for task := range a.tasks {
		if err := a.finished(ctx, node, task); err != nil {
			return err
		}
	}
	return a.results(ctx, node)
}

// finished waits until a task is no longer at work: the gateway asks the server no
// more often than the server says, so there is no moment that is late enough.
func (a *single) finished(ctx context.Context, n *clustertest.Node, task string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		answer, err := a.client(n).Ask(ctx, "tasks/get", task, `{"taskId":"`+task+`"}`)
		switch {
		case err != nil:
			return err
		case answer.Error != nil || field(answer.Result, "status") != "working":
			return nil
		}
		wait(ctx, 100*time.Millisecond)
	}
}

func (a *single) client(n *clustertest.Node) *wire.Client {
	return &wire.Client{URL: n.URL("/mcp"), Name: "alone", HTTP: &http.Client{Transport: a.f.http}, Modern: true, Tasks: true}
}

// results holds that a node has the results of all tasks.
func (a *single) results(ctx context.Context, n *clustertest.Node) error {
	for task, id := range a.tasks {
		answer, err := a.client(n).Ask(ctx, "tasks/get", task, `{"taskId":"`+task+`"}`)
		if err != nil {
			return err
		}
		if answer.Error != nil || field(answer.Result, "status") != "completed" || !strings.Contains(string(answer.Result), strconv.Quote(id)) {
			a.e.l.Breach("%s: task %s: %s %v", n.Name, id, answer.Result, answer.Error)
		}
		a.e.l.Count("results of tasks seen")
	}
	return nil
}
