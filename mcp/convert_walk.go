// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

import (
	"bytes"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// shape describes one kind of object across versions, as far as versions differ.
type shape struct {
	members map[string]member
	// fix rewrites a whole value for versions up to fixTo, before its members
	// are looked at. A nil result drops the value.
	fix   func(w *walk, value Raw) Raw
	fixTo Version
	words []string // strings without which fix has nothing to do
	// literals says that fix is also needed when a true or false occurs.
	literals bool
}

// member describes one member of a shape. Where the value is an array, of is
// the shape of its elements.
type member struct {
	since  Version // "" means from the beginning
	until  Version // last version that has it; "" means it is still there
	of     *shape
	values bool // of is the shape of the value's members, whatever their names
}

// view is a shape for one version: only what has to be done.
type view struct {
	fix     func(w *walk, value Raw) Raw
	actions map[string]action // by quoted name
	any     *action           // for every member, if not nil
}

type action struct {
	drop bool
	of   *view
}

// viewOf compiles s for v, gathering the words that betray a need for it. It
// returns nil when that version needs nothing done.
func (s *shape) viewOf(v Version, p *plan) *view {
	out := view{actions: map[string]action{}}
	if s.fix != nil && v <= s.fixTo {
		out.fix = s.fix
		p.words.add(s.words...)
		p.literals = p.literals || s.literals
	}
	for name, m := range s.members {
		quoted := string(jsonrpc.AppendString(nil, name))
		switch {
		case v < m.since || m.until != "" && v > m.until:
			out.actions[quoted] = action{drop: true}
			p.words.add(name)
		case m.of == nil:
		default:
			inner := m.of.viewOf(v, p)
			if inner == nil {
				continue
			}
			if m.values {
				inner = &view{any: &action{of: inner}}
			}
			out.actions[quoted] = action{of: inner}
		}
	}
	if out.fix == nil && len(out.actions) == 0 {
		return nil
	}
	return &out
}

// walk is one conversion.
type walk struct {
	f      *Features
	method string
	err    error
}

// refuse stops the conversion: reason names what cannot be carried.
func (w *walk) refuse(reason string) {
	if w.err == nil {
		w.err = &NotCarriedError{Version: w.f.Version, Method: w.method, Reason: reason}
	}
}

// value converts an object, or each element of an array. It returns v itself
// when nothing changes, and nil to have it dropped.
func (w *walk) value(v Raw, to *view) Raw {
	if w.err != nil || len(v) == 0 {
		return v
	}
	if v[0] == '[' {
		return w.array(v, to)
	}
	if to.fix != nil {
		if v = to.fix(w, v); v == nil {
			return nil
		}
	}
	if v[0] == '{' && (to.any != nil || len(to.actions) > 0) {
		return w.object(v, to)
	}
	return v
}

func (w *walk) array(arr Raw, to *view) Raw {
	var out Raw
	seen := 0
	for element := range jsonrpc.Elements(arr) {
		next := w.value(element, to)
		if out == nil {
			if same(next, element) {
				seen++
				continue
			}
			out = copyElements(arr, seen)
		}
		if next != nil {
			out = append(separate(out), next...)
		}
	}
	if out == nil {
		return arr
	}
	return append(out, ']')
}

func (w *walk) object(obj Raw, to *view) Raw {
	var out Raw
	seen := 0
	for name, value := range jsonrpc.Members(obj) {
		next := value
		if act, ok := to.action(name); ok {
			if act.drop {
				next = nil
			} else {
				next = w.value(value, act.of)
			}
		}
		if out == nil {
			if same(next, value) {
				seen++
				continue
			}
			out = copyMembers(obj, seen)
		}
		if next != nil {
			out = appendMember(out, name, next)
		}
	}
	if out == nil {
		return obj
	}
	return append(out, '}')
}

func (v *view) action(name Raw) (action, bool) {
	if v.any != nil {
		return *v.any, true
	}
	act, ok := v.actions[string(name)]
	return act, ok
}

// same reports whether a and b are the same bytes in memory.
func same(a, b Raw) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

// copyMembers returns an unclosed object with the first n members of obj.
func copyMembers(obj Raw, n int) Raw {
	out := append(make(Raw, 0, len(obj)+64), '{')
	for name, value := range jsonrpc.Members(obj) {
		if n--; n < 0 {
			break
		}
		out = appendMember(out, name, value)
	}
	return out
}

// copyElements returns an unclosed array with the first n elements of arr.
func copyElements(arr Raw, n int) Raw {
	out := append(make(Raw, 0, len(arr)+64), '[')
	for element := range jsonrpc.Elements(arr) {
		if n--; n < 0 {
			break
		}
		out = append(separate(out), element...)
	}
	return out
}

func appendMember(out, name, value Raw) Raw {
	out = append(separate(out), name...)
	out = append(out, ':')
	return append(out, value...)
}

// separate appends a comma unless the array or object has only been opened.
func separate(out Raw) Raw {
	if len(out) > 1 {
		return append(out, ',')
	}
	return out
}

// plan is what converting one kind of message to one version takes.
type plan struct {
	view     *view // nil when nothing ever has to be done
	words    wordSet
	literals bool
}

type planKey struct {
	version Version
	method  string
}

// plansOf compiles shapes by method for all versions.
func plansOf(shapes map[string]*shape) map[planKey]*plan {
	plans := map[planKey]*plan{}
	for _, version := range Versions() {
		for method, s := range shapes {
			p := &plan{}
			p.view = s.viewOf(version, p)
			plans[planKey{version, method}] = p
		}
	}
	return plans
}

// concerns reports whether body holds anything that the plan could be about. It
// may say yes in vain.
func (p *plan) concerns(body Raw) bool {
	if p.view == nil {
		return false
	}
	return p.words.in(body) || p.literals && (bytes.Contains(body, []byte("true")) || bytes.Contains(body, []byte("false")))
}

// wordSet is a set of short strings to look for among the strings of a text.
type wordSet struct {
	lengths  uint64 // bit n: there are words of n bytes
	byLength [64][]string
}

func (s *wordSet) add(words ...string) {
	for _, word := range words {
		s.lengths |= 1 << len(word)
		s.byLength[len(word)] = append(s.byLength[len(word)], word)
	}
}

// in reports whether one of the words is a string of the JSON text, be it a name or a value.
func (s *wordSet) in(text []byte) bool {
	for {
		open := bytes.IndexByte(text, '"')
		if open < 0 {
			return false
		}
		text = text[open+1:]
		end := 0
		for {
			n := bytes.IndexByte(text[end:], '"')
			if n < 0 {
				return false
			}
			if end += n; !escaped(text, end) {
				break
			}
			end++
		}
		if end < 64 && s.lengths&(1<<end) != 0 {
			for _, word := range s.byLength[end] {
				if string(text[:end]) == word {
					return true
				}
			}
		}
		text = text[end+1:]
	}
}

// escaped reports whether an odd number of backslashes stands before text[i].
func escaped(text []byte, i int) bool {
	n := 0
	for i > n && text[i-n-1] == '\\' {
		n++
	}
	return n%2 == 1
}
