// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"strings"
	"testing"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

func resourcesBody(uris ...string) string {
	var all []string
	for _, uri := range uris {
		all = append(all, string(jsonrpc.AppendString(Raw(`{"name":"r","uri":`), uri))+"}")
	}
	return `{"resources":[` + strings.Join(all, ",") + `]}`
}

// TestUnlistedURIsGoWhereTheyAreClaimed holds that a URI in no list reaches only a
// server that says by a template or by its scheme that it is its own.
func TestUnlistedURIsGoWhereTheyAreClaimed(t *testing.T) {
	const uri = "bank://accounts/4711?token=s3cr3t"
	for name, tc := range map[string]struct {
		evil, bank *scripted
		view       Config
		servers    map[string]Server
		goesTo     string
	}{
		"nobody lists anything":    {evil: reading("evil"), bank: reading("bank")},
		"one lists the scheme":     {evil: reading("evil"), bank: reading("bank", "bank://{+path}/x"), goesTo: "bank"},
		"in another letter case":   {evil: reading("evil"), bank: reading("bank", "BANK://{+path}/x"), goesTo: "bank"},
		"both list the scheme":     {evil: reading("evil", "bank://{+path}/y"), bank: reading("bank", "bank://{+path}/x")},
		"one has a template":       {evil: reading("evil", "bank://{+path}/y"), bank: reading("bank", "bank://{+path}"), goesTo: "bank"},
		"a template for all":       {evil: reading("evil", "{+any}", "{scheme}://{+rest}"), bank: reading("bank")},
		"a template for all first": {evil: reading("evil", "{+any}"), bank: reading("bank", "bank://{+path}/x"), goesTo: "bank"},
		"one begins with it":       {evil: reading("evil", "ban{+k}"), bank: reading("bank"), goesTo: ""},
		"the view includes":        {evil: reading("evil"), bank: reading("bank", "bank://{+path}/x"), view: Config{Include: []string{"*"}}},
		"the view excludes":        {evil: reading("evil"), bank: reading("bank", "bank://{+path}/x"), view: Config{Exclude: []string{"x:*"}}},
		"the server is chosen from": {evil: reading("evil"), bank: reading("bank", "bank://{+path}/x"),
			servers: map[string]Server{"bank": {Resources: Selection{Exclude: []string{"x:*"}}}}},
		"the other is chosen from": {evil: reading("evil", "bank://{+path}/y"), bank: reading("bank", "bank://{+path}/x"),
			servers: map[string]Server{"evil": {Resources: Selection{Exclude: []string{"*"}}}}, goesTo: "bank"},
		"the view is of one":     {evil: reading("evil", "bank://{+path}/y"), bank: reading("bank", "bank://{+path}/x"), view: Config{Servers: []string{"bank"}}, goesTo: "bank"},
		"one is marked for it":   {evil: reading("evil"), bank: reading("bank"), servers: map[string]Server{"bank": {Resources: Selection{Unlisted: true}}}, goesTo: "bank"},
		"marked and chosen from": {evil: reading("evil"), bank: reading("bank"), servers: map[string]Server{"bank": {Resources: Selection{Unlisted: true, Exclude: []string{"x:*"}}}}},
		"marked, the view chooses": {evil: reading("evil"), bank: reading("bank"), view: Config{Exclude: []string{"x:*"}},
			servers: map[string]Server{"bank": {Resources: Selection{Unlisted: true}}}},
	} {
		r := newRig(t, CatalogConfig{Servers: tc.servers}, tc.view, tc.evil, tc.bank)
		body, err := ask(t, r.Gateway, mcp.MethodReadResource, uri)
		if tc.goesTo == "" {
			wantCode(t, err, jsonrpc.CodeInvalidParams)
		} else if err != nil || !strings.Contains(body, `"`+tc.goesTo+`"`) {
			t.Errorf("%s: %s, %v, want the answer of %s", name, body, err, tc.goesTo)
		}
		watched := r.Watch(t.Context(), uri, true) == nil
		if marked := tc.servers["bank"].Resources.Unlisted; watched != (tc.goesTo != "" && !marked) { // nobody knows where to watch
			t.Errorf("%s: watched %t", name, watched)
		}
		for server, s := range map[string]*scripted{"evil": tc.evil, "bank": tc.bank} {
			if n := s.count(mcp.MethodReadResource) + len(s.watched); n > 0 && server != tc.goesTo {
				t.Errorf("%s: %s saw the URI", name, server)
			}
		}
	}
}

// TestViewsAreABoundary holds that nothing outside of a view is reached through it,
// whatever the method.
func TestViewsAreABoundary(t *testing.T) {
	a, b := reading("a", "x:{id}", "secret:{id}"), reading("b", "y:{id}")
	for _, s := range []*scripted{a, b} {
		s.answer(mcp.MethodListTools, toolsBody("one", "two"))
		s.answer(mcp.MethodListPrompts, `{"prompts":[{"name":"one"},{"name":"two"}]}`)
		s.answer(mcp.MethodListResources, resourcesBody(s.name+":1", s.name+":2"))
		s.answer(mcp.MethodGetPrompt, `{"messages":[]}`)
		s.answer("x/own", `{}`)
	}
	r := newRig(t, CatalogConfig{}, Config{}, a, b)
	r.catalog.Warm(t.Context())
	for name, cfg := range map[string]Config{
		"include": {Include: []string{"a__one", "a:1", "x:*"}, Search: true},
		"exclude": {Servers: []string{"a"}, Exclude: []string{"a__two", "a:2", "secret:*"}},
	} {
		hub := &subscription.Hub{}
		g := New(cfg, hub, r.catalog)
		inside := map[string][]string{
			mcp.MethodCallTool: {"a__one"}, mcp.MethodGetPrompt: {"a__one"}, mcp.MethodReadResource: {"a:1", "x:7"},
		}
		outside := map[string][]string{
			mcp.MethodCallTool:     {"a__two", "b__one", "one", "A__one", "a__one "},
			mcp.MethodGetPrompt:    {"a__two", "b__one", "one"},
			mcp.MethodReadResource: {"a:2", "a:3", "b:1", "y:1", "secret:1", "SECRET:1", "z:1", ""},
			"x/own":                {""}, mcp.MethodListSkills: {""}, mcp.MethodReadDirectory: {"a:1"},
		}
		for method, targets := range inside {
			for _, target := range targets {
				if _, err := ask(t, g, method, target); err != nil {
					t.Errorf("%s: %s %q: %v", name, method, target, err)
				}
			}
		}
		before := seen(a) + seen(b)
		for method, targets := range outside {
			for _, target := range targets {
				if _, err := ask(t, g, method, target); err == nil {
					t.Errorf("%s: %s %q passed", name, method, target)
				}
			}
		}
		for _, uri := range outside[mcp.MethodReadResource] {
			if g.Watch(t.Context(), uri, true) == nil {
				t.Errorf("%s: %q is watched", name, uri)
			}
		}
		for _, ref := range []string{`{"type":"ref/prompt","name":"a__two"}`, `{"type":"ref/resource","uri":"secret:{id}"}`, `{"type":"ref/resource","uri":"y:{id}"}`, `{"type":"ref/resource","uri":"secret:1"}`} {
			call := callOf(mcp.MethodComplete, "")
			call.Params = Raw(`{"ref":` + ref + `,"argument":{"name":"id","value":""}}`)
			_, err := g.Handle(t.Context(), call)
			wantCode(t, err, jsonrpc.CodeInvalidParams)
		}
		for _, tool := range []string{"a__two", "b__one"} {
			call := callOf(mcp.MethodCallTool, callTool)
			call.Arguments = Raw(`{"name":"` + tool + `"}`)
			if res, err := g.Handle(t.Context(), call); err == nil && !strings.Contains(string(res.Body), `"isError":true`) {
				t.Errorf("%s: call_tool of %s: %s", name, tool, res.Body)
			}
		}
		if n := seen(a) + seen(b); n != before {
			t.Errorf("%s: %d calls from outside of the view reached a server", name, n-before)
		}
		if cfg.Search {
			call := callOf(mcp.MethodCallTool, findTool)
			call.Arguments = Raw(`{"query":"one two","limit":50}`)
			if res, err := g.Handle(t.Context(), call); err != nil || strings.Contains(string(res.Body), "two") || strings.Contains(string(res.Body), "b__") {
				t.Errorf("%s: find_tool: %s, %v", name, res.Body, err)
			}
		}
		hears(t, name, r.catalog, hub, []string{"a:1", "x:7"}, []string{"a:2", "a:3", "secret:1", "SECRET:1", "b:1", "y:1"})
	}
}

// seen counts what reached a server on behalf of clients.
func seen(s *scripted) int {
	n := len(s.watched)
	for _, method := range []string{mcp.MethodCallTool, mcp.MethodGetPrompt, mcp.MethodReadResource, mcp.MethodComplete, "x/own", mcp.MethodListSkills, mcp.MethodReadDirectory} {
		n += s.count(method)
	}
	return n
}

// hears checks which updates of server a reach the listeners of a hub.
func hears(t *testing.T, name string, c *Catalog, hub *subscription.Hub, inside, outside []string) {
	t.Helper()
	for i, uris := range [][]string{inside, outside} {
		for _, uri := range uris {
			topic := subscription.Topic{Kind: subscription.Resource, Key: uri}
			s := hub.Subscribe(topic)
			c.Event("a", subscription.Event{Topic: topic})
			if n := heard(s); n != 1-i {
				t.Errorf("%s: %d updates of %q", name, n, uri)
			}
			s.Close()
		}
	}
}

// TestUpdatesOfWhatIsExcludedAreNotHeard holds it where no list has the resource,
// for the view and beside a server's own endpoint that shows it.
func TestUpdatesOfWhatIsExcludedAreNotHeard(t *testing.T) {
	a := &scripted{name: "a"}
	r := newRig(t, CatalogConfig{}, Config{Exclude: []string{"secret://*", "a__secret://*"}}, a)
	r.catalog.Warm(t.Context())
	ownHub, chosenHub := &subscription.Hub{}, &subscription.Hub{}
	New(Config{Own: "a"}, ownHub, r.catalog)
	hears(t, "view", r.catalog, r.hub, nil, []string{"secret://plans", "SECRET://plans", "open://x"})
	hears(t, "own", r.catalog, ownHub, []string{"secret://plans"}, nil)
	c := NewCatalog(CatalogConfig{Servers: map[string]Server{"a": {Resources: Selection{Exclude: []string{"secret://*"}}}}}, []backend.Backend{a})
	defer c.Close()
	New(Config{Own: "a"}, chosenHub, c)
	c.Warm(t.Context())
	hears(t, "own, chosen from", c, chosenHub, nil, []string{"secret://plans", "open://x"})
}
