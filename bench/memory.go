// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
)

// memoryFigures tell how much a server's resident size grew by Count sessions
// or streams. Settled is false when the size still moved at the deadline.
type memoryFigures struct {
	Each    float64 `json:"bytesEach"`
	Count   int     `json:"count"`
	Before  int64   `json:"residentBefore"`
	After   int64   `json:"residentAfter"`
	Settled bool    `json:"settled"`
}

// memoryWarmup is how many calls a server serves before its resident size is
// taken as the base (fewer where row.divisor says so), so that code, pools and garbage of ordinary work are in
// the base and not in the figure.
const memoryWarmup = 10_000

// memoryCrew is how many clients open sessions and streams at once.
const memoryCrew = 16

// memoryCheck is how many of the idle sessions have to answer afterwards.
const memoryCheck = 500

// measureMemory starts a fresh server, warms it, lets fill add count of
// something, and measures the growth. check runs after the measurement, with
// whatever fill left open still open.
func measureMemory(ctx context.Context, r row, binary string, e era, count int,
	fill, check func(context.Context, *lane) error,
) (*memoryFigures, error) {
	l, err := openLane(ctx, r, binary, e, memoryCrew)
	defer l.close()
	if err != nil {
		return nil, err
	}
	if err := l.run(memoryWarmup / r.divisor); err != nil {
		return nil, err
	}
	l.team.close()
	l.team = nil

	f := &memoryFigures{Count: count}
	if f.Before, _, err = settledBytes(ctx, l.server.pid()); err != nil {
		return nil, err
	}
	if err := fill(ctx, l); err != nil {
		return nil, err
	}
	if f.After, f.Settled, err = settledBytes(ctx, l.server.pid()); err != nil {
		return nil, err
	}
	if err := check(ctx, l); err != nil {
		return nil, err
	}
	f.Each = float64(f.After-f.Before) / float64(count)
	return f, nil
}

// measureSessions measures count initialized legacy sessions without any
// connection.
func measureSessions(ctx context.Context, r row, binary string, count int) (*memoryFigures, error) {
	var sessions []string
	fill := func(ctx context.Context, l *lane) (err error) {
		sessions, err = openSessions(ctx, l.to, count)
		return err
	}
	check := func(ctx context.Context, l *lane) error {
		return callSessions(ctx, l.to, sessions, min(memoryCheck, count))
	}
	return measureMemory(ctx, r, binary, legacy, count, fill, check)
}

// openSessions opens count sessions over a few connections and closes those.
func openSessions(ctx context.Context, to place, count int) ([]string, error) {
	team, err := dialCrew(ctx, to, memoryCrew)
	if err != nil {
		return nil, err
	}
	defer team.close()
	sessions := make([]string, count)
	return sessions, team.each(func(i int, c *client) error {
		for at := i; at < count; at += len(team) {
			var err error
			if sessions[at], err = c.handshake(); err != nil {
				return fmt.Errorf("session %d: %w", at, err)
			}
		}
		return nil
	})
}

// callSessions makes one call in each of count sessions spread over all: a
// server that has forgotten its sessions is not a small one.
func callSessions(ctx context.Context, to place, sessions []string, count int) error {
	team, err := dialCrew(ctx, to, memoryCrew)
	if err != nil {
		return err
	}
	defer team.close()
	return team.each(func(i int, c *client) error {
		if err := c.deadline(roundLimit); err != nil {
			return err
		}
		for at := i; at < count; at += len(team) {
			call := newMessage(legacy, "call", to, sessions[at*len(sessions)/count])
			if err := c.exchange(call.next()); err != nil {
				return fmt.Errorf("call in an idle session: %w", err)
			}
			if err := call.check(c.resp.status, c.resp.body); err != nil {
				return fmt.Errorf("call in an idle session: %w", err)
			}
		}
		return nil
	})
}

// measureStreams measures count open streams, each on a connection of its own:
// in legacy a GET stream with a session of its own, in modern a
// subscriptions/listen. The first stream decides errUnsupported.
func measureStreams(ctx context.Context, r row, binary string, e era, count int) (*memoryFigures, error) {
	streams := make(crew, count)
	defer func() {
		for _, c := range streams {
			if c != nil {
				c.close()
			}
		}
	}()
	fill := func(ctx context.Context, l *lane) error {
		sessions := make([]string, count)
		if r.sessions && e == legacy {
			var err error
			if sessions, err = openSessions(ctx, l.to, count); err != nil {
				return err
			}
		}
		return openStreams(ctx, l.to, e, sessions, streams)
	}
	check := func(context.Context, *lane) error {
		return workers(memoryCrew).each(func(i int, _ *client) error {
			for at := i; at < count; at += memoryCrew {
				if err := streams[at].alive(); err != nil {
					return fmt.Errorf("stream %d: %w", at, err)
				}
			}
			return nil
		})
	}
	return measureMemory(ctx, r, binary, e, count, fill, check)
}

// openStreams fills streams, one per session.
func openStreams(ctx context.Context, to place, e era, sessions []string, streams crew) error {
	open := func(at int) (err error) {
		if streams[at], err = dial(ctx, to); err != nil {
			return err
		}
		if err := streams[at].openStream(e, sessions[at]); err != nil {
			return fmt.Errorf("%s stream %d: %w", e, at, err)
		}
		return nil
	}
	if err := open(0); err != nil {
		return err
	}
	return workers(memoryCrew).each(func(i int, _ *client) error {
		for at := i + 1; at < len(streams); at += memoryCrew {
			if err := open(at); err != nil {
				return err
			}
		}
		return nil
	})
}

// workers is a crew of n without connections, for work that brings its own.
func workers(n int) crew { return make(crew, n) }
