// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// callFigures are the figures of tools/call in one era. Times are in
// microseconds.
type callFigures struct {
	Calls     int      `json:"callsPerRound"`
	CPU       summary  `json:"cpuMicrosPerCall"`
	Ratio     *float64 `json:"ratioToNetHTTP,omitempty"`
	PerSecond summary  `json:"callsPerSecond"`
	P50       summary  `json:"p50Micros"`
	P99       summary  `json:"p99Micros"`
}

// lane is one row in one era: its own server process, and clients that keep
// their connections, and for legacy their sessions, over all rounds.
type lane struct {
	era      era
	sessions bool // the server has them in the legacy era
	server   *process
	upstream *process // behind server, when that is a proxy; not measured
	to       place
	team     crew
	calls    []*message
	spent    [][]time.Duration // per client, reused by every round

	size                int // calls per round
	cpu, rate, p50, p99 []float64
}

// openLane starts the row's server and connects clients to it. The caller
// closes the lane, also after an error.
func openLane(ctx context.Context, r row, binary string, e era, clients int) (*lane, error) {
	l := &lane{era: e, sessions: r.sessions}
	var err error
	if l.server, err = startServer(ctx, binary, r.args[e]...); err != nil {
		return l, err
	}
	l.to = direct(l.server.addr)
	return l, l.connect(ctx, clients)
}

// connect opens the lane's team, each client with a session where the era and the
// server have them.
func (l *lane) connect(ctx context.Context, clients int) error {
	var err error
	if l.team, err = dialCrew(ctx, l.to, clients); err != nil {
		return err
	}
	l.calls = make([]*message, clients)
	l.spent = make([][]time.Duration, clients)
	return l.team.each(func(i int, c *client) error {
		// As long as a session id usually is: the bare handler gets the same
		// bytes as the others.
		session := "00000000-0000-4000-8000-000000000000"
		if l.sessions && l.era == legacy {
			var err error
			if session, err = c.handshake(); err != nil {
				return err
			}
		}
		l.calls[i] = newMessage(l.era, "call", l.to, session)
		return nil
	})
}

func (l *lane) close() {
	l.team.close()
	l.team = nil
	for _, p := range []*process{l.server, l.upstream} {
		if p != nil {
			p.stop()
		}
	}
}

// run makes total calls, spread over the clients, and checks every answer.
func (l *lane) run(total int) error {
	return l.team.each(func(i int, c *client) error {
		if err := c.deadline(roundLimit); err != nil {
			return err
		}
		call, spent := l.calls[i], l.spent[i][:0]
		for range share(total, i, len(l.team)) {
			begin := time.Now()
			if err := c.exchange(call.next()); err != nil {
				return fmt.Errorf("%s tools/call: %w", l.era, err)
			}
			spent = append(spent, time.Since(begin))
			if err := call.check(c.resp.status, c.resp.body); err != nil {
				return fmt.Errorf("%s tools/call: %w", l.era, err)
			}
		}
		l.spent[i] = spent
		return nil
	})
}

// round makes l.size calls and notes what they cost.
func (l *lane) round() error {
	before, err := cpuTime(l.server.pid())
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := l.run(l.size); err != nil {
		return err
	}
	wall := time.Since(begin)
	after, err := cpuTime(l.server.pid())
	if err != nil {
		return err
	}
	all := slices.Concat(l.spent...)
	slices.Sort(all)
	l.cpu = append(l.cpu, micros(after-before)/float64(l.size))
	l.rate = append(l.rate, float64(l.size)/wall.Seconds())
	l.p50 = append(l.p50, micros(percentile(all, 50)))
	l.p99 = append(l.p99, micros(percentile(all, 99)))
	return nil
}

func (l *lane) figures() *callFigures {
	return &callFigures{
		Calls:     l.size,
		CPU:       summarise(l.cpu),
		PerSecond: summarise(l.rate),
		P50:       summarise(l.p50),
		P99:       summarise(l.p99),
	}
}
