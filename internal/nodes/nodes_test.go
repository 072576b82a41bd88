// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package nodes_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/nodes/nodestest"
	"github.com/holdfast-mcp/holdfast/internal/seal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNetwork(t *testing.T) {
	net := nodestest.New()
	nodestest.Run(t, net.Start("a"), net.Start("b"))
}

func TestLostNode(t *testing.T) {
	net := nodestest.New()
	a, b := net.Start("a"), net.Start("b")
	ended := make(chan error, 1)
	b.Serve("wait", func(ctx context.Context, s nodes.Stream) {
		_, err := s.Receive(ctx)
		ended <- err
	})
	to := nodes.Address{Node: "b", Kind: "wait"}
	s, err := a.Open(t.Context(), to, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, instance := b.Self()
	if a.Lost("b", instance) {
		t.Error("b is lost before it is")
	}
	net.Cut("b")
	if _, err := s.Receive(t.Context()); !errors.Is(err, nodes.ErrLost) || !a.Lost("b", instance) {
		t.Errorf("receive from a lost node: %v", err)
	}
	<-ended
	if _, err := a.Open(t.Context(), to, nil); !errors.Is(err, nodes.ErrLost) {
		t.Errorf("open to a lost node: %v", err)
	}
	net.Heal("b")
	if a.Lost("b", instance) {
		t.Error("b is lost after it came back")
	}
	net.Start("b")
	if !a.Lost("b", instance) {
		t.Error("the former instance of b is not lost")
	}
}

// TestHungNode: who opens to a node that does not answer learns that its message may
// have arrived.
func TestHungNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := nodestest.New()
		a, b := net.Start("a"), net.Start("b")
		net.Set("b", func(s *nodestest.State) { s.Hung = true })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		to := nodes.Address{Node: "b", Kind: "any"}
		if _, err := a.Open(ctx, to, []byte("x")); !nodes.MayHaveArrived(err) || !errors.Is(err, context.DeadlineExceeded) || nodes.Absent(err) {
			t.Errorf("%v", err)
		}
		time.AfterFunc(time.Second, b.Stop)
		if _, err := a.Open(t.Context(), to, []byte("x")); !nodes.MayHaveArrived(err) || !errors.Is(err, nodes.ErrLost) {
			t.Errorf("it died: %v", err)
		}
	})
}

func TestAddress(t *testing.T) {
	ring := seal.NewRing()
	for _, a := range []nodes.Address{{}, {Node: "n1"}, {Node: "n1", Instance: "i\x00", Kind: "task", ID: string(bytes.Repeat([]byte("x"), 300))}} {
		got, rest, err := nodes.ReadAddress(append(a.Append(nil), "more"...))
		if err != nil || got != a || string(rest) != "more" {
			t.Errorf("%+v is read as %+v, %q, %v", a, got, rest, err)
		}
		token := a.Seal(ring, seal.Stream, "b", 'm')
		if got, more, err := nodes.Open(ring, seal.Stream, "b", token); err != nil || got != a || string(more) != "m" {
			t.Errorf("%+v opens as %+v, %q, %v", a, got, more, err)
		}
		if _, _, err := nodes.Open(ring, seal.Stream, "c", token); !errors.Is(err, seal.ErrInvalid) {
			t.Errorf("with another binding: %v", err)
		}
	}
	if _, _, err := nodes.Open(ring, seal.Stream, "b", ring.Seal(seal.Stream, "b", []byte{9})); !errors.Is(err, seal.ErrInvalid) {
		t.Errorf("what is no address: %v", err)
	}
	d := nodes.DigestOf("n1", "i1")
	if !d.OfNode("n1") || d.OfNode("n2") || !d.OfInstance("i1") || d.OfInstance("i2") || len(d) != nodes.DigestBytes || nodes.Digest("").OfNode("n1") {
		t.Errorf("digest %q", d)
	}
}

func FuzzReadAddress(f *testing.F) {
	a := nodes.Address{Node: "n1", Instance: "i", Kind: "k", ID: "x"}
	f.Add(a.Append(nil))
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		a, rest, err := nodes.ReadAddress(data)
		if err != nil {
			return
		}
		if again, more, err := nodes.ReadAddress(append(a.Append(nil), rest...)); err != nil || again != a || !bytes.Equal(more, rest) {
			t.Errorf("%+v is read as %+v, %v", a, again, err)
		}
	})
}
