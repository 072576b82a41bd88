// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package holdfast_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite testdata/api.txt")

// surfaceExceptions are exported declarations that show a type which no user of
// theirs can name, or which its own authors may change. The list only shrinks: an
// entry that nothing needs any more fails the test.
var surfaceExceptions = map[string]string{
	"adapter/gosdk.Dialer: github.com/modelcontextprotocol/go-sdk/mcp.Server": "to take servers of the official SDK is what the package is for",
	"adapter/gosdk.Mount: github.com/modelcontextprotocol/go-sdk/mcp.Server":  "as Dialer",
	"jsonrpc.Raw: github.com/go-json-experiment/json/jsontext.Value":          "the library becomes encoding/json/v2; a type of Holdfast's own takes its place before v1",
	"transport/httpsse.Config: internal/nodes.Nodes":                          "only internal/endpoint sets it; the handler becomes internal",
	"transport/httpsse.Config: internal/seal.Ring":                            "as internal/nodes.Nodes",
}

// TestAPI compares the exported declarations of all public packages with
// testdata/api.txt, so that a change of the API is seen and meant. They are those of
// Linux; `go test -run TestAPI . -update` writes the file anew.
func TestAPI(t *testing.T) {
	var got strings.Builder
	for _, p := range publicPackages(t) {
		for _, line := range declarations(p) {
			fmt.Fprintln(&got, line)
		}
	}
	golden := filepath.Join("testdata", "api.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("the exported declarations are not those of %s; if that is meant, add -update (-was +is):\n%s", golden, diff)
	}
}

// TestPublicSurface holds that no exported declaration of a public package shows a
// type of an internal package or of another module.
func TestPublicSurface(t *testing.T) {
	used := make(map[string]bool)
	for _, p := range publicPackages(t) {
		for _, name := range exported(p) {
			s := surface{seen: make(map[types.Type]bool)}
			s.object(p.Scope().Lookup(name))
			for _, foreign := range s.found {
				key := fmt.Sprintf("%s.%s: %s", short(p), name, foreign)
				if _, excepted := surfaceExceptions[key]; !excepted {
					t.Errorf("%s: a public declaration shows a type that is internal or another module's", key)
				}
				used[key] = true
			}
		}
	}
	for key := range surfaceExceptions {
		if !used[key] {
			t.Errorf("%s: the exception is needed no longer; take it off the list", key)
		}
	}
}

// TestSurfaceSeesThrough holds that no way of showing a type goes unseen.
func TestSurfaceSeesThrough(t *testing.T) {
	for decl, want := range map[string]string{
		"func X(internal.T)":                                                "internal/x.T",
		"func X() (int, error)":                                             "",
		"var X map[string]chan []*internal.T":                               "internal/x.T",
		"type X struct{ F func(...internal.T) }":                            "internal/x.T",
		"type X struct{ f internal.T }":                                     "",
		"type X struct{ y }; type y struct{ F internal.T }":                 "internal/x.T",
		"type X struct{ *y }; type y int; func (*y) M(internal.T) {}":       "internal/x.T",
		"type X interface{ M() internal.T }":                                "internal/x.T",
		"type X = internal.T":                                               "internal/x.T",
		"func X() y; type y struct{}; func (y) M() internal.T { panic(0) }": "internal/x.T",
		"func X(Y); type Y struct{ F internal.T }":                          "", // Y has its own entry
		"func X[P interface{ ~int | internal.T }](P) {}":                    "internal/x.T",
		"type X[P any] struct{ F Y[internal.T] }; type Y[P any] struct{}":   "internal/x.T",
		"type X internal.T":                                                 "",
	} {
		src := "package p; import \"" + module + "/internal/x\"; var _ internal.T; " + decl
		p, err := checked(module+"/p", src)
		if err != nil {
			t.Errorf("%s: %v", decl, err)
			continue
		}
		s := surface{seen: make(map[types.Type]bool)}
		s.object(p.Scope().Lookup("X"))
		if got := strings.Join(s.found, " "); got != want {
			t.Errorf("%s shows %q, want %q", decl, got, want)
		}
	}
}

// checked type-checks a file that may import a package internal with a type T.
func checked(path, src string) (*types.Package, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "p.go", src, 0)
	if err != nil {
		return nil, err
	}
	other := types.NewPackage(module+"/internal/x", "internal")
	name := types.NewTypeName(token.NoPos, other, "T", nil)
	types.NewNamed(name, types.Typ[types.String], nil)
	other.Scope().Insert(name)
	other.MarkComplete()
	cfg := types.Config{Importer: oneImport{other}}
	return cfg.Check(path, fset, []*ast.File{f}, nil)
}

type oneImport struct{ *types.Package }

func (o oneImport) Import(string) (*types.Package, error) { return o.Package, nil }

// publicPackages returns the type information of all packages that other modules
// may import, in the order of their paths, from what the compiler exports.
func publicPackages(t *testing.T) []*types.Package {
	t.Helper()
	cmd := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}\t{{.Name}}", "./...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list -export: %v", err)
	}
	files := make(map[string]string)
	var public []string
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		files[fields[0]] = fields[1]
		if rel, ours := product(fields[0]); ours && fields[2] != "main" && !strings.HasPrefix(rel, "internal/") {
			public = append(public, fields[0])
		}
	}
	slices.Sort(public)
	if len(public) < 5 {
		t.Fatalf("go list names only %d public packages: %q", len(public), public)
	}
	imp := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) { return os.Open(files[path]) })
	packages := make([]*types.Package, len(public))
	for i, path := range public {
		if packages[i], err = imp.Import(path); err != nil {
			t.Fatal(err)
		}
	}
	return packages
}

// exported returns the names that a package exports.
func exported(p *types.Package) []string {
	return slices.DeleteFunc(p.Scope().Names(), func(name string) bool { return !token.IsExported(name) })
}

// short is a package's path, of those of this module without the module's.
func short(p *types.Package) string {
	if p.Path() == module {
		return root
	}
	return strings.TrimPrefix(p.Path(), module+"/")
}

// declarations writes what a package exports, a line for each declaration, field and method.
func declarations(p *types.Package) []string {
	qualify := func(other *types.Package) string {
		if other == p {
			return ""
		}
		return short(other)
	}
	var lines []string
	add := func(format string, args ...any) {
		lines = append(lines, short(p)+": "+fmt.Sprintf(format, args...))
	}
	for _, name := range exported(p) {
		switch obj := p.Scope().Lookup(name).(type) {
		case *types.Const:
			add("const %s %s = %s", name, types.TypeString(obj.Type(), qualify), obj.Val().ExactString())
		case *types.TypeName:
			writeType(add, obj, qualify)
		default:
			add("%s", types.ObjectString(obj, qualify))
		}
	}
	return lines
}

// writeType writes a type: what it is, its exported fields and its methods, those
// that it takes from unexported embedded types included.
func writeType(add func(string, ...any), obj *types.TypeName, qualify types.Qualifier) {
	if obj.IsAlias() {
		add("%s", types.ObjectString(obj, qualify))
		return
	}
	named := obj.Type().(*types.Named)
	name := types.TypeString(named, qualify)
	switch under := named.Underlying().(type) {
	case *types.Struct:
		add("type %s struct", name)
		for field := range under.Fields() {
			if field.Exported() {
				add("type %s struct, %s %s", name, field.Name(), types.TypeString(field.Type(), qualify))
			}
		}
	case *types.Interface:
		add("type %s interface", name)
	default:
		add("type %s %s", name, types.TypeString(under, qualify))
	}
	values := types.NewMethodSet(named)
	for _, m := range methods(named) {
		receiver := "*" + name
		if values.Lookup(m.Obj().Pkg(), m.Obj().Name()) != nil {
			receiver = name
		}
		add("method (%s) %s%s", receiver, m.Obj().Name(), strings.TrimPrefix(types.TypeString(m.Type(), qualify), "func"))
	}
}

// methods returns the exported methods of a type and of a pointer to it.
func methods(named *types.Named) []*types.Selection {
	var typ types.Type = named
	if !types.IsInterface(named) {
		typ = types.NewPointer(named)
	}
	var all []*types.Selection
	for m := range types.NewMethodSet(typ).Methods() {
		if m.Obj().Exported() {
			all = append(all, m)
		}
	}
	return all
}

// surface walks what a user of one declaration can see.
type surface struct {
	seen  map[types.Type]bool
	found []string
}

func (s *surface) object(obj types.Object) {
	name, isType := obj.(*types.TypeName)
	if !isType {
		s.typ(obj.Type())
		return
	}
	if alias, ok := name.Type().(*types.Alias); ok {
		s.typ(alias.Rhs())
		return
	}
	s.named(name.Type().(*types.Named))
}

// named walks a type's own declaration: what it is made of and what it can do.
func (s *surface) named(named *types.Named) {
	if s.seen[named] {
		return
	}
	s.seen[named] = true
	for param := range named.TypeParams().TypeParams() {
		s.typ(param.Constraint())
	}
	s.typ(named.Underlying())
	for _, m := range methods(named) {
		s.typ(m.Type())
	}
}

// typ walks a type in a signature. A type of a public package with a name has its own
// entry; one without an exported name is seen through.
func (s *surface) typ(typ types.Type) {
	switch typ := typ.(type) {
	case *types.Alias:
		s.reference(typ.Obj(), typ.TypeArgs(), types.Unalias(typ))
	case *types.Named:
		s.reference(typ.Obj(), typ.TypeArgs(), typ)
	case *types.TypeParam: // walked where it is declared
	case *types.Signature:
		for param := range typ.TypeParams().TypeParams() {
			s.typ(param.Constraint())
		}
		s.typ(typ.Params())
		s.typ(typ.Results())
	case *types.Tuple:
		for v := range typ.Variables() {
			s.typ(v.Type())
		}
	case *types.Struct:
		for field := range typ.Fields() {
			if field.Exported() || field.Embedded() { // what is embedded lends its fields
				s.typ(field.Type())
			}
		}
	case *types.Interface:
		s.members(typ)
	case *types.Union:
		for term := range typ.Terms() {
			s.typ(term.Type())
		}
	case *types.Map:
		s.typ(typ.Key())
		s.typ(typ.Elem())
	case interface{ Elem() types.Type }: // pointers, slices, arrays, channels
		s.typ(typ.Elem())
	}
}

func (s *surface) members(typ *types.Interface) {
	for m := range typ.ExplicitMethods() {
		if m.Exported() {
			s.typ(m.Type())
		}
	}
	for embedded := range typ.EmbeddedTypes() {
		s.typ(embedded)
	}
}

// reference judges a type that a signature names.
func (s *surface) reference(name *types.TypeName, args *types.TypeList, means types.Type) {
	for arg := range args.Types() {
		s.typ(arg)
	}
	switch p := name.Pkg(); {
	case p == nil || !strings.Contains(strings.Split(p.Path(), "/")[0], "."): // predeclared, or the standard library's
	case p.Path() != module && !strings.HasPrefix(p.Path(), module+"/") || strings.Contains(p.Path(), "/internal/"):
		if foreign := strings.TrimPrefix(p.Path(), module+"/") + "." + name.Name(); !slices.Contains(s.found, foreign) {
			s.found = append(s.found, foreign)
		}
	case name.Exported(): // has its own entry
	default:
		if named, ok := means.(*types.Named); ok {
			s.named(named)
		} else {
			s.typ(means)
		}
	}
}
