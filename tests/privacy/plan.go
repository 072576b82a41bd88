// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/clustertest"
)

// fate is how a call ends.
type fate int

const (
	answered  fate = iota // its server answers in time
	cancelled             // its client cancels it
	gone                  // its client hangs up
	ended                 // its client ends its session
	late                  // its server answers after the gateway's timeout
	fates
)

// plan is all that is chosen at random about a call.
type plan struct {
	server      string
	node, other *clustertest.Node // that takes the call, and its cancellation
	who         string
	fate        fate
	until       time.Duration // from the call to its fate
	steps       []string      // of its server, in JSON
}

// What servers do, in milliseconds. An answer that is late comes after the call's
// timeout even when no step before it takes time.
const (
	stepTime = 60
	fateTime = 150
	lateTime = int(callTimeout/time.Millisecond) + 100
)

// plan chooses the next call.
func (c *client) plan() plan {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	p := plan{
		server: servers[c.random.IntN(len(servers))],
		node:   c.nodes[c.random.IntN(len(c.nodes))], other: c.nodes[c.random.IntN(len(c.nodes))],
		who:   fmt.Sprintf("call%d", c.calls),
		fate:  fate(c.random.IntN(int(fates))),
		until: time.Duration(c.random.IntN(fateTime)) * time.Millisecond,
	}
	if c.modern {
		p.who = c.name + " " + p.who
	}
	says := []string{"ask", "log", "progress"}
	for range 1 + c.random.IntN(4) {
		p.step(c.random.IntN(stepTime), says[c.random.IntN(len(says))])
	}
	if p.fate == late {
		p.step(lateTime, says[c.random.IntN(len(says))])
	}
	p.step(c.random.IntN(stepTime), "answer")
	if c.random.IntN(4) == 0 && strings.HasPrefix(p.server, "legacy") {
		p.step(c.random.IntN(stepTime), "log") // nothing forbids a legacy server to go on
	}
	return p
}

func (p *plan) step(after int, do string) {
	p.steps = append(p.steps, fmt.Sprintf(`{"after":%d,"do":%q}`, after, do))
}

// arguments are those of the call of a party.
func (p *plan) arguments(party string) string {
	return fmt.Sprintf(`{"who":%q,"party":%q,"steps":[%s]}`, p.who, party, strings.Join(p.steps, ","))
}
