// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/search"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// finder finds the tools of a view by words. It is immutable.
type finder struct {
	index   *search.Index
	entries []chosen
	names   *naming         // of the list they are of
	places  map[string]int  // of entries, by their keys
	counts  map[*source]int // of tools
}

// newFinder returns a finder over the entries of v. It takes over from old, which is nil
// for the first, what the entries that have not changed gave to the index.
func newFinder(old *finder, v *view) *finder {
	f := &finder{entries: v.entries, names: v.names}
	if old == nil {
		old = &finder{index: search.New(nil)}
	}
	var removed []string
	if old.names == v.names {
		f.places, f.counts = old.places, old.counts
	} else {
		f.places, f.counts = make(map[string]int, len(v.entries)), map[*source]int{}
		for i := range v.entries {
			e := &v.entries[i]
			f.places[e.key] = i
			f.counts[e.source]++
		}
		for key := range old.places {
			if f.byKey(key) == nil {
				removed = append(removed, key)
			}
		}
	}
	var added []search.Document
	for i := range v.entries {
		e := &v.entries[i]
		var was *chosen
		if old.names == v.names {
			was = &old.entries[i]
		} else {
			was = old.byKey(e.key)
		}
		if was == nil || was.source != e.source || was.entry.digest != e.entry.digest {
			added = append(added, document(e))
		}
	}
	if f.index = old.index; len(added)+len(removed) > 0 {
		f.index = old.index.Update(removed, added)
	}
	return f
}

// byKey returns the tool that has this name, nil for none.
func (f *finder) byKey(key string) *chosen {
	if i, has := f.places[key]; has {
		return &f.entries[i]
	}
	return nil
}

// document is what the index reads of a tool.
func document(e *chosen) search.Document {
	schema, _ := jsonrpc.Get(e.body, "inputSchema")
	return search.Document{
		Name:     e.key,
		Keywords: e.source.pick.Tools.Keywords[e.own],
		Text:     text(e.body, "title") + " " + text(e.body, "description"),
		Details:  schemaWords(schema),
	}
}

// readOnly reports whether a tool is marked as one that changes nothing.
func (f *finder) readOnly(key string) bool {
	e := f.byKey(key)
	if e == nil {
		return false
	}
	annotations, _ := jsonrpc.Get(e.body, "annotations")
	hint, _ := jsonrpc.Get(annotations, "readOnlyHint")
	return hint.Kind() == 't'
}

// question is what a finder is asked for.
type question struct {
	words         string  // or a full name; empty for all tools of the server
	server        *source // nil for all
	limit, offset int
}

// find returns the matches that were asked for, and whether there are more.
func (f *finder) find(q *question) (page []*chosen, more bool) {
	var all []*chosen
	switch {
	case q.words == "":
		for i := range f.entries {
			if f.entries[i].source == q.server {
				all = append(all, &f.entries[i])
			}
		}
	case q.server == nil:
		for _, m := range f.index.Find(q.words, q.offset+q.limit+1) {
			all = append(all, f.byKey(m.Name))
		}
	default:
		for _, m := range f.index.Find(q.words, f.index.Len()) {
			if e := f.byKey(m.Name); e.source == q.server {
				all = append(all, e)
			}
		}
	}
	all = all[min(q.offset, len(all)):]
	return all[:min(q.limit, len(all))], len(all) > q.limit
}

// Bounds on what is told of the tools found. Schemas make an answer long, so only
// the best have them; of a tool that was asked for by its full name all is told, and
// of the others a line.
const (
	minDetailed    = 3        // tools told in detail, if there are as many
	maxDetailed    = 5        // and at most
	detailedEnough = 12 << 10 // bytes after which no more than the fewest are
	maxToldSchema  = 6 << 10
	maxToldText    = 2 << 10
	maxWholeSchema = 64 << 10
	maxWholeText   = 16 << 10
	maxToldLine    = 160
)

// answer encodes the matches of a question, and the servers whose tools it missed.
func (f *finder) answer(q *question, missing Raw) Raw {
	page, more := f.find(q)
	out, detailed, shortened := Raw(`{"tools":[`), 0, false
	named := len(page) > 0 && page[0].key == q.words
	for _, e := range page {
		whole := named && detailed == 0
		if !whole && (named || q.offset > 0 || detailed == maxDetailed || detailed >= minDetailed && len(out) > detailedEnough) {
			break
		}
		told, cut := inDetail(e, whole)
		shortened = shortened || cut
		out = appendElement(out, told, detailed == 0)
		detailed++
	}
	out = append(out, ']')
	if detailed < len(page) {
		out = append(out, `,"more":[`...)
		for i, e := range page[detailed:] {
			out = appendElement(out, inBrief(e), i == 0)
		}
		out = append(out, ']')
	}
	out = fmt.Appendf(out, `,"total":%d`, len(f.entries))
	if more {
		out = fmt.Appendf(out, `,"nextOffset":%d`, q.offset+len(page))
	}
	if missing != nil {
		out = append(append(out, `,"unavailableServers":`...), missing...)
	}
	hint := ""
	switch {
	case len(page) == 0 && q.offset == 0:
		hint = "No tool fits. Search in other words, or give a server to list its tools."
	case shortened || detailed < len(page):
		hint = "The full name of a tool as the query gives its whole input schema."
	}
	if hint != "" {
		out = jsonrpc.AppendString(append(out, `,"hint":`...), hint)
	}
	return append(out, '}')
}

func appendElement(out, element Raw, first bool) Raw {
	if !first {
		out = append(out, ',')
	}
	return append(out, element...)
}

// inDetail tells all that is needed to call a tool, and whether something was left out.
func inDetail(e *chosen, whole bool) (Raw, bool) {
	mostText, mostSchema := maxToldText, maxToldSchema
	if whole {
		mostText, mostSchema = maxWholeText, maxWholeSchema
	}
	told := append(jsonrpc.AppendString(Raw(`{"name":`), e.key), '}')
	cut := false
	for _, member := range []string{"title", "description"} {
		if value := text(e.body, member); value != "" {
			short := display.Cut(value, mostText)
			cut = cut || short != value
			told = jsonrpc.Set(told, member, jsonrpc.AppendString(nil, short))
		}
	}
	schema, _ := jsonrpc.Get(e.body, "inputSchema")
	short := shortSchema(schema, mostSchema)
	cut = cut || len(short) != len(schema)
	told = jsonrpc.Set(told, "inputSchema", short)
	if annotations, has := jsonrpc.Get(e.body, "annotations"); has && len(annotations) <= mostText {
		told = jsonrpc.Set(told, "annotations", annotations)
	}
	if cut {
		told = jsonrpc.Set(told, "shortened", Raw("true"))
	}
	return markDown(told, e), cut
}

// inBrief tells one line of a tool.
func inBrief(e *chosen) Raw {
	told := append(jsonrpc.AppendString(Raw(`{"name":`), e.key), '}')
	line, _, _ := strings.Cut(strings.TrimSpace(cmp.Or(text(e.body, "description"), text(e.body, "title"))), "\n")
	if len(line) > maxToldLine {
		line = display.Cut(line, maxToldLine) + "…"
	}
	if line != "" {
		told = jsonrpc.Set(told, "description", jsonrpc.AppendString(nil, line))
	}
	return markDown(told, e)
}

// markDown says why a tool cannot be called now.
func markDown(told Raw, e *chosen) Raw {
	meta, _ := jsonrpc.Get(e.body, "_meta")
	if why, down := jsonrpc.Get(meta, MetaUnavailable); down {
		return jsonrpc.Set(told, "unavailable", why)
	}
	return told
}
