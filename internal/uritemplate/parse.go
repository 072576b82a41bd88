// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package uritemplate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds. What is longer is refused before it is looked at.
const (
	MaxURI       = 8 << 10 // bytes of a URI that is matched
	MaxTemplate  = 2 << 10 // bytes of a template
	MaxVariables = 64      // of a template, each occurrence counted
)

// Template is a parsed URI template.
type Template struct {
	text    string
	parts   []part
	prefix  string // what every match begins with
	suffix  string // what every match ends with, besides the prefix
	program []instruction
	steps   int        // that the program takes at one place in a URI
	slots   []variable // what the program's marks delimit, in order
}

// part is a literal or, when vars is not empty, an expression.
type part struct {
	literal string
	op      operator
	vars    []variable
}

// variable is one variable of an expression.
type variable struct {
	name    string
	prefix  int // most characters of the value; 0 for all
	explode bool
	sep     string // between the members of an exploded value
	named   bool   // members are written name=value

	reserved bool // reserved characters may stand in it unescaped
	query    bool // it is a parameter of the query
}

// operator says how an expression is written out.
//
// RFC 6570 appendix A.
type operator struct {
	first, sep string
	named      bool
	bare       bool // an empty value of a named variable has no "="
	reserved   bool // reserved characters stand unescaped
}

var operators = map[byte]operator{
	'+': {sep: ",", reserved: true},
	'#': {first: "#", sep: ",", reserved: true},
	'.': {first: ".", sep: "."},
	'/': {first: "/", sep: "/"},
	';': {first: ";", sep: ";", named: true, bare: true},
	'?': {first: "?", sep: "&", named: true},
	'&': {first: "&", sep: "&", named: true},
}

// Parse reads a template. The error says what is wrong and where.
func Parse(text string) (*Template, error) {
	switch {
	case len(text) > MaxTemplate:
		return nil, fmt.Errorf("template of %d bytes is over the limit of %d", len(text), MaxTemplate)
	case !utf8.ValidString(text):
		return nil, fmt.Errorf("template is not valid UTF-8")
	}
	t := &Template{text: text}
	variables := 0
	for at := 0; at < len(text); {
		literal, rest, found := strings.Cut(text[at:], "{")
		if i := badLiteral(literal); i >= 0 {
			return nil, fmt.Errorf("byte %d: %q cannot stand here", at+i+1, literal[i:i+1])
		}
		if literal != "" {
			t.parts = append(t.parts, part{literal: literal})
		}
		if !found {
			break
		}
		at += len(literal) + 1
		inner, _, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, fmt.Errorf("byte %d: expression without an end", at)
		}
		p, err := parseExpression(inner)
		if err != nil {
			return nil, fmt.Errorf("byte %d: %w", at, err)
		}
		if variables += len(p.vars); variables > MaxVariables {
			return nil, fmt.Errorf("more than %d variables", MaxVariables)
		}
		t.parts = append(t.parts, p)
		at += len(inner) + 1
	}
	t.compile()
	return t, nil
}

// badLiteral returns where a literal holds what none may, -1 when it does not.
func badLiteral(s string) int {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f || s[i] == '}' || s[i] == '%' && !isEscape(s[i:]) {
			return i
		}
	}
	return -1
}

// parseExpression reads what stands between braces.
func parseExpression(text string) (part, error) {
	if text == "" {
		return part{}, fmt.Errorf("empty expression")
	}
	p := part{op: operator{sep: ","}}
	if op, ok := operators[text[0]]; ok {
		p.op, text = op, text[1:]
	} else if strings.IndexByte("=,!@|", text[0]) >= 0 {
		return p, fmt.Errorf("operator %q is reserved", text[:1])
	}
	for spec := range strings.SplitSeq(text, ",") {
		v := variable{name: spec, sep: p.op.sep, named: p.op.named}
		if name, digits, ok := strings.Cut(spec, ":"); ok {
			n, err := strconv.ParseUint(digits, 10, 16)
			if err != nil || n == 0 || n > 9999 || digits[0] == '0' {
				return p, fmt.Errorf("prefix of %d bytes is not a number from 1 to 9999", len(digits))
			}
			v.name, v.prefix = name, int(n)
		} else if name, ok := strings.CutSuffix(spec, "*"); ok {
			v.name, v.explode = name, true
		}
		if v.name == "" || strings.ContainsFunc(v.name, notName) {
			return p, fmt.Errorf("a variable's name must be of letters, digits, _, -, . and %%XX")
		}
		p.vars = append(p.vars, v)
	}
	return p, nil
}

func notName(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-.%", r))
}

// String returns the template as it was written.
func (t *Template) String() string { return t.text }

// Prefix returns the text that every URI of the template begins with.
func (t *Template) Prefix() string { return t.prefix }

// Names returns the names of the variables, each once, in their order.
func (t *Template) Names() []string {
	var names []string
	for _, p := range t.parts {
		for _, v := range p.vars {
			if !slices.Contains(names, v.name) {
				names = append(names, v.name)
			}
		}
	}
	return names
}

// key is the name under which a match gives the value. That of a prefix is
// another than that of the whole value, since a template may have both.
func (v *variable) key() string {
	if v.prefix > 0 {
		return v.name + ":" + strconv.Itoa(v.prefix)
	}
	return v.name
}
