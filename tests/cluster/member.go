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
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/holdfast-mcp/holdfast/tests/wire"
)

const (
	outcomeLimit = 25 * time.Second // after which an operation has no outcome
	retryPause   = 50 * time.Millisecond
	// staleLimit is how long a node may show what a session had before its last
	// acknowledged change; more is loss.
	staleLimit = 10 * time.Second
	// thinkLimit is how long a user takes to answer a question, at most.
	thinkLimit = 5 * time.Second
)

// levels are the log levels, the most talkative first.
var levels = []string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}

// member is one client. A legacy one has one session for its whole life.
type member struct {
	*crowd
	name    string
	rng     *rand.Rand // of live
	c       *wire.Client
	owner   bool // of a process
	listens bool
	uri     string // of its own resource

	heard []string // levels of log messages of the call under way

	thinking sync.Mutex
	thinks   *rand.Rand
	thought  time.Duration // in the operation under way

	busy       sync.Mutex // held for one operation, so that verify may come between
	level      string     // acknowledged
	subscribed bool       // acknowledged
	counted    int        // by its process
	countedAt  int64      // the last fault before that

	updated chan struct{} // capacity 1: its resource was announced as changed
}

func newMember(c *crowd, i int) *member {
	m := &member{
		crowd: c, name: fmt.Sprint("c", i), rng: c.rng(i), owner: i < c.owners, listens: i < c.listeners,
		updated: make(chan struct{}, 1), thinks: rand.New(rand.NewPCG(c.seed, uint64(i)<<32)),
	}
	m.uri = "kit://item/" + m.name
	m.c = &wire.Client{
		URL: c.url, Modern: i >= c.legacy, Name: m.name, HTTP: &http.Client{Transport: c.rt},
		Answer: func(string, jsontext.Value) string {
			m.think()
			return `{"action":"accept","content":{"word":"kelp"}}`
		},
		Notified: func(method string, params jsontext.Value) {
			if method == "notifications/message" {
				m.heard = append(m.heard, field(params, "level"))
			}
		},
	}
	return m
}

// think is what a user does before answering: nothing at all, or for some seconds.
func (m *member) think() {
	m.thinking.Lock()
	d := max(0, time.Duration(m.thinks.Int64N(int64(2*thinkLimit)))-thinkLimit)
	m.thought += d
	m.thinking.Unlock()
	time.Sleep(d)
}

// took returns how long an operation that was affected has taken since then,
// without what its user took to answer.
func (m *member) took(since time.Time) time.Duration {
	m.thinking.Lock()
	defer m.thinking.Unlock()
	return max(0, time.Since(since)-m.thought)
}

// field returns a member of an object that is a string.
func field(object jsontext.Value, name string) string {
	var all map[string]jsontext.Value
	var text string
	if json.Unmarshal(object, &all) == nil {
		_ = json.Unmarshal(all[name], &text) // what is none is empty
	}
	return text
}

// open makes the session and gives it a state.
func (m *member) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, outcomeLimit)
	defer cancel()
	if m.c.Modern {
		return nil
	}
	if err := m.c.Open(ctx); err != nil {
		return err
	}
	for _, op := range []operation{m.setLevel("info"), m.subscribe(true)} {
		if err := op.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", op.kind, err)
		}
	}
	return nil
}

// live operates until the crowd is stopped.
func (m *member) live() {
	for m.ctx.Err() == nil {
		m.busy.Lock()
		m.finish(m.next())
		m.busy.Unlock()
		m.sleep(m.ctx, time.Duration(m.rng.Int64N(int64(m.pause)+1)))
	}
}

func (m *member) sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// finish tries an operation until it succeeds, and measures how long that takes
// one that a fault has affected.
func (m *member) finish(op operation) {
	var since time.Time
	m.thinking.Lock()
	m.thought = 0
	m.thinking.Unlock()
	for {
		began := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), outcomeLimit)
		m.l.Pending.Add(1)
		m.heard = nil
		err := op.do(ctx)
		m.l.Pending.Add(-1)
		timedOut := ctx.Err() != nil
		cancel()
		if err == nil {
			m.l.Count(op.kind)
			if !since.IsZero() {
				m.recovered(op, m.took(since))
			}
			return
		}
		if since.IsZero() {
			since = later(began, time.Unix(0, m.disturbed.Load()))
		}
		m.failed(op, began, err, timedOut)
		if m.ctx.Err() != nil || errors.Is(err, errWrong) { // which trying again does not mend
			return
		}
		m.sleep(m.ctx, retryPause)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (m *member) recovered(op operation, after time.Duration) {
	if op.writes {
		m.writes.add(after)
	} else {
		m.reads.add(after)
	}
}

// failed judges an operation that did not succeed: it has an outcome that says
// so, and the session is never gone.
func (m *member) failed(op operation, began time.Time, err error, timedOut bool) {
	kind := describe(err)
	m.l.Count("failed: " + kind)
	status, _ := errors.AsType[*wire.StatusError](err)
	switch {
	case timedOut:
		m.l.Breach("%s: %s has no outcome after %v: %v", m.name, op.kind, outcomeLimit, err)
	case status != nil && status.Status == http.StatusNotFound, gone.MatchString(err.Error()):
		m.l.Breach("%s: %s: a session is lost: %v", m.name, op.kind, err)
	case status != nil && status.Status < 500:
		m.l.Breach("%s: %s: %v", m.name, op.kind, err)
	case wire.IsWrong(err) && status == nil, errors.Is(err, errWrong):
		m.l.Breach("%s: %s: %v", m.name, op.kind, err)
	case !m.faults.Load() && began.UnixNano() > m.calmed.Load():
		m.l.Breach("%s: %s failed without a fault: %v", m.name, op.kind, err)
	}
}

// gone is what an error says of a session that is not there.
var gone = regexp.MustCompile(`(?i)(unknown|expired|no|not found|invalid).*session|session.*(unknown|expired|not found|ended|invalid)`)

// describe says what kind of failure it is, without what differs each time.
func describe(err error) string {
	if f, ok := errors.AsType[*wire.Failure](err); ok {
		if g := f.Data.Gateway; g.Reason != "" {
			return fmt.Sprintf("%s (started: %t)", g.Reason, g.Started)
		}
		return f.Error()
	}
	if s, ok := errors.AsType[*wire.StatusError](err); ok {
		return fmt.Sprint("HTTP ", s.Status)
	}
	for _, text := range []string{"connection refused", "connection reset", "unexpected EOF", "EOF", "context deadline exceeded"} {
		if strings.Contains(err.Error(), text) {
			return text
		}
	}
	return err.Error()
}

// listen holds the GET stream open until the crowd stops.
func (m *member) listen() {
	c := *m.c
	c.Notified = func(method string, params jsontext.Value) {
		if method == "notifications/resources/updated" && field(params, "uri") == m.uri {
			select {
			case m.updated <- struct{}{}:
			default:
			}
		}
	}
	for m.ctx.Err() == nil {
		err := c.Listen(m.ctx, "")
		switch status, _ := errors.AsType[*wire.StatusError](err); {
		case m.ctx.Err() != nil:
			return
		case status != nil && status.Status == http.StatusNotFound:
			m.l.Breach("%s: its stream is refused: %v", m.name, err)
		}
		m.l.Count("streams opened again")
		m.sleep(m.ctx, retryPause)
	}
}
