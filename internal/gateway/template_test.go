// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/internal/uritemplate"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// templatesBody is a list of these URI templates.
func templatesBody(templates ...string) string {
	var b strings.Builder
	for i, text := range templates {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"uriTemplate":%q,"name":"t"}`, text)
	}
	return `{"resourceTemplates":[` + b.String() + `]}`
}

// reading is a server that lists these templates and reads everything.
func reading(name string, templates ...string) *scripted {
	return &scripted{name: name, answers: map[string]string{
		mcp.MethodListResourceTemplates: templatesBody(templates...),
		mcp.MethodReadResource:          `{"contents":[{"uri":"x","text":"` + name + `"}]}`,
		mcp.MethodComplete:              `{"completion":{"values":[]}}`,
	}}
}

// TestLongURIsAreRefused holds that a URI over the limit is compared with nothing
// and goes to no server, by whatever method it comes.
func TestLongURIsAreRefused(t *testing.T) {
	a := reading("a", "repo://{owner}/{repo}/contents{/path*}", "{+all}")
	r := newRig(t, CatalogConfig{}, Config{}, a)
	own := New(Config{Own: "a"}, &subscription.Hub{}, r.catalog)
	r.catalog.Warm(t.Context())
	uri := "repo://o/r/contents" + strings.Repeat("/a", rpc.MaxURI/2)
	for _, g := range []*Gateway{r.Gateway, own} {
		complete := callOf(mcp.MethodComplete, "")
		complete.Params = append(jsonrpc.AppendString(Raw(`{"ref":{"type":"ref/resource","uri":`), uri), `},"argument":{"name":"path","value":""}}`...)
		_, completed := g.Handle(t.Context(), complete)
		_, read := ask(t, g, mcp.MethodReadResource, uri)
		for what, err := range map[string]error{"read": read, "complete": completed, "watch": g.Watch(t.Context(), uri, true)} {
			wantCode(t, err, jsonrpc.CodeInvalidParams)
			if err == nil || !strings.Contains(err.Error(), "more than the limit of 8192") || len(err.Error()) > 200 {
				t.Errorf("%s: %.300v", what, err)
			}
		}
	}
	topic := subscription.Topic{Kind: subscription.Resource, Key: uri}
	s := r.hub.Subscribe(topic)
	defer s.Close()
	r.catalog.Event("a", subscription.Event{Topic: topic})
	if n := heard(s); n != 0 {
		t.Errorf("%d updates of a URI over the limit", n)
	}
	if n := a.count(mcp.MethodReadResource) + a.count(mcp.MethodComplete) + len(a.watched); n != 0 {
		t.Errorf("%d calls reached the server", n)
	}
}

// TestOneServersTemplatesCostOnlyThemselves holds the bound on what the templates
// of one server may cost a lookup, and that it is each server's own.
func TestOneServersTemplatesCostOnlyThemselves(t *testing.T) {
	var many []string
	for i := range 200 {
		many = append(many, fmt.Sprintf("x:%s{+end}/%d{+last}", strings.Repeat("{a}", uritemplate.MaxVariables-2), i))
	}
	hostile := reading("hostile", append(many, "x:{+any}")...)
	a := reading("a", "x:{+path}")
	r := newRig(t, CatalogConfig{}, Config{}, hostile, a)
	r.catalog.Warm(t.Context())
	v := r.edition.Load().views[templateList]
	if len(v.match) != 202 {
		t.Fatalf("%d templates", len(v.match))
	}
	uri := "x:" + strings.Repeat("a", rpc.MaxURI-2)
	if got, err := ask(t, r.Gateway, mcp.MethodReadResource, uri); err != nil || !strings.Contains(got, `"a"`) {
		t.Errorf("read = %s, %v, want what server a says", got, err)
	}
	if got, err := ask(t, r.Gateway, mcp.MethodReadResource, "x:short"); err != nil || !strings.Contains(got, `"hostile"`) {
		t.Errorf("read = %s, %v, want what the first server says", got, err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if r.template(over, r.edition.Load(), uri) != nil {
		t.Error("a lookup went on after its call was over")
	}
}

func TestTemplatesAreBounded(t *testing.T) {
	many := []string{"x:" + strings.Repeat("{a}", uritemplate.MaxVariables+1)}
	for i := range maxTemplates + 5 {
		many = append(many, fmt.Sprintf("x:%d{a}", i))
	}
	r := newRig(t, CatalogConfig{}, Config{}, reading("a", many...))
	r.catalog.Warm(t.Context())
	if n := len(r.edition.Load().views[templateList].match); n != maxTemplates {
		t.Errorf("%d templates, want %d", n, maxTemplates)
	}
	for _, line := range []string{"list cut off", "more than 64 variables"} {
		if n := strings.Count(r.log.String(), line); n != 1 {
			t.Errorf("%q was logged %d times", line, n)
		}
	}
}
