// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/nodes/nodestest"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

func three(t *testing.T, cfg backend.Config, f func(t *testing.T, c *cell)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := newCell(t, cfg, "n1", "n2", "n3")
		defer c.close()
		synctest.Wait()
		f(t, c)
	})
}

func TestOneInstanceForAllNodes(t *testing.T) {
	for _, sharing := range []backend.Sharing{backend.PerSession, backend.PerPrincipal, backend.PerTenant, backend.Shared} {
		t.Run(string(sharing), func(t *testing.T) {
			three(t, backend.Config{Sharing: sharing}, func(t *testing.T, c *cell) {
				homes := map[string]bool{}
				for i := range 3 {
					for j, name := range []string{"n1", "n2", "n3"} {
						got := c.nodes[name].text("count", `{}`, "s1")
						homes[at(got)] = true
						if want := fmt.Sprintf("%d@%s", 3*i+j+1, at(got)); got != want || len(homes) != 1 {
							t.Fatalf("at %s: %s, want %s; homes %v", name, got, want, homes)
						}
					}
				}
			})
		})
	}
}

func TestSessionsSpread(t *testing.T) {
	three(t, backend.Config{}, func(t *testing.T, c *cell) {
		homes := map[string]int{}
		for i := range 60 {
			homes[at(c.nodes["n1"].text("count", `{}`, fmt.Sprint("s", i)))]++
		}
		for _, name := range []string{"n1", "n2", "n3"} {
			if homes[name] < 8 {
				t.Errorf("homes: %v", homes)
			}
		}
	})
}

func (c *cell) away(session string) (home, other *node) {
	c.t.Helper()
	for _, n := range c.nodes {
		home = c.nodes[at(n.text("count", `{}`, session))]
		return home, c.other(home.name)
	}
	return nil, nil
}

func TestListsStayLocal(t *testing.T) {
	three(t, backend.Config{}, func(t *testing.T, c *cell) {
		for _, n := range c.nodes {
			list := call("", `{}`, "s1", &person{})
			list.Method, list.Params = mcp.MethodListTools, nil
			if _, err := n.b.Handle(t.Context(), list); err != nil {
				t.Fatal(err)
			}
			if n.dials != 1 {
				t.Errorf("%s has %d processes", n.name, n.dials)
			}
		}
	})
}

func TestLostHome(t *testing.T) {
	three(t, backend.Config{}, func(t *testing.T, c *cell) {
		home, far := c.away("s1")
		done := make(chan error)
		go func() {
			_, err := far.b.Handle(t.Context(), call("wait", `{}`, "s1", &person{}))
			done <- err
		}()
		<-c.began
		c.kill(home.name)
		reason, started := gatewayData(t, <-done)
		if reason != "node_lost" || started != "true" {
			t.Errorf("%s, started %s", reason, started)
		}
		synctest.Wait()
		p := &person{}
		if got := far.textFor("count", `{}`, "s1", p); !strings.HasPrefix(got, "1@") || at(got) == home.name {
			t.Errorf("after the loss: %s", got)
		}
		if !strings.Contains(p.all(), "started anew") {
			t.Errorf("not told of the lost state: %s", p.all())
		}
		third := c.other(far.name)
		p = &person{}
		if got := third.textFor("count", `{}`, "s1", p); !strings.HasPrefix(got, "2@") || p.all() != "" {
			t.Errorf("then: %s %s", got, p.all())
		}
	})
}

func TestLostHomeUnknownToAsker(t *testing.T) {
	three(t, backend.Config{}, func(t *testing.T, c *cell) {
		home, _ := c.away("s1")
		synctest.Wait()
		c.kill(home.name)
		c.join("n4")
		synctest.Wait()
		p := &person{}
		if got := c.nodes["n4"].textFor("count", `{}`, "s1", p); !strings.HasPrefix(got, "1@") || !strings.Contains(p.all(), "started anew") {
			t.Errorf("%s %s", got, p.all())
		}
	})
}

func TestRepeatedOnceElsewhere(t *testing.T) {
	three(t, backend.Config{}, func(t *testing.T, c *cell) {
		home, far := c.away("s1")
		type answer struct {
			res rpc.Result
			err error
		}
		done := make(chan answer)
		go func() {
			res, err := far.b.Handle(t.Context(), call("safewait", `{}`, "s1", &person{}))
			done <- answer{res, err}
		}()
		<-c.began
		c.kill(home.name)
		a := <-done
		if a.err != nil || !strings.HasPrefix(textOf(a.res), "1@") || at(textOf(a.res)) == home.name {
			t.Errorf("%s, %v", textOf(a.res), a.err)
		}
	})
}

func TestNobodyReady(t *testing.T) {
	three(t, backend.Config{}, func(t *testing.T, c *cell) {
		for _, n := range c.nodes {
			n.setReady(false)
		}
		_, err := c.nodes["n1"].b.Handle(t.Context(), call("count", `{}`, "s1", &person{}))
		if reason, started := gatewayData(t, err); reason != "unavailable" || started != "false" || !errors.Is(err, backend.ErrUnready) {
			t.Errorf("%v", err)
		}
		for _, n := range c.nodes {
			n.setReady(true)
		}
		if _, err := c.nodes["n1"].b.Handle(t.Context(), call("fails", `{}`, "s1", &person{})); err == nil || errors.Is(err, backend.ErrUnready) {
			t.Errorf("a node is ready: %v", err)
		}
	})
}

func TestInstancesStayWhenMembersCome(t *testing.T) {
	three(t, backend.Config{}, func(t *testing.T, c *cell) {
		before := map[string]string{}
		for i := range 40 {
			s := fmt.Sprint("s", i)
			before[s] = at(c.nodes["n1"].text("count", `{}`, s))
		}
		for _, name := range []string{"n4", "n5"} {
			c.join(name)
		}
		synctest.Wait()
		fresh := 0
		for s, home := range before {
			for _, n := range c.nodes {
				got := n.text("count", `{}`, s)
				if at(got) != home || strings.HasPrefix(got, "1@") {
					t.Fatalf("%s moved from %s: %s", s, home, got)
				}
			}
		}
		for i := range 40 {
			if h := at(c.nodes["n1"].text("count", `{}`, fmt.Sprint("t", i))); h == "n4" || h == "n5" {
				fresh++
			}
		}
		if fresh == 0 {
			t.Error("new members get no new instances")
		}
		c.kill("n2")
		synctest.Wait()
		for s, home := range before {
			got := c.nodes["n4"].text("count", `{}`, s)
			if moved := at(got) != home; moved != (home == "n2") {
				t.Errorf("%s: from %s to %s", s, home, got)
			}
		}
	})
}

func TestDrainingHomeKeeps(t *testing.T) {
	three(t, backend.Config{}, func(t *testing.T, c *cell) {
		home, far := c.away("s1")
		home.setReady(false)
		if got := far.text("count", `{}`, "s1"); got != "2@"+home.name {
			t.Errorf("%s", got)
		}
		for i := range 20 {
			if got := home.text("count", `{}`, fmt.Sprint("new", i)); at(got) == home.name {
				t.Fatalf("a draining node became a home: %s", got)
			}
		}
	})
}

// TestDrainedHomeMoves: calls under way at a home that leaves go on, and the next
// one finds another.
func TestDrainedHomeMoves(t *testing.T) {
	three(t, backend.Config{}, func(t *testing.T, c *cell) {
		home, far := c.away("s1")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := far.b.Handle(ctx, call("wait", `{}`, "s1", &person{}))
			done <- err
		}()
		<-c.began
		home.setReady(false)
		drained := make(chan error, 1)
		go func() { drained <- home.x.Drain(t.Context()) }()
		synctest.Wait()
		for _, n := range c.nodes {
			if n == home {
				continue
			}
			if got := n.text("count", `{}`, "s1"); at(got) == home.name {
				t.Errorf("%s was served by a home that leaves: %s", n.name, got)
			}
		}
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("the call under way ended: %v", err)
		case err := <-drained:
			t.Fatalf("drained with a call under way: %v", err)
		default:
		}
		cancel()
		<-done
		<-c.stopped
		if err := <-drained; err != nil {
			t.Error(err)
		}
	})
}

func TestCrowdOfClaims(t *testing.T) {
	three(t, backend.Config{}, func(t *testing.T, c *cell) {
		for i := range 20 {
			s := fmt.Sprint("s", i)
			var mu sync.Mutex
			homes := map[string]bool{}
			var wg sync.WaitGroup
			for _, n := range c.nodes {
				for range 4 {
					wg.Go(func() {
						key := keyOf("inner", n.near.WhoseSession(s))
						node, err := n.b.claim(t.Context(), key, n.near.WhoseSession(s)) // whatever the hash says
						if err != nil {
							t.Error(err)
						}
						_ = node
						got := n.text("count", `{}`, s)
						mu.Lock()
						homes[at(got)] = true
						mu.Unlock()
					})
				}
			}
			if wg.Wait(); len(homes) != 1 {
				t.Errorf("%s has homes %v", s, slices.Sorted(maps.Keys(homes)))
			}
		}
	})
}

func TestNewerHomeWins(t *testing.T) {
	three(t, backend.Config{}, func(t *testing.T, c *cell) {
		home, far := c.away("s1")
		whose := home.near.WhoseSession("s1")
		key := keyOf("inner", whose)
		far.b.table.mu.Lock()
		far.b.table.held[key] = &holding{key: key, whose: whose, generation: 2}
		far.b.table.mu.Unlock()
		far.b.publishAll(false)
		synctest.Wait()
		if home.near.Holds(whose) {
			t.Error("the older instance still runs")
		}
		for _, n := range c.nodes {
			if got := n.text("count", `{}`, "s1"); at(got) != far.name {
				t.Errorf("%s from %s", got, n.name)
			}
		}
	})
}

// TestApartHomeYields: a node that is cut off starts what its callers ask for, though
// it has no majority. When the others are there again it gives way to what they have
// kept, however late it began.
func TestApartHomeYields(t *testing.T) {
	three(t, backend.Config{}, func(t *testing.T, c *cell) {
		home, far := c.away("s1")
		home.text("count", `{}`, "s1")
		far.cut(1)
		synctest.Wait()
		if got := far.text("count", `{}`, "s1"); got != "1@"+far.name {
			t.Errorf("cut off it counts %s", got)
		}
		if got := home.text("count", `{}`, "s1"); got != "3@"+home.name {
			t.Errorf("the others count %s", got)
		}
		far.cut(0)
		synctest.Wait()
		for i, n := range []*node{far, home} {
			if got, want := n.text("count", `{}`, "s1"), fmt.Sprintf("%d@%s", 4+i, home.name); got != want {
				t.Errorf("together again %s counts %s, want %s", n.name, got, want)
			}
		}
		if far.near.Holds(far.near.WhoseSession("s1")) {
			t.Error("two instances run")
		}
	})
}

// TestHomeOutOfReach: an instance whose home lives and cannot be reached is not
// started anew elsewhere; the call fails, and was not begun.
func TestHomeOutOfReach(t *testing.T) {
	three(t, backend.Config{}, func(t *testing.T, c *cell) {
		home, far := c.away("s1")
		far.text("count", `{}`, "s1")
		home.bar(true)
		synctest.Wait()
		_, err := far.b.Handle(t.Context(), call("count", `{}`, "s1", &person{}))
		if reason, started := gatewayData(t, err); reason != "unavailable" || started != "false" {
			t.Errorf("%v", err)
		}
		home.bar(false)
		synctest.Wait()
		if got := far.text("count", `{}`, "s1"); got != "3@"+home.name {
			t.Errorf("in reach again it counts %s", got)
		}
	})
}

func TestSweepDropsKeysWithoutInstance(t *testing.T) {
	tab := newTable("n1")
	for i := range firstSweep + 10 {
		key := fmt.Sprint(i)
		c, _ := tab.begin(key)
		tab.settle(key, key, c, found{})
	}
	busy, _ := tab.enter("7")
	tab.sweep(func(whose string) bool { return whose == "5" })
	if got := len(tab.held); got != 2 {
		t.Errorf("%d keys are held", got)
	}
	tab.leave(busy)
	c, _ := tab.begin("9")
	if h := tab.settle("9", "9", c, found{}); h == nil || !h.lost || h.generation != 2 {
		t.Errorf("%+v", h)
	}
}

func TestRendezvousMovesOnlyWhatItMust(t *testing.T) {
	all := []nodes.Member{{Name: "n1", Ready: true}, {Name: "n2", Ready: true}, {Name: "n3", Ready: true}, {Name: "n4", Ready: true}}
	moved := 0
	for i := range 1000 {
		key := fmt.Sprint(i)
		with, without := rendezvous(key, all, nil), rendezvous(key, all[:3], nil)
		if with != without {
			moved++
			if with != "n4" {
				t.Fatalf("%s moved from %s to %s", key, without, with)
			}
		}
	}
	if moved < 180 || moved > 320 {
		t.Errorf("%d of 1000 keys moved to the fourth", moved)
	}
}

func TestSilentMemberStopsClaims(t *testing.T) {
	three(t, backend.Config{}, func(t *testing.T, c *cell) {
		silent := c.nodes["n3"]
		silent.set(func(s *nodestest.State) { s.Hung = true })
		session := ""
		for i := 0; session == ""; i++ { // one whose place is n1
			s := fmt.Sprint("s", i)
			if rendezvous(keyOf("inner", silent.near.WhoseSession(s)), silent.Members(), nil) == "n1" {
				session = s
			}
		}
		for _, name := range []string{"n1", "n2"} {
			_, err := c.nodes[name].b.Handle(t.Context(), call("count", `{}`, session, &person{}))
			if reason, started := gatewayData(t, err); reason != "unavailable" || started != "false" {
				t.Errorf("at %s: %v", name, err)
			}
		}
		c.kill("n3")
		if got := c.nodes["n2"].text("count", `{}`, session); got != "1@n1" {
			t.Errorf("after the loss: %s", got)
		}
	})
}

func TestClosedBackendIsPassedOver(t *testing.T) {
	three(t, backend.Config{}, func(t *testing.T, c *cell) {
		home, far := c.away("s1")
		if err := home.b.Close(); err != nil {
			t.Fatal(err)
		}
		p := &person{}
		if got := far.textFor("count", `{}`, "s1", p); !strings.HasPrefix(got, "1@") || at(got) == home.name || !strings.Contains(p.all(), "started anew") {
			t.Errorf("%s %s", got, p.all())
		}
	})
}

func TestSharedStartsOneInstance(t *testing.T) {
	three(t, backend.Config{Sharing: backend.Shared}, func(t *testing.T, c *cell) {
		dials := 0
		var wg sync.WaitGroup
		for _, n := range c.nodes {
			wg.Go(func() {
				if err := n.b.Start(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, n := range c.nodes {
			dials += n.dials
		}
		if dials != 1 {
			t.Errorf("%d processes", dials)
		}
	})
}

// TestHomeOfUnheardNode: a node that has not heard of all members yet is told by
// those it knows where an instance lives, and starts no second one.
func TestHomeOfUnheardNode(t *testing.T) {
	three(t, backend.Config{Sharing: backend.Shared}, func(t *testing.T, c *cell) {
		home, _ := c.away("s1")
		key, first := keyOf("inner", home.b.inner.Whose(call("count", `{}`, "s1", &person{}))), "n4"
		for i := 5; rendezvous(key, append(home.Members(), nodes.Member{Name: first, Ready: true}), nil) != first; i++ {
			first = fmt.Sprint("n", i) // until it is a node that would be the home if there were none
		}
		late := c.join(first, home.name)
		if got := at(late.text("count", `{}`, "s1")); got != home.name {
			t.Errorf("the call of a node that has just come was made at %q, want %q", got, home.name)
		}
		if late.dials != 0 {
			t.Errorf("the node started %d processes of its own", late.dials)
		}
	})
}
