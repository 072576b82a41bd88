// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package uritemplate

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	peer "github.com/yosida95/uritemplate/v3"
)

// asRegexp says slowly and plainly what t matches.
func asRegexp(t *Template) string {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for i := range t.parts {
		p := &t.parts[i]
		if p.vars == nil {
			b.WriteString(`(?:` + regexp.QuoteMeta(p.literal) + `|` + regexp.QuoteMeta(escape(p.literal, true)) + `)`)
			continue
		}
		var ways []string // by the variable that comes first
		for first := range p.vars {
			way := regexpOf(&p.op, &p.vars[first])
			for _, v := range p.vars[first+1:] {
				way += `(?:` + regexp.QuoteMeta(p.op.sep) + regexpOf(&p.op, &v) + `)?`
			}
			ways = append(ways, way)
		}
		b.WriteString(`(?:` + regexp.QuoteMeta(p.op.first) + `(?:` + strings.Join(ways, `|`) + `))?`)
	}
	return b.String() + `\z`
}

func regexpOf(op *operator, v *variable) string {
	char := func(without string) string {
		return `(?:%[0-9A-Fa-f]{2}|[^\x00-\x1f\x7f%` + regexp.QuoteMeta(without) + `])`
	}
	chars := char(`:/?#[]@!$&'()*+,;=`)
	if op.reserved {
		chars = char("")
	}
	count := "*"
	if v.prefix > 0 {
		count = "{0," + strconv.Itoa(v.prefix) + "}"
		if op.reserved {
			chars = char(",")
		}
	}
	list := func(one, sep string) string { return one + `(?:` + regexp.QuoteMeta(sep) + one + `)*` }
	switch {
	case v.named && v.explode && op.bare:
		return list(chars+`*(?:=`+chars+`*)?`, op.sep)
	case v.named && v.explode:
		return list(chars+`*=`+chars+`*`, op.sep)
	case v.named:
		value := chars + count
		if v.prefix == 0 {
			value = list(value, ",")
		}
		if op.bare {
			return regexp.QuoteMeta(v.name) + `(?:=` + value + `)?`
		}
		return regexp.QuoteMeta(v.name) + `=` + value
	case v.explode:
		if !op.reserved {
			chars = char(`:/?#[]@!$&'()*+,;`)
		}
		return list(chars+`*`, op.sep)
	case v.prefix > 0:
		return chars + count
	}
	return list(chars+`*`, ",")
}

var nonASCII = regexp.MustCompile(`%[89A-Fa-f]`) // escaped

// FuzzMatch compares the matcher with a regular expression, with the values that
// it found expanded again, and with another implementation, on ASCII, where all
// count characters alike.
func FuzzMatch(f *testing.F) {
	for _, h := range hostile {
		f.Add(h.template, "repo://o"+h.piece)
	}
	f.Add("{a,b}{/c*,d}{?e,f*}{#g}", "1,2/x/y?e=1&k=v#z")
	f.Add("{;a,b:2,c*}{.d}{+e:3,f}{&h}", ";a;b=xy;k=v.d%2F&h=")
	f.Add("x:{a:1}{b:2}", "x:%41%zz")
	f.Add("%{a}", "%41")
	f.Fuzz(func(t *testing.T, text, uri string) {
		if len(text) > 60 || len(uri) > 60 || !isASCII(text) || !isASCII(uri) {
			return
		}
		tmpl, err := Parse(text)
		if err != nil {
			if _, err := peer.New(text); err == nil {
				t.Fatalf("%q is valid elsewhere; here: %v", text, err)
			}
			return
		}
		for _, p := range tmpl.parts {
			for _, v := range p.vars {
				if v.prefix > 50 || v.prefix > 0 && nonASCII.MatchString(uri) {
					return // regular expressions have a limit, and count bytes
				}
			}
		}
		values, ok := tmpl.Match(uri)
		if ok != tmpl.Matches(uri) {
			t.Fatalf("%q of %q: Match says %v", text, uri, ok)
		}
		if want := regexp.MustCompile(asRegexp(tmpl)).MatchString(uri); want != ok {
			t.Fatalf("%q of %q: %v, want %v", text, uri, ok, want)
		}
		if again := tmpl.Expand(values); ok && !tmpl.Matches(again) {
			t.Fatalf("%q of %q: values %q expand to %q, which does not match", text, uri, values, again)
		}
		other, err := peer.New(text)
		if ok && err == nil && !strings.Contains(text, "*") && isURI(uri) && other.Match(uri) == nil {
			t.Fatalf("%q does not match %q elsewhere", text, uri)
		}
	})
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > '~' || r < ' ' }) < 0
}

func isURI(s string) bool { return !strings.ContainsAny(s, " \"<>\\^`{|}") }

// FuzzExpansion checks that what another implementation expands a template to is
// matched here, with lists and maps too.
func FuzzExpansion(f *testing.F) {
	f.Add("x:{a}{/b*}{?c*,d}", "v", "w/%", "")
	f.Add("{+a:3,b}{#c}{;d*,c}", "%41", "ü", ",")
	f.Add("{.a,b*}{&c:2}", "..", "=", "abc")
	f.Fuzz(func(t *testing.T, text, a, b, c string) {
		if len(text) > 200 || len(a)+len(b)+len(c) > 200 {
			return
		}
		other, err := peer.New(text)
		if err != nil || !isASCII(text) {
			return
		}
		tmpl, err := Parse(text)
		if err != nil {
			t.Skip(err) // over a limit
		}
		for _, p := range tmpl.parts {
			for _, v := range p.vars {
				if v.prefix > 0 && (v.name == "b" || v.name == "c") {
					return // prefixes are of single values
				}
			}
		}
		uri, err := other.Expand(peer.Values{
			"a": peer.String(a), "b": peer.List(a, b, c), "c": peer.KV("k", a, "l", b), "d": peer.String(c),
		})
		if err == nil && len(uri) <= MaxURI && !tmpl.Matches(uri) {
			t.Fatalf("%q does not match its expansion %q", text, uri)
		}
	})
}

// FuzzCost checks that matching the longest URIs does what was said: each place
// in the URI is looked at once per instruction, whatever the template.
func FuzzCost(f *testing.F) {
	for _, h := range hostile {
		f.Add(h.template, h.piece)
	}
	f.Fuzz(func(t *testing.T, text, piece string) {
		tmpl, err := Parse(text)
		if err != nil || piece == "" {
			return
		}
		uri := tmpl.Prefix() + strings.Repeat(piece, MaxURI/len(piece)+1)
		uri = uri[:MaxURI]
		if cost := tmpl.Cost(uri); cost > (16*MaxVariables+len(text)+2)*(MaxURI+1) {
			t.Fatalf("%q: a match takes %d steps", text, cost)
		}
		for pc := range tmpl.program { // what may take nothing leads on: one pass does for a place
			in := &tmpl.program[pc]
			if in.code != end && in.code != literal && in.next <= pc || in.code == split && in.other <= pc {
				t.Fatalf("%q: instruction %d leads back", text, pc)
			}
		}
		values, ok := tmpl.Match(uri)
		if ok && values == nil {
			t.Fatalf("%q of %.40q: no values", text, uri)
		}
	})
}
