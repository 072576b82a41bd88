// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// compiles reports whether a pattern, a JSON string, is a regular expression of
// JavaScript with the flag u, which is how official clients read it. One of Python or
// Perl that JavaScript refuses would cost them the list.
//
// ECMA-262 22.2.1, grammar with UnicodeMode.
func compiles(quoted Raw) bool {
	text, ok := jsonrpc.Unquote(quoted)
	if !ok {
		return false
	}
	bare := literal.ReplaceAllString(text, "")
	p := pattern{rest: text, groups: len(groupOpening.FindAllString(bare, -1)), names: map[string]bool{}}
	for _, found := range groupName.FindAllStringSubmatch(bare, -1) {
		if p.names[found[1]] {
			return false
		}
		p.names[found[1]] = true
	}
	return p.alternatives(0) && p.rest == ""
}

// literal is what holds no groups: escapes and classes.
var literal = regexp.MustCompile(`\\(?s:.)|\[(?:\\(?s:.)|[^\]\\])*\]`)

// groupOpening is the beginning of a group that captures.
var groupOpening = regexp.MustCompile(`\((?:[^?]|\?<[^=!]|$)`)

// groupName is the beginning of a group that has a name.
var groupName = regexp.MustCompile(`\(\?<([\pL_$][\pL\pN_$]*)>`)

// maxGroups bounds how deep groups of a pattern may be nested.
const maxGroups = 100

// pattern is a regular expression being read.
type pattern struct {
	rest   string
	groups int // that capture
	names  map[string]bool
}

// take removes what re finds at the beginning and reports whether it is there.
func (p *pattern) take(re *regexp.Regexp) bool {
	found := re.FindString(p.rest)
	p.rest = p.rest[len(found):]
	return found != ""
}

func (p *pattern) skip(text string) (ok bool) {
	p.rest, ok = strings.CutPrefix(p.rest, text)
	return ok
}

var (
	assertion  = regexp.MustCompile(`^(?:\^|\$|\\[bB])`)
	lookaround = regexp.MustCompile(`^\(\?<?[=!]`)
	groupStart = regexp.MustCompile(`^\((?:\?:|\?<[\pL_$][\pL\pN_$]*>)?`)
	quantifier = regexp.MustCompile(`^(?:[*+?]|\{(\d+)(,(\d*))?\})\??`)
	plainChar  = regexp.MustCompile(`^[^\^$\\.*+?()\[\]{}|]`)
	classSet   = regexp.MustCompile(`^\\[dDwWsS]`)
	control    = regexp.MustCompile(`^\\(?:[fnrtv]|0(?:$|\D)|c[A-Za-z]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|u\{0*(?:10[0-9A-Fa-f]{4}|[0-9A-Fa-f]{1,5})\}|[\^$\\.*+?()\[\]{}|/])`)
	backward   = regexp.MustCompile(`^\\(?:([1-9]\d*)|k<([\pL_$][\pL\pN_$]*)>)`)
	property   = regexp.MustCompile(`^\\[pP]\{([A-Za-z_]+)(?:=([A-Za-z_]+))?\}`)
)

// alternatives reads up to the end or to the bracket that closes a group.
func (p *pattern) alternatives(depth int) bool {
	for p.rest != "" && p.rest[0] != ')' {
		if !p.skip("|") && !p.term(depth) {
			return false
		}
	}
	return depth <= maxGroups
}

// term reads one assertion, or one atom with its quantifier.
func (p *pattern) term(depth int) bool {
	switch {
	case p.take(assertion):
		return true
	case p.take(lookaround):
		return p.alternatives(depth+1) && p.skip(")")
	case !p.atom(depth):
		return false
	}
	found := quantifier.FindStringSubmatch(p.rest)
	if found == nil {
		return true
	}
	p.rest = p.rest[len(found[0]):]
	least, _ := strconv.Atoi(found[1])
	most, err := strconv.Atoi(found[3])
	return err != nil || least <= most
}

func (p *pattern) atom(depth int) bool {
	switch {
	case p.skip("."), p.take(plainChar), p.take(classSet), p.property():
		return true
	case control.MatchString(p.rest):
		p.escape()
		return true
	case p.skip("["):
		p.skip("^")
		return p.class()
	case strings.HasPrefix(p.rest, `\`):
		found := backward.FindStringSubmatch(p.rest)
		if found == nil {
			return false
		}
		p.rest = p.rest[len(found[0]):]
		n, err := strconv.Atoi(found[1])
		return p.names[found[2]] || err == nil && n <= p.groups
	case !p.take(groupStart):
		return false
	}
	return !strings.HasPrefix(p.rest, "?") && p.alternatives(depth+1) && p.skip(")")
}

// property reads an escape that stands for a Unicode property.
func (p *pattern) property() bool {
	found := property.FindStringSubmatch(p.rest)
	if found == nil || !isProperty(found[1], found[2]) {
		return false
	}
	p.rest = p.rest[len(found[0]):]
	return true
}

// escape reads an escape that stands for one character and returns it.
func (p *pattern) escape() rune {
	found := control.FindString(p.rest)
	if strings.HasPrefix(found, `\0`) {
		found = `\0`
	}
	p.rest = p.rest[len(found):]
	switch c := rune(found[1]); c {
	case 'c':
		return rune(found[2]) % 32
	case 'x', 'u':
		code, _ := strconv.ParseUint(strings.Trim(found[2:], "{}"), 16, 32)
		return rune(code)
	default:
		if i := strings.IndexRune("0nrtvf", c); i >= 0 {
			return rune("\x00\n\r\t\v\f"[i])
		}
		return c
	}
}

// class reads a class of characters behind its bracket. A range must not begin or end
// with a set, nor end before it begins.
func (p *pattern) class() bool {
	for !p.skip("]") {
		from, ok := p.member()
		if !ok {
			return false
		}
		if strings.HasPrefix(p.rest, "-") && !strings.HasPrefix(p.rest, "-]") {
			p.skip("-")
			if to, ok := p.member(); !ok || from == set || to == set || to < from {
				return false
			}
		}
	}
	return true
}

// set stands for a member of a class that is more than one character.
const set rune = -1

// member reads one member of a class and returns the character, or set.
func (p *pattern) member() (c rune, ok bool) {
	switch {
	case p.take(classSet), p.property():
		return set, true
	case p.skip(`\-`):
		return '-', true
	case p.skip(`\b`):
		return '\b', true
	case control.MatchString(p.rest):
		return p.escape(), true
	case p.rest == "", p.rest[0] == ']', p.rest[0] == '\\':
		return 0, false
	}
	c, size := utf8.DecodeRuneInString(p.rest)
	p.rest = p.rest[size:]
	return c, true
}

// isProperty reports whether a Unicode property is one that JavaScript knows for sure.
func isProperty(name, value string) bool {
	switch name {
	case "General_Category", "gc":
		return unicode.Categories[value] != nil
	case "Script", "sc", "Script_Extensions", "scx":
		return unicode.Scripts[value] != nil
	case "Letter", "Number", "Punctuation", "Alphabetic", "ASCII", "Any", "Emoji":
		return value == ""
	}
	return value == "" && unicode.Categories[name] != nil
}
