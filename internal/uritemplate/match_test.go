// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package uritemplate

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustParse(t testing.TB, text string) *Template {
	t.Helper()
	tmpl, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

// values are the variables of the specification's examples that are single texts.
//
// RFC 6570 section 3.2.
var values = map[string]string{
	"var": "value", "hello": "Hello World!", "half": "50%", "base": "http://example.com/home/", "path": "/foo/bar",
	"x": "1024", "y": "768", "empty": "", "who": "fred", "dub": "me/too", "v": "6", "dom": "example", "semi": ";", "ue": "größe",
}

// ambiguous are the examples whose expansion can be read in another way too.
var ambiguous = []string{"up{+path}{var}/here", "?{undef,y}", "{.who,who}", "{.half,who}"}

// TestExamples are the specification's own expansions of single texts. What a
// template expands to it matches, with the same values.
//
// RFC 6570 sections 3.2.2 to 3.2.9.
func TestExamples(t *testing.T) {
	for text, want := range map[string]string{
		"{var}": "value", "{hello}": "Hello%20World%21", "{half}": "50%25", "O{empty}X": "OX", "O{undef}X": "OX",
		"{x,y}": "1024,768", "{x,hello,y}": "1024,Hello%20World%21,768", "?{x,empty}": "?1024,", "?{x,undef}": "?1024",
		"?{undef,y}": "?768", "{var:3}": "val", "{var:30}": "value", "{ue:4}": "gr%C3%B6%C3%9F",
		"{+var}": "value", "{+hello}": "Hello%20World!", "{+half}": "50%25", "{base}index": "http%3A%2F%2Fexample.com%2Fhome%2Findex",
		"{+base}index": "http://example.com/home/index", "O{+empty}X": "OX", "{+path}/here": "/foo/bar/here", "here?ref={+path}": "here?ref=/foo/bar",
		"up{+path}{var}/here": "up/foo/barvalue/here", "{+x,hello,y}": "1024,Hello%20World!,768", "{+path,x}/here": "/foo/bar,1024/here",
		"{+path:6}/here": "/foo/b/here",
		"{#var}":         "#value", "{#hello}": "#Hello%20World!", "foo{#empty}": "foo#", "foo{#undef}": "foo", "{#x,hello,y}": "#1024,Hello%20World!,768",
		"{.who}": ".fred", "{.who,who}": ".fred.fred", "{.half,who}": ".50%25.fred", "www{.dom}": "www.example", "X{.var:3}": "X.val", "X{.empty}": "X.",
		"{/who}": "/fred", "{/half,who}": "/50%25/fred", "{/who,dub}": "/fred/me%2Ftoo", "{/var,empty}": "/value/", "{/var,x}/here": "/value/1024/here",
		"{/var:1,var}": "/v/value",
		"{;who}":       ";who=fred", "{;half}": ";half=50%25", "{;empty}": ";empty", "{;v,empty,who}": ";v=6;empty;who=fred", "{;x,y,empty}": ";x=1024;y=768;empty",
		"{;hello:5}": ";hello=Hello",
		"{?who}":     "?who=fred", "{?x,y}": "?x=1024&y=768", "{?x,y,empty}": "?x=1024&y=768&empty=", "{?x,y,undef}": "?x=1024&y=768", "{?var:3}": "?var=val",
		"?fixed=yes{&x}": "?fixed=yes&x=1024", "{&var:3}": "&var=val",
		"größe://{x}": "gr%C3%B6%C3%9Fe://1024",
	} {
		tmpl := mustParse(t, text)
		if got := tmpl.Expand(values); got != want {
			t.Errorf("%s expands to %q, want %q", text, got, want)
		}
		got, ok := tmpl.Match(want)
		if !ok || !tmpl.Matches(want) {
			t.Errorf("%s does not match its own %q", text, want)
		}
		if slices.Contains(ambiguous, text) {
			continue
		}
		for name, value := range got {
			name, _, prefix := strings.Cut(name, ":")
			if want := values[name]; value != want && !(prefix && strings.HasPrefix(want, value)) {
				t.Errorf("%s: %s is %q, want %q", text, name, value, want)
			}
		}
	}
}

// TestSeveralValues are the specification's expansions of lists and maps, and how
// they are read.
func TestSeveralValues(t *testing.T) {
	for _, tc := range []struct{ template, uri, want string }{
		{"{list}", "red,green,blue", "list=red,green,blue"},
		{"{list*}", "red,green,blue", "list=red,green,blue"},
		{"{keys*}", "semi=%3B,dot=.,comma=%2C", "keys=semi=;,dot=.,comma=,"},
		{"{+keys*}", "semi=;,dot=.,comma=,", "keys=semi=;,dot=.,comma=,"},
		{"X{.list*}", "X.red.green.blue", "list=red,green,blue"},
		{"{/list*}", "/red/green/blue", "list=red,green,blue"},
		{"{/list*,path:4}", "/red/green/blue/%2Ffoo", "list=red,green,blue path:4=/foo"},
		{"{/keys*}", "/semi=%3B/dot=./comma=%2C", "keys=semi=;,dot=.,comma=,"},
		{"{;list*}", ";list=red;list=green;list=blue", "list=red,green,blue"},
		{"{;keys}", ";keys=semi,%3B,dot,.", "keys=semi,;,dot,."},
		{"{;keys*}", ";semi=%3B;dot", "keys=semi=;,dot"},
		{"{?list*}", "?list=red&list=green", "list=red,green"},
		{"{?keys*}", "?semi=%3B&dot=.", "keys=semi=;,dot=."},
		{"{x}{y}", "abc", "x=abc y="},
		{"{x}/{x}", "a/b", "x=a"},
		{"repo://{owner}/{repo}/contents{/path*}", "repo://o/r/contents/a/b.go", "owner=o path=a,b.go repo=r"},
		{"file:///{+path}", "file:///a/b c/größe", "path=a/b c/größe"},
		{"term/{term:1}/{term}", "term/c/cat", "term=cat term:1=c"},
		{"u/{user-id}", "u/7", "user-id=7"},
		{"größe:{x}", "größe:1", "x=1"},
		{"gr%C3%B6ße:{x}", "grö%C3%9f%65:1", "x=1"},
		{"gr%C3%B6ße:{x}", "grö%C3%9fe:1", "x=1"},
		{"users:{id}/{at}", "users:me@example.com/10:30", "at=10:30 id=me@example.com"},
	} {
		got, ok := mustParse(t, tc.template).Match(tc.uri)
		if !ok || inOrder(got) != tc.want {
			t.Errorf("%s of %s: %q, %v, want %q", tc.template, tc.uri, inOrder(got), ok, tc.want)
		}
	}
}

// inOrder writes values as name=value, in the order of the names.
func inOrder(values map[string]string) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		all = append(all, name+"="+values[name])
	}
	return strings.Join(all, " ")
}

func TestWhatDoesNotMatch(t *testing.T) {
	for text, uris := range map[string][]string{
		"x:{id}":             {"", "x", "X:1", "y:1", "x:a/b", "x:a?b", "x:100%", "x:%zz", "x:\x00"},
		"x:{id:2}":           {"x:abc", "x:a,b", "x:%C3%B6%C3%B6%C3%B6"},
		"x:{/a,b}/end":       {"x:/a/b/c/end", "x:end", "x:/a"},
		"x:{?a,b}":           {"x:?b=1&a=2", "x:?", "x:?a=1&", "x:?c=1", "x:?a=1b=2", "x:&a=1"},
		"x:{;a*}":            {"x:;b=1,c", "x:b=1"},
		"x:{#a}":             {"x:a", "x:a#"},
		"file:///{path}.txt": {"file:///a.tx", "file:///.text", "file:///a/b.txt"},
		"x:{&a*}":            {"x:&a", "x:&"},
	} {
		for _, uri := range uris {
			if got, ok := mustParse(t, text).Match(uri); ok {
				t.Errorf("%s matches %q: %v", text, uri, got)
			}
		}
	}
}

func TestBadTemplates(t *testing.T) {
	for text, want := range map[string]string{
		"x:{":                                 "byte 3: expression without an end",
		"x:{a":                                "byte 3: expression without an end",
		"x:}":                                 `byte 3: "}" cannot stand here`,
		"x\n:{a}":                             `byte 2: "\n" cannot stand here`,
		"50%{a}":                              `byte 3: "%" cannot stand here`,
		"x:{}":                                "byte 3: empty expression",
		"x:{=a}":                              `byte 3: operator "=" is reserved`,
		"x:{+}":                               "byte 3: a variable's name",
		"x:{a,}":                              "byte 3: a variable's name",
		"x:{a b}":                             "byte 3: a variable's name",
		"x:{a{b}}":                            "byte 3: a variable's name",
		"x:{a:0}":                             "byte 3: prefix of 1 bytes is not a number from 1 to 9999",
		"x:{a:x}":                             "prefix",
		"x:{a:}":                              "prefix",
		"x:{a:+1}":                            "prefix",
		"x:{a:10000}":                         "prefix",
		"x:{a*:3}":                            "a variable's name",
		"\xff":                                "not valid UTF-8",
		strings.Repeat("x", MaxTemplate+1):    "over the limit of 2048",
		strings.Repeat("{a}", MaxVariables+1): "more than 64 variables",
		"{a" + strings.Repeat(",a", MaxVariables) + "}": "more than 64 variables",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

func TestNames(t *testing.T) {
	tmpl := mustParse(t, "x://{a}/{b:3}{?c*,a}#{d.e}")
	if diff := cmp.Diff([]string{"a", "b", "c", "d.e"}, tmpl.Names()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if tmpl.Prefix() != "x://" || tmpl.String() != "x://{a}/{b:3}{?c*,a}#{d.e}" {
		t.Errorf("prefix %q of %q", tmpl.Prefix(), tmpl)
	}
}

// hostile are the shapes that make matchers slow: adjacent variables, lists and
// long runs of what all of them accept.
var hostile = []struct{ template, piece string }{
	{"repo://{owner}/{repo}/contents{/path*}", "/a"},
	{"repo://o{a}{b}{c}{d}{e}{f}", "a"},
	{"repo://o" + strings.Repeat("{a}", MaxVariables), "a"},
	{"repo://o" + strings.Repeat("{a:9999}", MaxVariables), "a"},
	{"repo://o{+a}{+b}{+c}", "/,"},
	{"repo://o{/a*}{/b*}{/c*}", "/"},
	{"repo://o{?a*,b*,c*}", "a=b&"},
	{"repo://o{;a*}{;b*}", ";"},
	{"repo://o{a,b,c,d,e}", ","},
	{"repo://o{a:100}{b:100}x", "%C3%B6"},
}

// TestCostIsBounded holds the matcher to a number of steps that does not depend
// on what the template and the URI hold.
func TestCostIsBounded(t *testing.T) {
	for _, h := range hostile {
		tmpl := mustParse(t, h.template)
		uri := "repo://o" + strings.Repeat(h.piece, MaxURI)
		uri = uri[:MaxURI]
		if got, most := tmpl.Cost(uri), 16*(MaxVariables+1)*(MaxURI+1); got > most {
			t.Errorf("%.40s takes %d steps, more than %d", h.template, got, most)
		}
		tmpl.Match(uri) // ends
		if tmpl.Cost(uri+"a") != 0 || tmpl.Matches(uri+"a") {
			t.Errorf("%.40s looks at a URI over the limit", h.template)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, bm := range []struct{ name, template, uri string }{
		{"github", "repo://{owner}/{repo}/contents{/path*}", "repo://holdfast-mcp/holdfast/contents/internal/gateway/view.go"},
		{"prefix", "repo://{owner}/{repo}/contents{/path*}", "file:///srv/data/reports/2026/summary.md"},
		{"longest", "repo://{owner}/{repo}/contents{/path*}", "repo://o/r/contents" + strings.Repeat("/a", (MaxURI-19)/2)},
		{"hostile", hostile[2].template, "repo://o" + strings.Repeat("a", MaxURI-8)},
	} {
		b.Run(bm.name, func(b *testing.B) {
			tmpl := mustParse(b, bm.template)
			b.ReportAllocs()
			for b.Loop() {
				tmpl.Matches(bm.uri)
			}
			if steps := tmpl.Cost(bm.uri); steps > 0 {
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(steps), "ns/step")
			}
		})
	}
}
