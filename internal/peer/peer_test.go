// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package peer_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-mcp/holdfast/internal/peer"
	"github.com/holdfast-mcp/holdfast/internal/peer/peertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMessagesOfAnyLength(t *testing.T) {
	net := peertest.New()
	a, b := net.Start("a"), net.Start("b")
	const limit = 3 * peer.MaxPart
	b.Serve("echo", func(ctx context.Context, s peer.Stream) {
		for {
			msg, err := peer.Read(ctx, s, limit)
			if err != nil {
				return
			}
			if err := peer.Write(ctx, s, msg); err != nil {
				return
			}
		}
	})
	s, err := a.Open(t.Context(), "b", "echo")
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 1, peer.MaxPart - 1, peer.MaxPart, peer.MaxPart + 1, limit} {
		want := bytes.Repeat([]byte("x"), size)
		if err := peer.Write(t.Context(), s, want); err != nil {
			t.Fatal(err)
		}
		got, err := peer.Read(t.Context(), s, limit)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes came back as %d, %v", size, len(got), err)
		}
	}
	if err := peer.Write(t.Context(), s, make([]byte, limit+1)); err != nil {
		t.Fatal(err)
	}
	if _, err := peer.Read(t.Context(), s, limit); !errors.Is(err, io.EOF) {
		t.Errorf("after a message over the limit: %v, want the end of the stream", err)
	}
}

func TestLostNode(t *testing.T) {
	net := peertest.New()
	a, b := net.Start("a"), net.Start("b")
	ended := make(chan error, 1)
	b.Serve("wait", func(ctx context.Context, s peer.Stream) {
		_, err := s.Receive(ctx)
		ended <- err
	})
	s, err := a.Open(t.Context(), "b", "wait")
	if err != nil {
		t.Fatal(err)
	}
	_, instance := b.Self()
	if a.Lost("b", instance) {
		t.Error("b is lost before it is")
	}
	net.Cut("b")
	if _, err := s.Receive(t.Context()); !errors.Is(err, peer.ErrLost) || !a.Lost("b", instance) {
		t.Errorf("receive from a lost node: %v", err)
	}
	<-ended
	if _, err := a.Open(t.Context(), "b", "wait"); !errors.Is(err, peer.ErrLost) {
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
