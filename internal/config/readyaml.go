// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// readYAML reads one YAML document.
func readYAML(data []byte) (*node, *Error) {
	if i := bytes.IndexFunc(data, isControl); i >= 0 {
		return nil, &Error{Line: lineAt(data, i), Message: "not valid YAML: a control character"}
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, errEmpty()
	} else if err != nil {
		return nil, yamlError(data, err)
	}
	var next yaml.Node
	if err := dec.Decode(&next); err == nil {
		return nil, &Error{Line: next.Line, Message: "a second YAML document", Hint: "keep one and remove the --- line"}
	} else if !errors.Is(err, io.EOF) {
		return nil, yamlError(data, err)
	}
	if len(doc.Content) == 0 {
		return nil, errEmpty()
	}
	top := doc.Content[0]
	if top.Kind == yaml.ScalarNode && top.ShortTag() == "!!null" && top.Value == "" {
		return nil, errEmpty()
	}
	return (&yamlReader{}).value(top, 0)
}

func isControl(c rune) bool {
	return c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f
}

// yamlReader copies the library's tree. Aliases are copied out, which the
// builder bounds: a few lines of YAML can stand for billions of values.
type yamlReader struct{ builder }

func (r *yamlReader) value(y *yaml.Node, depth int) (*node, *Error) {
	n, err := r.node(kindNull, y.Line, depth)
	if err != nil {
		return nil, err
	}
	switch y.Kind {
	case yaml.AliasNode:
		return r.value(y.Alias, depth+1)
	case yaml.ScalarNode:
		return n, r.scalar(n, y)
	case yaml.SequenceNode:
		n.kind = kindList
		if y.ShortTag() != "!!seq" {
			return nil, errTag(y)
		}
		for _, item := range y.Content {
			copied, err := r.value(item, depth+1)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, copied)
		}
		return n, nil
	case yaml.MappingNode:
		n.kind = kindMap
		if y.ShortTag() != "!!map" {
			return nil, errTag(y)
		}
		return n, r.mapping(n, y, depth)
	}
	return n, nil
}

func (r *yamlReader) mapping(n *node, y *yaml.Node, depth int) *Error {
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, err := r.value(y.Content[i], depth+1)
		if err != nil {
			return err
		}
		line := y.Content[i].Line
		if key.kind == kindList || key.kind == kindMap || key.kind == kindNull {
			return &Error{Line: line, Message: "want a string as a key, got " + key.kind.String()}
		}
		value, err := r.value(y.Content[i+1], depth+1)
		if err != nil {
			return err
		}
		n.pairs = append(n.pairs, pair{key: key.text, line: line, value: value})
	}
	return nil
}

func (r *yamlReader) scalar(n *node, y *yaml.Node) *Error {
	n.text = y.Value
	switch y.ShortTag() {
	case "!!str", "!!timestamp":
		n.kind = kindString
	case "!!int":
		n.kind = kindInt
	case "!!float":
		n.kind = kindFloat
	case "!!bool":
		n.kind = kindBool
	case "!!null":
		n.kind = kindNull
	case "!!merge":
		return &Error{Line: y.Line, Message: "merge keys (<<) are not supported", Hint: "write the members out"}
	default:
		return errTag(y)
	}
	return nil
}

func errTag(y *yaml.Node) *Error {
	return &Error{Line: y.Line, Message: "the YAML tag " + quote(y.Tag) + " is not supported"}
}

var (
	yamlPlace  = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)
	yamlAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
	// yamlBehind are the messages that the library reports with the line counted
	// from 0; it counts from 1 in all others.
	yamlBehind = regexp.MustCompile(`^(did not find expected (<|node content|'-' indicator|key|',' or)|found undefined tag|found duplicate %|found incompatible)`)
)

// yamlError gives the library's message its right line. Without one in the
// message the mistake is on the first line, or is an unknown alias.
func yamlError(data []byte, err error) *Error {
	text := err.Error()
	line := 0
	if m := yamlPlace.FindStringSubmatch(text); m != nil {
		text = text[len(m[0]):]
		line, _ = strconv.Atoi(m[1])
	}
	switch anchor := yamlAnchor.FindStringSubmatch(text); {
	case anchor != nil:
		line = lineAt(data, bytes.Index(data, []byte("*"+anchor[1])))
	case line == 0:
		line = 1
	case yamlBehind.MatchString(text):
		line++
	}
	line = min(line, lineAt(data, len(bytes.TrimRight(data, "\r\n"))))
	wrong := &Error{Line: line, Message: "not valid YAML: " + shorten(text), cause: err}
	if bytes.HasPrefix(bytes.TrimLeft(lineText(data, line), " "), []byte("\t")) {
		wrong.Hint = "indent with spaces, YAML does not take tabs"
	}
	return wrong
}

// lineText returns the text of a line, counted from 1.
func lineText(data []byte, line int) []byte {
	for ; line > 1; line-- {
		_, data, _ = bytes.Cut(data, []byte("\n"))
	}
	text, _, _ := bytes.Cut(data, []byte("\n"))
	return text
}
