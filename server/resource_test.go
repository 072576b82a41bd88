// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"strings"
	"testing"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// reads answers with a variable of the template.
func reads(name string) ResourceHandler {
	return func(_ context.Context, req *Request) (*mcp.ReadResourceResult, error) {
		return TextResource("", "<"+req.Var(name)+">"), nil
	}
}

func TestVariablesSmuggleNothing(t *testing.T) {
	tests := []struct {
		template, uri, text string // no text: not found
	}{
		{"file:///docs/{name}", "file:///docs/a.txt", "<a.txt>"},
		{"file:///docs/{name}", "file:///docs/..txt", "<..txt>"},
		{"file:///docs/{name}", "file:///docs/a%20b", "<a b>"},
		{"file:///docs/{name}", "file:///docs/..%2F..%2Fetc%2Fpasswd", ""},
		{"file:///docs/{name}", "file:///docs/a%2fb", ""},
		{"file:///docs/{name}", "file:///docs/..", ""},
		{"file:///docs/{name}", "file:///docs/%2e%2E", ""},
		{"file:///docs/{name}", "file:///docs/..%5C..%5Cboot.ini", ""},
		{"file:///docs/{name}", "file:///docs/a%00b", ""},
		{"file:///docs/{name}", "file:///docs/%FF", ""},
		{"file:///docs{/name*}", "file:///docs/a/b", "<a,b>"},
		{"file:///docs{/name*}", "file:///docs/a/../b", ""},
		{"file:///docs{/name*}", "file:///docs/a/x%2Fy", ""},
		{"file:///docs/{.name}", "file:///docs/.%2Fx", ""},
		{"file:///docs{;name}", "file:///docs;name=..%2Fx", ""},
		{"file:///docs/{+name}", "file:///docs/a/../b", "<a/../b>"},
		{"file:///docs/{+name}", "file:///docs/a%2Fb", "<a/b>"},
		{"file:///docs/{+name}", "file:///docs/a%00b", ""},
		{"file:///docs/{+name}", "file:///docs/%C3", ""},
		{"x:docs{?name}", "x:docs?name=tcp%2Fip", "<tcp/ip>"},
		{"x:docs{?name}", "x:docs?name=..%2Fx", ""},
		{"x:docs{#name}", "x:docs#a/b", "<a/b>"},
	}
	for _, tt := range tests {
		s := New("test", "1")
		s.AddResourceTemplate(mcp.ResourceTemplate{URITemplate: tt.template, Name: "t"}, reads("name"))
		got := request(t, s, "resources/read", `{"uri":"`+tt.uri+`"}`)
		if tt.text == "" && !strings.HasPrefix(got, "-32602 ") || tt.text != "" && !strings.Contains(got, `"text":"`+tt.text+`"`) {
			t.Errorf("%s of %s: %s, want %s", tt.uri, tt.template, got, tt.text)
		}
	}
}

func TestWhatOneTemplateRefusesAnotherMayTake(t *testing.T) {
	s := New("test", "1")
	s.AddResourceTemplate(mcp.ResourceTemplate{URITemplate: "x:{name}", Name: "one"}, reads("name"))
	s.AddResourceTemplate(mcp.ResourceTemplate{URITemplate: "x:{+path}", Name: "all"}, reads("path"))
	if got := request(t, s, "resources/read", `{"uri":"x:a%2Fb"}`); !strings.Contains(got, `"<a/b>"`) {
		t.Error(got)
	}
}

func TestURIsBeyondASCIIHaveTwoSpellings(t *testing.T) {
	for _, written := range []string{"x://café/menu 1", "x://caf%C3%A9/menu%201", "x://caf%c3%a9/menu%201"} {
		for _, asked := range []string{"x://café/menu 1", "x://caf%C3%A9/menu%201", "x://caf%c3%a9/menu 1", "x://café/men%75%201"} {
			s := New("test", "1")
			s.AddResource(mcp.Resource{URI: written, Name: "direct"}, reads("none"))
			s.AddResourceTemplate(mcp.ResourceTemplate{URITemplate: written + "/{n}", Name: "t"}, reads("n"))
			for uri, text := range map[string]string{asked: "<>", asked + "/größe": "<größe>", asked + "/gr%C3%B6%C3%9Fe": "<größe>"} {
				if got := request(t, s, "resources/read", `{"uri":"`+uri+`"}`); !strings.Contains(got, `"uri":"`+uri+`"`) || !strings.Contains(got, text) {
					t.Errorf("%s written as %s: %s", uri, written, got)
				}
			}
		}
	}
	s := New("test", "1")
	var heard []string
	s.forward(func(c rpc.Change) { heard = append(heard, c.URI) })
	s.ResourceUpdated("x://caf%C3%A9")
	s.ResourceUpdated("x://tea")
	want(t, strings.Join(heard, " "), "x://caf%C3%A9 x://café x://tea")
}

func TestReservedCharactersAreNotTheirEscapes(t *testing.T) {
	s := New("test", "1")
	s.AddResource(mcp.Resource{URI: "x://a/b", Name: "r"}, reads(""))
	s.AddResourceTemplate(mcp.ResourceTemplate{URITemplate: "x://é/{n}", Name: "t"}, reads("n"))
	for _, uri := range []string{"x://a%2Fb", "x://é%2F1", "x:%2F%2Fa/b"} {
		if got := request(t, s, "resources/read", `{"uri":"`+uri+`"}`); !strings.HasPrefix(got, "-32602 ") {
			t.Errorf("%s: %s", uri, got)
		}
	}
}
