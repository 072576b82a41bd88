// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/mcp/schematest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestConvert converts each inner message of the corpus to every version,
// compares with what the archive has, and holds it against that version's schema.
func TestConvert(t *testing.T) {
	paths, err := filepath.Glob("testdata/convert/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			kind, method, _ := strings.Cut(strings.SplitN(string(archive.Comment), "\n", 2)[0], " ")
			inner := mcp.Raw(archive.Files[0].Data).Clone()
			if err := inner.Compact(); err != nil {
				t.Fatal(err)
			}
			got := []txtar.File{archive.Files[0]}
			versions := mcp.Versions()
			slices.Reverse(versions)
			for _, v := range versions {
				text := convert(t, v, kind, method, inner)
				got = append(got, txtar.File{Name: string(v), Data: []byte(text)})
			}
			if *update {
				archive.Files = got
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(asText(archive.Files), asText(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func asText(files []txtar.File) map[string]string {
	m := map[string]string{}
	for _, f := range files {
		m[f.Name] = string(f.Data)
	}
	return m
}

func convert(t *testing.T, v mcp.Version, kind, method string, inner mcp.Raw) string {
	t.Helper()
	f, before := v.Features(), inner.Clone()
	var out mcp.Raw
	var err error
	has := true
	switch kind {
	case "result":
		out, err = mcp.DownResult(f, method, inner)
	case "ask":
		out, err = mcp.DownAsk(f, method, inner)
	case "notification":
		out, has = mcp.DownNotification(f, method, inner)
	default:
		t.Fatalf("unknown kind %q", kind)
	}
	if !bytes.Equal(before, inner) {
		t.Errorf("%s: the argument was modified", v)
	}
	switch {
	case !has:
		return "does not exist\n"
	case err != nil:
		if typed, ok := errors.AsType[*mcp.NotCarriedError](err); !ok || typed.Version != v || !errors.Is(err, mcp.ErrNotCarried) {
			t.Errorf("%s: error %v is not a NotCarriedError", v, err)
		}
		return "error: " + err.Error() + "\n"
	}
	if err := valid(v, kind, method, out); err != nil {
		t.Errorf("%s: %v\n%s", v, err, out)
	}
	if bytes.Equal(out, inner) {
		return "unchanged\n"
	}
	return string(out) + "\n"
}

// valid checks a converted message against the schema of v.
func valid(v mcp.Version, kind, method string, out mcp.Raw) error {
	f := v.Features()
	switch {
	case kind == "notification":
		return schematest.CheckParams(v, schematest.FromServer, method, out)
	case kind == "ask" && method == mcp.MethodElicit && f.ElicitationURL && !f.Extensions:
		if mode, _ := jsonrpc.Get(out, "mode"); string(mode) == `"url"` {
			out = jsonrpc.Set(out, "elicitationId", mcp.Raw(`"e"`)) // as its sender must
		}
		fallthrough
	case kind == "ask":
		return schematest.CheckParams(v, schematest.FromServer, method, out)
	case f.Request(method):
		return schematest.CheckResult(v, method, dress(f, method, out))
	}
	return nil // the version does not have the method
}

// dress adds what the modern engine adds to results.
func dress(f *mcp.Features, method string, body mcp.Raw) mcp.Raw {
	if f.ResultTypes {
		body = jsonrpc.Set(body, "resultType", mcp.Raw(`"complete"`))
	}
	if f.CacheHints && mcp.Cacheable(method) {
		body = jsonrpc.Set(body, "ttlMs", mcp.Raw(`0`))
		body = jsonrpc.Set(body, "cacheScope", mcp.Raw(`"private"`))
	}
	return body
}
