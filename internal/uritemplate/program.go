// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package uritemplate

import (
	"strings"
	"unicode/utf8"
)

// code is what an instruction does.
type code uint8

const (
	end     code = iota // succeeds at the end of the URI
	literal             // takes text, in any spelling
	run                 // takes any number of characters of a class
	split               // goes to next or, if that fails, to other
	mark                // notes where a variable begins or ends
)

// instruction is one step of a program. Instructions that may take nothing lead
// to later ones only, so that one pass over the program, from its end,
// does for each place in the URI.
type instruction struct {
	code  code
	next  int
	other int    // of split
	text  string // of literal
	spelt bool   // of literal: it has characters that may be written in two ways
	class *class // of run
	max   int    // characters that run may take; 0 for any number
	slot  int    // of mark: 2n where variable n begins, 2n+1 where it ends
}

// class is a set of bytes.
type class [256]bool

const (
	genDelims = ":/?#[]@"
	subDelims = "!$&'()*+,;="

	// delims end a value. Colons and at signs do not: a template escapes them in what
	// it expands to, but paths may hold them, and clients write them so: RFC 3986 section 3.3.
	delims = "/?#[]" + subDelims
)

// Classes of characters in values. A percent sign counts only with two digits
// behind it. The comma separates the members of a list, whatever the class.
var (
	plain     = classOf(delims)
	plainPair = classOf(strings.ReplaceAll(delims, "=", "")) // members of an exploded value may be pairs
	reserved  = classOf(",")
)

func classOf(without string) *class {
	var c class
	for b := range c {
		c[b] = b >= ' ' && b != 0x7f && b != '%' && strings.IndexByte(without, byte(b)) < 0
	}
	return &c
}

// compile makes the program of a parsed template.
func (t *Template) compile() {
	for i := range t.parts {
		if p := &t.parts[i]; p.vars == nil {
			t.emitLiteral(p.literal)
		} else {
			t.emitExpression(p)
		}
	}
	t.emit(instruction{code: end})
	for i := range t.program {
		switch in := &t.program[i]; {
		case in.spelt:
			t.steps += 1 + len(in.text)
		default:
			t.steps += 1 + len(in.text)/32 // compared as a whole
		}
	}
	if first := t.parts; len(first) > 0 && first[0].vars == nil {
		text := first[0].literal
		t.prefix = text[:len(text)-len(strings.TrimLeftFunc(text, standsForItself))]
	}
	if last := len(t.parts) - 1; last > 0 && t.parts[last].vars == nil {
		text := t.parts[last].literal
		t.suffix = text[len(strings.TrimRightFunc(text, standsForItself)):]
	}
}

// standsForItself reports whether a character of a literal is never escaped.
func standsForItself(r rune) bool {
	return r < utf8.RuneSelf && (isUnreserved(byte(r)) || strings.ContainsRune(genDelims+subDelims, r))
}

// emit adds an instruction that leads to the one after it, and returns its place.
func (t *Template) emit(in instruction) int {
	at := len(t.program)
	in.next = at + 1
	t.program = append(t.program, in)
	return at
}

// emitLiteral adds text. What may not stand in a URI, such as letters beyond
// ASCII, matches in its escaped form too, which is what a template expands to, and
// what the template has escaped also as it is.
//
// RFC 6570 section 3.1.
func (t *Template) emitLiteral(text string) int {
	return t.emit(instruction{code: literal, text: text, spelt: strings.ContainsFunc(text, func(r rune) bool { return !standsForItself(r) })})
}

// emitExpression adds an expression: nothing, or its first text and at least one
// of its variables, in their order.
//
// RFC 6570 section 3.2.1.
func (t *Template) emitExpression(p *part) {
	skip := t.emit(instruction{code: split})
	if p.op.first != "" {
		t.emitLiteral(p.op.first)
	}
	n := len(p.vars)
	begin, items, after := make([]int, n), make([]int, n), make([]int, n)
	for i := range n - 1 { // the first variable that has a value
		begin[i] = t.emit(instruction{code: split})
	}
	var leave []int // instructions that end variable i, n per variable
	for i := range p.vars {
		items[i] = len(t.program)
		leave = append(leave, t.emitVariable(&p.op, p.vars[i]))
	}
	for i := 1; i < n; i++ { // the next one, behind a separator
		after[i] = t.emit(instruction{code: split})
		t.program[t.emitLiteral(p.op.sep)].next = items[i]
	}
	out := len(t.program)
	t.program[skip].other = out
	for i := range n - 1 {
		t.program[begin[i]].next = items[i]
		t.program[begin[i]].other = items[n-1]
		if i+1 < n-1 {
			t.program[begin[i]].other = begin[i+1]
		}
	}
	for i := range n {
		to := out
		if i+1 < n {
			to = after[i+1]
		}
		t.program[leave[i]].next = to
		if i > 0 {
			t.program[after[i]].other = to
		}
	}
}

// emitVariable adds one variable with its value and returns the place of its
// last instruction.
func (t *Template) emitVariable(op *operator, v variable) int {
	slot := len(t.slots)
	v.reserved, v.query = op.reserved, op.named && op.sep == "&"
	t.slots = append(t.slots, v)
	chars := plain
	if op.reserved {
		chars = reserved
	}
	switch {
	case op.named && v.explode:
		t.emit(instruction{code: mark, slot: 2 * slot})
		t.emitPairs(op, chars)
	case op.named:
		t.emitLiteral(v.name)
		var bare int
		if op.bare {
			bare = t.emit(instruction{code: split})
		}
		t.emitLiteral("=")
		t.emit(instruction{code: mark, slot: 2 * slot})
		t.emitList(chars, ",", v.prefix)
		if op.bare {
			// Without a value there is no mark of its beginning either.
			t.program[bare].other = len(t.program)
		}
	default:
		t.emit(instruction{code: mark, slot: 2 * slot})
		sep := ","
		if v.explode {
			sep = op.sep
			if !op.reserved {
				chars = plainPair
			}
		}
		t.emitList(chars, sep, v.prefix)
	}
	return t.emit(instruction{code: mark, slot: 2*slot + 1})
}

// emitList adds a value, or several with sep between them. What comes behind the
// list is tried before another value, so that {x,y} has one for each.
func (t *Template) emitList(chars *class, sep string, max int) {
	value := t.emit(instruction{code: run, class: chars, max: max})
	if max > 0 {
		return // prefixes are of single values: RFC 6570 section 2.4.1
	}
	t.emitAgain(sep, value)
}

// emitPairs adds key=value, or several with the operator's separator between them.
func (t *Template) emitPairs(op *operator, chars *class) {
	key := t.emit(instruction{code: run, class: chars})
	var bare int
	if op.bare {
		bare = t.emit(instruction{code: split})
	}
	t.emitLiteral("=")
	t.emit(instruction{code: run, class: chars})
	if op.bare {
		t.program[bare].other = len(t.program)
	}
	t.emitAgain(op.sep, key)
}

// emitAgain adds a choice between going on and, behind sep, going back.
func (t *Template) emitAgain(sep string, back int) {
	choice := t.emit(instruction{code: split})
	t.program[t.emitLiteral(sep)].next = back
	t.program[choice].next = len(t.program)
	t.program[choice].other = choice + 1
}
