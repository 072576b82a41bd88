// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"regexp"
	"slices"
)

// maxGlob is the length of a glob in bytes.
const maxGlob = 2048

var clientCapabilities = []string{"elicitation", "sampling", "roots"}

// publicName is what clients accept as the name of a tool, and what can be a
// segment of a URL's path.
var publicName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// capabilities reads which of the client's capabilities the server gets to see.
func (e *entry) capabilities(path string, m pair) {
	if m.value.kind == kindNull {
		return
	}
	seen := make([]string, 0, len(clientCapabilities)) // not nil: an empty list hides all
	e.list(path, m.value, "a list such as [elicitation, roots]", func(path string, item *node) {
		switch {
		case item.kind != kindString:
			e.wrongKind(path, item, "a string: elicitation, sampling or roots")
		case !slices.Contains(clientCapabilities, item.text):
			e.fail(item.line, path, didYouMean(item.text, clientCapabilities),
				"want elicitation, sampling or roots, got %s", quote(item.text))
		case slices.Contains(seen, item.text):
			e.fail(item.line, path, "keep one of them", "%s is given twice", item.text)
		default:
			seen = append(seen, item.text)
		}
	})
	e.Capabilities = seen
}

func (e *entry) tools(path string, m pair) {
	if m.value.kind == kindList { // as GitHub Copilot CLI writes it
		if len(m.value.items) != 1 || m.value.items[0].text != "*" {
			e.toolsIn(path, m)
		}
		return
	}
	e.selection(path, m.value, &e.Tools, true, field{"keywords", func(path string, m pair) {
		e.Tools.Keywords = e.ownNames(path, m.value, "{own_name: more words}", e.keywords)
	}})
}

// maxKeywords bounds the words that are given to one tool, in bytes.
const maxKeywords = 1024

func (e *entry) keywords(path string, m pair, words string) {
	if len(words) > maxKeywords {
		e.fail(m.value.line, path, "", "want at most %d bytes of words, got %d", maxKeywords, len(words))
	}
}

func (e *entry) prompts(path string, m pair) { e.selection(path, m.value, &e.Prompts, true) }

// resources have no rename: their names in the protocol are URIs.
func (e *entry) resources(path string, m pair) { e.selection(path, m.value, &e.Resources, false) }

// selection reads what is chosen of a server's tools, prompts or resources. Only
// named entries have a rename; unlisted are resources only. further are fields of
// one kind alone.
func (e *entry) selection(path string, n *node, to *Selection, named bool, further ...field) {
	if n.kind == kindNull {
		return
	}
	if n.kind != kindMap {
		e.wrongKind(path, n, "a mapping such as {exclude: [delete_*]}")
		return
	}
	read := func(path string, item *node) (string, bool) { return e.value(path, item, false) }
	fields := []field{
		{"include", func(path string, m pair) { to.Include = e.include(path, m.value, read) }},
		{"exclude", func(path string, m pair) { to.Exclude = e.globs(path, m.value, read) }},
		{"describe", func(path string, m pair) { to.Describe = e.ownNames(path, m.value, "{own_name: text}", nil) }},
	}
	if named {
		fields = append(fields, field{"rename", func(path string, m pair) { to.Rename = e.renames(path, m.value) }})
	} else {
		fields = append(fields, field{"unlisted", func(path string, m pair) { e.boolean(path, m, &to.Unlisted) }})
	}
	e.mapping(path, n, nil, append(fields, further...))
	if to.Unlisted && (to.Include != nil || to.Exclude != nil) {
		e.fail(n.line, join(path, "unlisted"), "leave it out, or include and exclude",
			"has no use beside include and exclude: then only what is listed is served")
	}
}

// include reads the globs of what is offered. An empty list could mean all or
// nothing, so it is refused.
func (p *parser) include(path string, n *node, read func(string, *node) (string, bool)) []string {
	if n.kind == kindList && len(n.items) == 0 {
		p.fail(n.line, path, `leave it out for all, or write exclude: ["*"] for nothing`, "the list is empty")
		return nil
	}
	return p.globs(path, n, read)
}

// globs reads a list of globs with read.
func (p *parser) globs(path string, n *node, read func(string, *node) (string, bool)) []string {
	var list []string
	p.list(path, n, "a list of globs such as [get_*, search]", func(path string, item *node) {
		text, ok := read(path, item)
		switch {
		case !ok:
		case text == "" || len(text) > maxGlob || hasControl(text):
			p.fail(item.line, path, "", "want a glob of 1 to %d bytes such as get_*, got %s", maxGlob, quote(text))
		default:
			list = append(list, text)
		}
	})
	return list
}

// renames reads new names by the server's own.
func (e *entry) renames(path string, n *node) map[string]string {
	first := make(map[string]pair)
	return e.ownNames(path, n, "{own_name: new_name}", func(path string, m pair, name string) {
		if e.Disabled {
			return // its variables are not put in
		}
		if !publicName.MatchString(name) {
			e.fail(m.value.line, path, "", "want a name of 1 to 64 letters, digits, _, - and ., got %s", quote(name))
			return
		}
		if other, ok := first[name]; ok {
			e.fail(m.value.line, path, "choose another name",
				"%s is the new name of %s on line %d", quote(name), quote(other.key), other.line)
			return
		}
		first[name] = m
	})
}

// ownNames reads texts by the server's own names, which are not patterns. check
// may be nil.
func (e *entry) ownNames(path string, n *node, example string, check func(path string, m pair, text string)) map[string]string {
	if n.kind == kindNull {
		return nil
	}
	if n.kind != kindMap {
		e.wrongKind(path, n, "a mapping such as "+example)
		return nil
	}
	texts := make(map[string]string, len(n.pairs))
	for _, m := range n.pairs {
		path := join(path, m.key)
		if m.key == "" || len(m.key) > maxGlob || hasControl(m.key) {
			e.fail(m.line, path, "", "want a name that the server uses, got %s", quote(m.key))
			continue
		}
		if text, ok := e.value(path, m.value, false); ok {
			texts[m.key] = text
			if check != nil {
				check(path, m, text)
			}
		}
	}
	return texts
}
