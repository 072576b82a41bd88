// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"errors"
	"testing"

	"github.com/holdfast-mcp/holdfast/internal/quota"
)

func TestBudget(t *testing.T) {
	b := NewBudget(100_000, 75)
	hold := func(remote string) *Hold {
		h := &Hold{}
		h.Begin(b, remote)
		return h
	}
	small := hold("192.0.2.1:1")
	if err := small.Grow(uncounted); err != nil || b.Used() != 0 {
		t.Fatalf("a small message: %v, %d bytes count", err, b.Used())
	}
	one := hold("192.0.2.1:2")
	if err := errors.Join(one.Grow(10_000+uncounted), one.Grow(20_000), one.Grow(70_000+uncounted)); err != nil || b.Used() != 70_000 {
		t.Fatalf("grown to 70,000 bytes: %v, %d count", err, b.Used())
	}
	over := hold("192.0.2.1:3")
	if err := over.Grow(1000 + uncounted); err != nil || b.Used() != 71_000 {
		t.Errorf("within the client's share: %v, %d bytes count", err, b.Used())
	}
	if err := over.Grow(6000 + uncounted); !errors.Is(err, ErrBusy) || !errors.Is(err, quota.ErrShare) || b.Used() != 70_000 {
		t.Errorf("over the client's share: %v, %d bytes count, want those of the other message", err, b.Used())
	}
	over.Release()
	other := hold("192.0.2.2:1")
	if err := other.Grow(40_000 + uncounted); !errors.Is(err, ErrBusy) || !errors.Is(err, quota.ErrFull) {
		t.Errorf("over what is left: %v", err)
	}
	if err := other.Grow(30_000 + uncounted); err != nil {
		t.Errorf("what is left: %v", err)
	}
	one.Keep()
	one.Release()
	if b.Used() != 100_000 {
		t.Errorf("%d bytes count while somebody keeps the message", b.Used())
	}
	one.Release()
	other.Release()
	small.Release()
	if b.Used() != 0 {
		t.Errorf("%d bytes count in the end", b.Used())
	}
}

// TestHoldHasASeat holds that a message has a seat at the processors from Work on until
// it is given back, or nobody needs the message any more.
func TestHoldHasASeat(t *testing.T) {
	b := NewBudget(100_000, 75)
	for _, early := range []bool{true, false} {
		var h Hold
		h.Begin(b, "192.0.2.1:1")
		h.Keep()
		h.Work()
		h.Release()
		if n := b.seats.Taken(); n != 1 {
			t.Errorf("%d seats are taken while the message is worked at", n)
		}
		if early {
			h.Leave()
			if n := b.seats.Taken(); n != 0 {
				t.Errorf("%d seats are taken while it waits", n)
			}
		}
		h.Release()
		if n := b.seats.Taken(); n != 0 {
			t.Errorf("%d seats are taken in the end", n)
		}
	}
}

func TestNoBudget(t *testing.T) {
	var none *Hold
	zero := &Hold{}
	zero.Begin(nil, "192.0.2.1:1")
	for _, h := range []*Hold{none, zero, {}} {
		if err := h.Grow(1 << 40); err != nil {
			t.Error(err)
		}
		h.Keep()
		h.Release()
		h.Release()
	}
	if HoldOf(nil) != nil {
		t.Error("a hold of nothing")
	}
}
