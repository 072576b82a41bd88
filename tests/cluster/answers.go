// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/holdfast-mcp/holdfast/internal/clustertest"
	"github.com/holdfast-mcp/holdfast/tests/wire"
)

// answers has clients answer a question at another node than that of its call,
// while the two do not reach each other. Whatever was acknowledged ends the call
// within seconds.
func answers(ctx context.Context, e *env) error {
	rounds := 20
	if e.small {
		rounds = 3
	}
	if e.rounds > 0 {
		rounds = e.rounds
	}
	return e.answersPaused(ctx, rounds)
}

const (
	// pauseTime is how long a node is stopped, and answerAfter when the answer comes.
	pauseTime   = 2 * time.Second
	answerAfter = 1500 * time.Millisecond
	// outcomeAfter is how long a call may take to end once its answer can arrive.
	outcomeAfter = 5 * time.Second
)

// answersPaused stops the node of each call while its answer is given at another.
func (e *env) answersPaused(ctx context.Context, rounds int) error {
	f, err := launch(ctx, e.programs, e.dir, plan{})
	if err != nil {
		return err
	}
	defer f.close()
	for round := range rounds {
		home, other := f.Nodes[round%3], f.Nodes[(round+1)%3]
		e.answerDuring(ctx, home, other, f, fmt.Sprintf("round %d: %s was stopped", round+1, home.Name), func() (over <-chan struct{}) {
			if err := home.Pause(); err != nil {
				e.l.Breach("%s was not stopped: %v", home.Name, err)
			}
			done := make(chan struct{})
			time.AfterFunc(pauseTime, func() {
				if err := home.Resume(); err != nil {
					e.l.Breach("%s does not go on: %v", home.Name, err)
				}
				close(done)
			})
			return done
		})
		if err := f.Ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

// answerDuring makes a call at home that asks, begins a fault, answers at other
// and holds that the call ends soon after the fault is over.
func (e *env) answerDuring(ctx context.Context, home, other *clustertest.Node, f *fleet, what string, fault func() (over <-chan struct{})) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	asked, answer := make(chan struct{}), make(chan struct{})
	c := &wire.Client{URL: home.URL("/mcp"), Name: "answers", HTTP: &http.Client{Transport: f.http}}
	c.Answer = func(string, jsontext.Value) string {
		close(asked)
		<-answer
		c.URL = other.URL("/mcp")
		return `{"action":"accept","content":{"word":"kelp"}}`
	}
	ended := make(chan error, 1)
	go func() { // ends with the call, which ctx bounds
		err := c.Open(ctx)
		if err == nil {
			var a wire.Answer
			if a, err = c.Tool(ctx, "kit__ask", `{"Text":"answers"}`); err == nil && a.Text != "accept kelp" {
				err = fmt.Errorf("answered %q, %v", a.Text, a.Error)
			}
		}
		ended <- err
	}()
	select {
	case <-asked:
	case err := <-ended:
		e.l.Breach("%s: the call did not ask: %v", what, err)
		return
	}
	over := fault()
	time.Sleep(answerAfter)
	close(answer)
	<-over
	select {
	case err := <-ended:
		if err != nil {
			e.l.Breach("%s: the call came to %v", what, err)
			return
		}
		e.l.Count("call ended with its answer")
	case <-time.After(outcomeAfter):
		e.l.Breach("%s: no outcome %v after the end of the fault", what, outcomeAfter)
	}
}
