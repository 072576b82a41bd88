// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	contract "github.com/holdfast-mcp/holdfast/internal/nodes"
)

// TestReach: what is addressed to a node that only others hear waits for a way to
// it, and is refused when there is none soon. To one that is lost it is refused at once.
func TestReach(t *testing.T) {
	whole := map[string][]string{"n2": {"n1", "n3"}, "n3": {"n1", "n2"}}
	for name, tc := range map[string]struct {
		then   map[string][]string // what the nodes say while the request waits
		waits  time.Duration       // about
		refuse bool
	}{
		"a way is found": {whole, time.Second, false},
		"none is found":  {map[string][]string{"n3": {"n1", "n2"}}, linkPatience - time.Second, true},
		"it is lost":     {map[string][]string{"n3": {"n1"}}, time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newOnlooker()
				o.nodes = whole
				o.pass(time.Second)
				o.nodes = map[string][]string{"n3": {"n1", "n2"}}
				o.pass(2 * time.Second)
				began, done := time.Now(), make(chan error)
				var took time.Duration
				go func() {
					_, err := o.reach(t.Context(), "n2")
					took = time.Since(began)
					done <- err
				}()
				o.pass(700 * time.Millisecond)
				o.nodes = tc.then
				o.pass(2 * linkPatience)
				err := <-done
				if lost, ok := errors.AsType[*contract.LostError](err); ok != tc.refuse || ok && lost.Sent {
					t.Errorf("%v", err)
				}
				if took < tc.waits-500*time.Millisecond || took > tc.waits+500*time.Millisecond {
					t.Errorf("it waited %v, want about %v", took, tc.waits)
				}
				if tc.refuse {
					again := time.Now()
					if _, err := o.reach(t.Context(), "n2"); err == nil || time.Since(again) > 0 {
						t.Errorf("the next one: %v after %v", err, time.Since(again))
					}
				}
			})
		})
	}
}

// TestStreamCompares: after a link was broken a stream goes on if nothing was lost,
// whoever waits in it, and ends if something was.
func TestStreamCompares(t *testing.T) {
	nodes, ctx, kind := three(t), bounded(t), kindOf(t)
	release := make(chan struct{})
	nodes[1].ServeStream(kind, func(ctx context.Context, s *Stream) {
		<-release
		for {
			m, err := s.Receive(ctx)
			if err != nil {
				return
			}
			if err := s.Send(ctx, m); err != nil {
				return
			}
		}
	})
	s, err := nodes[0].Open(ctx, at("n2", kind), nil)
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	const n = 2 * windowParts
	go func() {
		for i := range n {
			if err := s.Send(ctx, []byte{byte(i)}); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	eventually(t, 5*time.Second, func() error { // it waits for the other end
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.sent.parts < windowParts {
			return errors.New("the window is not full")
		}
		return nil
	})
	nodes[0].rpc.compare("n2")
	nodes[1].rpc.compare("n1")
	close(release)
	for i := range n {
		if m, err := s.Receive(ctx); err != nil || m[0] != byte(i) {
			t.Fatalf("message %d: %v, %v", i, m, err)
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.sent.parts++ // as if one had been lost
	s.mu.Unlock()
	nodes[0].rpc.compare("n2")
	if _, err := s.Receive(ctx); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("after a loss: %v", err)
	}
}

// TestStreamHolds: nothing is sent while the link is broken.
func TestStreamHolds(t *testing.T) {
	nodes, ctx, kind := three(t), bounded(t), kindOf(t)
	nodes[1].ServeStream(kind, func(ctx context.Context, s *Stream) {
		m, _ := s.Receive(ctx)
		_ = s.Send(ctx, m)
	})
	s, err := nodes[0].Open(ctx, at("n2", kind), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, l := nodes[0].members.near("n2")
	l.breaks()
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if err := s.Send(short, []byte("a")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("sent over a broken link: %v", err)
	}
	go l.mends()
	if err := s.Send(ctx, []byte("b")); err != nil {
		t.Error(err)
	}
	if m, err := s.Receive(ctx); err != nil || string(m) != "b" {
		t.Errorf("%q, %v", m, err)
	}
}
