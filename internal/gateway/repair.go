// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// Official clients check a list as a whole: one member of one entry with the wrong
// type costs them the tools of all servers. So each entry is held to the shape that
// the schemas of all revisions have in common (shapes.go). What is right is passed
// as it came. What is wrong becomes what was plainly meant, or is left out.

// boolean is the kind of true and of false.
const boolean = jsontext.Kind('t')

// shape says what a value has to be.
type shape struct {
	kind    jsontext.Kind     // '"', '{', '[', '0' or boolean; 0 for any
	words   []string          // the only strings there may be; nil for any
	fix     func(Raw) Raw     // puts a value of that kind right; nil when it cannot be used
	members map[string]*shape // of an object; others may be anything
	needs   string            // member without which an object cannot be used, and what a string in its place means
	element *shape            // of an array
}

// maxNotes bounds what is noted of one entry.
const maxNotes = 10

// notes says where an entry was wrong, as paths of members.
type notes struct {
	path              []string // to the value being looked at
	repaired, dropped []string // at most maxNotes each
}

func (n *notes) enter(name string) { n.path = append(n.path, name) }
func (n *notes) leave()            { n.path = n.path[:len(n.path)-1] }

// repair notes that the value at the path was wrong and was put right.
func (n *notes) repair() { n.add(&n.repaired) }

// drop notes that the value at the path cannot be used. It returns nil, which leaves
// the value out.
func (n *notes) drop() Raw {
	n.add(&n.dropped)
	return nil
}

func (n *notes) add(to *[]string) {
	if len(*to) == maxNotes {
		return
	}
	if at := display.Short(strings.Join(n.path, ".")); !slices.Contains(*to, at) {
		*to = append(*to, at)
	}
}

// fit returns v as s wants it: v itself when it is right, nil when it cannot be used.
func (n *notes) fit(v Raw, s *shape) Raw {
	if s.kind == 0 {
		return v
	}
	if kindOf(v) != s.kind {
		meant := s.meant(v)
		if meant == nil {
			return n.drop()
		}
		n.repair()
		v = meant
	}
	switch s.kind {
	case '"':
		if word, _ := jsonrpc.Unquote(v); s.words != nil && !slices.Contains(s.words, word) {
			return n.drop()
		}
	case '{':
		return n.object(v, s)
	case '[':
		return n.array(v, s)
	}
	return n.fixed(v, s.fix)
}

// fixed returns what fix makes of v.
func (n *notes) fixed(v Raw, fix func(Raw) Raw) Raw {
	if fix == nil {
		return v
	}
	switch to := fix(v); {
	case to == nil:
		return n.drop()
	case !same(to, v):
		n.repair()
		return to
	}
	return v
}

func (n *notes) object(v Raw, s *shape) Raw {
	v = mapMembers(v, func(name string, value Raw) Raw {
		want := s.members[name]
		if want == nil {
			return value
		}
		n.enter(name)
		defer n.leave()
		return n.fit(value, want)
	})
	if s.needs != "" && text(v, s.needs) == "" {
		return n.drop()
	}
	return v
}

// array drops the elements that cannot be used, and the array with its last one: a
// list of none would say something else than no list.
func (n *notes) array(v Raw, s *shape) Raw {
	had, left := 0, 0
	v = mapElements(v, func(i int, value Raw) Raw {
		n.enter(strconv.Itoa(i))
		defer n.leave()
		next := n.fit(value, s.element)
		if had++; next != nil {
			left++
		}
		return next
	})
	if had > 0 && left == 0 {
		return nil
	}
	return v
}

// meant returns what a value of another kind than s wants plainly stands for, nil when
// it stands for nothing.
func (s *shape) meant(v Raw) Raw {
	switch kind := kindOf(v); s.kind {
	case '"':
		if kind == '0' {
			return jsonrpc.AppendString(nil, string(v))
		}
	case '0':
		if word, ok := jsonrpc.Unquote(v); ok && Raw(word).IsValid() && Raw(word).Kind() == '0' {
			return Raw(word)
		}
	case boolean:
		return truth(v)
	case '{':
		switch {
		case kind == '"' && s.needs != "":
			return append(append(append(jsonrpc.AppendString(Raw("{"), s.needs), ':'), v...), '}')
		case kind == '[' && isEmpty(v):
			return Raw("{}")
		}
	case '[':
		switch {
		case kind == '{' && isEmpty(v):
			return Raw("[]")
		case kind == s.element.kind, s.element.kind == 0 && kind != '{' && kind != 'n':
			return Raw(fmt.Sprintf("[%s]", v))
		}
	}
	return nil
}

// truth returns the boolean that a word or a number plainly stands for, or nil.
func truth(v Raw) Raw {
	word, _ := jsonrpc.Unquote(v)
	switch {
	case strings.EqualFold(word, "true"), string(v) == "1":
		return Raw("true")
	case strings.EqualFold(word, "false"), string(v) == "0":
		return Raw("false")
	}
	return nil
}

// kindOf is v.Kind with one kind for true and false.
func kindOf(v Raw) jsontext.Kind {
	if k := v.Kind(); k != 'f' {
		return k
	}
	return boolean
}
