// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/jsonform"
)

// member is a field of a struct as the JSON library sees it.
type member struct {
	reflect.StructField
	index    []int // from the outermost struct
	name     string
	named    bool // by its tag
	optional bool // may be absent: it is left out when empty, or lies behind an embedded pointer
	quoted   bool // a number that is written as a string
	rest     bool // takes the members that no other field has, or is an embedded struct
	sealed   bool // lies behind an embedded pointer that cannot be set from outside its package
	again    bool // of embedded structs: the type was met before
}

// membersOf returns the fields of the struct t that become members of an object,
// those of embedded structs included, in their order; a field for the rest comes
// last. Of fields with one name the least nested counts, then the one that is
// named by its tag, as in package json.
func membersOf(t reflect.Type) ([]member, error) {
	var found []member
	seen := map[reflect.Type]bool{t: true}
	for queue := []member{{StructField: reflect.StructField{Type: t}}}; len(queue) > 0; queue = queue[1:] {
		outer := queue[0]
		from := indirect(outer.Type)
		for i := range from.NumField() {
			m, err := readField(from.Field(i))
			if err != nil {
				return nil, err
			}
			if m == nil {
				continue
			}
			m.index = append(slices.Clone(outer.index), i)
			if from != outer.Type {
				m.optional = true
				m.sealed = outer.sealed || !outer.IsExported()
			}
			m.optional, m.sealed = m.optional || outer.optional, m.sealed || outer.sealed
			inner := indirect(m.Type)
			switch {
			case !m.rest || inner.Kind() != reflect.Struct:
				found = append(found, *m)
			case !outer.again:
				m.again = seen[inner]
				seen[inner] = true
				queue = append(queue, *m)
			}
		}
	}
	return dominant(found), nil
}

// indirect returns what t points to if it is a pointer without a name.
func indirect(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer && t.Name() == "" {
		return t.Elem()
	}
	return t
}

// readField reads a field's json tag; it returns nil when the field is ignored.
func readField(f reflect.StructField) (*member, error) {
	tag := f.Tag.Get("json")
	if tag == "-" || !f.IsExported() && !f.Anonymous {
		return nil, nil
	}
	name, options, _ := strings.Cut(tag, ",")
	m := &member{StructField: f, name: cmp.Or(name, f.Name), named: name != ""}
	m.rest = f.Anonymous && !m.named
	for option := range strings.SplitSeq(options, ",") {
		switch {
		case option == "", strings.HasPrefix(option, "case:"):
		case option == "omitzero", option == "omitempty":
			m.optional = true
		case option == "string":
			m.quoted = true
		case option == "embed":
			m.rest = true
		case option == "inline" && f.Anonymous && !m.named: // says what is so anyhow
		default:
			return nil, fmt.Errorf("field %s: the option %q of its json tag is not known; there are omitzero, omitempty, string, embed and case", f.Name, option)
		}
	}
	return m, nil
}

// dominant returns the fields that count among those found, which come with
// the less nested ones first.
func dominant(found []member) []member {
	byName := map[string][]member{}
	for _, m := range found {
		key := m.name
		if m.rest {
			key = "" // which no member of an object has in common with it
		}
		byName[key] = append(byName[key], m)
	}
	var out []member
	for _, same := range byName {
		slices.SortStableFunc(same, func(a, b member) int {
			switch {
			case len(a.index) != len(b.index):
				return len(a.index) - len(b.index)
			case a.named != b.named && a.named:
				return -1
			case a.named != b.named:
				return 1
			}
			return 0
		})
		if len(same) == 1 || len(same[0].index) != len(same[1].index) || same[0].named != same[1].named {
			out = append(out, same[0])
		}
	}
	slices.SortFunc(out, func(a, b member) int {
		if a.rest != b.rest {
			if b.rest {
				return -1
			}
			return 1
		}
		return slices.Compare(a.index, b.index)
	})
	return out
}

// checkFields has package json read the tags of the struct t and returns what it
// finds wrong with them.
func checkFields(t reflect.Type) error {
	if err := json.Unmarshal([]byte("{}"), reflect.New(t).Interface(), jsonform.Forms); err != nil {
		return fmt.Errorf("%s: %w", t, unwrapped(err))
	}
	return nil
}

// unwrapped returns the cause of an error of package json, without the place.
func unwrapped(err error) error {
	if e, ok := errors.AsType[*json.SemanticError](err); ok && e.Err != nil {
		return e.Err
	}
	return err
}
