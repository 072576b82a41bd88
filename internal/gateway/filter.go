// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// filter says what is taken of what servers offer. Names are compared as they
// are. URIs are included by their normal form, and left out by whatever spelling
// of theirs an exclusion means.
type filter struct {
	include, exclude []glob // nil include means all; exclude wins
}

func newFilter(include, exclude []string) filter {
	var f filter
	if include != nil {
		f.include = []glob{}
	}
	for _, text := range include {
		f.include = append(f.include, newGlob(text))
	}
	for _, text := range exclude {
		f.exclude = append(f.exclude, newGlob(text))
	}
	return f
}

// selects reports whether f takes less than everything. Then what no list of a
// server has is not taken either: nobody has looked at it.
func (f *filter) selects() bool { return f.include != nil || len(f.exclude) > 0 }

// takes reports whether f takes the tool or prompt that has these names.
func (f *filter) takes(names ...string) bool {
	is := func(g glob) bool {
		return slices.ContainsFunc(names, func(name string) bool { return match(g.text, name) })
	}
	return (f.include == nil || slices.ContainsFunc(f.include, is)) && !slices.ContainsFunc(f.exclude, is)
}

// mayTake reports whether f can take any name that begins with prefix.
func (f *filter) mayTake(prefix string) bool {
	may := func(g glob) bool {
		head := g.text[:strings.IndexAny(g.text+"*", "*?")]
		return strings.HasPrefix(head, prefix) || strings.HasPrefix(prefix, head)
	}
	none := func(g glob) bool { return strings.HasSuffix(g.text, "*") && match(g.text, prefix) }
	return (f.include == nil || slices.ContainsFunc(f.include, may)) && !slices.ContainsFunc(f.exclude, none)
}

// takesURI reports whether f takes a resource or template of a list. It is known
// by its URI and by the URI behind prefix, so that one pattern can choose
// everything of a server; prefix may be empty.
func (f *filter) takesURI(uri, prefix string) bool {
	if !f.selects() {
		return true
	}
	s := spell(uri, false)
	return f.includes(&s, prefix) && !f.excludes(&s, prefix)
}

// takesInstance reports whether f takes a URI that a template it takes stands for.
// Where something is included, the URI must not lead out of it.
func (f *filter) takesInstance(uri, prefix string) bool {
	if !f.selects() {
		return true
	}
	s := spell(uri, false)
	return !(f.include != nil && s.odd) && !f.excludes(&s, prefix)
}

func (f *filter) includes(s *spelling, prefix string) bool {
	if f.include == nil {
		return true
	}
	covers := func(uri string) bool {
		return slices.ContainsFunc(f.include, func(g glob) bool {
			return match(g.text, uri) || match(g.normal, uri) || prefix != "" && (match(g.text, prefix+uri) || match(g.normal, prefix+uri))
		})
	}
	if s.odd {
		return covers(s.normal) && covers(s.asPath)
	}
	return covers(s.written) || covers(s.normal)
}

func (f *filter) excludes(s *spelling, prefix string) bool {
	prefix = fold(prefix)
	return slices.ContainsFunc(f.exclude, func(g glob) bool {
		return slices.ContainsFunc(g.forms, func(form string) bool {
			return slices.ContainsFunc(s.all, func(uri string) bool {
				return match(form, uri) || prefix != "" && match(form, prefix+uri)
			})
		})
	})
}

// glob is a pattern: * is any text, ? one character.
type glob struct {
	text   string
	normal string   // as a pattern of URIs in their normal form
	forms  []string // as a pattern of URIs in any spelling, without regard to letter case
}

// newGlob reads a pattern over names, URIs, or URIs behind a server's prefix.
func newGlob(text string) glob {
	head, uri := "", text
	if colon := strings.IndexByte(text, ':'); colon > 0 {
		if i := strings.LastIndex(text[:colon], separator); i >= 0 {
			head, uri = text[:i+len(separator)], text[i+len(separator):]
		}
	}
	s := spell(uri, true)
	g := glob{text: text, normal: head + s.normal}
	for _, form := range s.all {
		g.forms = append(g.forms, fold(head)+form)
	}
	return g
}

// match reports whether name is in the glob pattern. Its time is bounded by the
// product of the lengths, whatever the pattern.
func match(pattern, name string) bool {
	star, again := -1, 0 // the last * seen, and where in name to go on after it
	p, n := 0, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, again = p, n
			p++
		case p < len(pattern) && pattern[p] == '?':
			_, size := utf8.DecodeRuneInString(name[n:])
			p, n = p+1, n+size
		case p < len(pattern) && pattern[p] == name[n]:
			p, n = p+1, n+1
		case star >= 0:
			_, size := utf8.DecodeRuneInString(name[again:])
			again += size
			p, n = star+1, again
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
