// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// spellings are ways to write what an exclusion leaves out, by the exclusion.
var spellings = map[string][]string{
	"file:///secret/*": {
		"file:///secret/x", "file:///secret//x", "FILE:///secret/x", "File:///secret/x", "file:///SECRET/x",
		"file:///./secret/x", "file:///a/../secret/x", "file:///../secret/x", "file:///secret/./x", "file:///secret/a/../x", "file:///pub/../secret/x",
		"file:///%73ecret/x", "file:///%53ecret/x", "file:///secret%2fx", "file:///secret%2Fx", "file:///%2e/secret/x", "file:///a/%2e%2e/secret/x",
		"file:///a%2f..%2fsecret/x", "file:///a/.%2e/secret/x", "file:///%2573ecret/x", "file:///%252e%252e/secret/x",
		"file://localhost/secret/x", "file://LOCALHOST/secret/x", "file://127.0.0.1/secret/x", "file://[::1]/secret/x", "file://user@localhost/secret/x",
		"file://localhost:80/secret/x", "file:/secret/x", "file:secret/x", "file:////secret/x", "file://///secret/x", "file://secret/x", "file://./secret/x",
		" file:///secret/x", "file:///secret/x ", "\tfile:///secret/x", "file:///secret/x\n", "file:///secret/x\x00", "file:///sec\x00ret/x", "fi\tle:///secret/x",
		"file:///sec%00ret/x", "file:///secret/x%00", "file:///sec\u200bret/x", "file:///sec%E2%80%8Bret/x", "\ufefffile:///secret/x",
		`file:///secret\x`, `file:\\\secret\x`, "file:///a%5c..%5csecret/x", "file:///secret./x", "file:///secret%20/x", "file:///secret /x",
		"file:///secret/x?", "file:///secret/x?a=b", "file:///secret/x#f", "file:///a?/../secret/x", "file:///a#/../secret/x", "file:///a%3f/../secret/x",
	},
	"file:///etc/key.pem": {
		"file:///etc/key.pem", "file:///etc/key.pem/", "file:///etc/key.pem?x", "file:///etc/key.pem#", "file:///etc/key.pem/.", "file:///etc/KEY.pem",
		"file:///etc/key.pem.", "file:///etc/key%2Epem", "file:///etc/x/../key.pem", "file://etc/key.pem",
	},
	"FILE:////var//Log/*": {"file:///var/log/a", "file:/var/LOG/a", "FILE:////var//Log/a"},
	"notes://secret/*": {
		"notes://secret/1", "NOTES://secret/1", "notes://SECRET/1", "notes:secret/1", "notes:/secret/1", "notes:///secret/1", "notes://pub/../secret/1",
		"notes://me@secret/1", "notes://secret//1", "notes://%73ecret/1", "notes://./secret/1", "notes://secret/1?x", "notes://secret%2f1",
	},
	"https://host/private*": {
		"https://host/private", "https://HOST/private/x", "https://host:443/private", "https://u:p@host/private", "https://host//private", "https://host/a/../private",
	},
	"*secret*": {"x:a-secret", "x:SECRET", "x:%73ecret", "x:sec\u00adret", "x:sec%2572et"},
}

// harmless are URIs that look like some of those and are not.
var harmless = []string{
	"file:///secrets/x", "file:///pub/x", "file:///pub/secret.txt", "file:///pub/a%20b", "file:///pub/?q=/secret/x", "file:///etc/key.pem2",
	"notes://secretary/1", "notes://pub/secret/1", "https://host/public", "https://other/private", "x:open", "file:///pub/größe", "file:///",
}

// TestExclusionsMeanEverySpelling reads every spelling by way of templates that
// match anything: no list has it, and a server would understand it.
func TestExclusionsMeanEverySpelling(t *testing.T) {
	templates := []string{"file:{+path}", "FILE:{+path}", "File:{+path}", "notes:{+path}", "NOTES:{+path}", "https:{+path}", "x:{+path}", "{+any}"}
	for pattern, uris := range spellings {
		a := reading("a", templates...)
		excluding := map[string]Server{"a": {Resources: Selection{Exclude: []string{pattern}}}}
		common := newRig(t, CatalogConfig{Servers: excluding}, Config{}, a)
		all := newRig(t, CatalogConfig{}, Config{Exclude: []string{pattern}}, reading("a", templates...))
		prefixed := newRig(t, CatalogConfig{}, Config{Exclude: []string{"a__" + pattern}}, reading("a", templates...))
		for name, g := range map[string]*Gateway{
			"common": common.Gateway, "own": New(Config{Own: "a"}, &subscription.Hub{}, common.catalog), "view": all.Gateway, "view by prefix": prefixed.Gateway,
		} {
			for _, uri := range uris {
				_, err := ask(t, g, mcp.MethodReadResource, uri)
				wantCode(t, err, jsonrpc.CodeInvalidParams)
				if err == nil {
					t.Errorf("%s: exclude %q lets %q pass", name, pattern, uri)
				}
				if g.Watch(t.Context(), uri, true) == nil {
					t.Errorf("%s: exclude %q lets %q be watched", name, pattern, uri)
				}
			}
		}
		if n := a.count(mcp.MethodReadResource) + len(a.watched); n != 0 {
			t.Errorf("exclude %q: the server was asked %d times", pattern, n)
		}
	}
}

func TestExclusionsMeanNothingElse(t *testing.T) {
	var exclude []string
	for pattern := range spellings {
		if pattern != "*secret*" {
			exclude = append(exclude, pattern)
		}
	}
	a := reading("a", "file:{+path}", "notes:{+path}", "https:{+path}", "x:{+path}")
	g := newRig(t, CatalogConfig{Servers: map[string]Server{"a": {Resources: Selection{Exclude: exclude}}}}, Config{}, a).Gateway
	for _, uri := range harmless {
		if _, err := ask(t, g, mcp.MethodReadResource, uri); err != nil {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

// TestInclusionsAreNotLeft holds that a template which is included does not lead
// out of what is.
func TestInclusionsAreNotLeft(t *testing.T) {
	servers := map[string]Server{"a": {Resources: Selection{Include: []string{"file:///pub/*"}}}}
	a := reading("a", "file:///pub/{+path}", "file:///{+path}")
	a.answer(mcp.MethodListResources, `{"resources":[{"uri":"FILE:///pub/1","name":"1"},{"uri":"file:///pub/../secret","name":"2"},{"uri":"file:///pub/a/../2","name":"3"},{"uri":"file:///x","name":"4"}]}`)
	r := newRig(t, CatalogConfig{Servers: servers}, Config{}, a)
	for _, g := range []*Gateway{r.Gateway, New(Config{Own: "a"}, &subscription.Hub{}, r.catalog)} {
		body, err := ask(t, g, mcp.MethodListResources, "")
		if err != nil || strings.Count(body, `"uri"`) != 2 || !strings.Contains(body, "FILE:///pub/1") || !strings.Contains(body, "file:///pub/a/../2") {
			t.Errorf("list %s, %v", body, err)
		}
		if body, _ = ask(t, g, mcp.MethodListResourceTemplates, ""); strings.Count(body, `"uriTemplate"`) != 1 {
			t.Errorf("templates %s", body)
		}
		for _, uri := range []string{"file:///pub/x", "FILE:///pub/1", "file:///pub/a%20b", "file:///pub/a/b?c"} {
			if _, err := ask(t, g, mcp.MethodReadResource, uri); err != nil {
				t.Errorf("%s: %v", uri, err)
			}
		}
		for _, uri := range []string{
			"file:///pub/../secret", "file:///pub/%2e%2e/secret", "file:///pub/..%2fsecret", "file:///pub/x?/../../secret", `file:///pub/..\secret`,
			"file:///pub/%252e%252e/secret", "file:///x", "file:///pub", "x:other", "file:///pub/.\x00./secret",
		} {
			_, err := ask(t, g, mcp.MethodReadResource, uri)
			wantCode(t, err, jsonrpc.CodeInvalidParams)
		}
	}
}

// TestSelectedToolsAreExact holds that no other spelling of a name reaches a
// server from which something is left out.
func TestSelectedToolsAreExact(t *testing.T) {
	for name, pick := range map[string]Selection{"exclude": {Exclude: []string{"sh", "p2"}}, "include": {Include: []string{"ls", "p1"}}} {
		a := &scripted{name: "a", answers: map[string]string{
			mcp.MethodListTools: toolsBody("sh", "ls"), mcp.MethodListPrompts: `{"prompts":[{"name":"p1"},{"name":"p2"}]}`, mcp.MethodGetPrompt: `{"messages":[]}`,
		}}
		r := newRig(t, CatalogConfig{Servers: map[string]Server{"a": {Tools: pick, Prompts: pick}}}, Config{}, a)
		own := New(Config{Own: "a"}, &subscription.Hub{}, r.catalog)
		for _, tool := range []string{"sh", "SH", "Sh", "sh ", " sh", "sh\x00", "\x00sh", "sh\n", "s\u200bh", "./sh", "sh/", "ｓｈ", "%73h", "", "a__sh", "unlisted"} {
			for _, call := range []struct {
				g            *Gateway
				method, name string
			}{{own, mcp.MethodCallTool, tool}, {r.Gateway, mcp.MethodCallTool, "a__" + tool}, {own, mcp.MethodGetPrompt, strings.ReplaceAll(tool, "sh", "p2")}} {
				_, err := ask(t, call.g, call.method, call.name)
				wantCode(t, err, jsonrpc.CodeInvalidParams)
			}
		}
		if n := a.count(mcp.MethodCallTool) + a.count(mcp.MethodGetPrompt); n != 0 {
			t.Errorf("%s: %d calls reached the server", name, n)
		}
		if _, err := ask(t, own, mcp.MethodCallTool, "ls"); err != nil {
			t.Error(err)
		}
	}
}

// TestExcludedValuesAreNotCompleted holds that a completion does not show what a
// list would not.
func TestExcludedValuesAreNotCompleted(t *testing.T) {
	a := reading("a", "file:///{path}", "repo://{owner}/{name}")
	a.answer(mcp.MethodComplete, `{"completion":{"values":["secret","pub","Secret"],"total":3,"hasMore":false}}`)
	servers := map[string]Server{"a": {Resources: Selection{Exclude: []string{"file:///secret*", "repo://secret/*", "repo://pub/secret"}}}}
	g := newRig(t, CatalogConfig{Servers: servers}, Config{}, a).Gateway
	for params, want := range map[string]string{
		`{"ref":{"type":"ref/resource","uri":"file:///{path}"},"argument":{"name":"path","value":""}}`:                                                     `["pub"]`,
		`{"ref":{"type":"ref/resource","uri":"repo://{owner}/{name}"},"argument":{"name":"owner","value":""}}`:                                             `["pub"]`,
		`{"ref":{"type":"ref/resource","uri":"repo://{owner}/{name}"},"argument":{"name":"name","value":""}}`:                                              `["secret","pub","Secret"]`,
		`{"ref":{"type":"ref/resource","uri":"repo://{owner}/{name}"},"argument":{"name":"name","value":""},"context":{"arguments":{"owner":"pub"}}}`:      `["pub"]`,
		`{"ref":{"type":"ref/resource","uri":"repo://{owner}/{name}"},"argument":{"name":"name","value":""},"context":{"arguments":{"owner":"%73ecret"}}}`: `[]`,
		`{"ref":{"type":"ref/resource","uri":"repo://{owner}/{name}"},"argument":{"name":"name","value":""},"context":{"arguments":{"owner":"secret"}}}`:   `[]`,
	} {
		call := callOf(mcp.MethodComplete, "")
		call.Params = Raw(params)
		res, err := g.Handle(t.Context(), call)
		completion, _ := jsonrpc.Get(res.Body, "completion")
		if values, _ := jsonrpc.Get(completion, "values"); err != nil || string(values) != want {
			t.Errorf("%s: %s, %v, want %s", params, res.Body, err, want)
		}
	}
}

// TestSkillsAreNotShownBesideASelection holds that methods which show resources
// without a list show none where resources are left out.
func TestSkillsAreNotShownBesideASelection(t *testing.T) {
	methods := []string{mcp.MethodListSkills, mcp.MethodGetSkill, mcp.MethodReadDirectory}
	a := &scripted{name: "a", answers: map[string]string{
		mcp.MethodDiscover: `{"capabilities":{"resources":{},"extensions":{"` + mcp.ExtensionSkills + `":{}}},"serverInfo":{"name":"a","version":"1"}}`,
	}}
	for _, m := range methods {
		a.answer(m, `{}`)
	}
	for _, pick := range []Selection{{}, {Exclude: []string{"x:*"}}} {
		g := newRig(t, CatalogConfig{Servers: map[string]Server{"a": {Resources: pick}}}, Config{Own: "a"}, a).Gateway
		for _, m := range methods {
			if _, err := ask(t, g, m, ""); (err == nil) != (pick.Exclude == nil) {
				t.Errorf("%s with exclude %v: %v", m, pick.Exclude, err)
			}
		}
		denied := `"` + mcp.ExtensionSkills + `":null`
		if body, err := ask(t, g, mcp.MethodDiscover, ""); err != nil || strings.Contains(body, denied) == (pick.Exclude == nil) {
			t.Errorf("discovery with exclude %v: %s, %v", pick.Exclude, body, err)
		}
	}
}

// FuzzSpelling checks that a URI's spellings are those of its normal form too, and
// that what a pattern takes literally it takes in every case.
func FuzzSpelling(f *testing.F) {
	for _, uris := range spellings {
		for _, uri := range uris {
			f.Add(uri)
		}
	}
	f.Fuzz(func(t *testing.T, uri string) {
		if len(uri) > 300 || !utf8.ValidString(uri) || strings.Contains(uri, separator) {
			return
		}
		once := spell(uri, false)
		if again := spell(once.normal, false); !once.odd && again.normal != once.normal {
			t.Fatalf("%q: normal form %q becomes %q", uri, once.normal, again.normal)
		}
		if decoded, _ := decode(uri); strings.ContainsAny(uri+decoded, "*?") || uri == "" {
			return // a pattern with wildcards, which mean more than themselves
		}
		exclude := newFilter(nil, []string{uri})
		for _, other := range []string{uri, strings.ToUpper(uri), once.normal} {
			if other != "" && exclude.takesInstance(other, "") && !strings.ContainsAny(other, "?#") {
				t.Fatalf("exclude %q lets %q pass", uri, other)
			}
		}
	})
}
