// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

func TestResources(t *testing.T) {
	s := New("test", "1", CacheLists(time.Minute, mcp.CachePublic))
	s.AddResource(mcp.Resource{URI: "note://one", Name: "One", MIMEType: "text/plain"}, func(context.Context, *Request) (*mcp.ReadResourceResult, error) {
		return TextResource("", ""), nil
	}, Cache(2*time.Second, mcp.CachePublic))
	s.AddResource(mcp.Resource{URI: "note://empty", Name: "Empty"}, func(context.Context, *Request) (*mcp.ReadResourceResult, error) {
		return &mcp.ReadResourceResult{}, nil
	})
	s.AddResourceTemplate(mcp.ResourceTemplate{URITemplate: "note://{folder}/{id}", Name: "Notes"}, func(_ context.Context, req *Request) (*mcp.ReadResourceResult, error) {
		if req.Var("id") == "none" {
			return nil, NotFound(req.URI())
		}
		return BlobResource("image/png", nil), nil
	})
	want(t, request(t, s, "resources/read", `{"uri":"note://one"}`), `{"contents":[{"uri":"note://one","mimeType":"text/plain","text":""}]}`)
	want(t, request(t, s, "resources/read", `{"uri":"note://a/7"}`), `{"contents":[{"uri":"note://a/7","mimeType":"image/png","blob":""}]}`)
	for _, uri := range []string{"note://a/none", "note://two", "note://empty", "", "note://a/b/c"} {
		want(t, request(t, s, "resources/read", `{"uri":"`+uri+`"}`), fmt.Sprintf(`-32602 resource %q not found {"uri":%q}`, uri, uri))
	}
	want(t, request(t, s, "resources/list", `{}`), `{"resources":[{"uri":"note://one","name":"One","mimeType":"text/plain"},{"uri":"note://empty","name":"Empty"}]}`)
	want(t, request(t, s, "resources/templates/list", `{}`), `{"resourceTemplates":[{"uriTemplate":"note://{folder}/{id}","name":"Notes"}]}`)
	want(t, request(t, s, "resources/subscribe", `{"uri":"note://one"}`), `{}`)
	want(t, request(t, s, "resources/subscribe", `{"uri":"x:y"}`), `-32602 resource "x:y" not found {"uri":"x:y"}`)
	res, err := s.handler.Handle(t.Context(), newCall("resources/read", `{"uri":"note://one"}`))
	if err != nil || res.Cache != (mcp.CacheHint{TTLMillis: 2000, Scope: mcp.CachePublic}) {
		t.Errorf("cache hint of a resource is %+v, %v", res.Cache, err)
	}
	res, err = s.handler.Handle(t.Context(), newCall("resources/list", `{}`))
	if err != nil || res.Cache != (mcp.CacheHint{TTLMillis: 60000, Scope: mcp.CachePublic}) {
		t.Errorf("cache hint of a list is %+v, %v", res.Cache, err)
	}
}

type tripIn struct {
	City string `json:"city" jsonschema:"where to go"`
	When string `json:"when,omitzero" title:"When"`
}

func TestPrompts(t *testing.T) {
	s := New("test", "1")
	cities := make([]string, 150)
	for i := range cities {
		cities[i] = fmt.Sprintf("City %d", i)
	}
	AddPrompt(s, "trip", "Plans a trip", func(_ context.Context, _ *Request, in tripIn) (*mcp.GetPromptResult, error) {
		return &mcp.GetPromptResult{Messages: []mcp.PromptMessage{mcp.UserMessage(mcp.Text(in.City + in.When))}}, nil
	}, Title("Trip"), Complete("city", func(_ context.Context, _ *Request, value string, settled map[string]string) ([]string, error) {
		if settled["when"] == "now" {
			return nil, nil
		}
		return cities, nil
	}))
	want(t, request(t, s, "prompts/list", `{}`), `{"prompts":[{"name":"trip","title":"Trip","description":"Plans a trip","arguments":[`+
		`{"name":"city","description":"where to go","required":true},{"name":"when","title":"When"}]}]}`)
	want(t, request(t, s, "prompts/get", `{"name":"trip","arguments":{"city":"Bern"}}`), `{"messages":[{"role":"user","content":{"type":"text","text":"Bern"}}]}`)
	want(t, request(t, s, "prompts/get", `{"name":"trip"}`), `-32602 prompt argument "city" is missing `)
	want(t, request(t, s, "prompts/get", `{"name":"trip","arguments":{"city":5}}`), `-32602 prompt arguments must be an object of strings `)
	want(t, request(t, s, "prompts/get", `{"name":"x"}`), `-32602 unknown prompt "x" `)

	var res mcp.CompleteResult
	if err := json.Unmarshal([]byte(request(t, s, "completion/complete", `{"ref":{"type":"ref/prompt","name":"trip"},"argument":{"name":"city","value":""}}`)), &res); err != nil {
		t.Fatal(err)
	}
	if len(res.Completion.Values) != 100 || *res.Completion.Total != 150 || !res.Completion.HasMore {
		t.Errorf("completion = %d values, total %d, more %v", len(res.Completion.Values), *res.Completion.Total, res.Completion.HasMore)
	}
	want(t, request(t, s, "completion/complete", `{"ref":{"type":"ref/prompt","name":"trip"},"argument":{"name":"city","value":""},"context":{"arguments":{"when":"now"}}}`), `{"completion":{"values":[],"total":0}}`)
	want(t, request(t, s, "completion/complete", `{"ref":{"type":"ref/prompt","name":"trip"},"argument":{"name":"when","value":""}}`), `{"completion":{"values":[],"total":0}}`)
	want(t, request(t, s, "completion/complete", `{"ref":{"type":"ref/prompt","name":"x"},"argument":{"name":"city","value":""}}`), `-32602 unknown prompt "x" `)
	want(t, request(t, s, "completion/complete", `{"ref":{"type":"x"},"argument":{"name":"city","value":""}}`), `-32602 unknown reference type "x" `)
	want(t, request(t, s, "completion/complete", `{}`), `-32602 completion needs ref and argument{name, value} `)
}

func TestSkills(t *testing.T) {
	s := New("test", "1")
	files := fstest.MapFS{
		"SKILL.md":          {Data: []byte("---\nname: tea\ndescription: Makes tea.\nversion: 1.5\ndate: 2026-07-28\ntags: [a, b]\n---\nBoil water.\n")},
		"refs/deep/leaf.md": {Data: []byte("leaf")},
		"refs/pot.bin":      {Data: []byte{0xff, 0xfe}},
	}
	if err := s.AddSkill(files); err != nil {
		t.Fatal(err)
	}
	list := request(t, s, "skills/list", `{}`)
	const entry = `{"uri":"skill://tea/SKILL.md","frontmatter":{"name":"tea","description":"Makes tea.","version":1.5,"date":"2026-07-28","tags":["a","b"]},"resources":[`
	if !strings.HasPrefix(list, `{"skills":[`+entry) || strings.Count(list, `"digest":"sha256:`) != 3 {
		t.Errorf("skills/list = %s", list)
	}
	get := request(t, s, "skills/get", `{"uri":"skill://tea/SKILL.md"}`)
	want(t, get, strings.TrimSuffix(strings.Replace(list, `{"skills":[`, `{"skill":`, 1), "]}")+"}")
	want(t, request(t, s, "skills/get", `{"uri":"skill://x/SKILL.md"}`), `-32602 resource "skill://x/SKILL.md" not found {"uri":"skill://x/SKILL.md"}`)
	want(t, request(t, s, "resources/directory/read", `{"uri":"skill://tea"}`), `{"resources":[`+
		`{"uri":"skill://tea/SKILL.md","name":"SKILL.md","mimeType":"text/markdown","size":97},`+
		`{"uri":"skill://tea/refs","name":"refs","mimeType":"inode/directory"}]}`)
	want(t, request(t, s, "resources/directory/read", `{"uri":"skill://tea/refs"}`), `{"resources":[`+
		`{"uri":"skill://tea/refs/deep","name":"deep","mimeType":"inode/directory"},`+
		`{"uri":"skill://tea/refs/pot.bin","name":"pot.bin","mimeType":"application/octet-stream","size":2}]}`)
	want(t, request(t, s, "resources/directory/read", `{"uri":"skill://tea/SKILL.md"}`), `-32602 resource "skill://tea/SKILL.md" is not a directory `)
	want(t, request(t, s, "resources/list", `{}`), `{"resources":[{"uri":"skill://tea/SKILL.md","name":"tea","description":"Makes tea.","mimeType":"text/markdown","size":97}]}`)
	want(t, request(t, s, "resources/read", `{"uri":"skill://tea/refs/pot.bin"}`), `{"contents":[{"uri":"skill://tea/refs/pot.bin","mimeType":"application/octet-stream","blob":"//4="}]}`)

	delete(files, "refs/pot.bin") // replacing takes away what is gone
	if err := s.AddSkill(files); err != nil {
		t.Fatal(err)
	}
	if got := request(t, s, "resources/read", `{"uri":"skill://tea/refs/pot.bin"}`); !strings.HasPrefix(got, "-32602") {
		t.Errorf("a file that is gone reads as %s", got)
	}
	for name, text := range map[string]string{
		"no frontmatter": "# Tea", "no end": "---\nname: x\n", "no description": "---\nname: tea\n---\n", "bad name": "---\nname: Tea\ndescription: x\n---\n",
	} {
		if err := s.AddSkill(fstest.MapFS{"SKILL.md": {Data: []byte(text)}}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestLongURIs holds that what no resource can have is refused before it is
// compared with anything, by whatever method.
func TestLongURIs(t *testing.T) {
	s := New("test", "1")
	read := func(_ context.Context, req *Request) (*mcp.ReadResourceResult, error) {
		return TextResource("text/plain", req.Var("path")), nil
	}
	s.AddResourceTemplate(mcp.ResourceTemplate{URITemplate: "repo://{owner}/{repo}/contents{/path*}", Name: "r"}, read,
		Complete("path", func(context.Context, *Request, string, map[string]string) ([]string, error) { return nil, nil }))
	short := "repo://o/r/contents" + strings.Repeat("/a", 2000)
	for method, params := range map[string]string{
		"resources/read":      `{"uri":%s}`,
		"resources/subscribe": `{"uri":%s}`,
		"completion/complete": `{"ref":{"type":"ref/resource","uri":%s},"argument":{"name":"path","value":""}}`,
	} {
		got := request(t, s, method, fmt.Sprintf(params, jsonrpc.AppendString(nil, short+strings.Repeat("/a", 75_000))))
		if !strings.Contains(got, `-32602`) || !strings.Contains(got, "more than the limit of 8192") || len(got) > 1000 {
			t.Errorf("%s of a URI that is too long: %.300s", method, got)
		}
	}
	want(t, request(t, s, "resources/read", fmt.Sprintf(`{"uri":%q}`, short)),
		fmt.Sprintf(`{"contents":[{"uri":%q,"mimeType":"text/plain","text":%q}]}`, short, strings.Repeat("a,", 1999)+"a"))
}
