// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package nodestest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/nodes"
)

// kinds makes kinds that no other test serves.
var kinds atomic.Int64

func newKind() string { return fmt.Sprintf("suite-%d", kinds.Add(1)) }

// Run holds two nodes of one cluster, which hear each other, against the contract of
// [nodes.Nodes].
func Run(t *testing.T, a, b nodes.Nodes) {
	for name, test := range map[string]func(t *testing.T, ctx context.Context, a, b nodes.Nodes){
		"view": view, "first": first, "lengths": lengths, "limit": limit, "reasons": reasons, "addresses": addresses,
		"ask": ask, "served twice": again, "bus": bus, "mailbox": mailbox, "scopes": scopes,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			test(t, ctx, a, b)
		})
	}
}

func at(n nodes.Nodes, kind string) nodes.Address { return nodes.Here(n, kind, "") }

func open(t *testing.T, ctx context.Context, n nodes.Nodes, to nodes.Address, first []byte) nodes.Stream {
	t.Helper()
	s, err := n.Open(ctx, to, first)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return s
}

// view: a node sees itself and the other, and none is lost.
func view(t *testing.T, _ context.Context, a, b nodes.Nodes) {
	for _, n := range []nodes.Nodes{a, b} {
		node, instance := n.Self()
		self, others := 0, 0
		for _, m := range n.Members() {
			switch {
			case m.Self:
				self++
				if m.Name != node || m.Instance != instance || !m.Reachable {
					t.Errorf("%s sees itself as %+v", node, m)
				}
			case m.Reachable:
				others++
			}
		}
		if self != 1 || others == 0 {
			t.Errorf("%s sees itself %d times and %d others", node, self, others)
		}
		for _, other := range []nodes.Nodes{a, b} {
			if name, instance := other.Self(); n.Lost(name, instance) || !n.Alive(name) {
				t.Errorf("%s takes %s for lost", node, name)
			}
		}
		if !n.Majority() || n.Alive("nobody") {
			t.Errorf("%s has no majority, or knows a node that never was", node)
		}
	}
}

// first: what goes with the opening is received first, be it empty or long.
func first(t *testing.T, ctx context.Context, a, b nodes.Nodes) {
	kind := newKind()
	defer b.Serve(kind, func(ctx context.Context, s nodes.Stream) {
		for {
			m, err := s.Receive(ctx)
			if err != nil || s.Send(ctx, append([]byte{'<'}, m...)) != nil {
				return
			}
		}
	})()
	for _, size := range []int{-1, 0, 1, nodes.PartBytes, nodes.PartBytes + 1, 3 * nodes.PartBytes} {
		var with []byte
		if size >= 0 {
			with = bytes.Repeat([]byte("f"), size)
		}
		s := open(t, ctx, a, at(b, kind), with)
		if err := s.Send(ctx, []byte("second")); err != nil {
			t.Fatal(err)
		}
		want := [][]byte{append([]byte{'<'}, with...), []byte("<second")}
		if with == nil {
			want = want[1:]
		}
		for i, w := range want {
			if got, err := s.Receive(ctx); err != nil || !bytes.Equal(got, w) {
				t.Errorf("with %d bytes, message %d: %d bytes, %v, want %d", size, i, len(got), err, len(w))
			}
		}
		s.Close(nil)
	}
}

// lengths: messages of any length come back as they were sent, in order.
func lengths(t *testing.T, ctx context.Context, a, b nodes.Nodes) {
	kind := newKind()
	defer b.Serve(kind, func(ctx context.Context, s nodes.Stream) {
		for {
			m, err := s.Receive(ctx)
			if err != nil || s.Send(ctx, m) != nil {
				return
			}
		}
	})()
	s := open(t, ctx, a, at(b, kind), nil)
	for _, size := range []int{0, 1, nodes.PartBytes - 1, nodes.PartBytes, nodes.PartBytes + 1, 3 * nodes.PartBytes, 20 << 20} {
		want := bytes.Repeat([]byte("x"), size)
		if err := s.Send(ctx, want); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Receive(ctx); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes came back as %d, %v", size, len(got), err)
		}
	}
	if err := s.Send(ctx, make([]byte, nodes.MaxMessage+1)); !errors.Is(err, nodes.ErrTooLarge) {
		t.Errorf("a message over the bound: %v", err)
	}
	if _, err := a.Open(ctx, at(b, kind), make([]byte, nodes.MaxMessage+1)); !errors.Is(err, nodes.ErrTooLarge) {
		t.Errorf("an opening over the bound: %v", err)
	}
	s.Close(nil)
	if err := s.Send(ctx, nil); err == nil {
		t.Error("a closed stream takes messages")
	}
	<-s.Done()
}

// limit: a message over the receiver's limit ends the stream, and says so there.
func limit(t *testing.T, ctx context.Context, a, b nodes.Nodes) {
	kind, said := newKind(), make(chan error, 1)
	defer b.Serve(kind, func(ctx context.Context, s nodes.Stream) {
		s.Limit(nodes.PartBytes + 7)
		_, err := s.Receive(ctx)
		if err == nil {
			_, err = s.Receive(ctx)
		}
		said <- err
	})()
	s := open(t, ctx, a, at(b, kind), make([]byte, nodes.PartBytes+7))
	if err := s.Send(ctx, make([]byte, nodes.PartBytes+8)); err != nil {
		t.Fatal(err)
	}
	if err := <-said; !errors.Is(err, nodes.ErrTooLarge) {
		t.Errorf("the receiver: %v", err)
	}
	if _, err := s.Receive(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("the sender: %v", err)
	}
}

// reasons: the end of a stream says why, behind what was sent before.
func reasons(t *testing.T, ctx context.Context, a, b nodes.Nodes) {
	kind := newKind()
	ended := make(chan error, 1)
	defer b.Serve(kind, func(ctx context.Context, s nodes.Stream) {
		m, _ := s.Receive(ctx)
		_ = s.Send(ctx, m)
		switch string(m) {
		case "return":
		case "reason":
			s.Close(errors.New("enough"))
		case "wait":
			<-ctx.Done()
			ended <- context.Cause(ctx)
		}
	})()
	for word, want := range map[string]string{"return": io.EOF.Error(), "reason": "enough"} {
		s := open(t, ctx, a, at(b, kind), []byte(word))
		if m, err := s.Receive(ctx); err != nil || string(m) != word {
			t.Errorf("%s: %q, %v", word, m, err)
		}
		if _, err := s.Receive(ctx); err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, nodes.ErrLost) {
			t.Errorf("%s: %v, want %s", word, err, want)
		}
	}
	s := open(t, ctx, a, at(b, kind), []byte("wait"))
	s.Close(errors.New("gone"))
	if err := <-ended; err == nil {
		t.Error("the handler's context ended without a cause")
	}
	if s.Node() == "" {
		t.Error("the stream does not name the other node")
	}
}

// addresses: who is not there, or another process by now, is lost; who does not serve
// the kind says so.
func addresses(t *testing.T, ctx context.Context, a, b nodes.Nodes) {
	kind, served := newKind(), atomic.Int64{}
	name, _ := b.Self()
	stop := b.Serve(kind, func(context.Context, nodes.Stream) { served.Add(1) })
	defer stop()
	for what, to := range map[string]nodes.Address{
		"another instance": {Node: name, Instance: "another", Kind: kind}, "another node": {Node: "nobody", Kind: kind},
	} {
		_, err := a.Open(ctx, to, []byte("x"))
		lost, ok := errors.AsType[*nodes.LostError](err)
		if !ok || lost.Node != to.Node || !errors.Is(err, nodes.ErrLost) || !nodes.Absent(err) || nodes.MayHaveArrived(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	open(t, ctx, a, nodes.Address{Node: name, Kind: kind}, nil).Close(nil) // whatever its instance
	open(t, ctx, b, at(b, kind), nil).Close(nil)                           // to itself
	stop()
	_, err := a.Open(ctx, at(b, kind), []byte("x"))
	if !errors.Is(err, nodes.ErrUnserved) || errors.Is(err, nodes.ErrLost) || !nodes.Absent(err) || nodes.MayHaveArrived(err) {
		t.Errorf("a kind that is not served: %v", err)
	}
	if n := served.Load(); n > 2 {
		t.Errorf("%d streams were served, want 2 at most", n)
	}
}

// ask: a question has one answer, or the reason why there is none.
func ask(t *testing.T, ctx context.Context, a, b nodes.Nodes) {
	kind, ended := newKind(), make(chan error, 1)
	defer b.Serve(kind, func(ctx context.Context, s nodes.Stream) {
		m, err := s.Receive(ctx)
		switch {
		case err != nil:
		case string(m) == "fail":
			s.Close(errors.New("no luck"))
		case string(m) == "nothing":
		case string(m) == "wait":
			<-ctx.Done()
			ended <- context.Cause(ctx)
		default:
			_ = s.Send(ctx, append([]byte(s.Node()+" said "), m...))
		}
	})()
	name, _ := a.Self()
	if got, err := a.Ask(ctx, at(b, kind), []byte("hello")); err != nil || string(got) != name+" said hello" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := a.Ask(ctx, at(b, kind), []byte("fail")); err == nil || !strings.Contains(err.Error(), "no luck") {
		t.Errorf("a failure: %v", err)
	}
	if m, err := a.Ask(ctx, at(b, kind), []byte("nothing")); !errors.Is(err, io.EOF) {
		t.Errorf("no answer: %q, %v", m, err)
	}
	for _, size := range []int{0, nodes.PartBytes + 1, 20 << 20} {
		long := bytes.Repeat([]byte("l"), size)
		if got, err := a.Ask(ctx, at(b, kind), long); err != nil || !bytes.HasSuffix(got, long) || len(got) < size {
			t.Errorf("%d bytes: the answer has %d, %v", size, len(got), err)
		}
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := a.Ask(short, at(b, kind), []byte("wait")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an answer that does not come: %v", err)
	}
	select {
	case <-ended:
	case <-ctx.Done():
		t.Error("who is asked is not told that nobody waits")
	}
}

// again: a kind is served once at a time, and may be served anew.
func again(t *testing.T, _ context.Context, a, _ nodes.Nodes) {
	kind, nothing := newKind(), func(context.Context, nodes.Stream) {}
	a.Serve(kind, nothing)()
	stop := a.Serve(kind, nothing)
	defer stop()
	defer func() {
		if recover() == nil {
			t.Error("a kind is served twice")
		}
	}()
	a.Serve(kind, nothing)
}

// bus: what is published is heard everywhere, in order, under its topic alone.
func bus(t *testing.T, ctx context.Context, a, b nodes.Nodes) {
	topic, heard := newKind(), make(chan string, 64)
	for i, n := range []nodes.Nodes{a, b} {
		defer n.Subscribe(topic, func(p []byte) { heard <- fmt.Sprintf("%d %s", i, p) })()
		defer n.Subscribe(topic+"x", func([]byte) { t.Error("another topic's message") })()
	}
	for i := range 10 {
		if err := a.Publish(topic, []byte{byte('0' + i)}); err != nil {
			t.Fatal(err)
		}
	}
	next := [2]int{}
	for range 20 {
		select {
		case s := <-heard:
			who := int(s[0] - '0')
			if s[2:] != strconv.Itoa(next[who]) {
				t.Errorf("node %d heard %q, want %d", who, s[2:], next[who])
			}
			next[who]++
		case <-ctx.Done():
			t.Fatalf("heard %v", next)
		}
	}
}

// mailbox: what is kept can be collected, at any node and again.
func mailbox(t *testing.T, ctx context.Context, a, b nodes.Nodes) {
	name := newKind()
	for i := range 3 {
		if err := a.Keep(ctx, name, []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []nodes.Nodes{a, b, a} {
		messages, err := collect(ctx, n, name, 3)
		sum := 0
		for _, m := range messages {
			sum += int(m[0])
		}
		if err != nil || len(messages) != 3 || sum != 3 {
			t.Errorf("%v, %v", messages, err)
		}
	}
	if messages, err := a.Collect(ctx, name+"x"); err != nil || len(messages) != 0 {
		t.Errorf("an empty mailbox: %v, %v", messages, err)
	}
}

// collect looks into a mailbox until it has so many messages: what is kept need not have
// arrived everywhere.
func collect(ctx context.Context, n nodes.Nodes, name string, want int) (map[uint64][]byte, error) {
	messages, err := n.Collect(ctx, name)
	for err == nil && len(messages) < want && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
		messages, err = n.Collect(ctx, name)
	}
	return messages, err
}

// scopes: two parts of the program have kinds and mailboxes of their own.
func scopes(t *testing.T, ctx context.Context, a, b nodes.Nodes) {
	kind := newKind()
	for _, scope := range []string{"/one", "/two"} {
		defer nodes.Scoped(b, scope).Serve(kind, func(ctx context.Context, s nodes.Stream) {
			_, _ = s.Receive(ctx)
			_ = s.Send(ctx, []byte(scope))
		})()
	}
	if one, two := nodes.Scoped(a, "/one").Scope(), nodes.Scoped(a, "/two").Scope(); one == two || one == "" || one != nodes.Scoped(b, "/one").Scope() || a.Scope() != "" {
		t.Errorf("the scopes are %q and %q", one, two)
	}
	for _, scope := range []string{"/two", "/one"} {
		if got, err := nodes.Scoped(a, scope).Ask(ctx, at(b, kind), nil); err != nil || string(got) != scope {
			t.Errorf("%s: %q, %v", scope, got, err)
		}
	}
	if _, err := a.Ask(ctx, at(b, kind), nil); !errors.Is(err, nodes.ErrUnserved) {
		t.Errorf("without a scope: %v", err)
	}
	if err := nodes.Scoped(a, "/one").Keep(ctx, kind, []byte("x")); err != nil {
		t.Fatal(err)
	}
	for scope, want := range map[string]int{"/one": 1, "/two": 0} {
		if m, err := collect(ctx, nodes.Scoped(b, scope), kind, want); err != nil || len(m) != want {
			t.Errorf("%s: %d messages, %v, want %d", scope, len(m), err, want)
		}
	}
}
