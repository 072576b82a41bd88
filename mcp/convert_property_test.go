// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/mcp/schematest"
)

// composer writes random messages that are valid in 2026-07-28.
type composer struct{ *rand.Rand }

// object returns an object of the required members and some of the optional ones.
func (c composer) object(required []string, optional ...string) string {
	members := append([]string(nil), required...)
	for _, m := range optional {
		if c.IntN(2) == 0 {
			members = append(members, m)
		}
	}
	c.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	space := []string{"", "", " ", "\n\t"}[c.IntN(4)]
	return "{" + space + strings.Join(members, ","+space) + space + "}"
}

func (c composer) list(one func() string) string {
	items := make([]string, c.IntN(4))
	for i := range items {
		items[i] = one()
	}
	return "[" + strings.Join(items, " ,") + "]"
}

func (c composer) pick(options ...string) string { return options[c.IntN(len(options))] }

func (c composer) annotations() string {
	return `"annotations":` + c.object(nil, `"audience":["user"]`, `"priority":0.5`, `"lastModified":"2026-01-01T00:00:00Z"`)
}

const (
	someMeta  = `"_meta":{"a/b":{"title":"t"}}`
	someIcons = `"icons":[{"src":"https://x/i.png","sizes":["any"]}]`
	someTitle = `"title":"A \"title\" \\"`
)

func (c composer) block() string {
	switch c.IntN(5) {
	case 0:
		return c.object([]string{`"type":"text"`, `"text":"structuredContent \"audio\" \u00e9\\"`}, c.annotations(), someMeta)
	case 1:
		return c.object([]string{`"type":"image"`, `"data":"aGk="`, `"mimeType":"image/png"`}, c.annotations(), someMeta)
	case 2:
		return c.object([]string{`"type":"audio"`, `"data":"aGk="`, `"mimeType":"audio/wav"`}, c.annotations(), someMeta)
	case 3:
		return c.object([]string{`"type":"resource_link"`, `"uri":"file:///a"`, `"name":"a"`},
			c.annotations(), someMeta, someTitle, someIcons, `"size":1`, `"description":"d\n"`)
	}
	return c.object([]string{`"type":"resource"`, `"resource":` + c.contents()}, c.annotations(), someMeta)
}

func (c composer) contents() string {
	return c.object([]string{`"uri":"file:///a"`, c.pick(`"text":"_meta"`, `"blob":"aGk="`)}, `"mimeType":"text/plain"`, someMeta)
}

func (c composer) schema() string {
	return c.pick(`{"type":"object"}`, `{"type":"object","properties":{"a":true,"b":{"type":"string"}}}`,
		`{"type":"object","properties":{},"required":["a"],"additionalProperties":false}`,
		`{"type":"object","allOf":[{"properties":{"x":false}}],"$schema":"https://json-schema.org/draft/2020-12/schema"}`)
}

func (c composer) tool() string {
	output := c.pick(c.schema(), `{"type":"array"}`, `{}`, `{"type":["object","null"]}`, `{"properties":{"a":true}}`)
	return c.object([]string{`"name":"t"`, `"inputSchema":` + c.schema()}, `"description":"d"`, someTitle, someIcons, someMeta,
		`"outputSchema":`+output, `"annotations":{"title":"x","readOnlyHint":true}`, `"execution":{"taskSupport":"optional"}`)
}

func (c composer) listed(required ...string) string {
	return c.object(required, `"description":"d"`, someTitle, someIcons, someMeta, c.annotations(), `"mimeType":"text/plain"`)
}

// result returns a method and a result of it.
func (c composer) result() (method, body string) {
	meta := c.pick(someMeta, `"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}}`)
	switch c.IntN(8) {
	case 0:
		structured := c.pick(`{"a":1}`, `[1]`, `"x"`, `null`, `true`)
		return mcp.MethodCallTool, c.object([]string{`"content":` + c.list(c.block)}, meta, `"isError":true`, `"structuredContent":`+structured)
	case 1:
		return mcp.MethodListTools, c.object([]string{`"tools":` + c.list(c.tool)}, meta, `"nextCursor":"x"`)
	case 2:
		return mcp.MethodListPrompts, c.object([]string{`"prompts":` + c.list(func() string {
			return c.object([]string{`"name":"p"`}, someTitle, someIcons, someMeta, `"arguments":[`+c.object([]string{`"name":"a"`}, someTitle)+`]`)
		})}, meta)
	case 3:
		return mcp.MethodGetPrompt, c.object([]string{`"messages":` + c.list(func() string {
			return c.object([]string{`"role":"user"`, `"content":` + c.block()})
		})}, meta, `"description":"d"`)
	case 4:
		return mcp.MethodListResources, c.object([]string{`"resources":` + c.list(func() string { return c.listed(`"uri":"file:///a"`, `"name":"a"`) })}, meta)
	case 5:
		return mcp.MethodListResourceTemplates, c.object([]string{`"resourceTemplates":` +
			c.list(func() string { return c.listed(`"uriTemplate":"file:///{a}"`, `"name":"a"`) })}, meta)
	case 6:
		return mcp.MethodReadResource, c.object([]string{`"contents":` + c.list(c.contents)}, meta)
	}
	return mcp.MethodComplete, c.object([]string{`"completion":` + c.object([]string{`"values":["title"]`}, `"total":1`)}, meta)
}

// ask returns a question and its params.
func (c composer) ask() (method, params string) {
	switch c.IntN(3) {
	case 0:
		field := func() string {
			return fmt.Sprintf(`"f%d":`, c.IntN(1000)) + c.pick(
				c.object([]string{`"type":"string"`}, someTitle, `"default":"x"`, `"format":"uri"`, `"maxLength":3`),
				c.object([]string{`"type":"integer"`}, someTitle, `"default":1`, `"minimum":0`),
				c.object([]string{`"type":"boolean"`}, someTitle, `"default":true`),
				c.object([]string{`"type":"string"`, `"enum":["a"]`}, `"default":"a"`, `"enumNames":["A"]`),
				c.object([]string{`"type":"string"`, `"oneOf":[{"const":"a","title":"A"}]`}, `"default":"a"`, someTitle))
		}
		form := c.object([]string{`"type":"object"`, `"properties":{` + field() + `}`}, `"required":["f"]`, `"$schema":"s"`)
		return mcp.MethodElicit, c.object([]string{`"message":"m"`, `"requestedSchema":` + form}, `"mode":"form"`, `"task":{}`, `"elicitationId":"e"`)
	case 1:
		block := func() string {
			return c.object([]string{`"type":"` + c.pick("audio", "image") + `"`, `"data":"aGk="`, `"mimeType":"x/y"`}, someMeta, c.annotations())
		}
		message := func() string {
			return c.object([]string{`"role":"user"`, `"content":` + c.pick(block(), c.list(block))}, someMeta)
		}
		return mcp.MethodCreateMessage, c.object([]string{`"messages":` + c.list(message), `"maxTokens":1`},
			`"includeContext":"none"`, `"systemPrompt":"s"`, `"toolChoice":{"mode":"auto"}`, `"tools":`+c.list(c.tool))
	}
	return mcp.MethodListRoots, c.object(nil, someMeta)
}

// TestConvertProperty converts random valid messages of the newest version and
// holds what comes out against the schema of the version it is for.
func TestConvertProperty(t *testing.T) {
	seed := rand.Uint64()
	c := composer{rand.New(rand.NewPCG(seed, 0))}
	refused := 0
	for range 1500 {
		kind, method, text := "result", "", ""
		if c.IntN(3) > 0 {
			method, text = c.result()
		} else {
			kind = "ask"
			method, text = c.ask()
		}
		inner := mcp.Raw(text)
		before := inner.Clone()
		for _, v := range mcp.Versions() {
			out, err := down(v, kind, method, inner)
			if errors.Is(err, mcp.ErrNotCarried) && kind == "ask" && v.Era() == mcp.Legacy {
				refused++
				continue
			}
			if err == nil {
				err = valid(v, kind, method, out)
			}
			if err == nil {
				err = settled(v, kind, method, out)
			}
			if err != nil {
				t.Fatalf("seed %d: %s of %s for %s: %v\nfrom %s\nto   %s", seed, kind, method, v, err, inner, out)
			}
		}
		if !bytes.Equal(inner, before) {
			t.Fatalf("seed %d: the argument was modified:\n%s\n%s", seed, before, inner)
		}
	}
	if refused == 0 {
		t.Error("nothing was refused: the composer has lost something")
	}
}

func down(v mcp.Version, kind, method string, inner mcp.Raw) (mcp.Raw, error) {
	if kind == "ask" {
		return mcp.DownAsk(v.Features(), method, inner)
	}
	return mcp.DownResult(v.Features(), method, inner)
}

// settled checks that converting again changes nothing.
func settled(v mcp.Version, kind, method string, out mcp.Raw) error {
	again, err := down(v, kind, method, out)
	if err == nil && !bytes.Equal(again, out) {
		err = fmt.Errorf("converting again gives %s", again)
	}
	return err
}

func TestDownError(t *testing.T) {
	uri := mcp.Raw(`{"uri":"file:///a"}`)
	tests := []struct {
		version  mcp.Version
		method   string
		code     int64
		data     mcp.Raw
		want     int64
		wantData string
	}{
		{mcp.V20251125, mcp.MethodReadResource, jsonrpc.CodeInvalidParams, uri, mcp.CodeResourceNotFound, string(uri)},
		{mcp.V20241105, mcp.MethodReadResource, jsonrpc.CodeInvalidParams, uri, mcp.CodeResourceNotFound, string(uri)},
		{mcp.V20251125, mcp.MethodReadResource, jsonrpc.CodeInvalidParams, nil, jsonrpc.CodeInvalidParams, ""},
		{mcp.V20251125, mcp.MethodCallTool, jsonrpc.CodeInvalidParams, uri, jsonrpc.CodeInvalidParams, string(uri)},
		{mcp.V20260728, mcp.MethodReadResource, jsonrpc.CodeInvalidParams, uri, jsonrpc.CodeInvalidParams, string(uri)},
		{mcp.V20260728, mcp.MethodReadResource, mcp.CodeResourceNotFound, uri, jsonrpc.CodeInvalidParams, string(uri)},
		{mcp.V20260728, mcp.MethodCallTool, mcp.CodeResourceNotFound, nil, jsonrpc.CodeInternal, `{"code":-32002}`},
		{mcp.V20251125, mcp.MethodCallTool, mcp.CodeHeaderMismatch, nil, jsonrpc.CodeInternal, `{"code":-32020}`},
		{mcp.V20251125, mcp.MethodCallTool, mcp.CodeUnsupportedVersion, mcp.Raw(`{"a":1}`), jsonrpc.CodeInternal, `{"code":-32022,"data":{"a":1}}`},
		{mcp.V20251125, mcp.MethodCallTool, mcp.CodeMissingCapability, mcp.Raw(`{"a":1}`), jsonrpc.CodeInvalidParams, `{"a":1}`},
		{mcp.V20260728, mcp.MethodCallTool, mcp.CodeMissingCapability, mcp.Raw(`{"a":1}`), mcp.CodeMissingCapability, `{"a":1}`},
		{mcp.V20251125, mcp.MethodCallTool, mcp.CodeURLElicitationRequired, mcp.Raw(`{"a":1}`), mcp.CodeURLElicitationRequired, `{"a":1}`},
		{mcp.V20250618, mcp.MethodCallTool, mcp.CodeURLElicitationRequired, nil, jsonrpc.CodeInternal, `{"code":-32042}`},
		{mcp.V20260728, mcp.MethodCallTool, mcp.CodeURLElicitationRequired, mcp.Raw(`{"a":1}`), jsonrpc.CodeInternal, `{"code":-32042,"data":{"a":1}}`},
		{mcp.V20260728, mcp.MethodCallTool, -32099, nil, jsonrpc.CodeInternal, `{"code":-32099}`},
		{mcp.V20260728, mcp.MethodCallTool, -32100, nil, -32100, ""},
		{mcp.V20260728, mcp.MethodCallTool, -32019, nil, -32019, ""},
		{mcp.V20260728, mcp.MethodCallTool, 7, nil, 7, ""},
	}
	for _, tt := range tests {
		e := jsonrpc.PeerError(tt.code, "m", tt.data)
		got := mcp.DownError(tt.version.Features(), tt.method, e)
		if got.Code != tt.want || string(got.Data) != tt.wantData || got.Message != "m" || !got.FromPeer() || e.Code != tt.code {
			t.Errorf("%s %s %d: %d %s; want %d %s", tt.version, tt.method, tt.code, got.Code, got.Data, tt.want, tt.wantData)
		}
	}
	local := jsonrpc.Errorf(mcp.CodeHeaderMismatch, "wrapped: %w", mcp.ErrNotCarried)
	if got := mcp.DownError(mcp.V20251125.Features(), "", local); got.FromPeer() || !errors.Is(got, mcp.ErrNotCarried) {
		t.Errorf("%+v: provenance or cause was lost", got)
	}
	if mcp.DownError(mcp.V20251125.Features(), "", nil) != nil || mcp.UpError(mcp.V20251125.Features(), "", nil) != nil {
		t.Error("nil must stay nil")
	}
}

func TestUpError(t *testing.T) {
	tests := []struct {
		version mcp.Version
		method  string
		code    int64
		want    int64
	}{
		{mcp.V20241105, mcp.MethodReadResource, mcp.CodeResourceNotFound, jsonrpc.CodeInvalidParams},
		{mcp.V20241105, mcp.MethodCallTool, mcp.CodeResourceNotFound, mcp.CodeResourceNotFound},
		{mcp.V20251125, mcp.MethodCallTool, mcp.CodeURLElicitationRequired, mcp.CodeURLElicitationRequired},
		{mcp.V20250618, mcp.MethodCallTool, mcp.CodeURLElicitationRequired, jsonrpc.CodeInternal},
		{mcp.V20251125, mcp.MethodCallTool, -32050, jsonrpc.CodeInternal},
		{mcp.V20251125, mcp.MethodCallTool, mcp.CodeMissingCapability, jsonrpc.CodeInternal},
		{mcp.V20260728, mcp.MethodCallTool, mcp.CodeMissingCapability, mcp.CodeMissingCapability},
		{mcp.V20260728, mcp.MethodCallTool, mcp.CodeHeaderMismatch, jsonrpc.CodeInternal},
		{mcp.V20251125, mcp.MethodCallTool, -32000, -32000},
	}
	for _, tt := range tests {
		got := mcp.UpError(tt.version.Features(), tt.method, jsonrpc.PeerError(tt.code, "m", nil))
		if got.Code != tt.want || !got.FromPeer() {
			t.Errorf("%s %s %d: %d; want %d", tt.version, tt.method, tt.code, got.Code, tt.want)
		}
	}
	lacking := mcp.DownError(mcp.V20251125.Features(), mcp.MethodCallTool, mcp.MissingCapability(mcp.Required(mcp.MethodCreateMessage)))
	if back := mcp.UpError(mcp.V20251125.Features(), mcp.MethodCallTool, lacking); lacking.Code != jsonrpc.CodeInvalidParams || back.Code != mcp.CodeMissingCapability {
		t.Errorf("a missing capability goes down as %d and comes up as %d", lacking.Code, back.Code)
	}
	found := mcp.WithURI(jsonrpc.PeerError(jsonrpc.CodeInvalidParams, "m", nil), "file:///a")
	if string(found.Data) != `{"uri":"file:///a"}` || !found.FromPeer() {
		t.Errorf("WithURI: %s", found.Data)
	}
	down := mcp.DownError(mcp.V20250326.Features(), mcp.MethodReadResource, found)
	if down.Code != mcp.CodeResourceNotFound {
		t.Errorf("a legacy client sees %d", down.Code)
	}
}

func TestUp(t *testing.T) {
	f := mcp.V20251125.Features()
	body := mcp.Raw(`{"content":[{"type":"text","text":"x"}]}`)
	if got, err := mcp.UpResult(f, mcp.MethodCallTool, body); err != nil || !bytes.Equal(got, body) {
		t.Errorf("UpResult: %s, %v", got, err)
	}
	const tools = `{"tools":[{"name":"a","outputSchema":{"type":"object"}},{"name":"b","outputSchema":{"type":"string"}},{"name":"c","outputSchema":[],"title":"C"}],"x":1}`
	const up = `{"tools":[{"name":"a","outputSchema":{"type":"object"}},{"name":"b"},{"name":"c","title":"C"}],"x":1}`
	if got, err := mcp.UpResult(f, mcp.MethodListTools, mcp.Raw(tools)); err != nil || string(got) != up {
		t.Errorf("UpResult: %s, %v; want %s", got, err, up)
	}
	if got, err := mcp.UpResult(mcp.V20260728.Features(), mcp.MethodListTools, mcp.Raw(tools)); err != nil || string(got) != tools {
		t.Errorf("UpResult of a modern server: %s, %v", got, err)
	}
	for _, bad := range []string{``, `null`, `[]`, `"x"`} {
		if _, err := mcp.UpResult(f, mcp.MethodCallTool, mcp.Raw(bad)); err == nil {
			t.Errorf("UpResult took %q", bad)
		}
	}
	got, err := mcp.UpAsk(f, mcp.MethodElicit, mcp.Raw(`{"message":"m","task":{"ttl":1},"elicitationId":"e"}`))
	if err != nil || string(got) != `{"message":"m","elicitationId":"e"}` {
		t.Errorf("UpAsk: %s, %v", got, err)
	}
	if got, err := mcp.UpAsk(f, mcp.MethodListRoots, nil); err != nil || got != nil {
		t.Errorf("UpAsk of nothing: %s, %v", got, err)
	}
	if _, err := mcp.UpAsk(f, mcp.MethodElicit, mcp.Raw(`[1]`)); err == nil {
		t.Error("UpAsk took an array")
	}
}

func TestDownExtension(t *testing.T) {
	for _, v := range mcp.Versions() {
		f := v.Features()
		if got, err := mcp.DownAsk(f, "x/ask", mcp.Raw(`{"title":1}`)); err != nil || string(got) != `{"title":1}` {
			t.Errorf("%s: DownAsk: %s, %v", v, got, err)
		}
		if _, has := mcp.DownNotification(f, "x/notify", nil); !has {
			t.Errorf("%s: an extension's notification was dropped", v)
		}
		if got, err := mcp.DownResult(f, "x/call", mcp.Raw(`{"title":1}`)); err != nil || string(got) != `{"title":1}` {
			t.Errorf("%s: DownResult: %s, %v", v, got, err)
		}
		if _, has := mcp.DownNotification(f, mcp.NotificationInitialized, nil); has {
			t.Errorf("%s: a server sent %s", v, mcp.NotificationInitialized)
		}
	}
}

// TestDownErrorSchema holds converted errors against the schemas.
func TestDownErrorSchema(t *testing.T) {
	for _, v := range mcp.Versions() {
		for _, e := range []*jsonrpc.Error{
			mcp.ResourceNotFound("file:///a"), mcp.UnsupportedVersion("x", mcp.Versions()),
			mcp.MissingCapability(mcp.Required(mcp.MethodElicit)), jsonrpc.NewError(mcp.CodeHeaderMismatch, "m"),
			jsonrpc.PeerError(mcp.CodeURLElicitationRequired, "m", mcp.Raw(`{"elicitations":[]}`)), jsonrpc.NewError(-32077, "m"),
		} {
			down := mcp.DownError(v.Features(), mcp.MethodReadResource, e)
			if err := schematest.Check(v, schematest.FromServer, jsonrpc.AppendError(nil, jsonrpc.IntID(1), down)); err != nil {
				t.Errorf("%d as %d: %v", e.Code, down.Code, err)
			}
		}
	}
}

// FuzzDownResult checks that valid JSON stays valid and nothing panics.
func FuzzDownResult(f *testing.F) {
	c := composer{rand.New(rand.NewPCG(1, 1))}
	for range 40 {
		_, body := c.result()
		f.Add([]byte(body), uint8(c.IntN(256)))
	}
	methods := []string{mcp.MethodCallTool, mcp.MethodListTools, mcp.MethodListPrompts, mcp.MethodGetPrompt, mcp.MethodReadResource, mcp.MethodCreateMessage, mcp.MethodElicit}
	f.Fuzz(func(t *testing.T, body []byte, choice uint8) {
		v := mcp.Versions()[int(choice)%5]
		method := methods[int(choice)/5%len(methods)]
		kind := "result"
		if v.Features().Ask(method) {
			kind = "ask"
		}
		out, err := down(v, kind, method, body)
		if mcp.Raw(body).IsValid() && err == nil && len(out) > 0 && !out.IsValid() {
			t.Errorf("%s for %s: %q became %q", method, v, body, out)
		}
	})
}

func benchmarkDown(b *testing.B, method string, body mcp.Raw) {
	for _, v := range mcp.Versions() {
		b.Run("version="+string(v), func(b *testing.B) {
			f := v.Features()
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := mcp.DownResult(f, method, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDownResultCall(b *testing.B) {
	benchmarkDown(b, mcp.MethodCallTool, mcp.Raw(`{"content":[{"type":"text","text":"`+strings.Repeat("lorem ipsum ", 21)+`"}],"isError":false}`))
}

func BenchmarkDownResultList(b *testing.B) {
	tool := `{"name":"search","description":"` + strings.Repeat("finds things ", 10) +
		`","inputSchema":{"type":"object","properties":{"query":{"type":"string","description":"what to look for"},"limit":{"type":"integer"}},"required":["query"]}}`
	list := `{"tools":[` + strings.TrimSuffix(strings.Repeat(tool+",", 20), ",") + `]}`
	b.Run("plain", func(b *testing.B) { benchmarkDown(b, mcp.MethodListTools, mcp.Raw(list)) })
	titled := strings.ReplaceAll(list, `"name":`, `"title":"T","icons":[],"name":`)
	b.Run("titled", func(b *testing.B) { benchmarkDown(b, mcp.MethodListTools, mcp.Raw(titled)) })
}
