// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// quick is the cheapest backend there is.
type quick struct{ scripted }

var done = rpc.Result{Body: Raw(`{"content":[]}`)}

func (q *quick) Handle(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	if call.Method == mcp.MethodCallTool {
		return done, nil
	}
	return q.scripted.Handle(ctx, call)
}

// thousand is a catalog of 50 servers with 20 tools each.
func thousand(b *testing.B, cfg Config) *rig {
	var backends []backend.Backend
	for i := range 50 {
		var tools []string
		for j := range 20 {
			tools = append(tools, fmt.Sprint("tool_", j))
		}
		backends = append(backends, &quick{scripted{name: fmt.Sprint("server", i), answers: listing(tools...)}})
	}
	r := newRig(b, CatalogConfig{}, cfg, backends...)
	r.catalog.Warm(b.Context())
	return r
}

func BenchmarkCall(b *testing.B) {
	for name, cfg := range map[string]Config{"common": {}, "own": {Own: "server25"}, "search": {Search: true}} {
		b.Run("endpoint="+name, func(b *testing.B) {
			r := thousand(b, cfg)
			call := callOf(mcp.MethodCallTool, "server25__tool_7")
			call.Params = Raw(`{"name":"server25__tool_7","arguments":{"text":"hello"}}`)
			switch name {
			case "own":
				call.Target = "tool_7"
			case "search":
				call.Target = "call_tool"
				call.Params = Raw(`{"name":"call_tool","arguments":{"name":"server25__tool_7","arguments":{"text":"hello"}}}`)
				call.Arguments = Raw(`{"name":"server25__tool_7","arguments":{"text":"hello"}}`)
			}
			b.ReportAllocs()
			for b.Loop() {
				if res, err := r.Handle(b.Context(), call); err != nil || len(res.Body) != len(done.Body) {
					b.Fatal(err, string(res.Body))
				}
			}
		})
	}
}

func BenchmarkList(b *testing.B) {
	r := thousand(b, Config{})
	call := callOf(mcp.MethodListTools, "")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Handle(b.Context(), call); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkChange is one server's change until it is in the lists of eleven views.
func BenchmarkChange(b *testing.B) {
	r := thousand(b, Config{})
	for i := range 10 {
		New(Config{Include: []string{fmt.Sprint("server", i, "__*")}}, r.hub, r.catalog)
	}
	old := r.catalog.revision.Load()
	states := make([]state, len(old.states))
	b.ReportAllocs()
	for b.Loop() {
		copy(states, old.states)
		changed := *states[7][toolList].shelf
		states[7][toolList].shelf = &changed
		next := newRevision(old, r.catalog.sources, states, r.catalog.cfg.Log)
		for _, g := range r.catalog.views {
			g.edit(g.edition.Load(), next)
		}
	}
}

// BenchmarkChangeOfMany is the change of one tool among 5,000 until it is in the
// lists and in the index of the search endpoint: the message of the server is decoded
// as the client does, merged and shown by the common endpoint, one for each server and
// the searching one. core-% is the part of a core that one such change a second takes.
// [BenchmarkChangeOverWire] has the way of the message to here too.
func BenchmarkChangeOfMany(b *testing.B) {
	const tools = 5000
	for _, servers := range []int{1, 20, 200} {
		b.Run(fmt.Sprint("servers=", servers), func(b *testing.B) {
			var backends []backend.Backend
			for i := range servers {
				backends = append(backends, &quick{scripted{name: fmt.Sprint("server", i), answers: map[string]string{mcp.MethodListTools: bigList(tools/servers, 0)}}})
			}
			r := newRig(b, CatalogConfig{Log: slog.New(slog.DiscardHandler)}, Config{}, backends...)
			New(Config{Search: true}, r.hub, r.catalog)
			for _, s := range r.catalog.sources {
				New(Config{Own: s.name}, r.hub, r.catalog)
			}
			r.catalog.Warm(b.Context())
			changing := r.catalog.sources[servers/2]
			states := slices.Clone(r.catalog.revision.Load().states)
			decoder := jsonrpc.NewEntries(jsonrpc.Limits{}, lists[toolList].member)
			b.ReportAllocs()
			for n := 1; b.Loop(); n++ {
				b.StopTimer()
				message := []byte(`{"jsonrpc":"2.0","id":1,"result":` + bigList(tools/servers, n) + `}`)
				b.StartTimer()
				m, ok := decoder.Decode(message)
				if !ok {
					b.Fatal("not taken apart")
				}
				items, _, err := readPage(rpc.Result{Body: m.List.Rest, Entries: m.List.Entries}, toolList)
				if err != nil {
					b.Fatal(err)
				}
				old := r.catalog.revision.Load()
				states = slices.Clone(states)
				states[changing.index][toolList].shelf = r.catalog.shelve(changing, toolList, states[changing.index][toolList].shelf, &answer{items: items})
				next := newRevision(old, r.catalog.sources, states, r.catalog.cfg.Log)
				r.catalog.revision.Store(next)
				for _, g := range r.catalog.views {
					g.edition.Store(g.edit(g.edition.Load(), next))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1e7, "core-%")
		})
	}
}

// bigList is a list of tools of the size that real ones have, the first of which
// says something else each time.
func bigList(n, change int) string {
	var out strings.Builder
	for i := range n {
		said := i
		if i == 0 {
			said += change
		}
		fmt.Fprintf(&out, `,{"name":"tool_%d","title":"Tool %d","description":"Tool number %d does what item%d needs, and returns the parts of shelf%d with all their details","inputSchema":{"type":"object","properties":{`, i, i, said, i%17, i%101)
		for j := range 8 {
			fmt.Fprintf(&out, `"property_%d":{"type":"string","description":"What property%d of item%d is for, in a sentence of the length that people write"},`, j, i%29, j)
		}
		out.WriteString(`"last":{"type":["string","null"],"enum":["one","two","three"]}},"required":["property_0"],"additionalProperties":false},"annotations":{"readOnlyHint":true}}`)
	}
	return `{"tools":[` + out.String()[1:] + `]}`
}

// BenchmarkClean is a thousand tools as they should be, which are passed as they are:
// all new, or all but one known.
func BenchmarkClean(b *testing.B) {
	var items []Raw
	for i := range 1000 {
		items = append(items, Raw(fmt.Sprintf(`{"name":"tool_%d","title":"Tool","description":"Does something that is told in a sentence or two, as descriptions are.",`+
			`"inputSchema":{"type":"object","properties":{"path":{"type":"string","description":"Where to look, from the root of the project"},`+
			`"limit":{"type":"integer","minimum":1,"maximum":100,"default":10},"tags":{"type":"array","items":{"type":"string","enum":["a","b","c"]}},`+
			`"filter":{"type":"object","properties":{"after":{"type":"string","format":"date-time"},"by":{"anyOf":[{"type":"string"},{"type":"null"}]}},"required":["after"]}},`+
			`"required":["path"],"additionalProperties":false},"annotations":{"readOnlyHint":true}}`, i)))
	}
	fresh := func() *cleaner {
		return &cleaner{part: toolList, pick: &Selection{}, filter: &filter{}, log: slog.New(slog.DiscardHandler)}
	}
	known := fresh().each(items[1:])
	for name, known := range map[string][]*cleaned{"known=none": nil, "known=most": known} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c := fresh()
				c.known = newRecall(known)
				if got := c.all(items); len(got) != len(items) || !same(got[0].item, items[0]) || c.faults != nil {
					b.Fatal(c.faults)
				}
			}
		})
	}
}
