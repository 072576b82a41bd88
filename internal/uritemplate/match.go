// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package uritemplate

import "strings"

// Cost returns the number of steps that matching uri takes at most; 0 when its
// ends alone show that it does not match. A step is a few nanoseconds.
func (t *Template) Cost(uri string) int {
	if len(uri) > MaxURI || len(uri) < len(t.prefix)+len(t.suffix) ||
		!strings.HasPrefix(uri, t.prefix) || !strings.HasSuffix(uri, t.suffix) {
		return 0
	}
	return t.steps * (len(uri) + 1)
}

// Matches reports whether uri is one that the template stands for.
func (t *Template) Matches(uri string) bool {
	return t.Cost(uri) > 0 && t.tabulate(uri).can(0, 0)
}

// Match returns the values of the variables in uri, unescaped. Several values of
// one variable are joined by commas; of a variable that occurs twice the first
// counts; one with a prefix length is known as name:length. Ok is false when uri
// does not match.
//
// Where a URI can be read in several ways, variables take as much as they can,
// the earlier ones first.
func (t *Template) Match(uri string) (values map[string]string, ok bool) {
	if t.Cost(uri) == 0 {
		return nil, false
	}
	s := t.tabulate(uri)
	if !s.can(0, 0) {
		return nil, false
	}
	values = make(map[string]string, len(t.slots))
	for i, span := range s.walk() {
		v := &t.slots[i]
		if _, twice := values[v.key()]; span.from >= 0 && !twice {
			values[v.key()] = v.read(uri[span.from:span.to])
		}
	}
	return values, true
}

// table says of every place in a URI from which instructions the rest matches.
type table struct {
	t      *Template
	uri    string
	stride int // words per instruction
	bits   []uint64
}

func (s *table) can(pc, at int) bool { return s.bits[pc*s.stride+at>>6]>>(at&63)&1 == 1 }
func (s *table) set(pc, at int)      { s.bits[pc*s.stride+at>>6] |= 1 << (at & 63) }

// tabulate works through uri from its end to its beginning, each place once per
// instruction: that is all the work that matching does.
func (t *Template) tabulate(uri string) *table {
	s := &table{t: t, uri: uri, stride: len(uri)>>6 + 1}
	s.bits = make([]uint64, s.stride*len(t.program))
	near := make([][4]int32, len(t.program)) // of runs, by place modulo 4: characters up to where the run may end, -1 for nowhere
	for at := len(uri); at >= 0; at-- {
		for pc := len(t.program) - 1; pc >= 0; pc-- {
			in := &t.program[pc]
			var ok bool
			switch in.code {
			case end:
				ok = at == len(uri)
			case mark:
				ok = s.can(in.next, at)
			case split:
				ok = s.can(in.next, at) || s.can(in.other, at)
			case literal:
				to := in.take(uri, at)
				ok = to > 0 && s.can(in.next, to)
			case run:
				n := s.distance(in, &near[pc], at)
				near[pc][at&3] = n
				ok = n >= 0 && (in.max == 0 || int(n) <= in.max)
			}
			if ok {
				s.set(pc, at)
			}
		}
	}
	return s
}

// distance returns how many characters a run takes from at to the nearest place
// where it may end, -1 when there is none.
func (s *table) distance(in *instruction, near *[4]int32, at int) int32 {
	if s.can(in.next, at) {
		return 0
	}
	width, counts := character(s.uri, at, in.class)
	if width == 0 || near[(at+width)&3] < 0 {
		return -1
	}
	return near[(at+width)&3] + counts
}

// take returns the place behind the literal at a place, 0 when it is not there.
func (in *instruction) take(uri string, at int) int {
	switch {
	case strings.HasPrefix(uri[at:], in.text):
		return at + len(in.text)
	case in.spelt:
		return takeSpelt(in.text, uri, at)
	}
	return 0
}

// character returns the bytes of the piece of a character at a place, 0 when the
// class does not have it, and 1 unless the piece continues a character: lengths
// are counted in characters, and one of several bytes is escaped as several pieces.
func character(uri string, at int, c *class) (width int, counts int32) {
	if at == len(uri) {
		return 0, 0
	}
	b := uri[at]
	width = 1
	if b == '%' {
		if !isEscape(uri[at:]) {
			return 0, 0
		}
		b, width = unhex(uri[at+1])<<4|unhex(uri[at+2]), 3
	} else if !c[b] {
		return 0, 0
	}
	if b&0xc0 == 0x80 {
		return width, 0
	}
	return width, 1
}

// span is where a variable's value stands; from is -1 when it has none.
type span struct{ from, to int }

// walk follows the first way through the program that matches.
func (s *table) walk() []span {
	spans := make([]span, len(s.t.slots))
	for i := range spans {
		spans[i] = span{-1, -1}
	}
	for pc, at := 0, 0; ; {
		in := &s.t.program[pc]
		pc = in.next
		switch in.code {
		case end:
			return spans
		case split:
			if !s.can(in.next, at) {
				pc = in.other
			}
		case literal:
			at = in.take(s.uri, at)
		case run:
			at = s.farthest(in, at)
		case mark:
			one := &spans[in.slot/2]
			if in.slot%2 == 0 {
				one.from = at
			} else if one.from >= 0 {
				one.to = at
			}
		}
	}
}

// farthest returns the last place where a run from at may end.
func (s *table) farthest(in *instruction, at int) int {
	last, taken := at, int32(0)
	for {
		if s.can(in.next, at) {
			last = at
		}
		width, counts := character(s.uri, at, in.class)
		if taken += counts; width == 0 || in.max > 0 && int(taken) > in.max {
			return last
		}
		at += width
	}
}

// read returns the value that stands in a URI as text.
func (v *variable) read(text string) string {
	if !v.explode {
		return Unescape(text)
	}
	members := strings.Split(text, v.sep)
	for i, m := range members {
		if v.named {
			if name, value, pair := strings.Cut(m, "="); pair && name == v.name {
				m = value
			}
		}
		members[i] = Unescape(m)
	}
	return strings.Join(members, ",")
}
