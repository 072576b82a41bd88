// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// field is one value that a form asks for.
//
// spec 2025-11-25 client/elicitation#requested-schema: strings, numbers, booleans
// and choices of one or of several.
type field struct {
	name     string
	required bool
	schema   fieldSchema
	choices  []choice // empty for a value that is typed
}

// fieldSchema is what a form's schema says of a field.
type fieldSchema struct {
	Type        string      `json:"type"`
	Title       string      `json:"title"`
	Description string      `json:"description"`
	Default     jsonrpc.Raw `json:"default"`
	Format      string      `json:"format"`
	MinLength   *int        `json:"minLength"`
	MaxLength   *int        `json:"maxLength"`
	Minimum     *float64    `json:"minimum"`
	Maximum     *float64    `json:"maximum"`
	MinItems    *int        `json:"minItems"`
	MaxItems    *int        `json:"maxItems"`
	choiceSchema
	Items *choiceSchema `json:"items"`
}

// choiceSchema lists the values of a choice in one of three ways.
type choiceSchema struct {
	Enum      []jsonrpc.Raw `json:"enum"`
	EnumNames []string      `json:"enumNames"`
	OneOf     []choice      `json:"oneOf"`
	AnyOf     []choice      `json:"anyOf"`
}

// choice is a value that may be chosen.
type choice struct {
	Const jsonrpc.Raw `json:"const"`
	Title string      `json:"title"`
}

// text is the value as a person types it.
func (c *choice) text() string {
	if s, ok := jsonrpc.Unquote(c.Const); ok {
		return s
	}
	return string(c.Const)
}

// parseForm returns the fields of a form in the order of its schema.
func parseForm(schema jsonrpc.Raw) ([]field, error) {
	var top struct {
		Properties jsonrpc.Raw `json:"properties"`
		Required   []string    `json:"required"`
	}
	if err := json.Unmarshal(schema, &top); err != nil {
		return nil, err
	}
	var fields []field
	if len(top.Properties) == 0 {
		return nil, nil
	}
	for key, value := range jsonrpc.Members(top.Properties) {
		name, _ := jsonrpc.Unquote(key)
		f := field{name: name, required: slices.Contains(top.Required, name)}
		if err := json.Unmarshal(value, &f.schema); err != nil {
			return nil, fmt.Errorf("property %s: %w", line(name), err)
		}
		f.choices = f.schema.list()
		if f.schema.Items != nil {
			f.choices = f.schema.Items.list()
		}
		fields = append(fields, f)
	}
	return fields, nil
}

func (s *choiceSchema) list() (all []choice) {
	for i, value := range s.Enum {
		c := choice{Const: value}
		if i < len(s.EnumNames) {
			c.Title = s.EnumNames[i]
		}
		all = append(all, c)
	}
	return slices.Concat(all, s.OneOf, s.AnyOf)
}

func (f *field) several() bool { return f.schema.Type == "array" }

// question is what is shown before the answer is typed, of several lines where there
// are choices.
func (f *field) question() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", line(f.name).shown())
	if f.schema.Title != "" && f.schema.Title != f.name {
		fmt.Fprintf(&b, " – %s", line(f.schema.Title).shown())
	}
	if f.schema.Description != "" {
		fmt.Fprintf(&b, ": %s", line(f.schema.Description).shown())
	}
	b.WriteByte('\n')
	for i, c := range f.choices {
		fmt.Fprintf(&b, "  %d  %s", i+1, line(c.text()).shown())
		if c.Title != "" && c.Title != c.text() {
			fmt.Fprintf(&b, "  %s", line(c.Title).shown())
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%s: ", f.hint())
	return b.String()
}

// hint says what may be typed.
func (f *field) hint() string {
	s := &f.schema
	var parts []string
	switch {
	case f.several():
		parts = append(parts, "numbers or values, separated by commas"+bounds("", s.MinItems, s.MaxItems, "of them"))
	case len(f.choices) > 0:
		parts = append(parts, "number or value")
	case s.Type == "boolean":
		parts = append(parts, "yes or no")
	case s.Type == "integer", s.Type == "number":
		parts = append(parts, map[string]string{"integer": "whole number", "number": "number"}[s.Type]+bounds("", s.Minimum, s.Maximum, ""))
	default:
		parts = append(parts, "text"+bounds("", s.MinLength, s.MaxLength, "characters"))
		if s.Format != "" {
			parts = append(parts, line(s.Format).shown())
		}
	}
	switch {
	case len(s.Default) > 0:
		parts = append(parts, "Enter for "+line(s.Default).shown())
	case !f.required:
		parts = append(parts, "Enter for none")
	}
	return strings.Join(parts, ", ")
}

func bounds[N int | float64](text string, least, most *N, unit string) string {
	switch {
	case least != nil && most != nil:
		text += fmt.Sprintf(", %v to %v %s", *least, *most, unit)
	case least != nil:
		text += fmt.Sprintf(", %v %s at least", *least, unit)
	case most != nil:
		text += fmt.Sprintf(", %v %s at most", *most, unit)
	}
	return strings.TrimRight(strings.ReplaceAll(text, "  ", " "), " ")
}

// value makes the typed answer a JSON value of the field, or says what is wrong with
// it. No value leaves the field out.
func (f *field) value(typed string) (jsonrpc.Raw, error) {
	s := &f.schema
	switch {
	case typed == "" && len(s.Default) > 0:
		return s.Default, nil
	case typed == "" && !f.required:
		return nil, nil
	case f.several():
		return f.chosen(typed)
	case len(f.choices) > 0:
		return f.choose(typed)
	case s.Type == "boolean":
		return boolean(typed)
	case s.Type == "integer", s.Type == "number":
		return f.number(typed)
	}
	n := utf8.RuneCountInString(typed)
	if s.MinLength != nil && n < *s.MinLength || s.MaxLength != nil && n > *s.MaxLength {
		return nil, fmt.Errorf("want %s, got %d characters", f.hint(), n)
	}
	return jsonrpc.AppendString(nil, typed), nil
}

func boolean(typed string) (jsonrpc.Raw, error) {
	switch strings.ToLower(typed) {
	case "y", "yes", "true":
		return jsonrpc.Raw("true"), nil
	case "n", "no", "false":
		return jsonrpc.Raw("false"), nil
	}
	return nil, fmt.Errorf("want yes or no, got %q", typed)
}

func (f *field) number(typed string) (jsonrpc.Raw, error) {
	raw := jsonrpc.Raw(typed)
	if !raw.IsValid() || raw.Kind() != '0' {
		return nil, fmt.Errorf("want a %s, got %q", f.hint(), typed)
	}
	v, err := strconv.ParseFloat(typed, 64)
	if err != nil {
		return nil, fmt.Errorf("want a %s, got %q", f.hint(), typed)
	}
	if f.schema.Type == "integer" {
		if exact, ok := new(big.Float).SetString(typed); !ok || !exact.IsInt() {
			return nil, fmt.Errorf("want a whole number, got %q", typed)
		}
	}
	if least, most := f.schema.Minimum, f.schema.Maximum; least != nil && v < *least || most != nil && v > *most {
		return nil, fmt.Errorf("want a %s, got %s", f.hint(), typed)
	}
	return raw, nil
}

// choose returns a value by its number, its text or its title.
func (f *field) choose(typed string) (jsonrpc.Raw, error) {
	for _, c := range f.choices {
		if c.text() == typed {
			return c.Const, nil
		}
	}
	if n, err := strconv.Atoi(typed); err == nil && n >= 1 && n <= len(f.choices) {
		return f.choices[n-1].Const, nil
	}
	for _, c := range f.choices {
		if c.Title != "" && strings.EqualFold(c.Title, typed) || strings.EqualFold(c.text(), typed) {
			return c.Const, nil
		}
	}
	return nil, fmt.Errorf("%q is none of the %d choices", typed, len(f.choices))
}

// chosen returns the list of the values that are named.
func (f *field) chosen(typed string) (jsonrpc.Raw, error) {
	values := []jsonrpc.Raw{}
	for one := range strings.SplitSeq(typed, ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		value := jsonrpc.AppendString(nil, one)
		if len(f.choices) > 0 {
			var err error
			if value, err = f.choose(one); err != nil {
				return nil, err
			}
		}
		if !slices.ContainsFunc(values, func(v jsonrpc.Raw) bool { return string(v) == string(value) }) {
			values = append(values, value)
		}
	}
	if least, most := f.schema.MinItems, f.schema.MaxItems; least != nil && len(values) < *least || most != nil && len(values) > *most {
		return nil, fmt.Errorf("want %s, got %d", f.hint(), len(values))
	}
	return json.Marshal(values)
}
