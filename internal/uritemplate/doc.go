// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package uritemplate reads RFC 6570 URI templates, all four levels, and says
// which URIs they stand for.
//
// Templates and URIs come from strangers, so matching takes a number of steps
// that is known before it begins ([Template.Cost]): the length of the URI times
// the size of the template, whatever either holds. Nothing is tried twice.
//
//	text ─ parse.go ─→ literals and expressions ─ program.go ─→ program ─ match.go ─→ variables
//	                                            └ expand.go ─→ URI
//
// A template matches the URIs that it expands to, with allowances for what
// servers and clients write in practice: values and literals may hold characters
// that a URI would have to escape, such as spaces and letters beyond ASCII, escaped
// or as they are, and a variable's name may hold a hyphen.
//
// [Template.Match] says what a URI may mean to whoever reads it. What it unescapes
// may hold separators that the template does not: [Template.Smuggled] tells.
//
// The package knows nothing of MCP and starts no goroutine. A [Template] is
// immutable and safe for concurrent use.
package uritemplate
