// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"log/slog"
	"slices"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/uritemplate"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// entry is one entry of a server's list, repaired and chosen.
type entry struct {
	own         string      // the key as the server knows it
	wanted      string      // own, or what the configuration calls it: the public name is made of it
	name        string      // the key on the server's own endpoint, unique there
	item        Raw         // under that name
	digest      digest      // of the entry as received
	fingerprint fingerprint // of tools and prompts
	headers     []mcp.HeaderParam
	match       *uritemplate.Template // of templates
}

// maxTemplates bounds the templates of one server: each may be compared with every
// URI that no list has.
const maxTemplates = 1000

// plainSchema stands in for an input schema that cannot be used.
var plainSchema = Raw(`{"type":"object"}`)

// cleaner makes entries of what a server listed. It is pure but for its log.
type cleaner struct {
	part   part
	pick   *Selection
	filter *filter
	log    *slog.Logger // names the server and the list
	said   *faultLog    // what the log has had of the list; nil for nothing
	known  *recall      // the list before
	hidden map[string]struct{}
	names  *naming // of the entries
	faults []Fault
	now    *cleaned // being made
}

// noted is a fault of an item.
type noted struct {
	own, what string
	args      []any
}

// begin begins the log lines of a list.
func (c *cleaner) begin() {
	if c.said == nil {
		c.said = &faultLog{}
	}
	c.said.begin()
}

// warn notes what was done to the entry called own, and logs what the whole list is
// the reason for.
func (c *cleaner) warn(what, own string, args ...any) {
	if c.now != nil {
		c.now.faults = append(c.now.faults, noted{own, what, args})
		return
	}
	if len(c.faults) < maxLines {
		c.faults = append(c.faults, newFault(c.part, own, what, args))
	}
	c.said.warn(c.log, c.part, own, what, args)
}

// each returns what is made of each item.
func (c *cleaner) each(items []Raw) []*cleaned {
	all := make([]*cleaned, len(items))
	for i, item := range items {
		made := recalled(c.known, item)
		if made == nil {
			made = &cleaned{item: item, digest: canonicalDigest(item)}
			c.now = made
			made.entry, made.taken = c.entry(item)
			c.now = nil
		}
		all[i] = made
	}
	return all
}

// list returns the entries that items stand for, in their order. What cannot
// be used is dropped, what can be repaired is, each with a log line.
func (c *cleaner) list(items []*cleaned) []entry {
	c.hidden, c.names = map[string]struct{}{}, &naming{}
	c.begin()
	seen := map[string]bool{}
	var entries []entry
	for _, made := range items {
		e := made.entry
		c.repeat(made)
		if made.hides {
			c.hidden[e.own] = struct{}{}
		}
		switch {
		case !made.taken:
		case seen[e.own]:
			c.names.unsure = true
			c.warn("entry listed twice; the first is kept", e.own)
		case c.part == templateList && len(entries) == maxTemplates:
			c.names.unsure = true
			c.log.Warn("list cut off", "list", lists[c.part].member, "entries", maxTemplates)
			return c.name(entries)
		default:
			seen[e.own] = true
			entries = append(entries, e)
		}
	}
	return c.name(entries)
}

// entry makes an entry of one item; ok is false when it is not taken.
func (c *cleaner) entry(item Raw) (e entry, ok bool) {
	l := &lists[c.part]
	if !item.IsValid() || item.Kind() != '{' || text(item, l.key) == "" {
		c.warn("entry without a "+l.key+" dropped", "")
		return e, false
	}
	e.own = text(item, l.key)
	if l.renamed && !c.filter.takes(e.own) || !l.renamed && !c.filter.takesURI(e.own, "") {
		return e, false
	}
	e.digest, e.wanted = c.now.digest, e.own
	if l.renamed {
		e.fingerprint = fingerprintOf(item)
	}
	item = c.members(e.own, item)
	if !l.renamed {
		return c.located(e, item)
	}
	if to := c.pick.Rename[e.own]; to != "" && to != e.own {
		e.wanted = to
		c.now.hides = true
	}
	if name := ownName(e.wanted); name != e.wanted {
		c.warn("name too long or with control characters replaced", e.own, "by", name)
	}
	if c.part == toolList {
		schema, _ := jsonrpc.Get(item, "inputSchema")
		var err error
		// spec 2026-07-28 basic/transports/streamable-http: invalid definitions must not be re-published.
		if e.headers, err = mcp.HeaderParams(schema); err != nil {
			c.now.hides = true
			c.warn("tool with invalid x-mcp-header dropped", e.own, "error", err)
			return e, false
		}
	}
	e.item = c.describe(e.own, item)
	return e, true
}

// located finishes an entry that is identified by a URI or a template.
func (c *cleaner) located(e entry, item Raw) (entry, bool) {
	limit := rpc.MaxURI
	if c.part == templateList {
		limit = uritemplate.MaxTemplate
	}
	if len(e.own) > limit || !display.Plain(e.own) {
		c.warn("entry dropped: its URI is too long or has control characters", e.own)
		return e, false
	}
	if c.part == templateList {
		var err error
		if e.match, err = uritemplate.Parse(e.own); err != nil {
			c.warn("invalid URI template dropped", e.own, "error", err)
			return e, false
		}
	}
	if to := c.pick.Rename[e.own]; to != "" {
		item = jsonrpc.Set(item, "name", jsonrpc.AppendString(nil, to))
	} else if _, named := jsonrpc.Get(item, "name"); !named {
		item = jsonrpc.Set(item, "name", jsonrpc.AppendString(nil, e.own))
	}
	e.item = c.describe(e.own, item)
	return e, true
}

func (c *cleaner) describe(own string, item Raw) Raw {
	if to, ok := c.pick.Describe[own]; ok {
		return jsonrpc.Set(item, "description", jsonrpc.AppendString(nil, to))
	}
	return item
}

// members holds an entry to its shape.
func (c *cleaner) members(own string, item Raw) Raw {
	var n notes
	item = n.fit(item, entryShapes[c.part])
	if c.part == toolList {
		item = c.schemas(&n, own, item)
	}
	if n.repaired != nil {
		c.warn("members repaired", own, "members", n.repaired)
	}
	if n.dropped != nil {
		c.warn("members of the wrong type dropped", own, "members", n.dropped)
	}
	return item
}

// schemas repairs the two schemas of a tool.
//
// spec 2026-07-28 server/tools#tool: inputSchema is required, an object whose
// root type is "object".
func (c *cleaner) schemas(n *notes, own string, item Raw) Raw {
	input, _ := jsonrpc.Get(item, "inputSchema")
	if repaired := c.schema(n, own, "inputSchema", c.rootType(own, input)); !same(repaired, input) {
		item = jsonrpc.Set(item, "inputSchema", repaired)
	}
	output, has := jsonrpc.Get(item, "outputSchema")
	if !has {
		return item
	}
	if repaired := c.schema(n, own, "outputSchema", output); !same(repaired, output) {
		item = jsonrpc.Set(item, "outputSchema", repaired)
	}
	return item
}

// schema repairs a schema's keywords, then its references.
func (c *cleaner) schema(n *notes, own, member string, schema Raw) Raw {
	n.enter(member)
	schema = repairSchema(n, schema, member == "outputSchema")
	n.leave()
	return c.references(own, member, schema)
}

// rootType returns the input schema with the root type that it must have.
func (c *cleaner) rootType(own string, schema Raw) Raw {
	if schema.Kind() != '{' {
		c.warn("tool without a valid inputSchema: any object is accepted", own)
		return plainSchema
	}
	typ, has := jsonrpc.Get(schema, "type")
	if string(typ) == `"object"` {
		return schema
	}
	if !has || typ.Kind() == '[' && bytes.Contains(typ, []byte(`"object"`)) {
		c.warn(`inputSchema without type "object" given it`, own)
		return jsonrpc.Set(schema, "type", Raw(`"object"`))
	}
	c.warn("tool whose inputSchema is not for an object: any object is accepted", own)
	return plainSchema
}

func (c *cleaner) references(own, member string, schema Raw) Raw {
	repaired, removed, err := repairRefs(schema)
	switch {
	case err != nil:
		c.warn("schema replaced: any object is accepted", own, "schema", member, "error", err)
		return plainSchema
	case removed != nil:
		c.warn("references removed from a schema", own, "schema", member, "references", removed[:min(len(removed), 10)])
	}
	return repaired
}

// name gives entries their names on the server's own endpoint. Names are handed
// out in the order of the own names, those from the configuration first, so that
// who gets which does not depend on the order of the list.
func (c *cleaner) name(entries []entry) []entry {
	order := make([]*entry, len(entries))
	for i := range entries {
		order[i] = &entries[i]
	}
	slices.SortFunc(order, compareNames)
	taken := map[string]bool{}
	for _, e := range order {
		name := e.wanted
		if lists[c.part].renamed {
			if name = ownName(e.wanted); taken[name] {
				c.names.unsure = true
				name = withDigest(name, e.own)
				c.warn("name already given to another entry replaced", e.own, "by", name)
			}
		}
		taken[name] = true
		c.call(e, name)
	}
	return entries
}

// call gives an entry its name.
func (c *cleaner) call(e *entry, name string) {
	if e.name = name; e.name != e.own {
		e.item = jsonrpc.Set(e.item, lists[c.part].key, jsonrpc.AppendString(nil, e.name))
	}
	if e.name != e.wanted {
		e.item = titled(e.item, e.wanted)
	}
}

// ownName returns the name of an entry on its server's own endpoint: itself,
// unless it is too long for clients or has characters that deceive people.
func ownName(wanted string) string {
	if utf8.RuneCountInString(wanted) <= maxName && display.Plain(wanted) {
		return wanted
	}
	return withDigest(sanitize(wanted), wanted)
}

// titled returns a tool or prompt, whose name had to be changed, with its own name for
// people to read, unless it has a title for them.
func titled(item Raw, own string) Raw {
	annotations, _ := jsonrpc.Get(item, "annotations")
	if text(item, "title") != "" || text(annotations, "title") != "" {
		return item
	}
	return jsonrpc.Set(item, "title", jsonrpc.AppendString(nil, display.Short(display.Line(own))))
}

// canonicalDigest returns the digest of a JSON value, whatever its whitespace,
// its escapes and the order of its members. Numbers count as written.
func canonicalDigest(v Raw) digest {
	c := v.Clone()
	if err := c.Canonicalize(jsontext.CanonicalizeRawInts(false), jsontext.CanonicalizeRawFloats(false)); err != nil {
		return sha256.Sum256(v)
	}
	return sha256.Sum256(c)
}

// compareNames orders entries for handing out names: those that the
// configuration names first, then by own name.
func compareNames(a, b *entry) int {
	rank := func(e *entry) int {
		if e.wanted != e.own {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.own, b.own))
}
