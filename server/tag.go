// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/google/jsonschema-go/jsonschema"

	"github.com/holdfast-mcp/holdfast/internal/jsonform"
	"github.com/holdfast-mcp/holdfast/internal/typo"
)

// fieldTags are the struct tags that say something of a schema, see [AddTool].
var fieldTags = map[string]func(p *jsonschema.Schema, value string) error{
	"jsonschema": describeBy, "description": describeBy,
	"title":            func(p *jsonschema.Schema, s string) error { p.Title = s; return nil },                                 //nolint:unparam // as the others
	"header":           func(p *jsonschema.Schema, s string) error { p.Extra = map[string]any{"x-mcp-header": s}; return nil }, //nolint:unparam // as the others
	"default":          applyDefault,
	"enum":             applyEnum,
	"minItems":         count("array", func(p *jsonschema.Schema) **int { return &p.MinItems }),
	"maxItems":         count("array", func(p *jsonschema.Schema) **int { return &p.MaxItems }),
	"minProperties":    count("object", func(p *jsonschema.Schema) **int { return &p.MinProperties }),
	"maxProperties":    count("object", func(p *jsonschema.Schema) **int { return &p.MaxProperties }),
	"uniqueItems":      applyUnique,
	"minLength":        ofStrings(count("string", func(p *jsonschema.Schema) **int { return &p.MinLength })),
	"maxLength":        ofStrings(count("string", func(p *jsonschema.Schema) **int { return &p.MaxLength })),
	"pattern":          ofStrings(func(p *jsonschema.Schema, s string) error { p.Pattern = s; return nil }),
	"format":           ofStrings(func(p *jsonschema.Schema, s string) error { p.Format = s; return nil }),
	"minimum":          ofNumbers(func(p *jsonschema.Schema, v float64) error { return lower(p, &p.Minimum, v) }),
	"maximum":          ofNumbers(func(p *jsonschema.Schema, v float64) error { return upper(p, &p.Maximum, v) }),
	"exclusiveMinimum": ofNumbers(func(p *jsonschema.Schema, v float64) error { return lower(p, &p.ExclusiveMinimum, v) }),
	"exclusiveMaximum": ofNumbers(func(p *jsonschema.Schema, v float64) error { return upper(p, &p.ExclusiveMaximum, v) }),
	"multipleOf": ofNumbers(func(p *jsonschema.Schema, v float64) error {
		if v <= 0 {
			return errors.New("it must be more than 0")
		}
		p.MultipleOf = &v
		return nil
	}),
}

// foreignTags are keywords and habits that look like constraints and are none
// here. A constraint that nobody keeps is worse than none.
var foreignTags = []string{
	"const", "required", "optional", "nullable", "oneof", "anyof", "allof", "not", "contains", "mincontains", "maxcontains",
	"prefixitems", "items", "additionalproperties", "patternproperties", "propertynames", "dependentrequired",
	"contentencoding", "contentmediatype", "min", "max", "len", "minlen", "maxlen", "enums", "regex", "regexp", "desc", "gt", "gte", "lt", "lte",
}

// harmless are the tags that constrain nothing and change nothing.
var harmless = []string{"jsonschema", "description", "title", "header"}

// applyTags adds to p, the schema of a field, what the field's tags say.
func (in *inference) applyTags(p *jsonschema.Schema, m member) error {
	keys, err := tagKeys(m.Tag)
	if err != nil {
		return err
	}
	if slices.Contains(keys, "jsonschema") && slices.Contains(keys, "description") {
		return errors.New("tags jsonschema and description are the same; one must go")
	}
	for _, key := range keys {
		apply, known := fieldTags[key]
		if !known {
			if err := checkForeign(key); err != nil {
				return err
			}
			continue
		}
		if in.plain && !slices.Contains(harmless, key) {
			continue
		}
		if err := apply(p, m.Tag.Get(key)); err != nil {
			return fmt.Errorf("tag %s: %w", key, err)
		}
	}
	return nil
}

// checkForeign refuses tags that are taken for constraints.
func checkForeign(key string) error {
	lower := strings.ToLower(key)
	for _, known := range slices.Sorted(maps.Keys(fieldTags)) {
		if typo.Distance(lower, strings.ToLower(known), len(key)/4) <= len(key)/4 {
			return fmt.Errorf("tag %s is not known; it is spelled %s", key, known)
		}
	}
	switch {
	case lower == "required", lower == "optional":
		return fmt.Errorf("tag %s is not known; a field is required unless its json tag has omitzero or omitempty, or it has a default", key)
	case slices.Contains(foreignTags, lower):
		return fmt.Errorf("tag %s is not known; use option InputSchema or OutputSchema for what tags cannot say", key)
	}
	return nil
}

// tagKeys returns the keys of a struct tag.
func tagKeys(tag reflect.StructTag) ([]string, error) {
	var keys []string
	for rest := strings.TrimLeft(string(tag), " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		key, after, ok := strings.Cut(rest, ":")
		if !ok || key == "" || strings.ContainsAny(key, " \"") {
			return nil, fmt.Errorf("struct tag `%s`: %q is not of the form key:\"value\"", tag, rest)
		}
		quoted, err := strconv.QuotedPrefix(after)
		if err != nil || quoted[0] != '"' {
			return nil, fmt.Errorf("struct tag `%s`: the value of %s is not in double quotes", tag, key)
		}
		if slices.Contains(keys, key) {
			return nil, fmt.Errorf("struct tag `%s`: %s stands there twice", tag, key)
		}
		keys = append(keys, key)
		rest = after[len(quoted):]
	}
	return keys, nil
}

func describeBy(p *jsonschema.Schema, text string) error {
	word, _, assigned := strings.Cut(text, "=")
	switch {
	case text == "":
		return errors.New("it is empty")
	case assigned && !strings.ContainsAny(word, " \t\n"):
		return errors.New("it is the description and nothing else; constraints have tags of their own, such as enum or minimum")
	}
	p.Description = text
	return nil
}

// leaf returns the schema that a constraint on values is meant for: p itself, or
// that of the elements of a list or map.
func leaf(p *jsonschema.Schema) *jsonschema.Schema {
	for {
		switch kind := kindOf(p); {
		case kind == "array" && p.Items != nil:
			p = p.Items
		case kind == "object" && p.Properties == nil && p.AdditionalProperties != nil && p.AdditionalProperties.Not == nil:
			p = p.AdditionalProperties
		default:
			return p
		}
	}
}

func notFor(p *jsonschema.Schema) error {
	if kind := kindOf(p); kind != "" {
		return fmt.Errorf("it does not apply to a field of type %s", kind)
	}
	return errors.New("it does not apply to a field of this type")
}

// count makes a tag of a number that is not negative.
func count(kind string, field func(*jsonschema.Schema) **int) func(*jsonschema.Schema, string) error {
	return func(p *jsonschema.Schema, s string) error {
		if kindOf(p) != kind {
			return notFor(p)
		}
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return fmt.Errorf("%q is not a number of 0 or more", s)
		}
		*field(p) = &n
		return nil
	}
}

func ofStrings(apply func(*jsonschema.Schema, string) error) func(*jsonschema.Schema, string) error {
	return func(p *jsonschema.Schema, s string) error {
		if p = leaf(p); kindOf(p) != "string" {
			return notFor(p)
		}
		return apply(p, s)
	}
}

func ofNumbers(apply func(*jsonschema.Schema, float64) error) func(*jsonschema.Schema, string) error {
	return func(p *jsonschema.Schema, s string) error {
		if p = leaf(p); kindOf(p) != "integer" && kindOf(p) != "number" {
			return notFor(p)
		}
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%q is not a number", s)
		}
		if digits := string(jsonform.Plain(Raw(s))); strconv.FormatFloat(v, 'f', -1, 64) != digits && kindOf(p) == "integer" && !strings.Contains(digits, ".") {
			return fmt.Errorf("%s has more digits than a schema can hold exactly", s)
		}
		return apply(p, v)
	}
}

// lower sets a lower bound; that of the field's type stays.
func lower(p *jsonschema.Schema, bound **float64, v float64) error {
	if p.Minimum != nil && v < *p.Minimum {
		return fmt.Errorf("%v is less than the type can hold", v)
	}
	*bound = &v
	return nil
}

// upper sets an upper bound; that of the field's type stays.
func upper(p *jsonschema.Schema, bound **float64, v float64) error {
	if p.Maximum != nil && v > *p.Maximum {
		return fmt.Errorf("%v is more than the type can hold", v)
	}
	*bound = &v
	return nil
}

func applyUnique(p *jsonschema.Schema, s string) error {
	on, err := strconv.ParseBool(s)
	if err != nil {
		return fmt.Errorf("%q is neither true nor false", s)
	}
	if kindOf(p) != "array" {
		return notFor(p)
	}
	p.UniqueItems = on
	return nil
}

// applyEnum adds choices, separated by commas; blanks around one do not count.
func applyEnum(p *jsonschema.Schema, choices string) error {
	of := leaf(p)
	if kind := kindOf(of); kind == "object" || kind == "array" || of.Ref != "" || of.AnyOf != nil {
		return notFor(of)
	}
	for choice := range strings.SplitSeq(choices, ",") {
		v, err := literal(of, strings.TrimSpace(choice))
		if err != nil {
			return err
		}
		of.Enum = append(of.Enum, v)
	}
	if slices.Contains(of.Types, "null") {
		of.Enum = append(of.Enum, nil)
	}
	return nil
}

// applyDefault sets the value of an absent field: of a list, map or struct as JSON.
func applyDefault(p *jsonschema.Schema, s string) error {
	v, err := literal(p, s)
	if err != nil {
		return err
	}
	p.Default, err = json.Marshal(v)
	return err
}

// literal reads a tag's value as what the schema p is of.
func literal(p *jsonschema.Schema, s string) (any, error) {
	switch kindOf(p) {
	case "string":
		return s, nil
	case "boolean":
		v, err := strconv.ParseBool(s)
		if err != nil {
			return nil, fmt.Errorf("%q is neither true nor false", s)
		}
		return v, nil
	case "integer", "number":
		v, err := decodeAny(Raw(s))
		if err != nil || Raw(s).Kind() != '0' {
			return nil, fmt.Errorf("%q is not a number", s)
		}
		return v, nil
	case "":
		if v, err := decodeAny(Raw(s)); err == nil {
			return v, nil
		}
		return s, nil
	}
	if v, err := decodeAny(Raw(s)); err == nil {
		return v, nil
	}
	return nil, fmt.Errorf("%q is not JSON, as the default of a field of type %s must be", s, kindOf(p))
}
