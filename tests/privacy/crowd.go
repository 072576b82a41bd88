// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/holdfast-mcp/holdfast/internal/clustertest"
	"github.com/holdfast-mcp/holdfast/tests/ledger"
	"github.com/holdfast-mcp/holdfast/tests/wire"
)

// atOnce is how many calls a client makes at a time.
const atOnce = 3

// proof is what must come about in a run: without it, nothing could go astray.
var proof = []string{
	"questions to legacy clients", "questions to modern clients", "logs to legacy clients", "logs to modern clients",
	"progress to legacy clients", "progress to modern clients", "calls answered", "calls left behind",
}

// client makes calls to all servers. A legacy one has a session at each.
type client struct {
	l      *ledger.Ledger
	nodes  []*clustertest.Node
	modern bool
	name   string
	http   *http.Client

	mu         sync.Mutex
	random     *rand.Rand
	calls      int
	sessions   map[string]*session // by server
	opened     int
	background sync.WaitGroup // of streams and fates; they end with sessions and calls
}

// session is one of a legacy client, with its standing stream.
type session struct {
	party string
	wire  wire.Client
	end   context.CancelFunc // of the stream
}

// make makes n calls.
func (c *client) make(ctx context.Context, n int) {
	c.sessions = map[string]*session{}
	c.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: atOnce}}
	var workers sync.WaitGroup
	left := n
	for range atOnce {
		workers.Go(func() {
			for {
				c.mu.Lock()
				left--
				more := left >= 0
				c.mu.Unlock()
				if !more || ctx.Err() != nil {
					return
				}
				c.l.Pending.Add(1)
				c.call(ctx)
				c.l.Pending.Add(-1)
			}
		})
	}
	workers.Wait()
	for server := range c.sessions {
		c.leave(ctx, server, c.sessions[server].party)
	}
	c.background.Wait()
	c.http.CloseIdleConnections()
}

// call makes one call and lets its fate befall it.
func (c *client) call(ctx context.Context) {
	p := c.plan()
	w := wire.Client{Modern: c.modern, HTTP: c.http, Name: c.name}
	party := p.who
	if !c.modern {
		s, err := c.session(ctx, p.server)
		if err != nil {
			c.l.Count("sessions refused")
			return
		}
		w, party = s.wire, s.party
		p.who = party + " " + p.who
	}
	w.URL = p.node.URL("/servers/" + p.server + "/mcp")
	w.Meta = `"progressToken":` + strconv.Quote(p.who) + `,"io.modelcontextprotocol/logLevel":"debug"`
	w.Answer = func(_ string, params jsontext.Value) string {
		c.told("questions", party, params)
		return `{"action":"accept","content":{"by":` + strconv.Quote(p.who) + `}}`
	}
	w.Notified = func(method string, params jsontext.Value) { c.notified(party, method, params) }
	id := make(chan int, 1)
	w.Sending = func(n int) {
		select {
		case id <- n:
		default: // the id of the first request of the call is there
		}
	}
	calling, hangUp := context.WithCancel(ctx)
	defer hangUp()
	another := w // for the cancellation, as w is busy
	c.background.Go(func() {
		select {
		case <-time.After(p.until):
			c.befall(ctx, &p, party, another, id, hangUp)
		case <-calling.Done():
		}
	})
	a, err := w.Tool(calling, "play", p.arguments(party))
	switch {
	case err != nil:
		c.l.Count("calls left behind")
	case a.Error != nil || a.Failed:
		c.l.Count("calls failed")
	case a.Text != p.who:
		c.l.Breach("%s got the answer to %q", p.who, a.Text)
	default:
		c.l.Count("calls answered")
	}
}

// befall ends the call, or its session, in the way that is planned.
func (c *client) befall(ctx context.Context, p *plan, party string, w wire.Client, id <-chan int, hangUp func()) {
	switch p.fate {
	case cancelled:
		if c.modern {
			hangUp()
			return
		}
		w.URL, w.Sending = p.other.URL("/servers/"+p.server+"/mcp"), nil
		if err := w.Cancel(ctx, <-id); err != nil {
			c.l.Count("cancellations refused") // the session has ended
		}
	case gone:
		hangUp()
	case ended:
		c.leave(ctx, p.server, party)
	}
}

// session returns the client's session at a server, and opens it first.
func (c *client) session(ctx context.Context, server string) (*session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.sessions[server]; s != nil {
		return s, nil
	}
	c.opened++
	s := &session{party: fmt.Sprintf("%s session%d", c.name, c.opened)}
	s.wire = wire.Client{
		URL: c.nodes[c.random.IntN(len(c.nodes))].URL("/servers/" + server + "/mcp"), HTTP: c.http, Name: c.name,
		Answer: func(_ string, params jsontext.Value) string {
			c.told("questions", s.party, params)
			return `{"action":"accept","content":{"by":` + strconv.Quote(s.party+" stream") + `}}`
		},
		Notified: func(method string, params jsontext.Value) { c.notified(s.party, method, params) },
	}
	if err := s.wire.Open(ctx); err != nil {
		return nil, err
	}
	ctx, s.end = context.WithCancel(ctx)
	listener := s.wire
	c.background.Go(func() { _ = listener.Listen(ctx, "") })
	c.sessions[server] = s
	return s, nil
}

// leave ends a legacy client's session at a server, unless it has another by now.
func (c *client) leave(ctx context.Context, server, party string) {
	c.mu.Lock()
	s := c.sessions[server]
	if s == nil || s.party != party {
		c.mu.Unlock()
		return
	}
	delete(c.sessions, server)
	c.mu.Unlock()
	defer s.end()
	w := s.wire
	if err := w.Close(ctx); err != nil {
		c.l.Breach("%s: %v", party, err)
	}
}

// notified checks whom a notification is about.
func (c *client) notified(party, method string, params jsontext.Value) {
	switch method {
	case "notifications/message":
		c.told("logs", party, params)
	case "notifications/progress":
		c.told("progress", party, params)
	}
}

// told checks that what comes to a party names it.
func (c *client) told(kind, party string, params jsontext.Value) {
	var about struct {
		Message string         `json:"message"` // of questions and progress
		Data    jsontext.Value `json:"data"`    // of logs
		Logger  string         `json:"logger"`
	}
	if err := json.Unmarshal(params, &about); err != nil {
		c.l.Breach("%s: %s: %v", party, kind, err)
		return
	}
	if about.Logger == "holdfast" { // it speaks for itself
		c.l.Count("logs of Holdfast's own")
		return
	}
	who := about.Message
	if about.Data != nil {
		_ = json.Unmarshal(about.Data, &who) // what is no text names nobody
	}
	if who != party && !strings.HasPrefix(who, party+" ") {
		c.l.Breach("%s: %s about %q", party, kind, who)
	}
	c.l.Count(kind + " to " + c.era() + " clients")
}

func (c *client) era() string {
	if c.modern {
		return "modern"
	}
	return "legacy"
}
