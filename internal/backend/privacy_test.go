// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// witness is the client of one call. What it gets must be the call's own, or,
// where a session's calls cannot be told apart, at least the session's.
type witness struct {
	call, party string
	got         *got
}

// got counts what reached clients, and keeps what reached the wrong one.
type got struct {
	mu    sync.Mutex
	count map[string]int
	wrong []string
}

func (g *got) take(kind, at, meant string, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count[kind]++
	if !ok {
		g.wrong = append(g.wrong, fmt.Sprintf("%s of %s at %s", kind, meant, at))
	}
}

func (w *witness) own(who string) bool { return who == w.call || strings.HasPrefix(who, w.party+" ") }

func (w *witness) Notify(_ context.Context, method string, params Raw) error {
	switch method {
	case mcp.NotificationProgress:
		who := memberText(params, "message")
		w.got.take("progress", w.call, who, who == w.call)
	case mcp.NotificationMessage:
		if who := memberText(params, "data"); who != "" {
			w.got.take("log", w.call, who, w.own(who))
		}
	}
	return nil
}

func (w *witness) Ask(ctx context.Context, requests map[string]rpc.InputRequest) (map[string]Raw, error) {
	answers := map[string]Raw{}
	for key, r := range requests {
		who := memberText(r.Params, "message")
		w.got.take("question", w.call, who, w.own(who))
		select {
		case <-time.After(3 * time.Millisecond):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		answers[key] = Raw(`{"action":"accept","content":{"by":` + string(jsonrpc.AppendString(nil, w.call)) + `}}`)
	}
	return answers, nil
}

// crowd makes calls of several clients at one server, of which many end before
// the server answers.
type crowd struct {
	r           *Remote
	era, server mcp.Era // of the clients, and of the server
	got         got
}

// client makes n calls, one after the other or at once. A legacy one has a
// session, which it sometimes ends for another.
func (c *crowd) client(t *testing.T, name string, n int, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	var wg sync.WaitGroup
	var calls []context.CancelCauseFunc
	end := func(cause error) {
		for _, cancel := range calls {
			cancel(cause)
		}
		calls = nil
	}
	for i, session, generation := 0, "", 0; i < n; i++ {
		if c.era == mcp.Legacy {
			session = fmt.Sprintf("%s.%d", name, generation)
		}
		w := &witness{call: fmt.Sprintf("%s call%d", cmp.Or(session, name), i), party: session, got: &c.got}
		if session == "" {
			w.party = w.call // which nobody else's name begins with
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		calls = append(calls, cancel)
		call := c.call(w, session, random)
		wg.Go(func() {
			_, _ = c.r.Handle(ctx, call)
			c.r.breaker.success(false) // calls that time out in a row must not end the run
		})
		switch pause := time.Duration(random.IntN(20)) * time.Millisecond; random.IntN(5) {
		case 0:
			time.Sleep(pause)
			cancel(errors.New("cancelled by the client"))
		case 1:
			time.AfterFunc(pause, func() { cancel(context.DeadlineExceeded) })
		case 2: // another at the same time
		case 3:
			time.Sleep(pause)
			end(errors.New("the session was deleted"))
			if session != "" {
				c.r.Release(session)
			}
			generation++
		default:
			wg.Wait()
		}
	}
	wg.Wait()
	end(nil)
}

// call is a call whose tool says things at random times and answers late, early
// or never.
func (c *crowd) call(w *witness, session string, random *rand.Rand) *rpc.Call {
	p := play{Who: w.call}
	for range random.IntN(5) {
		p.Steps = append(p.Steps, step{random.IntN(12), []string{"ask", "log", "progress"}[random.IntN(3)]})
	}
	if random.IntN(6) > 0 {
		p.Steps = append(p.Steps, step{random.IntN(12), "answer"})
	}
	if random.IntN(4) == 0 && c.server == mcp.Legacy { // a modern server must not
		p.Steps = append(p.Steps, step{random.IntN(30), "log"}) // after the answer
	}
	args, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	call := callOf("play", string(args), w)
	call.LogLevel = "debug"
	call.Peer = &rpc.Peer{Features: mcp.Latest.Features(), Session: session, Capabilities: mcp.ClientCapabilities{Elicitation: &mcp.ElicitationCapability{}}}
	if session != "" {
		call.Peer.Features = mcp.LatestLegacy.Features()
	}
	call.Principal = rpc.Local // as all who do not authenticate
	return call
}

// TestNothingReachesAnotherClient: whatever a server says about a call, and
// whenever, reaches the session of that call, or the modern call, or nobody.
func TestNothingReachesAnotherClient(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for _, sharing := range []Sharing{Shared, PerPrincipal, PerSession, PerCall} {
		for _, client := range eras {
			for _, server := range eras {
				for _, processes := range []*Slots{NewSlots(64), nil} { // nil as for a WebSocket server
					name := fmt.Sprintf("%s, %s clients, %s server, process %v", sharing, client, server, processes != nil)
					t.Run(name, func(t *testing.T) {
						for seed := range uint64(3) {
							synctest.Test(t, func(t *testing.T) {
								gather(t, Config{Sharing: sharing, Processes: processes}, client, server, seed)
							})
						}
					})
				}
			}
		}
	}
}

// gather lets clients of one era call a server of another.
func gather(t *testing.T, cfg Config, client, server mcp.Era, seed uint64) {
	const clients, each = 3, 60
	s := &scripted{era: server, answers: map[string]string{}}
	cfg.Name, cfg.Launch, cfg.CallTimeout, cfg.Log = "inner", s.launch, 70*time.Millisecond, slog.New(slog.DiscardHandler)
	c := &crowd{r: New(cfg, func(subscription.Event) {}), era: client, server: server, got: got{count: map[string]int{}}}
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() { c.client(t, fmt.Sprintf("client%d", i), each, seed*clients+uint64(i)) })
	}
	wg.Wait()
	c.r.Close()
	c.check(t, s)
}

// check reports what reached the wrong client, and whether enough reached one.
func (c *crowd) check(t *testing.T, s *scripted) {
	t.Helper()
	for who, by := range s.answers {
		session, _, _ := strings.Cut(who, " ")
		if by != "" && by != who && (c.era == mcp.Modern || !strings.HasPrefix(by, session+" ")) {
			c.got.wrong = append(c.got.wrong, fmt.Sprintf("answer of %s to %s", by, who))
		}
	}
	if n := len(c.got.wrong); n > 0 {
		t.Errorf("%d reached the wrong client, such as %q", n, c.got.wrong[:min(n, 3)])
	}
	if c.got.count["progress"] == 0 {
		t.Error("nothing was delivered at all")
	}
	t.Logf("delivered: %v", c.got.count)
}
