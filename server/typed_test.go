// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	stdjson "encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/holdfast-mcp/holdfast/mcp"
)

// echo adds a tool that returns its arguments as %+v, or as JSON when asJSON.
func echo[In any](t *testing.T, s *Server, name string, opts ...ToolOption) {
	t.Helper()
	err := TryAddTool(s, name, "", func(_ context.Context, _ *Request, in In) (string, error) { return fmt.Sprintf("%+v", in), nil }, opts...)
	if err != nil {
		t.Fatal(err)
	}
}

// said returns the text of a tool's answer.
func said(t *testing.T, s *Server, name, args string) string {
	t.Helper()
	got := request(t, s, "tools/call", `{"name":"`+name+`","arguments":`+args+`}`)
	got = strings.TrimPrefix(got, `{"content":[{"type":"text","text":`)
	return strings.TrimSuffix(strings.TrimSuffix(got, `}`), `}]`)
}

func TestIntegersMayBeWrittenAsFractions(t *testing.T) {
	s := New("test", "1")
	echo[struct {
		N    int64          `json:"n,omitzero"`
		U    *uint8         `json:"u,omitzero"`
		Big  *big.Int       `json:"big,omitzero"`
		List []int          `json:"list,omitzero"`
		Map  map[string]int `json:"map,omitzero"`
		Pick int            `json:"pick,omitzero" enum:"1,2"`
		Any  any            `json:"any,omitzero"`
		Raw  Raw            `json:"raw,omitzero"`
	}](t, s, "t")
	tests := []struct{ args, part string }{
		{`{"n":5.0}`, `N:5 `},
		{`{"n":1e3}`, `N:1000 `},
		{`{"n":-1.5E1}`, `N:-15 `},
		{`{"n":0.0e999}`, `N:0 `},
		{`{"n":9007199254740993.0}`, `N:9007199254740993 `},
		{`{"n":9223372036854775807}`, `N:9223372036854775807 `},
		{`{"n":922337203685477580.7e1}`, `N:9223372036854775807 `},
		{`{"big":123456789012345678901234567890.0}`, `Big:+123456789012345678901234567890 `},
		{`{"list":[1.0,2e0,3]}`, `List:[1 2 3]`},
		{`{"map":{"a":1e1}}`, `Map:map[a:10]`},
		{`{"pick":2.0}`, `Pick:2`},
		{`{"n":1.0,"any":1.50,"raw":1.50}`, `Any:1.5 Raw:1.50`},
		{`{"n":5.5}`, `n: type: 5.5 has type \"number\", want \"integer\"`},
		{`{"n":1e19}`, "1e19 is out of the range of int64"},
		{`{"n":1e999}`, "invalid arguments: "},
		{`{"u":256.0}`, "u: maximum: 256 is greater than 255"},
		{`{"pick":3.0}`, "pick: enum: 3"},
	}
	for _, tt := range tests {
		if got := said(t, s, "t", tt.args); !strings.Contains(got, tt.part) {
			t.Errorf("%s: %s, want %s", tt.args, got, tt.part)
		}
	}
}

func TestTypesWithTheirOwnForm(t *testing.T) {
	type in struct {
		D    time.Duration      `json:"d,omitempty"`
		Raw  stdjson.RawMessage `json:"raw,omitzero"`
		IP   net.IP             `json:"ip,omitzero"`
		Addr netip.Addr         `json:"addr,omitzero"`
		URL  *url.URL           `json:"url,omitzero"`
		Big  *big.Int           `json:"big,omitzero"`
		Four [4]byte            `json:"four,omitzero"`
		Text int                `json:"text,omitzero,string"`
		Kind level              `json:"kind,omitzero"`
		At   *time.Time         `json:"at,omitzero"`
		Base base               `json:"base,omitzero"`
	}
	s := New("test", "1")
	AddTool(s, "t", "", func(_ context.Context, _ *Request, v in) (in, error) { return v, nil })
	for _, args := range []string{
		`{"d":"1h30m0s"}`, `{"raw":{"a":[1.50]}}`, `{"ip":"10.0.0.1"}`, `{"addr":"::1"}`, `{"url":"https://example.com/a?b#c"}`,
		`{"big":123456789012345678901234567890}`, `{"four":"AQIDBA=="}`, `{"text":"-5"}`, `{"kind":"level-3"}`,
		`{"at":"2026-07-28T10:00:00Z"}`, `{"base":{"id":7,"Kind":"k"}}`,
	} {
		got := request(t, s, "tools/call", `{"name":"t","arguments":`+args+`}`)
		if _, back, _ := strings.Cut(got, `"structuredContent":`); back != strings.Replace(args+"}", `{"d"`, `{"d"`, 1) && !strings.Contains(back, args[1:len(args)-1]) {
			t.Errorf("%s came back as %s", args, got)
		}
	}
	for _, args := range []string{
		`{"d":5}`, `{"d":"5"}`, `{"ip":5}`, `{"ip":"x"}`, `{"addr":"x"}`, `{"url":5}`, `{"big":"5"}`, `{"four":"AQ=="}`, `{"four":[1,2,3,4]}`,
		`{"text":5}`, `{"text":"x"}`, `{"kind":3}`, `{"at":"yesterday"}`, `{"id":7}`,
	} {
		if got := said(t, s, "t", args); !strings.HasPrefix(got, `"invalid arguments: `) {
			t.Errorf("%s: %s, want that it is refused", args, got)
		}
	}
}

func TestTagsReachBelowListsAndMaps(t *testing.T) {
	type item struct {
		Kind string `json:"kind" enum:"x, y"`
		Qty  int    `json:"qty" minimum:"1" default:"3"`
	}
	s := New("test", "1")
	echo[struct {
		Items []item            `json:"items,omitzero" minItems:"1" maxItems:"2"`
		Ptrs  []*item           `json:"ptrs,omitzero"`
		Map   map[string][]item `json:"map,omitzero" maxProperties:"1"`
		Array [1]item           `json:"array,omitzero"`
		Words []string          `json:"words,omitzero" pattern:"^[a-z]+$" uniqueItems:"true"`
		Even  map[string]int    `json:"even,omitzero" multipleOf:"2" exclusiveMinimum:"0" exclusiveMaximum:"10"`
	}](t, s, "t")
	for _, tt := range []struct{ args, part string }{
		{`{"items":[{"kind":"y"}]}`, "Items:[{Kind:y Qty:3}]"},
		{`{"map":{"a":[{"kind":"x"}]}}`, "Map:map[a:[{Kind:x Qty:3}]]"},
		{`{"array":[{"kind":"x"}]}`, "Array:[{Kind:x Qty:3}]"},
		{`{"even":{"a":4}}`, "Even:map[a:4]"},
		{`{"items":[{"kind":"zzz"}]}`, "items/items/kind: enum"},
		{`{"items":[{"kind":"x","qty":-3}]}`, "minimum"},
		{`{"ptrs":[{"kind":"x","qty":0}]}`, "minimum"},
		{`{"map":{"a":[{"kind":"z"}]}}`, "enum"},
		{`{"array":[{"kind":"x","qty":0}]}`, "minimum"},
		{`{"items":[]}`, "minItems"},
		{`{"map":{"a":[],"b":[]}}`, "maxProperties"},
		{`{"words":["A"]}`, "pattern"},
		{`{"words":["a","a"]}`, "uniqueItems"},
		{`{"even":{"a":3}}`, "multipleOf"},
		{`{"even":{"a":0}}`, "exclusiveMinimum"},
		{`{"even":{"a":10}}`, "exclusiveMaximum: 10 is greater than or equal to 10\""},
	} {
		if got := said(t, s, "t", tt.args); !strings.Contains(got, tt.part) {
			t.Errorf("%s: %s, want %s", tt.args, got, tt.part)
		}
	}
}

func TestTagsThatCannotBeKeptAreRefused(t *testing.T) {
	for _, tt := range []struct {
		value any
		part  string
	}{
		{struct {
			A int `min:"1"`
		}{}, "tag min is not known"},
		{struct {
			A int `minimun:"1"`
		}{}, "it is spelled minimum"},
		{struct {
			A string `maxlenght:"1"`
		}{}, "it is spelled maxLength"},
		{struct {
			A int `Minimum:"1"`
		}{}, "it is spelled minimum"},
		{struct {
			A string `jsonschema:"x" description:"y"`
		}{}, "one must go"},
		{struct {
			A string `required:"true"`
		}{}, "omitzero"},
		{struct {
			A string `const:"x"`
		}{}, "tag const"},
		{struct {
			A string `minimum:"1"`
		}{}, "does not apply to a field of type string"},
		{struct {
			A int `pattern:"x"`
		}{}, "does not apply to a field of type integer"},
		{struct {
			A []struct {
				B int `min:"1"`
			}
		}{}, "field A: field B: tag min"},
		{struct {
			A int `enum:"1,x"`
		}{}, `"x" is not a number`},
		{struct {
			A int `enum:"1,2" default:"3"`
		}{}, "enum: 3"},
		{struct {
			A uint8 `minimum:"-5"`
		}{}, "less than the type can hold"},
		{struct {
			A int8 `maximum:"300"`
		}{}, "more than the type can hold"},
		{struct {
			A int `maximum:"9007199254740993"`
		}{}, "more digits"},
		{struct {
			A string `jsonschema:"required,description=x"`
		}{}, "it is the description"},
		{struct {
			A string `minLength:"-1"`
		}{}, "0 or more"},
		{struct {
			A string `json:"a" pattern:"("`
		}{}, "missing"},
		{struct {
			A []string `default:"a,b"`
		}{}, "not JSON"},
		{struct {
			A any `enum:"a,1" default:"a" format:"x"`
		}{}, "does not apply"},
		{struct {
			A string `json:"a" description:"x" yaml:"a" db:"a" env:"A" form:"a" path:"a" query:"a" example:"e" validate:"max=3" default:"d" title:"T"`
		}{}, ""},
	} {
		_, err := schemaFor(reflect.TypeOf(tt.value), false)
		if tt.part == "" && err != nil || tt.part != "" && (err == nil || !strings.Contains(err.Error(), tt.part)) {
			t.Errorf("%T: error %v, want one with %q", tt.value, err, tt.part)
		}
	}
	broken := reflect.StructOf([]reflect.StructField{{Name: "A", Type: reflect.TypeFor[int](), Tag: `json:"a" minimum:1`}})
	if _, err := schemaFor(broken, false); err == nil || !strings.Contains(err.Error(), "minimum is not in double quotes") {
		t.Errorf("a malformed struct tag: %v", err)
	}
}

func TestDefaultsApplyAtEveryDepth(t *testing.T) {
	type one struct {
		Qty int   `json:"qty" minimum:"1" default:"5"`
		Big int64 `json:"big" default:"9007199254740993"`
	}
	type node struct {
		N    int             `json:"n" default:"1"`
		Next *node           `json:"next,omitzero"`
		All  map[string]node `json:"all,omitzero"`
	}
	s := New("test", "1")
	echo[struct {
		One  one      `json:"one,omitzero"`
		Many []one    `json:"many,omitzero"`
		Tags []string `json:"tags" default:"[\"a\"]"`
		On   *bool    `json:"on,omitzero" default:"true"`
	}](t, s, "t")
	AddTool(s, "node", "", func(_ context.Context, _ *Request, n node) (node, error) { return n, nil })
	want(t, said(t, s, "t", `{"one":{},"on":false}`)[:51], `"{One:{Qty:5 Big:9007199254740993} Many:[] Tags:[a]`)
	want(t, said(t, s, "t", `{"many":[{},{"qty":7}],"on":null,"tags":null}`)[:110], `"{One:{Qty:5 Big:9007199254740993} Many:[{Qty:5 Big:9007199254740993} {Qty:7 Big:9007199254740993}] Tags:[a] O`)
	_, got, _ := strings.Cut(request(t, s, "tools/call", `{"name":"node","arguments":{"next":{"all":{"x":{"n":3},"y":{}}}}}`), `"structuredContent":`)
	want(t, got, `{"n":1,"next":{"n":1,"all":{"x":{"n":3},"y":{"n":1}}}}}`)

	given := New("test", "1")
	echo[map[string]any](t, given, "map", InputSchema(Raw(`{"type":"object","properties":{"a":{"type":"object","properties":{"b":{"default":[1]}}}}}`)))
	echo[Raw](t, given, "raw", InputSchema(Raw(`{"type":"object","properties":{"a":{"default":1}}}`)))
	want(t, said(t, given, "map", `{"a":{}}`), `"map[a:map[b:[1]]]"`)
	echo[stdjson.RawMessage](t, given, "message")
	want(t, said(t, given, "raw", `{}`), `"{}"`)
	want(t, said(t, given, "message", `{"a":1.50}`), fmt.Sprintf(`"%v"`, []byte(`{"a":1.50}`)))
}

func TestDefaultsApplyInForms(t *testing.T) {
	type form struct {
		Sure  string        `json:"sure" enum:"yes,no" default:"yes"`
		Times int           `json:"times" default:"2"`
		Wait  time.Duration `json:"wait" default:"1s"`
	}
	s := New("test", "1")
	AddTool(s, "waits", "", func(ctx context.Context, req *Request, _ None) (string, error) {
		f, action, err := Elicit[form](ctx, req, "Sure?")
		return fmt.Sprint(action, f), err
	})
	AddTool(s, "returns", "", func(_ context.Context, req *Request, _ None) (string, error) {
		f, ok := Form[form](req, "q")
		return fmt.Sprint(ok, f), nil
	})
	call := newCall("tools/call", `{"name":"waits"}`)
	call.Client = &testClient{answers: map[string]Raw{"elicitation/create": Raw(`{"action":"accept","content":{"times":3.0}}`)}}
	want(t, answerOf(s.handler.Handle(t.Context(), call)), `{"content":[{"type":"text","text":"accept{yes 3 1s}"}]}`)
	call = newCall("tools/call", `{"name":"returns"}`)
	call.Input.Responses = map[string]Raw{"q": Raw(`{"action":"accept"}`)}
	want(t, answerOf(s.handler.Handle(t.Context(), call)), `{"content":[{"type":"text","text":"true {yes 2 1s}"}]}`)
}

func TestNullMeansAbsent(t *testing.T) {
	s := New("test", "1")
	echo[struct {
		Name  string `json:"name"`
		List  []int  `json:"list"`
		Limit int    `json:"limit,omitzero" minimum:"1" default:"10"`
		Inner struct {
			A string `json:"a,omitzero"`
		} `json:"inner,omitzero"`
	}](t, s, "t")
	want(t, said(t, s, "t", `{"name":"x","list":null,"limit":null,"inner":{"a":null}}`), `"{Name:x List:[] Limit:10 Inner:{A:}}"`)
	if got := said(t, s, "t", `{"name":null,"list":[]}`); !strings.HasPrefix(got, `"invalid arguments: name: `) {
		t.Errorf("null for a name: %s", got)
	}
}

func TestOutputsThatAreNothing(t *testing.T) {
	type out struct {
		N int `json:"n"`
	}
	type picky struct {
		Kind string `json:"kind" enum:"a,b"`
	}
	s := New("test", "1")
	AddTool(s, "nil", "", func(context.Context, *Request, None) (*out, error) { return nil, nil })
	AddTool(s, "nils", "", func(context.Context, *Request, None) (**out, error) { var p *out; return &p, nil })
	AddTool(s, "picky", "", func(context.Context, *Request, None) (*picky, error) { return nil, nil })
	AddTool(s, "raw", "", func(context.Context, *Request, None) (Raw, error) { return nil, nil })
	AddTool(s, "any", "", func(context.Context, *Request, None) (any, error) { return nil, nil })
	AddTool(s, "map", "", func(context.Context, *Request, None) (map[string]int, error) { return nil, nil })
	AddTool(s, "list", "", func(context.Context, *Request, None) ([]int, error) { return nil, nil })
	for name, answer := range map[string]string{
		"nil":   `{"content":[{"type":"text","text":"{\"n\":0}"}],"structuredContent":{"n":0}}`,
		"nils":  `{"content":[{"type":"text","text":"{\"n\":0}"}],"structuredContent":{"n":0}}`,
		"picky": `{"content":[{"type":"text","text":"the tool returned nothing"}],"isError":true}`,
		"raw":   `{"content":[]}`,
		"any":   `{"content":[]}`,
		"map":   `{"content":[{"type":"text","text":"{}"}],"structuredContent":{}}`,
		"list":  `{"content":[{"type":"text","text":"[]"}],"structuredContent":[]}`,
	} {
		want(t, request(t, s, "tools/call", `{"name":"`+name+`"}`), answer)
	}
}

func TestRawOutputListsNoSchema(t *testing.T) {
	s := New("test", "1")
	AddTool(s, "raw", "", func(context.Context, *Request, None) (Raw, error) { return Raw(`{}`), nil })
	AddTool(s, "message", "", func(context.Context, *Request, None) (stdjson.RawMessage, error) { return nil, nil })
	AddTool(s, "any", "", func(context.Context, *Request, None) (any, error) { return 1, nil })
	AddTool(s, "opaque", "", func(context.Context, *Request, None) (*opaque, error) { return nil, nil })
	AddTool(s, "nested", "", func(context.Context, *Request, None) (map[string][]any, error) { return nil, nil })
	list := request(t, s, "tools/list", `{}`)
	if strings.Count(list, "outputSchema") != 1 || strings.Contains(list, ":true") {
		t.Errorf("the list has schemas that say nothing: %s", list)
	}
}

func TestTextThatIsNotUTF8(t *testing.T) {
	type out struct {
		Text string            `json:"text"`
		Map  map[string]string `json:"map"`
		Raw  Raw               `json:"raw"`
	}
	s := New("test", "1")
	AddTool(s, "out", "", func(context.Context, *Request, None) (out, error) {
		return out{Text: "a\xffb", Map: map[string]string{"k\xff": "\xc3"}, Raw: Raw("\"\xfe\"")}, nil
	})
	AddTool(s, "raw", "", func(context.Context, *Request, None) (Raw, error) { return Raw("\"\xfe\""), nil })
	AddTool(s, "result", "", func(context.Context, *Request, None) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{mcp.Text("\xff")}, Structured: Raw("{\"a\":\"\xff\"}")}, nil
	})
	AddTool(s, "fails", "", func(context.Context, *Request, None) (string, error) { return "", fmt.Errorf("no \xff") })
	AddTool(s, "in", "", func(_ context.Context, _ *Request, v out) (string, error) { return v.Text, nil })
	for name, part := range map[string]string{
		"out":    `"structuredContent":{"text":"a�b","map":{"k�":"�"},"raw":"�"}}`,
		"raw":    `"structuredContent":"�"}`,
		"result": `"structuredContent":{"a":"�"}}`,
		"fails":  `"text":"no �"`,
	} {
		if got := request(t, s, "tools/call", `{"name":"`+name+`"}`); !strings.Contains(got, part) || !utf8.ValidString(got) {
			t.Errorf("%s: %s, want %s", name, got, part)
		}
	}
	want(t, said(t, s, "in", "{\"text\":\"\xff\\ud83d\",\"map\":{},\"raw\":1}"), `"��"`)
}
