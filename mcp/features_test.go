// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

import (
	"reflect"
	"strings"
	"testing"
)

// TestFeatureTable is the table of flags, read against the changelogs of the
// revisions; methods are held against the schemas in package schematest.
func TestFeatureTable(t *testing.T) {
	want := map[string]string{ // one column per revision, oldest first
		"Batching":        "-x---",
		"StreamableHTTP":  "-xxxx",
		"VersionHeader":   "--xxx",
		"PrimingEvent":    "---x-",
		"Resumable":       "-xxx-",
		"MirrorHeaders":   "----x",
		"CacheHints":      "----x",
		"ResultTypes":     "----x",
		"LegacyTasks":     "---x-",
		"Extensions":      "----x",
		"Elicitation":     "--xxx",
		"ElicitationURL":  "---xx",
		"ProgressMessage": "-xxxx",
		"Completions":     "-xxxx",
		"StructuredTools": "--xxx",
		"ToolAnnotations": "-xxxx",
		"Audio":           "-xxxx",
		"ResourceLinks":   "--xxx",
		"Titles":          "--xxx",
		"Icons":           "---xx",
	}
	versions := Versions()
	typ := reflect.TypeFor[Features]()
	for i := range typ.NumField() {
		field := typ.Field(i)
		if field.Type.Kind() != reflect.Bool {
			continue
		}
		var got strings.Builder
		for n := len(versions) - 1; n >= 0; n-- {
			mark := byte('-')
			if reflect.ValueOf(*versions[n].Features()).Field(i).Bool() {
				mark = 'x'
			}
			got.WriteByte(mark)
		}
		if got.String() != want[field.Name] {
			t.Errorf("%s is %s; want %s", field.Name, got.String(), want[field.Name])
		}
	}
}

func TestFeaturesOf(t *testing.T) {
	for _, v := range Versions() {
		if f := v.Features(); f.Version != v || f.Era != v.Era() {
			t.Errorf("features of %s are those of %s, %s", v, f.Version, f.Era)
		}
	}
	if f := Version("2099-01-01").Features(); f.Version != Latest {
		t.Errorf("features of an unknown version are those of %s", f.Version)
	}
}

func TestMethodFacts(t *testing.T) {
	for _, method := range []string{MethodCallTool, MethodGetPrompt, MethodReadResource} {
		if !MayAskInput(method) || NameParam(method) == "" {
			t.Errorf("%s: MayAskInput %v, NameParam %q", method, MayAskInput(method), NameParam(method))
		}
	}
	for _, method := range []string{MethodListTools, MethodComplete, MethodDiscover, MethodListen} {
		if MayAskInput(method) || NameParam(method) != "" {
			t.Errorf("%s: MayAskInput %v, NameParam %q", method, MayAskInput(method), NameParam(method))
		}
	}
	for _, method := range []string{MethodDiscover, MethodListTools, MethodListPrompts, MethodListResources, MethodListResourceTemplates, MethodReadResource} {
		if !Cacheable(method) {
			t.Errorf("results of %s carry cache hints", method)
		}
	}
	for _, method := range []string{MethodCallTool, MethodGetPrompt, MethodComplete, MethodListen, MethodPing} {
		if Cacheable(method) {
			t.Errorf("results of %s carry no cache hints", method)
		}
	}
}
