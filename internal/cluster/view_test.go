// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// onlooker is a node's view of others that are only heartbeats. Each entry of nodes
// is a node that beats, with the names of those it hears.
type onlooker struct {
	*members
	nodes   map[string][]string
	numbers map[string]uint64
}

func newOnlooker() *onlooker {
	c := &Cluster{cfg: Config{Name: "n1", Heartbeat: 200 * time.Millisecond}.withDefaults(), mode: Clustered}
	c.base, c.stop = context.WithCancelCause(context.Background())
	c.log = c.cfg.Log
	c.members = newMembers(c)
	c.rpc = newExchange(c)
	return &onlooker{members: c.members, nodes: map[string][]string{}, numbers: map[string]uint64{}}
}

// instance is the instance of a node; one that is started anew has another.
func (o *onlooker) instance(node string) string {
	if name, again, ok := strings.Cut(node, "'"); ok {
		return name + again + "-again"
	}
	if node == o.self.Name {
		return o.self.Instance
	}
	return node + "-first"
}

func (o *onlooker) beatOf(node string, state State, hears []string) *heartbeat {
	name, again, _ := strings.Cut(node, "'")
	o.numbers[node]++
	b := &heartbeat{
		Name: name, Instance: o.instance(node), Protocol: protocol, State: state, Number: o.numbers[node], Sees: []sighting{},
		Started: o.self.Started.Add(time.Duration(len(again)+strings.Count(node, "'")) * time.Second), Address: "10.0.0.1:1" + name[1:] + again,
	}
	for _, other := range hears {
		otherName, again, _ := strings.Cut(other, "'")
		b.Sees = append(b.Sees, sighting{
			Name: otherName, Instance: o.instance(other), Started: o.self.Started.Add(time.Duration(strings.Count(other, "'")) * time.Second),
			Address: "10.0.0.1:1" + otherName[1:] + again, Direct: true,
		})
	}
	return b
}

// pass lets time pass with everybody beating.
func (o *onlooker) pass(d time.Duration) {
	for began := time.Now(); time.Since(began) < d; time.Sleep(100 * time.Millisecond) {
		if time.Since(began)%(200*time.Millisecond) == 0 {
			for node, hears := range o.nodes {
				o.hear(o.beatOf(node, Serving, hears), time.Now())
			}
		}
		o.look(time.Now())
		synctest.Wait()
	}
}

// say describes what is seen of a node.
func (o *onlooker) say(name string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	k := o.byName[name]
	if k == nil {
		return "unknown"
	}
	text := map[bool]string{false: "up", true: "suspected"}[k.Suspected]
	if len(k.HeardBy) > 0 {
		text += ", heard by " + strings.Join(k.HeardBy, " ")
	}
	for _, l := range []struct {
		what string
		life life
	}{{"link", k.whole}, {"streams", k.near}, {"instance", k.alive}} {
		if l.life.Err() != nil {
			text += ", " + l.what + " over"
		}
	}
	return text
}

// TestView plays what happens to nodes and the links between them, as one of them
// hears of it, and holds what it makes of it.
func TestView(t *testing.T) {
	type step struct {
		nodes map[string][]string // from now on
		pass  time.Duration
		want  map[string]string
	}
	all := map[string][]string{"n2": {"n1", "n3"}, "n3": {"n1", "n2"}}
	whole := step{all, time.Second, map[string]string{"n2": "up", "n3": "up"}}
	for name, steps := range map[string][]step{
		"dead": {
			whole,
			{map[string][]string{"n3": {"n1", "n2"}}, 900 * time.Millisecond, map[string]string{"n2": "up"}},
			{map[string][]string{"n3": {"n1"}}, 300 * time.Millisecond, map[string]string{"n2": "suspected, link over, streams over, instance over"}},
			{nil, forgetAfter, map[string]string{"n2": "unknown"}},
		},
		"link cut": {
			whole,
			{map[string][]string{"n3": {"n1", "n2"}}, 1200 * time.Millisecond, map[string]string{"n2": "suspected, heard by n3, link over"}},
			{nil, linkPatience, map[string]string{"n2": "suspected, heard by n3, link over, streams over"}},
			{all, 400 * time.Millisecond, map[string]string{"n2": "up"}},
		},
		"link cut for a moment": {
			whole,
			{map[string][]string{"n3": {"n1", "n2"}}, 1200 * time.Millisecond, map[string]string{"n2": "suspected, heard by n3, link over"}},
			{all, 400 * time.Millisecond, map[string]string{"n2": "up"}},
		},
		"not heard there": {
			whole,
			{map[string][]string{"n2": {"n3"}, "n3": {"n1", "n2"}}, 1400 * time.Millisecond, map[string]string{"n2": "suspected, heard by n1 n3, link over"}},
			{all, 400 * time.Millisecond, map[string]string{"n2": "up"}},
		},
		"only heard of": {
			whole,
			{map[string][]string{"n2": {"n1", "n3", "n4"}, "n3": {"n1", "n2"}}, 400 * time.Millisecond, map[string]string{"n4": "suspected, heard by n2, link over"}},
			{map[string][]string{"n2": {"n1", "n3", "n4"}, "n3": {"n1", "n2"}, "n4": {"n1", "n2"}}, 400 * time.Millisecond, map[string]string{"n4": "up"}},
		},
		"heard of no more": {
			whole,
			{map[string][]string{"n2": {"n1", "n3", "n4"}, "n3": {"n1", "n2"}}, 400 * time.Millisecond, map[string]string{"n4": "suspected, heard by n2, link over"}},
			{all, 400 * time.Millisecond, map[string]string{"n4": "unknown"}},
		},
		"restarted where only others hear it": {
			whole,
			{map[string][]string{"n3": {"n1"}}, 1500 * time.Millisecond, map[string]string{"n2": "suspected, link over, streams over, instance over"}},
			{map[string][]string{"n3": {"n1", "n2'7"}}, 400 * time.Millisecond, map[string]string{"n2": "suspected, heard by n3, link over"}},
		},
		"witness gone too": {
			whole,
			{map[string][]string{"n3": {"n1", "n2"}}, 1200 * time.Millisecond, map[string]string{"n2": "suspected, heard by n3, link over"}},
			{map[string][]string{}, 1200 * time.Millisecond, map[string]string{"n2": "suspected, link over, streams over, instance over", "n3": "suspected, link over, streams over, instance over"}},
		},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOnlooker()
				for i, s := range steps {
					if s.nodes != nil {
						o.nodes = s.nodes
					}
					o.pass(s.pass)
					for node, want := range s.want {
						if got := o.say(node); got != want {
							t.Errorf("step %d: %s is %s, want %s", i, node, got, want)
						}
					}
				}
			})
		})
	}
}

// TestFarewell: what others still say of a node that has left does not bring it back.
func TestFarewell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOnlooker()
		o.nodes = map[string][]string{"n2": {"n1", "n3"}, "n3": {"n1", "n2"}}
		o.pass(time.Second)
		delete(o.nodes, "n2")
		o.hear(o.beatOf("n2", left, nil), time.Now())
		o.pass(time.Second)
		if got := o.say("n2"); got != "unknown" {
			t.Errorf("n2 has left and is %s", got)
		}
	})
}

// TestGap: a heartbeat that is missing says that other messages may be, whichever of
// the two did not get it. Requests on their way fail; streams are left to compare.
func TestGap(t *testing.T) {
	for _, here := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			o := newOnlooker()
			o.nodes = map[string][]string{"n2": {"n1"}}
			o.pass(time.Second)
			whole, near := o.unbroken("n2"), o.byName["n2"].near
			if here {
				o.numbers["n2"]++
			}
			b := o.beatOf("n2", Serving, []string{"n1"})
			if !here {
				b.Sees[0].Missed = 1
			}
			o.hear(b, time.Now())
			if whole.Err() == nil || near.Err() != nil || o.say("n2") != "up" {
				t.Errorf("missing here %t: link over %t, streams over %t, %s", here, whole.Err() != nil, near.Err() != nil, o.say("n2"))
			}
			now := o.unbroken("n2")
			o.pass(time.Second)
			if now.Err() != nil {
				t.Error("the same gap counts twice")
			}
		})
	}
}

// TestManyMembers: no more nodes are known than there may be.
func TestManyMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOnlooker()
		for i := range 2 * maxMembers {
			o.hear(o.beatOf(fmt.Sprintf("n%d", i+2), Serving, []string{fmt.Sprintf("n%d", i+1000)}), time.Now())
		}
		if n := len(o.byName); n != maxMembers {
			t.Errorf("%d members are known, want %d", n, maxMembers)
		}
	})
}

// unbroken returns a context that ends when the link to a node breaks; nil when it
// has never been heard of.
func (m *members) unbroken(node string) context.Context {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.byName[node]; k != nil {
		return k.whole
	}
	return nil
}
