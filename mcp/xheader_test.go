// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestHeaderParams(t *testing.T) {
	tests := []struct {
		name, schema string
		want         []HeaderParam
		err          string
	}{
		{"none", `{"type":"object","properties":{"a":{"type":"string"}}}`, nil, ""},
		{"flat", `{"properties":{"region":{"type":"string","x-mcp-header":"Region"},"n":{"x-mcp-header":"N","type":"integer"}}}`,
			[]HeaderParam{{"Mcp-Param-Region", []string{"region"}, "string"}, {"Mcp-Param-N", []string{"n"}, "integer"}}, ""},
		{"nested", `{"properties":{"a":{"type":"object","properties":{"b":{"type":"boolean","x-mcp-header":"B"}}}}}`,
			[]HeaderParam{{"Mcp-Param-B", []string{"a", "b"}, "boolean"}}, ""},
		{"escaped keyword", `{"properties":{"a":{"type":"string","x-mcp-he\u0061der":"A"}}}`,
			[]HeaderParam{{"Mcp-Param-A", []string{"a"}, "string"}}, ""},
		{"a property of that name", `{"properties":{"x-mcp-header":{"type":"string"}}}`, nil, ""},
		{"only data", `{"properties":{"a":{"type":"object","default":{"x-mcp-header":"A"},"enum":[{"x-mcp-header":1}]}}}`, nil, ""},
		{"empty", `{"properties":{"a":{"type":"string","x-mcp-header":""}}}`, nil, "#/properties/a: x-mcp-header must be a non-empty HTTP token"},
		{"not a string", `{"properties":{"a":{"type":"string","x-mcp-header":1}}}`, nil, "must be a non-empty HTTP token"},
		{"space", `{"properties":{"a":{"type":"string","x-mcp-header":"My Region"}}}`, nil, "must be a non-empty HTTP token"},
		{"non-ASCII", `{"properties":{"a":{"type":"string","x-mcp-header":"Région"}}}`, nil, "must be a non-empty HTTP token"},
		{"newline", `{"properties":{"a":{"type":"string","x-mcp-header":"A\nB"}}}`, nil, "must be a non-empty HTTP token"},
		{"number", `{"properties":{"a":{"type":"number","x-mcp-header":"A"}}}`, nil, "needs the type string, integer or boolean"},
		{"no type", `{"properties":{"a":{"x-mcp-header":"A"}}}`, nil, "needs the type"},
		{"type list", `{"properties":{"a":{"type":["string","null"],"x-mcp-header":"A"}}}`, nil, "needs the type"},
		{"duplicate", `{"properties":{"a":{"type":"string","x-mcp-header":"Region"},"b":{"type":"string","x-mcp-header":"REGION"}}}`, nil, `#/properties/b: x-mcp-header "REGION" is not unique`},
		{"root", `{"type":"string","x-mcp-header":"A"}`, nil, "#: x-mcp-header may stand only"},
		{"items", `{"properties":{"a":{"type":"array","items":{"type":"string","x-mcp-header":"A"}}}}`, nil, "#/properties/a/items: x-mcp-header may stand only"},
		{"oneOf", `{"oneOf":[{"properties":{"a/b":{"type":"string","x-mcp-header":"A"}}}]}`, nil, "#/oneOf/properties/a~1b: x-mcp-header may stand only"},
		{"if", `{"if":{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}}`, nil, "may stand only"},
		{"not", `{"properties":{"a":{"not":{"type":"string","x-mcp-header":"A"}}}}`, nil, "may stand only"},
		{"$defs", `{"$defs":{"r":{"type":"string","x-mcp-header":"A"}},"properties":{"a":{"$ref":"#/$defs/r"}}}`, nil, "#/$defs/r: x-mcp-header may stand only"},
		{"additionalProperties", `{"additionalProperties":{"type":"string","x-mcp-header":"A"}}`, nil, "may stand only"},
		{"patternProperties", `{"patternProperties":{"^a":{"type":"string","x-mcp-header":"A"}}}`, nil, "may stand only"},
		{"too deep", strings.Repeat(`{"not":`, 200) + `{"x-mcp-header":"A"}` + strings.Repeat(`}`, 200), nil, "nested too deep"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := HeaderParams(Raw(tt.schema))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("params (-want +got):\n%s", diff)
			}
			if (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v; want %q", err, tt.err)
			}
		})
	}
}

func TestHeaderParamMatch(t *testing.T) {
	region := HeaderParam{"Mcp-Param-Region", []string{"where", "region"}, "string"}
	count := HeaderParam{"Mcp-Param-N", []string{"n"}, "integer"}
	flag := HeaderParam{"Mcp-Param-Flag", []string{"f"}, "boolean"}
	tests := []struct {
		param     HeaderParam
		header    string
		arguments string
		want      string
	}{
		{region, "eu", `{"where":{"region":"eu"}}`, ""},
		{region, "EU", `{"where":{"region":"eu"}}`, "differs"},
		{region, "=?base64?w6k=?=", `{"where":{"region":"é"}}`, ""},
		{region, "=?base64?w6k?=", `{"where":{"region":"é"}}`, "malformed"},
		{region, "-", `{"where":{"region":"eu"}}`, "is missing"},
		{region, "-", `{"where":{"region":null}}`, ""},
		{region, "-", `{"where":{}}`, ""},
		{region, "-", ``, ""},
		{region, "eu", `{}`, "no argument"},
		{region, "eu", `{"where":{"region":null}}`, "no argument"},
		{region, "1", `{"where":{"region":1}}`, "not a valid string"},
		{count, "42", `{"n":42}`, ""},
		{count, "42.0", `{"n":42}`, ""},
		{count, "42", `{"n":42.0}`, ""},
		{count, "42", `{"n":4.2e1}`, ""},
		{count, "-7", `{"n":-7}`, ""},
		{count, "43", `{"n":42}`, "differs"},
		{count, "042", `{"n":42}`, "differs"},
		{count, "", `{"n":42}`, "differs"},
		{count, "9007199254740991", `{"n":9007199254740991}`, ""},
		{count, "9007199254740992", `{"n":9007199254740992}`, "not a valid integer"},
		{count, "1", `{"n":1.5}`, "not a valid integer"},
		{count, "9007199254740991", `{"n":9007199254740991.4}`, "not a valid integer"},
		{count, "1", `{"n":"1"}`, "not a valid integer"},
		{count, "1", `{"n":1e400}`, "not a valid integer"},
		{flag, "true", `{"f":true}`, ""},
		{flag, "True", `{"f":true}`, "differs"},
		{flag, "false", `{"f":false}`, ""},
		{flag, "1", `{"f":1}`, "not a valid boolean"},
	}
	for _, tt := range tests {
		err := tt.param.Match(tt.header, tt.header != "-", Raw(tt.arguments))
		if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %q against %s: %v; want %q", tt.param.Header, tt.header, tt.arguments, err, tt.want)
		}
	}
}

func TestHeaderValue(t *testing.T) {
	for plain, want := range map[string]string{
		"us-west1":      "us-west1",
		"":              "",
		"a b":           "a b",
		" a":            "=?base64?IGE=?=",
		"a ":            "=?base64?YSA=?=",
		"日本語":           "=?base64?5pel5pys6Kqe?=",
		"a\nb":          "=?base64?YQpi?=",
		"\t":            "=?base64?CQ==?=",
		"=?base64?YQ?=": "=?base64?PT9iYXNlNjQ/WVE/PQ==?=",
	} {
		if got := EncodeHeaderValue(plain); got != want {
			t.Errorf("EncodeHeaderValue(%q) = %q; want %q", plain, got, want)
		}
		if got, err := DecodeHeaderValue(want); got != plain || err != nil {
			t.Errorf("DecodeHeaderValue(%q) = %q, %v; want %q", want, got, err, plain)
		}
	}
	for _, literal := range []string{"=?base64?YQ==", "YQ==?=", "=?BASE64?YQ==?=", "=?base64?=", "x=?base64?YQ==?="} {
		if got, err := DecodeHeaderValue(literal); got != literal || err != nil {
			t.Errorf("DecodeHeaderValue(%q) = %q, %v; want it literally", literal, got, err)
		}
	}
	for _, bad := range []string{"=?base64?YQ?=", "=?base64?Y Q==?=", "=?base64?_-__?=", "=?base64?YQ==\r\n?=", "=?base64?/w==?=", "=?base64?YR==?="} {
		if got, err := DecodeHeaderValue(bad); err == nil {
			t.Errorf("DecodeHeaderValue(%q) = %q; want an error", bad, got)
		}
	}
}

func FuzzHeaderValue(f *testing.F) {
	for _, seed := range []string{"", "a", " a", "é", "=?base64?YQ==?=", "=?base64?", "?=", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, _ = DecodeHeaderValue(s)
		if !utf8.ValidString(s) {
			return
		}
		encoded := EncodeHeaderValue(s)
		if strings.Trim(encoded, " \t") != encoded {
			t.Errorf("EncodeHeaderValue(%q) = %q has space around it", s, encoded)
		}
		if got, err := DecodeHeaderValue(encoded); got != s || err != nil {
			t.Errorf("%q came back as %q, %v", s, got, err)
		}
	})
}

func FuzzHeaderParams(f *testing.F) {
	f.Add([]byte(`{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}`))
	f.Fuzz(func(t *testing.T, schema []byte) {
		params, err := HeaderParams(schema)
		if err != nil && params != nil {
			t.Error("params together with an error")
		}
	})
}
