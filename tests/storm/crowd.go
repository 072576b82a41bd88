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

	"github.com/holdfast-mcp/holdfast/tests/ledger"
	"github.com/holdfast-mcp/holdfast/tests/wire"
)

const (
	outcomeLimit = 60 * time.Second // after which a call has no outcome
	serverLimit  = 15 * time.Second // a server's timeout in the configuration
)

// crowd is many clients that call at random until they are stopped. Each owns
// one goroutine, some a second one that listens; stop ends and awaits them all.
type crowd struct {
	h       *holdfast
	l       *ledger.Ledger
	servers []string
	seed    uint64
	pause   time.Duration // between two calls of a client, at most

	rt     *http.Transport
	cancel context.CancelFunc
	ctx    context.Context // ends when no call shall begin any more
	wg     sync.WaitGroup
}

func newCrowd(ctx context.Context, h *holdfast, l *ledger.Ledger, servers []string, seed uint64, pause time.Duration) *crowd {
	c := &crowd{
		h: h, l: l, servers: servers, seed: seed, pause: pause,
		rt: &http.Transport{MaxIdleConnsPerHost: 1024, MaxIdleConns: 1024, DisableCompression: true},
	}
	c.ctx, c.cancel = context.WithCancel(ctx)
	return c
}

// start lets n clients begin: half of them with sessions, half modern.
func (c *crowd) start(n int) {
	for i := range n {
		m := &member{crowd: c, name: fmt.Sprintf("client%d", i), rng: rand.New(rand.NewPCG(c.seed, uint64(i)+1))}
		m.modern = i%2 == 1
		m.home = c.servers[m.rng.IntN(len(c.servers))]
		m.alone = m.rng.IntN(3) == 0
		c.wg.Go(m.live)
	}
}

// stop waits until every call has its outcome, within bounds.
func (c *crowd) stop() {
	c.cancel()
	c.l.Await(&c.wg, outcomeLimit+10*time.Second)
	c.rt.CloseIdleConnections()
}

// member is one client.
type member struct {
	*crowd
	name   string
	rng    *rand.Rand
	modern bool
	home   string // the server it mostly uses
	alone  bool   // uses that server's own endpoint only

	caller   *wire.Client
	deafen   func() // ends listening
	sessions int
	nonce    int
}

// live calls until the crowd is stopped.
func (m *member) live() {
	for m.ctx.Err() == nil {
		if m.caller == nil && !m.connect() {
			continue
		}
		m.step()
		if m.caller.Session != "" && m.rng.IntN(60) == 0 {
			m.leave()
		}
		m.sleep(time.Duration(m.rng.Int64N(int64(m.pause) + 1)))
	}
	switch {
	case m.caller == nil:
	case m.rng.IntN(2) == 0:
		m.leave()
	default: // the others leave without a word
		m.deafen()
	}
}

func (m *member) sleep(d time.Duration) {
	select {
	case <-time.After(d):
	case <-m.ctx.Done():
	}
}

// connect opens a session where there is one.
func (m *member) connect() bool {
	url := "http://" + m.h.addr + "/mcp"
	if m.alone {
		url = "http://" + m.h.addr + "/servers/" + m.home + "/mcp"
	}
	c := &wire.Client{URL: url, Modern: m.modern, Name: "storm", HTTP: &http.Client{Transport: m.rt}}
	ctx, cancel := context.WithTimeout(context.Background(), outcomeLimit)
	defer cancel()
	began := m.h.moment()
	if err := c.Open(ctx); err != nil {
		if f, ok := errors.AsType[*wire.Failure](err); ok && m.alone && f.Names(m.home) {
			m.l.Count("sessions refused: " + f.Data.Gateway.Reason)
			m.sleep(100 * time.Millisecond)
			return false
		}
		m.disappointed("open a session", began, err)
		return false
	}
	m.sessions++
	m.caller, m.deafen = c, func() {}
	if m.rng.IntN(8) == 0 {
		m.deafen = m.listen()
	}
	if !m.modern {
		m.l.Count("sessions")
	}
	return true
}

// leave ends the session and is a new client from then on.
func (m *member) leave() {
	m.deafen()
	ctx, cancel := context.WithTimeout(context.Background(), outcomeLimit)
	defer cancel()
	began := m.h.moment()
	if err := m.caller.Close(ctx); err != nil {
		m.disappointed("end the session", began, err)
	}
	m.caller = nil
}

// listen keeps a stream open until stop, which waits.
func (m *member) listen() (stop func()) {
	ctx, cancel := context.WithCancel(m.ctx)
	c := *m.caller // an own counter of ids
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			began := m.h.moment()
			err := c.Listen(ctx, `{"toolsListChanged":true}`)
			switch {
			case ctx.Err() != nil:
				return
			case wire.IsWrong(err) && !m.h.excused(began):
				m.l.Breach("%s: %v", m.name, err)
				return
			}
			m.l.Count("streams opened again")
			select {
			case <-m.h.up():
			case <-ctx.Done():
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}

// disappointed judges an error that is no answer of Holdfast's and waits for it
// to be back; it reports whether its death is the reason.
func (m *member) disappointed(what string, began int, err error) bool {
	if !m.h.excused(began) {
		time.Sleep(50 * time.Millisecond) // a crash shows a moment later than its connections break
		if m.h.crashed() {
			err = fmt.Errorf("holdfast crashed: %w", err)
		}
		m.l.Breach("%s cannot %s though nobody killed Holdfast: %v", m.name, what, err)
		m.sleep(time.Second)
		return false
	}
	if wire.IsWrong(err) {
		m.l.Breach("%s cannot %s: %v", m.name, what, err)
	}
	select {
	case <-m.h.up():
	case <-time.After(readyLimit):
	}
	return true
}

// call is one call that shall have exactly one outcome.
type call struct {
	tool, args string
	server     string
	nonce      string
	dies       bool          // the server ends during it
	leave      time.Duration // the client does not wait longer
}

// step makes one call at random.
func (m *member) step() {
	if m.rng.IntN(40) == 0 {
		m.list()
		return
	}
	m.nonce++
	c := call{server: m.home, nonce: fmt.Sprintf("%s.%d.%d", m.name, m.sessions, m.nonce)}
	if !m.alone && m.rng.IntN(2) == 0 {
		c.server = m.servers[m.rng.IntN(len(m.servers))]
	}
	switch n := m.rng.IntN(100); {
	case n < 40:
		c.tool, c.args = "echo", fmt.Sprintf(`{"Text":%q}`, c.nonce)
	case n < 65:
		c.tool, c.args = "count", fmt.Sprintf(`{"Text":%q,"Caller":"%s.%d"}`, c.nonce, m.name, m.sessions)
	case n < 90:
		c.tool, c.args = "slow", fmt.Sprintf(`{"Text":%q,"MS":%d}`, c.nonce, m.rng.IntN(400))
		if m.rng.IntN(8) == 0 {
			c.leave = time.Duration(1+m.rng.IntN(100)) * time.Millisecond
		}
	case n < 98:
		c.tool, c.args = "fork", fmt.Sprintf(`{"Text":%q,"Daemon":%t,"Pipe":%t}`, c.nonce, m.rng.IntN(2) == 0, m.rng.IntN(2) == 0)
	default:
		c.tool, c.args, c.dies = "die", fmt.Sprintf(`{"Text":%q}`, c.nonce), true
	}
	m.outcome(c)
}

// outcome makes a call, again for as long as Holdfast dies of something else.
func (m *member) outcome(c call) {
	m.l.Count("calls")
	m.l.Pending.Add(1)
	defer m.l.Pending.Add(-1)
	name := c.tool
	if !m.alone {
		name = c.server + "__" + c.tool
	}
	for {
		limit := outcomeLimit
		if c.leave > 0 {
			limit = c.leave
		}
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		began := m.h.moment()
		a, err := m.caller.Tool(ctx, name, c.args)
		left := ctx.Err() != nil
		cancel()
		switch {
		case err == nil:
			m.judge(c, a)
			return
		case left && c.leave > 0:
			m.l.Count("outcome: the client left")
			return
		case left && !m.h.excused(began):
			m.l.Breach("%s has no outcome of %s on %s after %s", m.name, c.tool, c.server, limit)
			m.l.Count("outcome: none")
			return
		}
		if !m.disappointed("call "+name, began, err) {
			m.l.Count("outcome: broken")
			return
		}
		if m.ctx.Err() != nil && m.h.moment() < 0 {
			m.l.Count("outcome: Holdfast killed for good")
			return
		}
		m.l.Count("Holdfast killed during a call, retried")
	}
}

// judge counts an answer and checks that it is this call's.
func (m *member) judge(c call, a wire.Answer) {
	switch {
	case a.Error != nil:
		m.l.Count("outcome: error " + a.Error.Data.Gateway.Reason)
		if !a.Error.Names(c.server) {
			m.l.Breach("%s, %s on %s: error %d without server and reason: %q", m.name, c.tool, c.server, a.Error.Code, a.Error.Message)
		}
	case a.Failed, c.dies:
		m.l.Count("outcome: result")
		m.l.Breach("%s, %s on %s: %q is no good result", m.name, c.tool, c.server, a.Text)
	case c.tool == "count":
		m.l.Count("outcome: result")
		var nonce string
		var callers, calls int
		if _, err := fmt.Sscan(a.Text, &nonce, &callers, &calls); err != nil || nonce != c.nonce {
			m.l.Breach("%s, %s on %s: %q is not an answer to %q", m.name, c.tool, c.server, a.Text, c.nonce)
		} else if !m.modern && callers != 1 {
			m.l.Breach("%s shares its process of %s with %d others", m.name, c.server, callers-1)
		}
	default:
		m.l.Count("outcome: result")
		if a.Text != c.nonce {
			m.l.Breach("%s, %s on %s: %q is not an answer to %q", m.name, c.tool, c.server, a.Text, c.nonce)
		}
	}
}

// list asks for the tools: the list is never blank.
func (m *member) list() {
	ctx, cancel := context.WithTimeout(context.Background(), outcomeLimit)
	defer cancel()
	began := m.h.moment()
	tools, a, err := m.caller.Tools(ctx)
	switch {
	case err != nil && errors.Is(err, context.DeadlineExceeded) && !m.h.excused(began):
		m.l.Breach("%s gets no list of tools in %s", m.name, outcomeLimit)
	case err != nil:
		m.disappointed("list tools", began, err)
	case a.Error != nil:
		m.l.Breach("%s: tools/list: %d %s", m.name, a.Error.Code, a.Error.Message)
	default:
		m.l.Count("lists")
		want := 5
		if !m.alone {
			want *= len(m.servers)
		}
		if len(tools) == 0 {
			m.l.Breach("%s gets a blank list", m.name)
		} else if len(tools) < want {
			m.l.Count("lists that lack a server")
		}
	}
}
