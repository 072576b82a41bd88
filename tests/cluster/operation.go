// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// operation is something a client does, with its check. do may be repeated.
type operation struct {
	kind   string
	writes bool // it needs a majority
	do     func(ctx context.Context) error
}

// errWrong reports a wrong answer.
var errWrong = errors.New("wrong answer")

// next chooses an operation.
func (m *member) next() operation {
	switch n := m.rng.IntN(100); {
	case n < 20:
		return m.ask()
	case m.c.Modern || n < 60:
		return m.echo()
	case n < 70 && m.owner:
		return m.count()
	case n < 80:
		return m.showLevel()
	case n < 85 && m.listens:
		return m.touch()
	case n < 93:
		return m.setLevel(levels[m.rng.IntN(len(levels))])
	}
	return m.subscribe(!m.subscribed)
}

// tool calls a tool whose answer must be want; an empty one may be anything.
func (m *member) tool(ctx context.Context, name, arguments, want string) (string, error) {
	a, err := m.c.Tool(ctx, name, arguments)
	switch {
	case err != nil:
		return "", err
	case a.Error != nil:
		return "", a.Error
	case a.Failed || want != "" && a.Text != want:
		return "", fmt.Errorf("%w of %s %s: %q", errWrong, name, arguments, a.Text)
	}
	return a.Text, nil
}

func (m *member) echo() operation {
	server := []string{"kit", "web"}[m.rng.IntN(2)]
	text := m.name + "-" + strconv.Itoa(m.rng.IntN(1e9))
	return operation{kind: "echo", do: func(ctx context.Context) error {
		_, err := m.tool(ctx, server+"__echo", `{"Text":`+strconv.Quote(text)+`}`, text)
		return err
	}}
}

// ask has the server ask this client.
func (m *member) ask() operation {
	kind := "elicitation"
	if m.c.Modern {
		kind = "elicitation in two requests"
	}
	return operation{kind: kind, do: func(ctx context.Context) error {
		_, err := m.tool(ctx, "kit__ask", `{"Text":`+strconv.Quote(m.name)+`}`, "accept kelp")
		return err
	}}
}

// count uses the process of this session: nobody else may have it, and it counts
// on unless it was lost.
func (m *member) count() operation {
	return operation{kind: "own process", do: func(ctx context.Context) error {
		faults := m.disturbed.Load()
		text, err := m.tool(ctx, "own__count", `{"Text":`+strconv.Quote(m.name)+`}`, "")
		if err != nil || faults != m.countedAt {
			m.counted = 0 // it may have been counted, or its process may be gone
		}
		if err != nil {
			return err
		}
		var calls, callers int
		if _, err := fmt.Sscan(text, &calls, &callers); err != nil || callers != 1 {
			return fmt.Errorf("%w: %q of a process of one's own", errWrong, text)
		}
		if m.counted > 0 && calls != m.counted+1 {
			return fmt.Errorf("%w: the process counts %d after %d", errWrong, calls, m.counted)
		}
		m.counted, m.countedAt = calls, faults
		return nil
	}}
}

// setLevel is a change of the session.
func (m *member) setLevel(level string) operation {
	return operation{kind: "log level set", writes: true, do: func(ctx context.Context) error {
		err := m.request(ctx, "logging/setLevel", `{"level":"`+level+`"}`)
		if err == nil {
			m.level = level
		}
		return err
	}}
}

func (m *member) subscribe(on bool) operation {
	kind, method := "subscribed", "resources/subscribe"
	if !on {
		kind, method = "unsubscribed", "resources/unsubscribe"
	}
	return operation{kind: kind, writes: true, do: func(ctx context.Context) error {
		err := m.request(ctx, method, `{"uri":"`+m.uri+`"}`)
		if err == nil {
			m.subscribed = on
		}
		return err
	}}
}

func (m *member) request(ctx context.Context, method, params string) error {
	a, err := m.c.Ask(ctx, method, "", params)
	switch {
	case err != nil:
		return err
	case a.Error != nil:
		return a.Error
	}
	return nil
}

// showLevel has the server log, and holds that what arrives is what the session's
// level lets through. A node that does not know yet may be behind for a moment.
func (m *member) showLevel() operation {
	return operation{kind: "log level seen", do: func(ctx context.Context) error {
		for deadline := time.Now().Add(staleLimit); ; {
			m.heard = nil
			if _, err := m.tool(ctx, "web__log", `{"Text":"x"}`, "logged"); err != nil {
				return err
			}
			want := levels[slices.Index(levels, m.level):]
			if slices.Equal(m.heard, want) {
				return nil
			}
			m.l.Count("log level not seen yet")
			if time.Now().After(deadline) {
				return fmt.Errorf("%w: %s was acknowledged, and these levels come: %v", errWrong, m.level, m.heard)
			}
			m.sleep(ctx, retryPause)
		}
	}}
}

// touch has the server announce a change of the client's resource, which must be
// heard exactly when it is subscribed to.
func (m *member) touch() operation {
	return operation{kind: "update heard, or not", do: func(ctx context.Context) error {
		select {
		case <-m.updated:
		default:
		}
		for deadline := time.Now().Add(staleLimit); m.ctx.Err() == nil; { // else its stream is over
			if _, err := m.tool(ctx, "kit__touch", `{"uri":"`+m.uri+`"}`, ""); err != nil {
				return err
			}
			wait := time.Second
			if !m.subscribed {
				wait = 200 * time.Millisecond
			}
			heard := false
			select {
			case <-m.updated:
				heard = true
			case <-time.After(wait):
			}
			if heard == m.subscribed {
				return nil
			}
			m.l.Count("update missed or not wanted")
			if time.Now().After(deadline) {
				return fmt.Errorf("%w: subscribed is acknowledged as %t, and an update is heard: %t", errWrong, m.subscribed, heard)
			}
		}
		return nil
	}}
}

// verify holds that the session has what was acknowledged.
func (m *member) verify(context.Context) {
	if m.c.Modern {
		return
	}
	m.busy.Lock()
	defer m.busy.Unlock()
	m.finish(m.showLevel())
	if m.listens {
		m.finish(m.touch())
	}
}
