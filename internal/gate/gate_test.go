// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gate

import "testing"

func done(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestBound(t *testing.T) {
	g := New(2)
	if !g.Enter() || !g.Enter() || g.Enter() {
		t.Fatal("a gate for two let in other than two")
	}
	g.Leave()
	if !g.Enter() || g.Count() != 2 {
		t.Errorf("after one left, %d are inside, want 2", g.Count())
	}
}

func TestIdle(t *testing.T) {
	g := New(1)
	if !done(g.Idle()) {
		t.Error("an empty gate is not idle")
	}
	g.Enter()
	idle := g.Idle()
	if done(idle) {
		t.Error("idle with one inside")
	}
	g.Leave()
	if !done(idle) {
		t.Error("not idle after the last has left")
	}
	g.Enter()
	if done(g.Idle()) {
		t.Error("idle with one inside again")
	}
}

func TestClose(t *testing.T) {
	g := New(2)
	g.Enter()
	idle := g.Close()
	switch {
	case g.Enter():
		t.Error("a closed gate let new work in")
	case !g.Continue():
		t.Error("a closed gate refused the continuation of work")
	case g.Continue():
		t.Error("a continuation is over the bound")
	}
	g.Leave()
	if done(idle) {
		t.Error("idle while a continuation is inside")
	}
	g.Leave()
	if !done(idle) || !done(g.Shut()) {
		t.Error("not idle although nothing is inside")
	}
	if g.Continue() {
		t.Error("a gate that was shut let something in")
	}
}
