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
	p := pattern{rest: text, groups: groupOpening.FindAllStringIndex(text, -1)}
	return p.alternatives(0) && p.rest == ""
}

// groupOpening is the beginning of a group that captures. Those in classes and behind
// backslashes count too, which lets a back reference too many through at worst.
var groupOpening = regexp.MustCompile(`\((?:[^?]|\?<[^=!]|$)`)

// maxGroups bounds how deep groups of a pattern may be nested.
const maxGroups = 100

// pattern is a regular expression being read.
type pattern struct {
	rest   string
	groups [][]int
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
	control    = regexp.MustCompile(`^\\(?:[fnrtv]|0(?:$|\D)|c[A-Za-z]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|u\{[0-9A-Fa-f]{1,6}\}|[\^$\\.*+?()\[\]{}|/])`)
	backward   = regexp.MustCompile(`^\\(?:[1-9]\d*|k<[\pL_$][\pL\pN_$]*>)`)
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
	case p.skip("."), p.take(plainChar), p.take(classSet), p.escape():
		return true
	case p.skip("["):
		p.skip("^")
		return p.class()
	case strings.HasPrefix(p.rest, `\`):
		found := backward.FindString(p.rest)
		n, err := strconv.Atoi(strings.TrimPrefix(found, `\`))
		p.rest = p.rest[len(found):]
		return found != "" && (err != nil || n <= len(p.groups))
	case !p.take(groupStart):
		return false
	}
	return !strings.HasPrefix(p.rest, "?") && p.alternatives(depth+1) && p.skip(")")
}

// escape reads an escape that stands for one character, or a Unicode property.
func (p *pattern) escape() bool {
	if found := property.FindStringSubmatch(p.rest); found != nil && isProperty(found[1], found[2]) {
		p.rest = p.rest[len(found[0]):]
		return true
	}
	found := control.FindString(p.rest)
	if strings.HasPrefix(found, `\0`) {
		found = `\0`
	}
	p.rest = p.rest[len(found):]
	return found != ""
}

// class reads a class of characters behind its bracket. A range must not begin or end
// with a set.
func (p *pattern) class() bool {
	for !p.skip("]") {
		set, ok := p.member()
		if !ok {
			return false
		}
		if strings.HasPrefix(p.rest, "-") && !strings.HasPrefix(p.rest, "-]") {
			p.skip("-")
			if end, ok := p.member(); !ok || set || end {
				return false
			}
		}
	}
	return true
}

// member reads one member of a class and reports whether it is a set.
func (p *pattern) member() (set, ok bool) {
	switch {
	case p.take(classSet):
		return true, true
	case p.skip(`\-`), p.skip(`\b`):
		return false, true
	case strings.HasPrefix(p.rest, `\`):
		return strings.HasPrefix(p.rest, `\p`) || strings.HasPrefix(p.rest, `\P`), p.escape()
	case p.rest == "" || p.rest[0] == ']':
		return false, false
	}
	_, size := utf8.DecodeRuneInString(p.rest)
	p.rest = p.rest[size:]
	return false, true
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
