// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	contract "github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/nodes/nodestest"
	"github.com/holdfast-mcp/holdfast/internal/session"
)

func bounded(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// kindOf is a kind no other test or run of it serves.
func kindOf(t testing.TB) string {
	return fmt.Sprintf("%s-%d", strings.ToLower(t.Name()[4:]), kinds.Add(1))
}

var kinds atomic.Int64

func TestRequest(t *testing.T) {
	nodes, ctx, kind := three(t), bounded(t), kindOf(t)
	nodes[1].Serve(kind, func(_ context.Context, from string, payload []byte) ([]byte, error) {
		if string(payload) == "fail" {
			return nil, errors.New("no luck")
		}
		if string(payload) == "panic" {
			panic("x")
		}
		return append([]byte(from+" said "), payload...), nil
	})
	for i, want := range []string{"n1 said hello", "n2 said hello", "n3 said hello"} {
		got, err := nodes[i].Request(ctx, "n2", kind, []byte("hello"))
		if err != nil || string(got) != want {
			t.Errorf("from %s: %q, %v", nodes[i].Name(), got, err)
		}
	}
	for _, payload := range []string{"fail", "panic"} {
		_, err := nodes[0].Request(ctx, "n2", kind, []byte(payload))
		if remote, ok := errors.AsType[*RemoteError](err); !ok || remote.Node != "n2" {
			t.Errorf("%s: %v, want a RemoteError", payload, err)
		}
	}
	if _, err := nodes[0].Request(ctx, "n3", kind, nil); !errors.Is(err, contract.ErrUnserved) {
		t.Errorf("kind not served: %v", err)
	}
	began := time.Now()
	_, err := nodes[0].Request(ctx, "n9", kind, nil)
	if lost, ok := errors.AsType[*contract.LostError](err); !ok || lost.Sent || !errors.Is(err, contract.ErrLost) {
		t.Errorf("node that never was: %v", err)
	}
	if d := time.Since(began); d > time.Second {
		t.Errorf("that took %v", d)
	}
	if _, err := nodes[0].Request(ctx, "n2", kind, make([]byte, contract.MaxMessage+1)); !errors.Is(err, contract.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
}

// TestRequestDeadline holds that the caller's deadline reaches the handler.
func TestRequestDeadline(t *testing.T) {
	nodes, kind := three(t), kindOf(t)
	ended := make(chan struct{})
	nodes[2].Serve(kind, func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
		<-ctx.Done()
		close(ended)
		return nil, context.Cause(ctx)
	})
	ctx, cancel := context.WithTimeout(bounded(t), 50*time.Millisecond)
	defer cancel()
	if _, err := nodes[0].Request(ctx, "n3", kind, nil); !errors.Is(err, context.DeadlineExceeded) {
		if _, remote := errors.AsType[*RemoteError](err); !remote {
			t.Errorf("request past its deadline: %v", err)
		}
	}
	<-ended
}

func TestBusy(t *testing.T) {
	c, ctx, kind := openAll(t, []Config{{Dir: t.TempDir(), MaxRequests: 1}})[0], bounded(t), kindOf(t)
	entered := make(chan struct{})
	c.Serve(kind, func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
		close(entered)
		<-ctx.Done()
		return nil, context.Cause(ctx)
	})
	first, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	answered := make(chan struct{})
	go func() {
		_, _ = c.Request(first, c.Name(), kind, nil)
		close(answered)
	}()
	<-entered
	if _, err := c.Request(ctx, c.Name(), kind, nil); !errors.Is(err, ErrBusy) {
		t.Errorf("request to a node without room: %v", err)
	}
	cancel()
	<-answered
}

// TestStream sends more than the window both ways at once, in order.
func TestStream(t *testing.T) {
	nodes, ctx, kind := three(t), bounded(t), kindOf(t)
	const n = 3000
	nodes[2].ServeStream(kind, func(ctx context.Context, s *Stream) {
		for {
			m, err := s.Receive(ctx)
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Error(err)
				}
				return
			}
			if err := s.Send(ctx, append([]byte("echo "), m...)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	s, err := nodes[0].Open(ctx, at("n3", kind), nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for i := range n {
			if err := s.Send(ctx, fmt.Appendf(nil, "%d", i)); err != nil {
				t.Error(err)
			}
		}
		_ = s.End()
	}()
	for i := range n {
		m, err := s.Receive(ctx)
		if want := fmt.Sprintf("echo %d", i); err != nil || string(m) != want {
			t.Fatalf("message %d: %q, %v", i, m, err)
		}
	}
	if _, err := s.Receive(ctx); !errors.Is(err, io.EOF) {
		t.Errorf("after the last: %v, want EOF", err)
	}
	<-s.Done()
	for _, node := range nodes {
		eventually(t, time.Second, func() error {
			node.rpc.mu.RLock()
			defer node.rpc.mu.RUnlock()
			if n := len(node.rpc.streams); n > 0 {
				return fmt.Errorf("%s holds %d streams", node.Name(), n)
			}
			return nil
		})
	}
}

// TestStreamIsBounded holds that a sender waits for a receiver who does not receive,
// in messages and in bytes, and goes on with it.
func TestStreamIsBounded(t *testing.T) {
	nodes, ctx := three(t), bounded(t)
	for _, size := range []int{1, 1 << 20, maxPayload - 1<<10} {
		kind, release := kindOf(t), make(chan struct{})
		nodes[1].ServeStream(kind, func(ctx context.Context, s *Stream) {
			<-release
			for {
				if _, err := s.Receive(ctx); err != nil {
					return
				}
			}
		})
		s, err := nodes[0].Open(ctx, at("n2", kind), nil)
		if err != nil {
			t.Fatal(err)
		}
		payload := bytes.Repeat([]byte("x"), size)
		for sent := 1; ; sent++ {
			short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			err := s.Send(short, payload)
			cancel()
			if err != nil {
				break
			}
			if sent > windowParts || sent*size > windowBytes {
				t.Fatalf("%d messages of %d bytes sent ahead", sent, size)
			}
		}
		close(release)
		for range 3 {
			if err := s.Send(ctx, payload); err != nil {
				t.Fatal(err)
			}
		}
		s.Close(nil)
	}
}

func TestStreamClosedWithReason(t *testing.T) {
	nodes, ctx, kind := three(t), bounded(t), kindOf(t)
	nodes[1].ServeStream(kind, func(ctx context.Context, s *Stream) {
		_ = s.Send(ctx, []byte("one"))
		s.Close(errors.New("enough"))
	})
	s, err := nodes[0].Open(ctx, at("n2", kind), nil)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := s.Receive(ctx); err != nil || string(m) != "one" {
		t.Errorf("%q, %v", m, err)
	}
	_, err = s.Receive(ctx)
	if remote, ok := errors.AsType[*RemoteError](err); !ok || remote.Message != "enough" {
		t.Errorf("after the end: %v", err)
	}
	if err := s.Send(ctx, nil); err == nil {
		t.Error("a closed stream takes messages")
	}
	if _, err := nodes[0].Open(ctx, at("n3", kind), nil); !errors.Is(err, contract.ErrUnserved) {
		t.Errorf("kind not served: %v", err)
	}
}

func TestBus(t *testing.T) {
	nodes, topic := three(t), kindOf(t)
	got := make(chan string, 16)
	for _, n := range nodes {
		for i := range 2 {
			defer n.Subscribe(topic, func(p []byte) { got <- fmt.Sprintf("%s/%d %s", n.Name(), i, p) })()
		}
		defer n.Subscribe(topic+"x", func([]byte) { t.Error("another topic's message") })()
	}
	if err := nodes[1].Publish(topic, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for range 6 {
		select {
		case s := <-got:
			seen[s] = true
		case <-time.After(5 * time.Second):
			t.Fatalf("only %v", seen)
		}
	}
	if len(seen) != 6 {
		t.Errorf("heard %v", seen)
	}
}

func TestMembers(t *testing.T) {
	nodes := three(t)
	for _, n := range nodes {
		n.SetLoad(Load{Sessions: 7})
	}
	for _, n := range nodes {
		eventually(t, 3*time.Second, func() error {
			var names []string
			for _, m := range n.Members() {
				if !m.Up() || m.Version != "test" || m.Load.Sessions != 7 || m.Self != (m.Name == n.Name()) {
					return fmt.Errorf("%s sees %+v", n.Name(), m)
				}
				names = append(names, m.Name)
			}
			if diff := cmp.Diff([]string{"n1", "n2", "n3"}, names); diff != "" {
				return errors.New(diff)
			}
			return nil
		})
	}
}

func TestKeys(t *testing.T) {
	nodes, ctx := three(t), bounded(t)
	first := bytes.Repeat([]byte{7}, keyBytes)
	for _, n := range nodes {
		if err := n.Keys().Init(ctx, first); err != nil {
			t.Fatal(err)
		}
	}
	told := make(chan []Key, 16)
	defer nodes[2].Keys().Watch(func(k []Key) { told <- k })()
	before := len(nodes[0].Keys().All())
	if _, err := nodes[0].Keys().Rotate(ctx, time.Hour); err != nil {
		t.Fatal(err)
	}
	for {
		var keys []Key
		select {
		case keys = <-told:
		case <-ctx.Done():
			t.Fatal("the rotation was not heard of")
		}
		if len(keys) != before+1 {
			continue
		}
		if !keys[0].From.After(time.Now()) || !keys[0].Expires.IsZero() {
			t.Errorf("new key seals at once: %+v", keys[0])
		}
		if last := keys[len(keys)-1]; !bytes.Equal(last.Secret, first) || last.Expires.IsZero() {
			t.Errorf("old key: %+v", last)
		}
		break
	}
	v, err := nodes[1].settings.last(ctx, settingRing)
	if err != nil || bytes.Contains(v.data, []byte("secret")) {
		t.Errorf("the ring is stored readable: %q, %v", v.data, err)
	}
}

func TestEvents(t *testing.T) {
	nodes, ctx, stream := three(t), bounded(t), kindOf(t)
	if _, err := nodes[1].Events().Read(ctx, stream, 0); !errors.Is(err, session.ErrUnknownStream) {
		t.Errorf("stream that never was: %v", err)
	}
	var events []session.Entry
	for seq := uint64(3); seq <= 40; seq++ { // 1 and 2 were not kept
		events = append(events, session.Entry{Seq: seq, Data: fmt.Appendf(nil, "event %d", seq)})
	}
	events[1].Data = nil
	events[len(events)-1].Last = true
	if err := nodes[0].Events().Append(ctx, stream, events...); err != nil {
		t.Fatal(err)
	}
	if err := nodes[0].Events().Append(ctx, stream, events[7]); err != nil {
		t.Errorf("the same again: %v", err)
	}
	for _, n := range nodes {
		tail, err := n.Events().Read(ctx, stream, 5)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(session.Tail{Entries: events[3:], Newest: 40, Done: true}, tail); diff != "" {
			t.Errorf("%s (-want +got):\n%s", n.Name(), diff)
		}
		tail, err = n.Events().Read(ctx, stream, 0)
		if err != nil || tail.Lost != 2 || len(tail.Entries) != len(events) {
			t.Errorf("%s from the start: %d events, %d lost, %v", n.Name(), len(tail.Entries), tail.Lost, err)
		}
	}
}

// TestEventsWithGap holds that what is behind a gap is all that is returned.
func TestEventsWithGap(t *testing.T) {
	tail := tailOf([]session.Entry{{Seq: 1}, {Seq: 2}, {Seq: 4}, {Seq: 5}}, 1)
	want := session.Tail{Entries: []session.Entry{{Seq: 4}, {Seq: 5}}, Lost: 2, Newest: 5}
	if diff := cmp.Diff(want, tail); diff != "" {
		t.Error(diff)
	}
}

// TestBrokenOffMessage: of a message that its sender gives up the receiver gets nothing,
// and the next one whole.
func TestBrokenOffMessage(t *testing.T) {
	nodes, ctx, kind := three(t), bounded(t), kindOf(t)
	release, got := make(chan struct{}), make(chan []byte, 1)
	nodes[1].ServeStream(kind, func(ctx context.Context, s *Stream) {
		<-release
		m, _ := s.Receive(ctx)
		got <- m
	})
	s, err := nodes[0].Open(ctx, at("n2", kind), nil)
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	if err := s.Send(short, make([]byte, 2*windowBytes)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a message over the window: %v", err)
	}
	close(release)
	if err := s.Send(ctx, []byte("whole")); err != nil {
		t.Fatal(err)
	}
	if m := <-got; string(m) != "whole" {
		t.Errorf("%d bytes were received", len(m))
	}
}

// TestNodes holds the contract for what lives at one node.
func TestNodes(t *testing.T) {
	nodes := three(t)
	nodestest.Run(t, nodes[0].Nodes(), nodes[1].Nodes())
	name, instance := nodes[1].Nodes().Self()
	eventually(t, 5*time.Second, func() error {
		for _, n := range nodes {
			p := n.Nodes()
			if p.Lost(name, instance) || !p.Lost(name, "another") || !p.Lost("n9", "any") {
				return fmt.Errorf("%s: %t %t %t", n.Name(), p.Lost(name, instance), p.Lost(name, "another"), p.Lost("n9", "any"))
			}
		}
		return nil
	})
}

// TestAbandonedOpening: who gives up while a stream is being opened ends what its first
// message has begun, although it has not heard of the stream.
func TestAbandonedOpening(t *testing.T) {
	nodes, kind := three(t), kindOf(t)
	began, ended := make(chan struct{}), make(chan error, 1)
	nodes[1].ServeStream(kind, func(ctx context.Context, s *Stream) {
		_, _ = s.Receive(ctx)
		close(began)
		<-ctx.Done()
		ended <- context.Cause(ctx)
	})
	x := nodes[0].rpc
	s, err := x.newStream("n2", 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	msg := opening(s.id, "", openWhole, []byte("work"))
	msg.Subject, msg.Header[headerFrom] = x.subject+"n2."+kind, []string{"n1"}
	if err := x.c.conn.PublishMsg(msg); err != nil {
		t.Fatal(err)
	}
	<-began
	s.end(errors.New("given up"))
	x.abandon(at("n2", kind), s.id)
	select {
	case err := <-ended:
		if _, ok := errors.AsType[*RemoteError](err); !ok {
			t.Errorf("the work ended with %v", err)
		}
	case <-bounded(t).Done():
		t.Error("the work goes on")
	}
}

func TestSessionFeed(t *testing.T) {
	nodes, ctx, id := three(t), bounded(t), session.NewID()
	told := make(chan struct{}, 16)
	for _, n := range nodes {
		stop := n.Sessions().Watch(func(changed session.ID) {
			if _, err := n.Sessions().Get(ctx, changed); changed == id && err == nil {
				told <- struct{}{}
			}
		})
		defer stop()
	}
	if _, err := nodes[0].Sessions().Put(ctx, id, testRecord("a")); err != nil {
		t.Fatal(err)
	}
	for range nodes {
		select {
		case <-told:
		case <-ctx.Done():
			t.Fatal("not told of a change")
		}
	}
	if len(told) > 0 {
		t.Error("told twice")
	}
}
