// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// history is what clients have asked of objects and been told, to be checked
// against what one server with no faults could have told. It is safe for
// concurrent use.
type history struct {
	began time.Time

	mu  sync.Mutex
	ops []porcupine.Operation
}

func newHistory() *history { return &history{began: time.Now()} }

// step is one operation on one object.
type step struct {
	object string
	kind   string // set or see
	value  string // set or seen
	strong bool   // the value must be the present one; else it may be an older one unless it is final
}

// known says that an operation was acknowledged; without, it may be done, at
// any time from its call on, or not.
func (h *history) add(s step, client int, call time.Time, known bool) {
	op := porcupine.Operation{ClientId: client, Input: s, Call: int64(call.Sub(h.began)), Output: known, Return: int64(time.Since(h.began))}
	if !known {
		op.Return = math.MaxInt64
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, op)
}

// register is a value that is set and seen: here, whether a session subscribes to
// a resource. A set that nobody acknowledged may take effect, once, or never.
var register = porcupine.Model{
	Partition: byObject,
	Init:      func() any { return "no" },
	Step: func(state, input, output any) (bool, any) {
		s := input.(step)
		if s.kind == "set" {
			return true, s.value
		}
		return state == s.value, state
	},
	DescribeOperation: describeStep,
}

// outcome is a task's state. Seen as working it may be something else already,
// since nodes answer from what they know; what is final never changes. Who is
// told that it is cancelled knows that it is final: it may have ended, or have
// been failed with its node, a moment before.
var outcome = porcupine.Model{
	Partition: byObject,
	Init:      func() any { return "working" },
	Step: func(state, input, output any) (bool, any) {
		s := input.(step)
		switch {
		case s.kind == "set" && state == "working":
			return true, "final"
		case s.kind == "set":
			return true, state
		case s.value == "working":
			return !s.strong || state == "working", state
		case state == "working", state == "final":
			return true, s.value
		}
		return state == s.value, state
	},
	DescribeOperation: describeStep,
}

func byObject(ops []porcupine.Operation) [][]porcupine.Operation {
	by := map[string][]porcupine.Operation{}
	for _, op := range ops {
		by[op.Input.(step).object] = append(by[op.Input.(step).object], op)
	}
	all := make([][]porcupine.Operation, 0, len(by))
	for _, list := range by {
		all = append(all, list)
	}
	return all
}

func describeStep(input, output any) string {
	s := input.(step)
	text := s.object + " " + s.kind + " " + s.value
	if !output.(bool) {
		text += " (unknown)"
	}
	return text
}

// checkLimit bounds the search for an order that explains a history.
const checkLimit = 2 * time.Minute

// check fails, with the part of the history that nothing explains, unless some
// order of the operations explains it.
func (h *history) check(model porcupine.Model) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, ops := range byObject(h.ops) {
		single := model
		single.Partition = nil
		if ok := porcupine.CheckOperationsTimeout(single, ops, checkLimit); ok == porcupine.Ok {
			continue
		} else if ok == porcupine.Unknown {
			return fmt.Errorf("the history of %s is too long to be explained in %v", ops[0].Input.(step).object, checkLimit)
		}
		var text strings.Builder
		for _, op := range ops {
			until := "?"
			if op.Return != math.MaxInt64 {
				until = time.Duration(op.Return).Round(time.Millisecond).String()
			}
			fmt.Fprintf(&text, "\n    client %d, %v to %s: %s", op.ClientId, time.Duration(op.Call).Round(time.Millisecond), until, describeStep(op.Input, op.Output))
		}
		return fmt.Errorf("no order of these operations explains what was seen:%s", text.String())
	}
	return nil
}

// counts returns how many operations there are, and how many of unknown outcome.
func (h *history) counts() (all, unknown int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, op := range h.ops {
		if !op.Output.(bool) {
			unknown++
		}
	}
	return len(h.ops), unknown
}
