// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// found is what find_tool answers, read back.
func found(t *testing.T, r *rig, args string) (tools, more []string, whole Raw) {
	t.Helper()
	got, err := metaCall(t, r, findTool, args)
	whole, _ = jsonrpc.Get(Raw(got), "structuredContent")
	if err != nil || !whole.IsValid() || text(firstContent(Raw(got)), "text") != string(whole) {
		t.Fatalf("%s found %s, %v", args, got, err)
	}
	for member, to := range map[string]*[]string{"tools": &tools, "more": &more} {
		array, _ := jsonrpc.Get(whole, member)
		for tool := range jsonrpc.Elements(array) {
			*to = append(*to, text(tool, "name"))
		}
	}
	return tools, more, whole
}

func firstContent(body Raw) Raw {
	content, _ := jsonrpc.Get(body, "content")
	for block := range jsonrpc.Elements(content) {
		return block
	}
	return nil
}

// copies is a server of n tools that all say the same, with a schema each.
func copies(name string, n int, schema string) *scripted {
	var tools []string
	for i := range n {
		tools = append(tools, fmt.Sprintf(`{"name":"copy_%02d","description":"Copy a page. %s\nSecond line","inputSchema":%s}`, i, strings.Repeat("Long ", 60), schema))
	}
	return &scripted{name: name, answers: map[string]string{mcp.MethodListTools: `{"tools":[` + strings.Join(tools, ",") + `]}`}}
}

func numbered(prefix string, from, to int) (names []string) {
	for i := from; i < to; i++ {
		names = append(names, fmt.Sprintf("%s__copy_%02d", prefix, i))
	}
	return names
}

func TestFindToolPages(t *testing.T) {
	r := newRig(t, CatalogConfig{}, Config{Search: true}, copies("a", 20, `{"type":"object"}`))
	r.catalog.Warm(t.Context())
	for args, want := range map[string]struct{ tools, more, next int }{
		`{"query":"copy"}`:                          {5, 5, 10},
		`{"query":"copy","limit":2}`:                {2, 0, 2},
		`{"query":"copy","limit":50}`:               {5, 15, 0},
		`{"query":"copy","offset":10}`:              {0, 10, 0},
		`{"query":"copy","offset":15,"limit":3}`:    {0, 3, 18},
		`{"query":"copy","offset":20}`:              {0, 0, 0},
		`{"query":"copy","offset":-5,"limit":1}`:    {1, 0, 1},
		`{"query":"copy","offset":1e99}`:            {0, 0, 0},
		`{"server":"a","limit":4}`:                  {4, 0, 4},
		`{"server":"a","query":" ","offset":19}`:    {0, 1, 0},
		`{"server":"a","query":"pages","limit":50}`: {5, 15, 0},
	} {
		tools, more, whole := found(t, r, args)
		if len(tools) != want.tools || len(more) != want.more {
			t.Errorf("%s: %d with schema and %d more, want %d and %d", args, len(tools), len(more), want.tools, want.more)
		}
		if next, _ := jsonrpc.Get(whole, "nextOffset"); string(next) != map[bool]string{true: fmt.Sprint(want.next)}[want.next > 0] {
			t.Errorf("%s: next offset %s, want %d", args, next, want.next)
		}
	}
	tools, more, whole := found(t, r, `{"query":"copy","limit":8}`)
	if diff := cmp.Diff(numbered("a", 0, 8), append(tools, more...)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	array, _ := jsonrpc.Get(whole, "more")
	for line := range jsonrpc.Elements(array) {
		if _, has := jsonrpc.Get(line, "inputSchema"); has || len(line) > 250 || strings.Contains(text(line, "description"), "Second") {
			t.Errorf("more than a line: %s", line)
		}
	}
}

func TestFindToolOfAServer(t *testing.T) {
	b := copies("my server", 3, `{"type":"object"}`)
	r := newRig(t, CatalogConfig{}, Config{Search: true, Servers: []string{"a", "my server"}}, copies("a", 3, `{"type":"object"}`), b, copies("hidden", 1, `{"type":"object"}`))
	r.catalog.Warm(t.Context())
	for _, args := range []string{`{"query":"copy","server":"my server"}`, `{"query":"copy a page","server":"my_server"}`, `{"server":"my server"}`} {
		tools, _, _ := found(t, r, args)
		for _, name := range tools {
			if !strings.HasPrefix(name, "my_server__") {
				t.Errorf("%s found %s", args, name)
			}
		}
		if len(tools) != 3 {
			t.Errorf("%s found %v", args, tools)
		}
	}
	for server, want := range map[string]string{"my sevrer": `Did you mean \"my server\"?`, "zzz": `Servers are \"a\", \"my server\".`, "hidden": "There is no server"} {
		got, err := metaCall(t, r, findTool, fmt.Sprintf(`{"query":"copy","server":%q}`, server))
		if said := text(firstContent(Raw(got)), "text"); err != nil || !strings.Contains(said, strings.ReplaceAll(want, `\"`, `"`)) || strings.Contains(said, `or "hidden"`) {
			t.Errorf("server %s: %s, %v", server, got, err)
		}
	}
}

// TestLargeSchemas: an answer stays small whatever the schemas, and the full name
// of a tool gives its own.
func TestLargeSchemas(t *testing.T) {
	var properties []string
	for i := range 60 {
		properties = append(properties, fmt.Sprintf(`"field_%d":{"type":"object","description":"%s","properties":{"inner":{"$ref":"#/$defs/x"}},"required":["inner"]}`, i, strings.Repeat("what it is for ", 20)))
	}
	schema := `{"type":"object","$defs":{"x":{"type":"string"}},"properties":{` + strings.Join(properties, ",") + `},"required":["field_1"]}`
	r := newRig(t, CatalogConfig{}, Config{Search: true}, copies("a", 20, schema))
	r.catalog.Warm(t.Context())
	tools, more, whole := found(t, r, `{"query":"copy"}`)
	if len(tools) < minDetailed || len(tools) == maxDetailed || len(tools)+len(more) != 10 || len(whole) > 20<<10 {
		t.Errorf("%d tools and %d more in %d bytes", len(tools), len(more), len(whole))
	}
	array, _ := jsonrpc.Get(whole, "tools")
	for tool := range jsonrpc.Elements(array) {
		short, _ := jsonrpc.Get(tool, "inputSchema")
		all, _ := jsonrpc.Get(short, "properties")
		if _, has := jsonrpc.Get(all, "field_59"); !has || text(short, "type") != "object" || strings.Contains(string(short), "$ref") {
			t.Errorf("the short schema is %s", short)
		}
		if cut, _ := jsonrpc.Get(tool, "shortened"); string(cut) != "true" {
			t.Errorf("it is not said to be shortened: %s", tool)
		}
	}
	tools, more, whole = found(t, r, `{"query":"a__copy_07"}`)
	if !slices.Equal(tools, numbered("a", 7, 8)) || len(more) == 0 || !strings.Contains(string(whole), schema) || strings.Contains(string(whole), "shortened") {
		t.Errorf("by its full name %v: %.300s", tools, whole)
	}
}

// FuzzShortSchema: what is left is JSON, an object, and within the bound.
func FuzzShortSchema(f *testing.F) {
	for _, seed := range []string{`{"type":"object","properties":{"a":true,"b":{"items":[1]},"a":{"type":"array","items":{"enum":["x"]}}}}`, `{"properties":[]}`, `{"properties":{"a":{"properties":{"b":{"properties":{"c":{}}}}}}}`} {
		f.Add(seed, 60)
	}
	f.Fuzz(func(t *testing.T, schema string, most int) {
		if v := Raw(schema); v.IsValid() && v.Kind() == '{' {
			most = max(most, len(plainSchema))
			short := shortSchema(v, most)
			if !short.IsValid() || short.Kind() != '{' || len(short) > most {
				t.Errorf("%d bytes of %s: %s", most, schema, short)
			}
			schemaWords(v)
		}
	})
}

// TestWhatAToolIsFoundBy: its parameters, and the words that the configuration gives it.
func TestWhatAToolIsFoundBy(t *testing.T) {
	a := &scripted{name: "a", answers: map[string]string{mcp.MethodListTools: `{"tools":[
		{"name":"first","title":"Heading","inputSchema":{"type":"object","properties":{"zipCode":{"description":"the town's"},"deep":{"type":"array","items":{"properties":{"longitude":{"enum":["meridian"]}}}}}},"annotations":{"readOnlyHint":true,"x":1}},
		{"name":"second","description":"Other","inputSchema":{"type":"object"}}]}`}}
	servers := map[string]Server{"a": {Tools: Selection{Keywords: map[string]string{"second": "kettle"}, Rename: map[string]string{"second": "renamed"}}}}
	r := newRig(t, CatalogConfig{Servers: servers}, Config{Search: true}, a)
	r.catalog.Warm(t.Context())
	for query, want := range map[string]string{"zip codes": "a__first", "town": "a__first", "longitude": "a__first", "meridian": "a__first", "heading": "a__first", "kettle": "a__renamed", "a__first": "a__first"} {
		if tools, _, _ := found(t, r, fmt.Sprintf(`{"query":%q,"limit":1}`, query)); !slices.Equal(tools, []string{want}) {
			t.Errorf("%q found %v, want %s", query, tools, want)
		}
	}
	if _, _, whole := found(t, r, `{"query":"town"}`); !strings.Contains(string(whole), `"annotations":{"readOnlyHint":true,"x":1}`) {
		t.Errorf("without annotations: %s", whole)
	}
}

func TestCallReadOnlyTool(t *testing.T) {
	a := &scripted{name: "a", answers: map[string]string{mcp.MethodListTools: `{"tools":[
		{"name":"reads","inputSchema":{"type":"object"},"annotations":{"readOnlyHint":true}},
		{"name":"says_no","inputSchema":{"type":"object"},"annotations":{"readOnlyHint":false}},
		{"name":"odd","inputSchema":{"type":"object"},"annotations":{"readOnlyHint":"sometimes"}},
		{"name":"silent","inputSchema":{"type":"object"}}]}`}}
	r := newRig(t, CatalogConfig{}, Config{Search: true}, a)
	r.catalog.Warm(t.Context())
	if got, err := metaCall(t, r, callReadOnlyTool, `{"name":"a__reads","arguments":{"x":1}}`); err != nil || !strings.Contains(got, "a got reads") {
		t.Errorf("reads: %s, %v", got, err)
	}
	before := a.count(mcp.MethodCallTool)
	for _, name := range []string{"says_no", "odd", "silent", "none"} {
		if got, err := metaCall(t, r, callReadOnlyTool, `{"name":"a__`+name+`"}`); err != nil || !strings.Contains(got, `"isError":true`) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	if a.count(mcp.MethodCallTool) != before {
		t.Error("a tool that may change something was called")
	}
}

func TestUnknownToolNamesNearOnes(t *testing.T) {
	r, _ := searchRig(t)
	for name, want := range map[string]string{"a__raed_file": `Did you mean "a__read_file"`, "read_files": `Did you mean "a__read_file"`, "send_mial": `Did you mean "a__send_mail"`, "qqqq": `There is no tool "qqqq". Use find_tool`} {
		got, err := metaCall(t, r, callTool, `{"name":"`+name+`"}`)
		if said := text(firstContent(Raw(got)), "text"); err != nil || !strings.Contains(said, want) || strings.Contains(said, "secret") {
			t.Errorf("%s: %s, %v", name, said, err)
		}
	}
	if _, err := ask(t, r.Gateway, mcp.MethodCallTool, "a__raed_file"); err == nil || !strings.Contains(err.Error(), `Did you mean "a__read_file"`) {
		t.Errorf("a direct call: %v", err)
	}
}

// TestServersThatAreMissing: a server that has failed, or has not answered, is named;
// nobody waits for it for long, and its tools are not called unknown.
func TestServersThatAreMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, gone := &gated{scripted{name: "slow", answers: listing("x")}, make(chan struct{})}, &scripted{name: "gone", err: errors.New("exit status 3")}
		r := newRig(t, CatalogConfig{}, Config{Search: true}, copies("a", 1, `{"type":"object"}`), slow, gone)
		if diff := cmp.Diff([]string{"find_tool", "call_tool", "call_read_only_tool"}, names(t, r.Gateway)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		began := time.Now()
		tools, _, whole := found(t, r, `{"query":"copy"}`)
		if want := `"unavailableServers":[{"server":"slow","reason":"it has not answered yet"},{"server":"gone","reason":"exit status 3"}]`; len(tools) != 1 || !strings.Contains(string(whole), want) {
			t.Errorf("found %s", whole)
		}
		if waited := time.Since(began); waited > findWait {
			t.Errorf("the answer took %v", waited)
		}
		if _, _, whole := found(t, r, `{"server":"gone"}`); !strings.Contains(string(whole), `"unavailableServers":[{"server":"gone","reason":"exit status 3"}]`) {
			t.Errorf("of one server %s", whole)
		}
		for _, name := range []string{"slow__x", "gone__y"} {
			_, direct := ask(t, r.Gateway, mcp.MethodCallTool, name)
			_, err := metaCall(t, r, callTool, `{"name":"`+name+`"}`)
			if err == nil || direct == nil || err.Error() != direct.Error() || !strings.Contains(err.Error(), "try again later") {
				t.Errorf("%s: %v, called directly %v", name, err, direct)
			}
		}
		close(slow.gate)
		synctest.Wait()
		time.Sleep(time.Minute)
		if _, _, whole := found(t, r, `{"query":"x"}`); strings.Contains(string(whole), `"slow","reason"`) || !strings.Contains(string(whole), `"slow__x"`) {
			t.Errorf("found %s", whole)
		}
	})
}

// TestServersOutsideOfTheView are not heard of: neither in the instructions nor as
// missing, nor as what an unknown name may have meant.
func TestServersOutsideOfTheView(t *testing.T) {
	down := func(name string) *scripted { return &scripted{name: name, err: errors.New("down")} }
	for pattern, want := range map[string][]string{
		`{"include":["a__*"]}`:                  {"a"},
		`{"include":["a__*","secret__x?"]}`:     {"a", "secret"},
		`{"include":["*_00"]}`:                  {"a", "b", "secret"},
		`{"exclude":["secret__*"]}`:             {"a", "b"},
		`{"exclude":["s*","b__*"]}`:             {"a"},
		`{"exclude":["secret__x"]}`:             {"a", "b", "secret"},
		`{"include":["sec*"],"exclude":["x*"]}`: {"secret"},
	} {
		cfg := Config{Search: true}
		if err := json.Unmarshal([]byte(pattern), &cfg, json.MatchCaseInsensitiveNames(true)); err != nil {
			t.Fatal(err)
		}
		r := newRig(t, CatalogConfig{}, cfg, copies("a", 1, `{"type":"object"}`), copies("b", 1, `{"type":"object"}`), down("secret"))
		r.catalog.Warm(t.Context())
		body, err := ask(t, r.Gateway, mcp.MethodDiscover, "")
		_, _, whole := found(t, r, `{"query":"copy"}`)
		unknown, _ := metaCall(t, r, findTool, `{"server":"zzz"}`)
		for _, name := range []string{"a", "b", "secret"} {
			shown := slices.Contains(want, name)
			if err != nil || strings.Contains(text(Raw(body), "instructions"), "\n- "+name+":") != shown || strings.Contains(unknown, `\"`+name+`\"`) != shown {
				t.Errorf("%s: %s is shown or not, want %t: %s, %s", pattern, name, shown, body, unknown)
			}
			if of, _ := metaCall(t, r, findTool, `{"server":"`+name+`"}`); strings.Contains(of, "There is no server") == shown {
				t.Errorf("%s: of %s: %s", pattern, name, of)
			}
		}
		if missing := strings.Contains(string(whole), "secret"); missing != slices.Contains(want, "secret") {
			t.Errorf("%s: %s", pattern, whole)
		}
	}
}

func TestInstructionsNameTheServers(t *testing.T) {
	a, b := copies("a", 20, `{"type":"object"}`), &scripted{name: "gone", err: errors.New("exit status 3")}
	r := newRig(t, CatalogConfig{}, Config{Search: true, Exclude: []string{"*_07"}}, a, b)
	r.catalog.Warm(t.Context())
	told := func() string {
		t.Helper()
		body, err := ask(t, r.Gateway, mcp.MethodDiscover, "")
		if err != nil {
			t.Fatal(err)
		}
		return text(Raw(body), "instructions")
	}
	if got := told(); !strings.HasPrefix(got, searchInstructions) || !strings.Contains(got, "\n- a: 19 tools\n- gone: 0 tools; unavailable now: exit status 3") {
		t.Errorf("instructions %q", got)
	}
	a.answer(mcp.MethodListTools, toolsBody("x", "y"))
	r.catalog.Event("a", toolsChanged)
	for limit := time.Now().Add(20 * time.Second); !strings.Contains(told(), "\n- a: 2 tools"); {
		if time.Now().After(limit) {
			t.Fatalf("instructions %q", told())
		}
		time.Sleep(time.Millisecond)
	}
	var many []backend.Backend
	for i := range 500 {
		many = append(many, &scripted{name: fmt.Sprint("a-server-with-a-long-name-", i)})
	}
	r = newRig(t, CatalogConfig{}, Config{Search: true}, many...)
	if got := told(); len(got) > maxInstructed+len(searchInstructions)+200 || !strings.Contains(got, " more") {
		t.Errorf("%d bytes of instructions", len(got))
	}
}

// TestPins: they are listed beside the meta-tools, and found as well.
func TestPins(t *testing.T) {
	a := copies("a", 20, `{"type":"object"}`)
	r := newRig(t, CatalogConfig{}, Config{Search: true, Pin: []string{"*_03", "a__copy_1?", "none"}, Exclude: []string{"*_15"}}, a)
	r.catalog.Warm(t.Context())
	want := slices.Concat([]string{"find_tool", "call_tool", "call_read_only_tool", "a__copy_03"}, numbered("a", 10, 15), numbered("a", 16, 20))
	if diff := cmp.Diff(want, names(t, r.Gateway)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if tools, _, _ := found(t, r, `{"query":"a__copy_03","limit":1}`); !slices.Equal(tools, numbered("a", 3, 4)) {
		t.Errorf("found %v", tools)
	}
	before := r.edition.Load().views[toolList].digest
	a.answer(mcp.MethodListTools, toolsBody("copy_03"))
	r.catalog.Event("a", toolsChanged)
	for limit := time.Now().Add(20 * time.Second); r.edition.Load().views[toolList].digest == before; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("a change of the pinned tools is not one of the list")
		}
	}
}

// TestMetaListMayBeKept: it says the same whatever becomes of the servers.
func TestMetaListMayBeKept(t *testing.T) {
	down := &scripted{name: "a", err: errors.New("down")}
	for pin, want := range map[string]mcp.CacheHint{"": metaHint, "a__*": {}} {
		cfg := Config{Search: true, Pin: slices.DeleteFunc([]string{pin}, func(s string) bool { return s == "" })}
		r := newRig(t, CatalogConfig{}, cfg, down)
		res, err := r.Handle(t.Context(), callOf(mcp.MethodListTools, ""))
		if err != nil || res.Cache != want {
			t.Errorf("pinned %q: %+v, %v", pin, res.Cache, err)
		}
	}
}

// TestFinderTakesOver: the index is that of the tools there are, whatever changed,
// and what did not change is not read again.
func TestFinderTakesOver(t *testing.T) {
	a := copies("a", 3, `{"type":"object"}`)
	r := newRig(t, CatalogConfig{}, Config{Search: true}, a, copies("b", 2, `{"type":"object"}`))
	r.catalog.Warm(t.Context())
	finders := []*finder{r.edition.Load().views[toolList].finder}
	for _, step := range [][]string{{"copy_00", "new"}, {"new"}, nil, {"copy_01", "newer"}} {
		a.answer(mcp.MethodListTools, toolsBody(step...))
		r.catalog.Event("a", toolsChanged)
		want := len(step) + 2
		for limit := time.Now().Add(20 * time.Second); len(r.edition.Load().views[toolList].finder.entries) != want; time.Sleep(time.Millisecond) {
			if time.Now().After(limit) {
				t.Fatalf("%d tools, want %d", len(finders[len(finders)-1].entries), want)
			}
		}
		f := r.edition.Load().views[toolList].finder
		var all []string
		for _, m := range f.index.Find("copy new newer a b", 50) {
			all = append(all, m.Name)
		}
		slices.Sort(all)
		if keys := slices.Sorted(maps.Keys(f.places)); f.index.Len() != want || !slices.Equal(all, keys) {
			t.Errorf("after %v the index has %v, the view %v", step, all, keys)
		}
		finders = append(finders, f)
	}
	again := newFinder(finders[4], r.edition.Load().views[toolList])
	if again.index != finders[4].index {
		t.Error("an index was made anew although nothing changed")
	}
}
