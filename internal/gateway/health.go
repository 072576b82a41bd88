// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/display"
)

// State is how a server is.
type State string

// The states of a server.
const (
	Starting State = "starting" // it has not answered yet
	Up       State = "up"
	Down     State = "down"
)

// Health is what an operator is told of a server.
type Health struct {
	Name   string
	State  State
	Since  time.Time // when it came to be so
	Reason string    // why it is down, as it showed last; for operators only
	Tools  int       // that it lists, or listed last
	Next   time.Time // when it is tried again unless a call asks before, now while it is; zero when it need not be
	Stderr []string  // the last lines of its process
}

// health is a source's Health, and what was logged of it.
type health struct {
	mu     sync.Mutex // held while a change is looked at and logged
	now    Health
	everUp bool
	logged []string // reasons of this outage
}

// maxReasons bounds the lines on why a server is down, of one outage.
const maxReasons = 5

// Health returns how each server is, in the order of the configuration.
func (c *Catalog) Health() []Health {
	all := make([]Health, len(c.sources))
	for i, s := range c.sources {
		c.mu.Lock()
		all[i] = s.judge()
		c.mu.Unlock()
		s.health.mu.Lock()
		if now := &s.health.now; now.State == all[i].State {
			all[i].Since = now.Since
		}
		s.health.mu.Unlock()
		if t, ok := s.backend.(backend.StderrTailer); ok {
			all[i].Stderr = t.StderrTail()
		}
	}
	return all
}

// judge makes a server's health of what is known of it: it is down when one question
// failed, or has no answer though it is not starting, and up when all were answered.
// Catalog.mu is held.
func (s *source) judge() Health {
	h := Health{Name: s.name, State: Starting, Since: time.Now()}
	var last time.Time
	answered, waiting := false, false
	for p := range s.parts {
		a := &s.parts[p]
		waiting = waiting || a.late || a.running && !a.tried
		answered = answered || a.tried
		switch {
		case a.failure != nil:
			h.State = Down
			if a.failed.After(last) {
				last, h.Reason = a.failed, backend.Describe(a.failure)
			}
			h.Next = a.askedAgain(h.Since, h.Next)
		case a.late && a.down == errLate.Error() && h.State != Down:
			h.State, h.Reason = Down, errLate.Error()
		}
	}
	if h.State == Down && s.final {
		h.Reason += "; correct the server's entry, then start holdfast again"
		h.Next = time.Time{}
	}
	if h.State != Down && answered && !waiting {
		h.State = Up
	}
	if known := s.parts[toolList].shelf; known != nil {
		h.Tools = len(known.entries)
	}
	return h
}

// askedAgain returns when a question that failed is asked again, or the time of another one
// if that comes sooner or there is none.
func (a *asking) askedAgain(now, other time.Time) time.Time {
	switch {
	case a.running:
		return now // it is being tried
	case a.retry != nil && (other.IsZero() || a.retryAt.Before(other)):
		return a.retryAt
	}
	return other
}

// report logs a change of a server's state, and a new reason why it is down, each once.
func (c *Catalog) report(s *source) {
	h := &s.health
	h.mu.Lock()
	defer h.mu.Unlock()
	c.mu.Lock()
	now, closed := s.judge(), c.closed
	c.mu.Unlock()
	before := h.now
	if now.State == before.State {
		now.Since = before.Since
	}
	h.now = now
	if closed || before.State == Down && now.State == Starting {
		return
	}
	log := c.cfg.Log.With("server", s.name)
	took := now.Since.Sub(before.Since).Round(time.Millisecond)
	switch {
	case now.State == Up && before.State != Up:
		words := "server available"
		if h.everUp {
			words += " again"
		}
		log.Info(words, "tools", now.Tools, "after", took)
		h.everUp, h.logged = true, nil
	case now.State != Down || slices.Contains(h.logged, now.Reason) || len(h.logged) == maxReasons:
	case len(h.logged) > 0:
		h.logged = append(h.logged, now.Reason)
		log.Warn("server still unavailable", "reason", now.Reason)
	default:
		h.logged = append(h.logged, now.Reason)
		words := "server unavailable"
		if h.everUp {
			words += "; what it offered last stays in the lists, marked"
		}
		log.Warn(words, "reason", now.Reason)
	}
	if now.State != before.State {
		select {
		case c.reported <- struct{}{}:
		default:
		}
	}
}

// summaryAfter is when it is said at the latest how the servers are.
const summaryAfter = 5 * time.Second

// Open asks every server for everything, without waiting, and says once how they are:
// when none is starting any more, or after five seconds.
func (c *Catalog) Open() {
	if len(c.sources) == 0 {
		return
	}
	c.mu.Lock()
	for _, s := range c.sources {
		for p := range part(numParts) {
			c.askLocked(s, p)
		}
	}
	c.mu.Unlock()
	c.spawn(func() {
		limit := time.NewTimer(summaryAfter)
		defer limit.Stop()
		for over := false; !over && len(c.Starting()) > 0; {
			select {
			case <-c.reported:
			case <-limit.C:
				over = true
			case <-c.ctx.Done():
				return
			}
		}
		c.cfg.Log.Info(Summary(c.Health()))
	})
}

// Starting returns the names of the servers that are starting, in the order of the
// configuration.
func (c *Catalog) Starting() []string {
	var names []string
	for _, s := range c.sources {
		s.health.mu.Lock()
		if s.health.now.State == Starting {
			names = append(names, s.name)
		}
		s.health.mu.Unlock()
	}
	return names
}

// maxNamed bounds the servers that a summary names of each state.
const maxNamed = 20

// Summary says in one line how servers are.
func Summary(all []Health) string {
	var up, tools int
	var down, starting []string
	for i := range all {
		switch h := &all[i]; h.State {
		case Up:
			up, tools = up+1, tools+h.Tools
		case Down:
			down = append(down, fmt.Sprintf("%s (%s)", h.Name, display.Short(h.Reason)))
		default:
			starting = append(starting, h.Name)
		}
	}
	text := fmt.Sprintf("%d %s up", up, plural(up, "server"))
	for _, group := range []struct {
		names []string
		state State
	}{{starting, Starting}, {down, Down}} {
		if n := len(group.names); n > maxNamed {
			text += fmt.Sprintf(", %d %s: %s and %d more", n, group.state, strings.Join(group.names[:maxNamed], ", "), n-maxNamed)
		} else if n > 0 {
			text += fmt.Sprintf(", %d %s: %s", n, group.state, strings.Join(group.names, ", "))
		}
	}
	return text + fmt.Sprintf("; %d %s", tools, plural(tools, "tool"))
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}
