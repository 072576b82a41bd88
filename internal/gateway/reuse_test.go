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
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
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
	sameNames := 0
	for range 300 {
		states = slices.Clone(states)
		i := random.IntN(len(names))
		k := &states[i][toolList]
		switch random.IntN(8) {
		case 0:
			k.down = []string{"", "crashed"}[random.IntN(2)]
		default:
			if random.IntN(2) == 0 || k.shelf == nil {
				listed[i] = randomTools(random)
			} else {
				listed[i] = slices.Clone(listed[i])
				for j := range listed[i] {
					if random.IntN(3) == 0 {
						listed[i][j] = jsonrpc.Set(listed[i][j], "description", fmt.Appendf(nil, `"says %d"`, random.IntN(3)))
					}
				}
			}
			before := k.shelf
			k.tried, k.shelf = true, r.catalog.shelve(r.catalog.sources[i], toolList, k.shelf, &answer{items: listed[i]})
			if before != nil && before != k.shelf && before.names == k.shelf.names {
				sameNames++
			}
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
	if sameNames < 20 {
		t.Errorf("only %d lists had the names of the last one", sameNames)
	}
}

// TestUnchangedEntriesAreReused: what was made of the entries that a server lists as
// before is taken over, down to the lists and the index, and what was made of the
// one that has changed is not.
func TestUnchangedEntriesAreReused(t *testing.T) {
	s := &scripted{name: "a", answers: map[string]string{mcp.MethodListTools: bigList(20, 0)}}
	r := newRig(t, CatalogConfig{Window: time.Millisecond}, Config{Search: true}, s)
	views := []*Gateway{r.Gateway, New(Config{}, r.hub, r.catalog), New(Config{Own: "a"}, r.hub, r.catalog), New(Config{Exclude: []string{"*_19"}}, r.hub, r.catalog)}
	r.catalog.Warm(t.Context())
	before, editions := r.catalog.revision.Load(), make([]*edition, len(views))
	for i, g := range views {
		editions[i] = g.edition.Load()
	}
	s.answer(mcp.MethodListTools, bigList(20, 1))
	r.catalog.Event("a", toolsChanged)
	for i, g := range views {
		for limit := time.Now().Add(20 * time.Second); g.edition.Load().views[toolList].content == editions[i].views[toolList].content && time.Now().Before(limit); {
			time.Sleep(time.Millisecond)
		}
	}
	now := r.catalog.revision.Load()
	for i := range now.lists[toolList].items {
		was, is := &before.lists[toolList].items[i], &now.lists[toolList].items[i]
		if changed := i == 0; (&was.body[0] != &is.body[0]) != changed || (was.digest != is.digest) != changed {
			t.Errorf("tool %d: made anew, or not: %s", i, is.body)
		}
	}
	a, b := before.states[0][toolList].shelf, now.states[0][toolList].shelf
	for i := range b.made {
		if (a.made[i] != b.made[i]) != (i == 0) {
			t.Errorf("tool %d: cleaned again, or not", i)
		}
	}
	for i, g := range views {
		old, is := editions[i].views[toolList], g.edition.Load().views[toolList]
		if old == is || fmt.Sprintf("%p", old.routes) != fmt.Sprintf("%p", is.routes) || old.content == is.content {
			t.Errorf("view %d: the same, or its names were looked at again", i)
		}
	}
	found := func(words string) (keys []string) {
		for _, m := range r.edition.Load().views[toolList].finder.index.Find(words, 1) {
			keys = append(keys, m.Name)
		}
		return keys
	}
	if got := found("item1"); !slices.Equal(got, []string{"a__tool_0"}) && !slices.Equal(got, []string{"a__tool_1"}) {
		t.Errorf("found %v", got)
	}
	if strings.Contains(string(r.edition.Load().views[toolList].finder.byKey("a__tool_0").body), "Tool number 0") {
		t.Errorf("the finder has what the tool said before: %.300s", r.edition.Load().views[toolList].finder.byKey("a__tool_0").body)
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
