// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package holdfast_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

const (
	module = "github.com/holdfast-mcp/holdfast"
	root   = "holdfast" // how the package of the module's own path is called here
	sdk    = "github.com/modelcontextprotocol/go-sdk/mcp"
)

// layers is the import table: a package imports only packages of lower rows. What is
// below tests, bench and examples has the row of that folder, unless it has its own.
// docs/architecture.md has the same table; TestLayerTable compares the two.
var layers = map[string]int{
	"jsonrpc": 0, "internal/sse": 0, "internal/filelock": 0, "internal/gate": 0, "internal/process": 1, "internal/httpguard": 1, "internal/control": 0, "internal/search": 0,
	"internal/ownership": 0, "internal/jsonform": 0, "internal/typo": 0,
	"mcp":          1,
	"internal/rpc": 2, "transport": 2, "internal/seal": 1, "internal/nodes": 2,
	"internal/uritemplate": 0,
	"internal/engine":      3, "internal/session": 3, "internal/task": 4, "internal/subscription": 3,
	"internal/display": 0,
	"transport/stdio":  3, "transport/streamable": 3, "transport/httpsse": 3, "transport/websocket": 3,
	"internal/throttle":      0,
	"internal/share":         0,
	"internal/pause":         0,
	"internal/quota":         1,
	"internal/httpio":        0,
	"internal/httpserver":    2,
	"internal/engine/legacy": 5, "internal/engine/modern": 5,
	"internal/endpoint": 6,
	"server":            7, "client": 7,
	"internal/demo": 8, "internal/backend": 8, "internal/backend/placement": 9,
	"internal/cluster": 9,
	"internal/gateway": 10,
	"internal/config":  10,
	"internal/node":    11,
	"internal/cli":     12,
	root:               12,
	"adapter/gosdk":    13,
	"cmd/holdfast":     13,

	"internal/clustertest": 0, "internal/loopbacktest": 0, "internal/nettest": 0,
	"mcp/schematest":               2,
	"internal/nodes/nodestest":     3,
	"internal/session/sessiontest": 4,
	"internal/task/tasktest":       5,
	"tests/debian":                 0, "tests/gobuild": 0, "tests/ledger": 0, "tests/npm": 0, "tests/wire": 0,
	"tests/field": 1,
	"tests":       14, "bench": 14, "examples": 14,
}

// forbidden are imports that an SDK user must not pay for, or that have another
// home, each with its reason.
var forbidden = []struct{ from, path, reason string }{
	{"", "encoding/json", "input is read strictly; use go-json-experiment/json"},
	{"", "github.com/yosida95/uritemplate/v3", "its matching takes time without bound; use internal/uritemplate"},
	{"server", module + "/internal/process", "an SDK user does not pay for the gateway's processes"},
	{"server", module + "/client", "a server calls nobody"},
	{"client", module + "/internal/process", "a client's user does not pay for the gateway's processes"},
	{"server", sdk, "only who hosts servers of the official SDK pays for it"},
	{"client", sdk, "only who hosts servers of the official SDK pays for it"},
	{"cmd/holdfast", sdk, "only who hosts servers of the official SDK pays for it"},
	{"client", "go.yaml.in/yaml/v3", "a client's user does not pay for the configuration file"},
	{"client", "github.com/pelletier/go-toml/v2", "a client's user does not pay for the configuration file"},
	{"server", "github.com/pelletier/go-toml/v2", "a server's user does not pay for the configuration file"},
}

type pkg struct {
	ImportPath string
	Dir        string
	Imports    []string
	Deps       []string
	GoFiles    []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,Deps,GoFiles", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	dec := jsontext.NewDecoder(strings.NewReader(string(out)))
	for dec.PeekKind() == '{' {
		var p pkg
		if err := json.UnmarshalDecode(dec, &p); err != nil {
			t.Fatalf("decode go list: %v", err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("go list names only %d packages", len(all))
	}
	return all
}

// below returns a package's path below the module, which of the module's own is root.
func below(path string) (rel string, ours bool) {
	if path == module {
		return root, true
	}
	return strings.CutPrefix(path, module+"/")
}

// product reports whether the package is part of the product and returns its
// path below the module.
func product(path string) (string, bool) {
	rel, ours := below(path)
	folder, _, _ := strings.Cut(rel, "/")
	switch folder {
	case "tests", "examples", "bench":
		return rel, false
	}
	return rel, ours && !strings.HasSuffix(rel, "test")
}

// rowOf returns a package's row of the layer table.
func rowOf(rel string) (int, bool) {
	if row, known := layers[rel]; known {
		return row, true
	}
	folder, _, _ := strings.Cut(rel, "/")
	switch folder {
	case "tests", "examples", "bench":
		return layers[folder], true
	}
	return 0, false
}

func TestLayers(t *testing.T) {
	used := map[string]bool{"tests": true, "examples": true}
	for _, p := range packages(t) {
		rel, isProduct := product(p.ImportPath)
		used[rel] = true
		row, known := rowOf(rel)
		if !known {
			t.Errorf("package %s has no row in the layer table", rel)
			continue
		}
		for _, imp := range p.Imports {
			target, ours := below(imp)
			if !ours {
				continue
			}
			if lower, known := rowOf(target); !known || lower >= row {
				t.Errorf("%s (row %d) imports %s (row %d): imports run strictly downward", rel, row, target, lower)
			}
			if _, targetIsProduct := product(imp); isProduct && !targetIsProduct {
				t.Errorf("%s imports %s: only tests and programs for tests may", rel, target)
			}
		}
	}
	for rel := range layers {
		if !used[rel] {
			t.Errorf("the layer table has a row for %s, which is no package", rel)
		}
	}
}

// layerRow is a line of the table of docs/architecture.md: a row and its packages.
var layerRow = regexp.MustCompile(`(?m)^\| (\d+) \| (.+?) \| .+ \|$`)

// TestLayerTable holds that docs/architecture.md shows the layer table as it is,
// from the lowest row up.
func TestLayerTable(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	shown := make(map[string]int)
	last := 0
	for _, line := range layerRow.FindAllStringSubmatch(string(doc), -1) {
		row, err := strconv.Atoi(line[1])
		if err != nil {
			t.Fatal(err)
		}
		if row < last {
			t.Errorf("row %d of %s stands below row %d", row, line[2], last)
		}
		last = row
		for cell := range strings.SplitSeq(line[2], ", ") {
			shown[strings.Trim(strings.TrimSuffix(cell, " (root)"), "`")] = row
		}
	}
	if diff := cmp.Diff(layers, shown); diff != "" {
		t.Errorf("arch_test.go and docs/architecture.md have different layer tables (-test +document):\n%s", diff)
	}
}

func TestForbiddenImports(t *testing.T) {
	for _, p := range packages(t) {
		rel, ok := product(p.ImportPath)
		if !ok {
			continue
		}
		for _, f := range forbidden {
			imports := p.Imports
			if f.from != "" {
				if rel != f.from {
					continue
				}
				imports = p.Deps
			}
			for _, imp := range imports {
				if imp == f.path {
					t.Errorf("%s imports %s: %s", rel, imp, f.reason)
				}
			}
		}
	}
}

func TestPackageDocs(t *testing.T) {
	for _, p := range packages(t) {
		documented := 0
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				t.Fatal(err)
			}
			if f.Doc != nil && len(f.Doc.Text()) > 0 {
				documented++
			}
		}
		if len(p.GoFiles) > 0 && documented != 1 {
			t.Errorf("%s has %d package comments, want one", p.ImportPath, documented)
		}
	}
}

var revision = regexp.MustCompile(`^"20\d\d-\d\d-\d\d"$|^V20\d{6}$`)

// TestVersionsStayHome holds that only mcp and the era engines name a version.
func TestVersionsStayHome(t *testing.T) {
	for _, p := range packages(t) {
		rel, ok := product(p.ImportPath)
		if !ok || rel == "mcp" || strings.HasPrefix(rel, "internal/engine/") {
			continue
		}
		for _, name := range p.GoFiles {
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				text := ""
				switch n := n.(type) {
				case *ast.BasicLit:
					text = n.Value
				case *ast.Ident:
					text = n.Name
				}
				if revision.MatchString(text) && text != `"2006-01-02"` { // the time package's layout
					t.Errorf("%s names version %s: ask mcp.Features instead", fset.Position(n.Pos()), text)
				}
				return true
			})
		}
	}
}

func TestLicenseHeaders(t *testing.T) {
	const header = "// SPDX-FileCopyrightText: 2026 The Holdfast Authors\n// SPDX-License-Identifier: Apache-2.0\n"
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == ".cache") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		src, err := os.ReadFile(path)
		if err == nil && !strings.HasPrefix(string(src), header) {
			t.Errorf("%s lacks the two-line licence header", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
