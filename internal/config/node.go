// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"
)

// node is a value of the file, whichever syntax it came in. Aliases are expanded.
type node struct {
	kind  kind
	line  int
	text  string // a scalar: as written, a string decoded
	items []*node
	pairs []pair // in the order of the file, keys possibly repeated
}

// pair is one member of a mapping.
type pair struct {
	key   string
	line  int
	value *node
}

type kind uint8

const (
	kindNull kind = iota
	kindBool
	kindInt
	kindFloat
	kindString
	kindList
	kindMap
)

func (k kind) String() string {
	return [...]string{"null", "a boolean", "a whole number", "a number", "a string", "a list", "a mapping"}[k]
}

// builder makes nodes and bounds how many there are and how deep they nest.
type builder struct{ nodes int }

func (b *builder) node(k kind, line, depth int) (*node, *Error) {
	if b.nodes++; b.nodes > maxNodes {
		return nil, &Error{Line: line, Message: fmt.Sprintf("too many values: over %d, with aliases expanded", maxNodes)}
	}
	if depth > maxNesting {
		return nil, &Error{Line: line, Message: fmt.Sprintf("nested too deeply: over %d levels", maxNesting)}
	}
	return &node{kind: k, line: line}, nil
}

// syntax is how a file is written.
type syntax uint8

const (
	inYAML syntax = iota
	inJSON
	inTOML
)

// codexTable is a line by which TOML is known that no name tells.
var codexTable = regexp.MustCompile(`(?m)^\[\[?mcp_servers\b`)

// read turns the bytes of a file into its tree. The file's name is not in the error.
func read(name string, data []byte) (*node, syntax, *Error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if len(data) > MaxFile {
		return nil, inYAML, &Error{Message: "too large: over " + formatSize(MaxFile)}
	}
	if i := invalidUTF8(data); i >= 0 {
		return nil, inYAML, &Error{Line: lineAt(data, i), Message: "not UTF-8 text", Hint: "save the file as UTF-8"}
	}
	ending := strings.ToLower(filepath.Ext(name))
	switch ending {
	case ".json", ".jsonc":
		n, err := readJSON(data)
		return n, inJSON, err
	case ".yaml", ".yml":
	default:
		if ending == ".toml" || codexTable.Match(data) {
			n, err := readTOML(data)
			return n, inTOML, err
		}
	}
	// JSON with tabs or with \/ is not YAML to every parser, so a file that looks
	// like JSON is tried as JSON first, whatever its name.
	if bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) {
		if n, err := readJSON(data); err == nil {
			return n, inJSON, nil
		}
	}
	n, err := readYAML(data)
	return n, inYAML, err
}

func invalidUTF8(data []byte) int {
	if utf8.Valid(data) {
		return -1
	}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size <= 1 {
			return i
		}
		i += size
	}
	return -1
}

// lineAt returns the line of a byte offset, from 1.
func lineAt(data []byte, offset int) int {
	return 1 + bytes.Count(data[:min(max(offset, 0), len(data))], []byte("\n"))
}
