// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

func TestToolsAreMergedAndRouted(t *testing.T) {
	g := newRig(t, CatalogConfig{}, Config{}, &scripted{name: "a", answers: listing("one", "two")}, &scripted{name: "b", answers: listing("one")}).Gateway
	got, err := ask(t, g, mcp.MethodListTools, "")
	if err != nil {
		t.Fatal(err)
	}
	want := `{"tools":[{"name":"a__one","inputSchema":{"type":"object"},"x":1},{"name":"a__two","inputSchema":{"type":"object"},"x":1},{"name":"b__one","inputSchema":{"type":"object"},"x":1}]}`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got, err = ask(t, g, mcp.MethodCallTool, "b__one")
	if err != nil || got != `{"content":[{"type":"text","text":"b got one"}]}` {
		t.Errorf("call = %s, %v", got, err)
	}
	_, err = ask(t, g, mcp.MethodCallTool, "one") // an own name on the common endpoint
	wantCode(t, err, jsonrpc.CodeInvalidParams)
}

func TestOwnNames(t *testing.T) {
	a := &scripted{name: "a", answers: listing("one")}
	g := newRig(t, CatalogConfig{}, Config{Own: "a"}, a, &scripted{name: "b", answers: listing("two")}).Gateway
	if got, _ := ask(t, g, mcp.MethodListTools, ""); got != `{"tools":[{"name":"one","inputSchema":{"type":"object"},"x":1}]}` {
		t.Errorf("list = %s", got)
	}
	for _, tool := range []string{"one", "unlisted"} {
		if got, err := ask(t, g, mcp.MethodCallTool, tool); err != nil || got != `{"content":[{"type":"text","text":"a got `+tool+`"}]}` {
			t.Errorf("call = %s, %v", got, err)
		}
	}
	a.answer("x/own", `{"own":true}`)
	if got, err := ask(t, g, "x/own", ""); err != nil || got != `{"own":true}` {
		t.Errorf("a method of its own = %s, %v", got, err)
	}
}

func TestFirstCallWaitsForNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := &scripted{name: "hung", answers: map[string]string{mcp.MethodListTools: "hang"}}
		r := newRig(t, CatalogConfig{}, Config{}, hung, &scripted{name: "a", answers: listing("one")})
		start := time.Now()
		if _, err := ask(t, r.Gateway, mcp.MethodCallTool, "a__one"); err != nil || time.Since(start) > 0 {
			t.Errorf("a call beside a hanging server took %v: %v", time.Since(start), err)
		}
		own := New(Config{Own: "hung"}, r.hub, r.catalog)
		if _, err := ask(t, own, mcp.MethodCallTool, "any"); err != nil || time.Since(start) > 0 {
			t.Errorf("a call by own name took %v: %v", time.Since(start), err)
		}
		r.catalog.Close()
	})
}

func TestRoutedCallIsOtherwiseUntouched(t *testing.T) {
	a := &scripted{name: "a", answers: listing("one")}
	g := newRig(t, CatalogConfig{}, Config{}, a).Gateway
	call := callOf(mcp.MethodCallTool, "a__one")
	call.Params = Raw(`{ "name":"a__one", "arguments":{"n":1.50}, "_meta":{"progressToken":7}, "later":[] }`)
	call.Arguments = Raw(`{"n":1.50}`)
	call.Input = rpc.Input{State: []byte("s")}
	if _, err := g.Handle(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	got := a.last()
	if want := `{ "name":"one", "arguments":{"n":1.50}, "_meta":{"progressToken":7}, "later":[] }`; string(got.Params) != want {
		t.Errorf("params %s, want %s", got.Params, want)
	}
	if got.Target != "one" || string(got.Input.State) != "s" || call.Target != "a__one" {
		t.Errorf("call %+v of %+v", got, call)
	}
}

func TestFiltersAndRenames(t *testing.T) {
	servers := map[string]Server{"a": {Tools: Selection{
		Include: []string{"read_*", "w?ite"}, Exclude: []string{"*secret*"},
		Rename:   map[string]string{"read_file": "read", "read_b": "read_c"},
		Describe: map[string]string{"write": "Writes."},
	}}}
	a := &scripted{name: "a", answers: listing("read_file", "read_secret", "write", "delete", "read_b", "read_c")}
	r := newRig(t, CatalogConfig{Servers: servers}, Config{}, a)
	own := New(Config{Own: "a"}, &subscription.Hub{}, r.catalog)

	want := []string{"a__read", "a__write", "a__read_c", withDigest("a__read_c", "a\x00read_c")}
	if diff := cmp.Diff(want, names(t, r.Gateway)); diff != "" {
		t.Errorf("common (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"read", "write", "read_c", withDigest("read_c", "read_c")}, names(t, own)); diff != "" {
		t.Errorf("own (-want +got):\n%s", diff)
	}
	if body, _ := ask(t, own, mcp.MethodListTools, ""); !strings.Contains(body, `"description":"Writes."`) {
		t.Errorf("the description is not the configured one: %s", body)
	}
	for _, tool := range []string{"read_secret", "delete", "read_file", "a__delete", "nothing"} {
		_, err := ask(t, own, mcp.MethodCallTool, tool)
		wantCode(t, err, jsonrpc.CodeInvalidParams)
		_, err = ask(t, r.Gateway, mcp.MethodCallTool, "a__"+tool)
		wantCode(t, err, jsonrpc.CodeInvalidParams)
	}
	for public, name := range map[string]string{"a__read": "read_file", "a__write": "write", "a__read_c": "read_b", want[3]: "read_c"} {
		if _, err := ask(t, r.Gateway, mcp.MethodCallTool, public); err != nil || a.last().Target != name {
			t.Errorf("%s led to %s, %v", public, a.last().Target, err)
		}
	}
}

func TestFilteredToolIsUnknownBeforeTheFirstList(t *testing.T) {
	a := &scripted{name: "a", answers: listing("one", "two")}
	own := newRig(t, CatalogConfig{Servers: map[string]Server{"a": {Tools: Selection{Exclude: []string{"two"}}}}}, Config{Own: "a"}, a).Gateway
	_, err := ask(t, own, mcp.MethodCallTool, "two")
	wantCode(t, err, jsonrpc.CodeInvalidParams)
	if a.count(mcp.MethodCallTool) != 0 {
		t.Error("the call reached the server")
	}
}

func TestVirtualEndpointsShareOneCatalog(t *testing.T) {
	a := &scripted{name: "a", answers: listing("one", "two", "admin")}
	b := &scripted{name: "b", answers: listing("one")}
	for _, s := range []*scripted{a, b} {
		s.answer(mcp.MethodListResources, `{"resources":[{"uri":"file:///`+s.name+`","name":"f"},{"uri":"file:///both","name":"of `+s.name+`"}]}`)
	}
	r := newRig(t, CatalogConfig{}, Config{}, a, b)
	for name, tc := range map[string]struct {
		cfg              Config
		tools, resources string
	}{
		"servers": {Config{Servers: []string{"b"}}, "b__one", "file:///b file:///both of b"},
		"include": {Config{Include: []string{"a__*"}, Exclude: []string{"*admin"}}, "a__one a__two", "file:///a file:///both of a"},
		"exclude": {Config{Exclude: []string{"a__*"}}, "b__one", "file:///b file:///both of b"},
		"nothing": {Config{Servers: []string{}}, "", ""},
	} {
		g := New(tc.cfg, &subscription.Hub{}, r.catalog)
		if got := strings.Join(names(t, g), " "); got != tc.tools {
			t.Errorf("%s: tools %q, want %q", name, got, tc.tools)
		}
		body, _ := ask(t, g, mcp.MethodListResources, "")
		for _, part := range strings.Fields(tc.resources) {
			if !strings.Contains(body, part) {
				t.Errorf("%s: resources %s lack %q", name, body, part)
			}
		}
		if strings.Count(body, "uri") != strings.Count(tc.resources, "file:") {
			t.Errorf("%s: resources %s, want %s", name, body, tc.resources)
		}
		if tc.tools != "a__one a__two" {
			_, err := ask(t, g, mcp.MethodCallTool, "a__one")
			wantCode(t, err, jsonrpc.CodeInvalidParams)
		}
	}
	if n := a.count(mcp.MethodListTools); n != 1 {
		t.Errorf("five endpoints asked the server %d times", n)
	}
}

func TestReadOfUnlistedResource(t *testing.T) {
	contents := `{"contents":[{"uri":"x","text":"here"}]}`
	a := &scripted{name: "a"}
	sick := &scripted{name: "sick", down: "crashed", answers: map[string]string{mcp.MethodReadResource: contents}}
	b := &scripted{name: "b", answers: map[string]string{mcp.MethodReadResource: contents}}
	asked := map[string]Server{}
	for _, name := range []string{"sick", "a", "b"} {
		asked[name] = Server{Resources: Selection{Unlisted: true}}
	}
	g := newRig(t, CatalogConfig{Servers: asked}, Config{}, sick, a, b).Gateway
	if got, err := ask(t, g, mcp.MethodReadResource, "x:unlisted"); err != nil || got != contents {
		t.Errorf("read = %s, %v", got, err)
	}
	if sick.count(mcp.MethodReadResource) != 0 || a.count(mcp.MethodReadResource) != 1 {
		t.Error("the sick server was tried, or the first healthy one was not")
	}
	a.status("crashed")
	b.status("crashed")
	if got, err := ask(t, g, mcp.MethodReadResource, "x:unlisted"); err != nil || got != contents {
		t.Errorf("with all servers down: %s, %v", got, err)
	}
	own := New(Config{Own: "a"}, &subscription.Hub{}, g.catalog)
	_, err := ask(t, own, mcp.MethodReadResource, "x:unlisted")
	wantCode(t, err, jsonrpc.CodeMethodNotFound) // the server's own error
}

func TestExcludedResourceIsNotReachedByTemplate(t *testing.T) {
	a := &scripted{name: "a", answers: map[string]string{
		mcp.MethodListResourceTemplates: `{"resourceTemplates":[{"uriTemplate":"file:///{path}","name":"f"}]}`,
		mcp.MethodReadResource:          `{"contents":[]}`,
	}}
	servers := map[string]Server{"a": {Resources: Selection{Exclude: []string{"file:///secret*"}}}}
	r := newRig(t, CatalogConfig{Servers: servers}, Config{}, a)
	for _, g := range []*Gateway{r.Gateway, New(Config{Own: "a"}, r.hub, r.catalog)} {
		if _, err := ask(t, g, mcp.MethodReadResource, "file:///open"); err != nil {
			t.Error(err)
		}
		_, err := ask(t, g, mcp.MethodReadResource, "file:///secrets")
		wantCode(t, err, jsonrpc.CodeInvalidParams)
	}
}

func TestComplete(t *testing.T) {
	a := &scripted{name: "a", answers: map[string]string{
		mcp.MethodListPrompts:           `{"prompts":[{"name":"greet"}]}`,
		mcp.MethodListResourceTemplates: `{"resourceTemplates":[{"uriTemplate":"x:{id}"}]}`,
		mcp.MethodComplete:              `{"completion":{"values":[]}}`,
	}}
	g := newRig(t, CatalogConfig{}, Config{}, a).Gateway
	for params, want := range map[string]string{
		`{"ref":{"type":"ref/prompt","name":"a__greet"},"argument":{}}`: `{"ref":{"type":"ref/prompt","name":"greet"},"argument":{}}`,
		`{"ref":{"type":"ref/resource","uri":"x:{id}"}}`:                `{"ref":{"type":"ref/resource","uri":"x:{id}"}}`,
		`{"ref":{"type":"ref/resource","uri":"x:7"}}`:                   `{"ref":{"type":"ref/resource","uri":"x:7"}}`,
	} {
		call := callOf(mcp.MethodComplete, "")
		call.Params, call.Client = Raw(params), nil
		if _, err := g.Handle(t.Context(), call); err != nil || string(a.last().Params) != want {
			t.Errorf("%s led to %s, %v", params, a.last().Params, err)
		}
	}
	for _, params := range []string{`{"ref":{"type":"ref/prompt","name":"greet"}}`, `{"ref":{"type":"ref/resource","uri":"y:1"}}`, `{"ref":{"type":"x"}}`, `{}`} {
		call := callOf(mcp.MethodComplete, "")
		call.Params = Raw(params)
		_, err := g.Handle(t.Context(), call)
		wantCode(t, err, jsonrpc.CodeInvalidParams)
	}
}

func TestDiscovery(t *testing.T) {
	a := &scripted{name: "a", answers: map[string]string{
		mcp.MethodDiscover: `{"capabilities":{"tools":{},"resources":{"subscribe":true},"x":1},"serverInfo":{"name":"a","version":"1"},"instructions":"hi"}`,
	}}
	b := &scripted{name: "b", answers: map[string]string{mcp.MethodDiscover: `{"capabilities":{"completions":{},"logging":{}},"serverInfo":{"name":"b","version":"1"}}`}}
	r := newRig(t, CatalogConfig{}, Config{Info: mcp.Implementation{Name: "h", Version: "1"}}, a, b)
	want := `{"capabilities":{"logging":{},"completions":{},"resources":{"subscribe":true,"listChanged":true},"tools":{"listChanged":true}},"serverInfo":{"name":"h","version":"1"},"instructions":"## Server a (tools a__*)\n\nhi"}`
	r.catalog.Warm(t.Context())
	for range 3 {
		if got, err := ask(t, r.Gateway, mcp.MethodDiscover, ""); err != nil || got != want {
			t.Errorf("discovery = %s, %v", got, err)
		}
	}
	own := New(Config{Own: "a"}, r.hub, r.catalog)
	want = `{"capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"x":1},"serverInfo":{"name":"a","version":"1"},"instructions":"hi"}`
	if got, err := ask(t, own, mcp.MethodDiscover, ""); err != nil || got != want {
		t.Errorf("own discovery = %s, %v", got, err)
	}
	if n := a.count(mcp.MethodDiscover); n != 1 {
		t.Errorf("the server was asked %d times", n)
	}
}

// TestDiscoveryIsBounded holds that a server cannot make every client carry more
// than so much, whether it is asked for the first time or again.
func TestDiscoveryIsBounded(t *testing.T) {
	long := strings.Repeat("ü", 10<<20)
	for name, tc := range map[string]struct {
		body string
		cut  string
	}{
		"instructions":   {`{"capabilities":{"tools":{},"x":1},"serverInfo":{"name":"a","version":"1"},"instructions":"` + long + `"}`, "instructions"},
		"odd characters": {`{"capabilities":{"tools":{}},"serverInfo":{"name":"a","version":"1"},"instructions":"` + strings.Repeat(`\u0001`, 1<<20) + `"}`, "all but"},
		"its own name":   {`{"capabilities":{"tools":{}},"serverInfo":{"name":"` + long + `","version":"` + long + `"},"instructions":"hi"}`, "name"},
		"experiments":    {`{"capabilities":{"tools":{},"experimental":{"x":"` + long + `"}},"serverInfo":{"name":"a","version":"1"}}`, "all but"},
		"extensions":     {`{"capabilities":{"tools":{},"extensions":{"x":{"y":"` + long + `"}}},"serverInfo":{"name":"a","version":"1"}}`, "all but"},
		"something else": {`{"capabilities":{"tools":{}},"serverInfo":{"name":"a","version":"1"},"later":"` + long + `"}`, "all but"},
	} {
		a := &scripted{name: "a", answers: map[string]string{mcp.MethodDiscover: tc.body}}
		bubble(t, CatalogConfig{Fresh: time.Second}, func(t *testing.T, r *rig) {
			own := New(Config{Own: "a"}, r.hub, r.catalog)
			for range 3 {
				got, err := ask(t, own, mcp.MethodDiscover, "")
				if err != nil || len(got) > maxDiscovery || !Raw(got).IsValid() || !strings.Contains(got, `"tools":{`) {
					t.Errorf("%s: %d bytes, %.100s, %v", name, len(got), got, err)
				}
				if text := text(Raw(got), "instructions"); tc.cut == "instructions" && (len(text) > maxInstructions || !strings.HasSuffix(text, "cut off here: they have 20971520 bytes, of which clients are told 65536.]")) {
					t.Errorf("%s: instructions of %d bytes", name, len(text))
				}
				time.Sleep(time.Minute)
				synctest.Wait()
			}
			if n := strings.Count(r.log.String(), "what the server says of itself was cut"); n != 1 {
				t.Errorf("%s: the cut was logged %d times", name, n)
			}
		}, a)
	}
	dead := &scripted{name: "dead", answers: map[string]string{mcp.MethodDiscover: `{"capabilities":{},"instructions":"` + long + `"}`}}
	r := newRig(t, CatalogConfig{}, Config{Own: "dead"}, dead)
	dead.fail(jsonrpc.NewError(jsonrpc.CodeInternal, "not yet"))
	r.catalog.Warm(t.Context())
	dead.fail(nil)
	if got, err := ask(t, r.Gateway, mcp.MethodDiscover, ""); err != nil || len(got) > maxDiscovery {
		t.Errorf("of a server never reached: %d bytes, %v", len(got), err)
	}
}

func TestTasksAreOfferedWhenOneServerHasThem(t *testing.T) {
	body := func(extension, tasks string) map[string]string {
		return map[string]string{mcp.MethodDiscover: `{"capabilities":{"tools":{},"extensions":{"` + mcp.ExtensionTasks + `":` + extension + `}` + tasks + `},"serverInfo":{"name":"x","version":"1"}}`}
	}
	without := &scripted{name: "a", answers: body("null", "")}
	with := &scripted{name: "b", answers: body("{}", `,"tasks":{"list":{}}`)}
	r := newRig(t, CatalogConfig{}, Config{}, without, with)
	r.catalog.Warm(t.Context())
	if got, _ := ask(t, r.Gateway, mcp.MethodDiscover, ""); strings.Contains(got, "null") || !strings.Contains(got, `"tasks":{"list":{}}`) {
		t.Errorf("with one that has tasks: %s", got)
	}
	g := New(Config{Servers: []string{"a"}}, r.hub, r.catalog)
	if got, _ := ask(t, g, mcp.MethodDiscover, ""); !strings.Contains(got, `"extensions":{"`+mcp.ExtensionTasks+`":null}`) || strings.Contains(got, `"tasks":`) {
		t.Errorf("with none that has tasks: %s", got)
	}
}

func TestDiscoveryOfServersNeverReached(t *testing.T) {
	dead := &scripted{name: "dead", err: jsonrpc.NewError(jsonrpc.CodeInternal, "no such program")}
	r := newRig(t, CatalogConfig{}, Config{}, dead)
	r.catalog.Warm(t.Context())
	got, err := ask(t, r.Gateway, mcp.MethodDiscover, "")
	if want := `{"capabilities":{"prompts":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"tools":{"listChanged":true}},"serverInfo":{"name":"","version":""}}`; err != nil || got != want {
		t.Errorf("discovery = %s, %v", got, err)
	}
	_, err = ask(t, New(Config{Own: "dead"}, r.hub, r.catalog), mcp.MethodDiscover, "")
	if err == nil || !strings.Contains(err.Error(), "no such program") {
		t.Errorf("the server's own endpoint says %v", err)
	}
}

func TestWatchesAreCounted(t *testing.T) {
	a := &scripted{name: "a", answers: map[string]string{mcp.MethodListResources: `{"resources":[{"uri":"x:1","name":"one"}]}`}}
	r := newRig(t, CatalogConfig{}, Config{}, a)
	own := New(Config{Own: "a"}, r.hub, r.catalog)
	for _, step := range []struct {
		g      *Gateway
		active bool
		want   string
	}{
		{r.Gateway, true, "x:1 true"}, {own, true, "x:1 true"}, {r.Gateway, false, "x:1 true"}, {r.Gateway, false, "x:1 true"},
		{own, false, "x:1 true x:1 false"}, {own, true, "x:1 true x:1 false x:1 true"},
	} {
		if err := step.g.Watch(t.Context(), "x:1", step.active); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(a.watched, " "); got != step.want {
			t.Fatalf("the server saw %q, want %q", got, step.want)
		}
	}
	wantCode(t, r.Watch(t.Context(), "y:2", true), jsonrpc.CodeInvalidParams)
	if err := r.Watch(t.Context(), "y:2", false); err != nil {
		t.Error(err)
	}
	if n := len(r.catalog.watches.by); n != 1 {
		t.Errorf("%d watches are kept", n)
	}
}

func TestRelease(t *testing.T) {
	a, b := &scripted{name: "a"}, &scripted{name: "b"}
	r := newRig(t, CatalogConfig{}, Config{Servers: []string{"b"}}, a, b)
	r.Release("s1")
	r.catalog.Release("s2")
	if diff := cmp.Diff([][]string{{"s2"}, {"s1", "s2"}}, [][]string{a.released, b.released}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRootsChanged(t *testing.T) {
	a, b := &scripted{name: "a"}, &scripted{name: "b"}
	r := newRig(t, CatalogConfig{}, Config{Servers: []string{"b"}}, a, b)
	r.RootsChanged("s1")
	if diff := cmp.Diff([][]string{nil, {"s1"}}, [][]string{a.roots, b.roots}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestToolHeaders(t *testing.T) {
	a := &scripted{name: "a", answers: map[string]string{mcp.MethodListTools: `{"tools":[
		{"name":"t","inputSchema":{"type":"object","properties":{"r":{"type":"string","x-mcp-header":"Region"}}}},
		{"name":"bad","inputSchema":{"type":"object","properties":{"n":{"type":"number","x-mcp-header":"N"}}}}]}`}}
	r := newRig(t, CatalogConfig{}, Config{}, a)
	own := New(Config{Own: "a"}, r.hub, r.catalog)
	for g, tool := range map[*Gateway]string{r.Gateway: "a__t", own: "t"} {
		if h := g.ToolHeaders(t.Context(), tool); len(h) != 1 || h[0].Header != "Mcp-Param-Region" {
			t.Errorf("headers of %s: %v", tool, h)
		}
		if h := g.ToolHeaders(t.Context(), "none"); h != nil {
			t.Errorf("headers of no tool: %v", h)
		}
	}
	_, err := ask(t, own, mcp.MethodCallTool, "bad")
	wantCode(t, err, jsonrpc.CodeInvalidParams)
	if !strings.Contains(r.log.String(), "tool=bad") || !strings.Contains(r.log.String(), "server=a") {
		t.Errorf("log %s", r.log)
	}
}
