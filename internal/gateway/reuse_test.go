// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/internal/backend"
)

// TestTakenOverIsAsNew: revisions, lists and finders that take over what did not
// change are those that would be made anew, with repaired, renamed, repeated and
// marked entries, and names that two servers want.
func TestTakenOverIsAsNew(t *testing.T) {
	names := []string{"git", "git__hub", "a b", "a_b", "own"}
	var backends []backend.Backend
	for _, name := range names {
		backends = append(backends, &scripted{name: name})
	}
	servers := map[string]Server{"own": {Tools: Selection{Rename: map[string]string{"tool_1": "tool_2", "tool_3": "first"}, Exclude: []string{"tool_4"}}}}
	r := newRig(t, CatalogConfig{Servers: servers, Log: slog.New(slog.DiscardHandler)}, Config{}, backends...)
	views := []*Gateway{r.Gateway, New(Config{Search: true, Pin: []string{"*_1"}}, r.hub, r.catalog), New(Config{Own: "own"}, r.hub, r.catalog), New(Config{Servers: names[1:3]}, r.hub, r.catalog)}
	editions := make([]*edition, len(views))
	random := rand.New(rand.NewPCG(5, 6))
	states, listed := make([]state, len(names)), make([][]Raw, len(names))
	var revision *revision
	for range 300 {
		states = slices.Clone(states)
		i := random.IntN(len(names))
		k := &states[i][toolList]
		switch random.IntN(5) {
		case 0:
			k.down = []string{"", "crashed"}[random.IntN(2)]
		default:
			listed[i] = randomTools(random)
			k.tried, k.shelf = true, r.catalog.shelve(r.catalog.sources[i], toolList, k.shelf, &answer{items: listed[i]})
		}
		revision = newRevision(revision, r.catalog.sources, states, r.catalog.cfg.Log)
		fresh := newRevision(nil, r.catalog.sources, freshStates(r.catalog, states, listed), r.catalog.cfg.Log)
		if diff := cmp.Diff(itemsOf(fresh), itemsOf(revision)); diff != "" || revision.digest != fresh.digest {
			t.Fatalf("revision (-new +taken over):\n%s", diff)
		}
		for v, g := range views {
			editions[v] = g.edit(editions[v], revision)
			taken, whole := editions[v].views[toolList], g.edit(nil, fresh).views[toolList]
			if string(taken.result().Body) != string(whole.result().Body) || taken.digest != whole.digest || taken.content != whole.content || len(taken.routes) != len(whole.routes) {
				t.Fatalf("view %d: %s\nwant %s", v, taken.result().Body, whole.result().Body)
			}
			if taken.finder != nil {
				q := &question{words: "tool says first 1 2 3", limit: maxFound}
				if diff := cmp.Diff(string(whole.finder.answer(q, nil)), string(taken.finder.answer(q, nil))); diff != "" {
					t.Fatalf("finder (-new +taken over):\n%s", diff)
				}
			}
		}
	}
}

// randomTools is a server's list, in any order, of which some entries have to be
// repaired or dropped.
func randomTools(r *rand.Rand) []Raw {
	var items []Raw
	for i := range 8 {
		if r.IntN(4) == 0 {
			continue
		}
		item := fmt.Sprintf(`{"name":"tool_%d","description":"says %d","inputSchema":{"type":"object"}}`, i, r.IntN(3))
		switch r.IntN(8) {
		case 0:
			item = fmt.Sprintf(`{"name":"tool_%d","inputSchema":{}}`, i)
		case 1:
			item = fmt.Sprintf(`{"name":"hub__tool %d","title":7,"inputSchema":{"type":"object"}}`, i)
		case 2:
			items = append(items, Raw(item))
		case 3:
			item = `{"inputSchema":{"type":"object"}}`
		}
		items = append(items, Raw(item))
	}
	r.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	return items
}

// freshStates has all shelves made anew of what the servers have listed.
func freshStates(c *Catalog, states []state, listed [][]Raw) []state {
	fresh := slices.Clone(states)
	for i := range fresh {
		if k := &fresh[i][toolList]; k.shelf != nil {
			known := &c.sources[i].parts[toolList].cleaned
			kept := *known
			*known = nil
			k.shelf = c.shelve(c.sources[i], toolList, nil, &answer{items: listed[i]})
			*known = kept
		}
	}
	return fresh
}

func itemsOf(r *revision) (all []string) {
	for i := range r.lists[toolList].items {
		it := &r.lists[toolList].items[i]
		all = append(all, fmt.Sprintf("%s %s %s %s %s %x", it.source.name, it.public, it.name, it.body, it.plain, it.digest))
	}
	return all
}

// TestRepairsAreLoggedOnce: not again because another tool of the list changed.
func TestRepairsAreLoggedOnce(t *testing.T) {
	r := newRig(t, CatalogConfig{}, Config{}, &scripted{name: "a"})
	s, log := r.catalog.sources[0], r.log
	var shelf *shelf
	for i := range 5 {
		items := []Raw{Raw(`{"name":"odd","inputSchema":{}}`), Raw(fmt.Sprintf(`{"name":"changing_%d","inputSchema":{"type":"object"}}`, i))}
		shelf = r.catalog.shelve(s, toolList, shelf, &answer{items: items})
	}
	if n := strings.Count(log.String(), "tool=odd"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, log)
	}
}
