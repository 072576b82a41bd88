// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestClients reads a file as each client writes it and compares everything that
// comes of it with the .golden file beside it.
func TestClients(t *testing.T) {
	files := clientFiles(t)
	if len(files) < 28 {
		t.Fatalf("only %d files", len(files))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			c, err := Parse("/project/.client/"+filepath.Base(file), readFile(t, file), environment)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(file, filepath.Ext(file))+".golden", render(c))
		})
	}
}

// clientFiles are the files as clients write them.
func clientFiles(t testing.TB) (files []string) {
	t.Helper()
	for _, ending := range []string{"json", "yaml", "toml"} {
		some, err := filepath.Glob("testdata/clients/*." + ending)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, some...)
	}
	return files
}

// TestDefaultGolden pins every default, so that a change of one is seen.
func TestDefaultGolden(t *testing.T) {
	c := Default()
	golden(t, "testdata/default.golden", render(&c))
}

func TestGood(t *testing.T) {
	files, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			c, err := Parse(filepath.Base(file), readFile(t, file), environment)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".golden", render(c))
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(readFile(t, file)), got); diff != "" {
		t.Errorf("%s -want +got:\n%s", file, diff)
	}
}

// render writes all of a configuration, secrets included.
func render(c *Config) string {
	var b strings.Builder
	fmt.Fprintf(&b, "listen %s\ndata %q\nlimits %+v\ndrain %+v\nhosts %q\norigins %q\n",
		c.Listen, c.Data, c.Limits, c.Drain, c.AllowedHosts, c.AllowedOrigins)
	if !reflect.DeepEqual(c.Cluster, defaultCluster()) {
		type plain Cluster // without its String
		fmt.Fprintf(&b, "cluster %+v\n", plain(c.Cluster))
	}
	if !c.ServerEndpoints {
		b.WriteString("no endpoints of single servers\n")
	}
	if c.KeyAge != Default().KeyAge {
		fmt.Fprintf(&b, "key age %v\n", c.KeyAge)
	}
	for _, e := range c.Endpoints {
		fmt.Fprintf(&b, "endpoint %s servers %s include %s exclude %s search=%t\n", e.Name, nilOr(e.Servers), nilOr(e.Include), nilOr(e.Exclude), e.Search)
		if e.Pin != nil {
			fmt.Fprintf(&b, "  pin %q\n", e.Pin)
		}
	}
	for _, s := range c.Servers {
		fmt.Fprintf(&b, "\nserver %q line %d %s disabled=%t timeout=%v\n", s.Name, s.Line, s.Transport, s.Disabled, s.Timeout)
		if s.Fault != "" {
			fmt.Fprintf(&b, "  cannot be used: %s\n", s.Fault)
			continue
		}
		if s.Command != "" {
			fmt.Fprintf(&b, "  command %q args %q cwd %q\n", s.Command, s.Args, s.Cwd)
		}
		if s.URL != "" {
			fmt.Fprintf(&b, "  url %q\n", s.URL)
		}
		fmt.Fprintf(&b, "  pool %+v\n", s.Pool)
		if s.Transport == Stdio {
			fmt.Fprintf(&b, "  process inherit %s memory %d cpu %v\n", nilOr(s.Process.Inherit), s.Process.Memory, s.Process.CPU)
			if s.Process.PIDs != defaultPIDs {
				fmt.Fprintf(&b, "  pids %d\n", s.Process.PIDs)
			}
			if s.Process.User != "" {
				fmt.Fprintf(&b, "  user %q\n", s.Process.User)
			}
			if s.Process.AllowPrivilegeEscalation {
				fmt.Fprintf(&b, "  may gain privileges\n")
			}
		} else {
			fmt.Fprintf(&b, "  http %+v\n", s.HTTP)
		}
		if s.TLS != (ServerTLS{}) {
			fmt.Fprintf(&b, "  tls %+v\n", s.TLS)
		}
		if s.Protocol != (Protocol{}) {
			fmt.Fprintf(&b, "  protocol %v %s\n", s.Protocol.Era, s.Protocol.Version)
		}
		if s.Capabilities != nil {
			fmt.Fprintf(&b, "  capabilities %q\n", s.Capabilities)
		}
		renderSelection(&b, "tools", s.Tools)
		renderSelection(&b, "prompts", s.Prompts)
		renderSelection(&b, "resources", s.Resources)
		for _, m := range []struct {
			name   string
			values map[string]Secret
		}{{"env", s.Env}, {"header", s.Headers}} {
			for _, k := range slices.Sorted(maps.Keys(m.values)) {
				fmt.Fprintf(&b, "  %s %s=%q\n", m.name, k, string(m.values[k]))
			}
		}
	}
	if len(c.Faults) > 0 {
		fmt.Fprintf(&b, "\n%s\n", strings.Join(c.Faults, "\n"))
	}
	if len(c.Notices) > 0 {
		fmt.Fprintf(&b, "\n%s\n", strings.Join(c.Notices, "\n"))
	}
	return b.String()
}

func renderSelection(b *strings.Builder, what string, s Selection) {
	if s.Include != nil || s.Exclude != nil || s.Rename != nil || s.Describe != nil {
		fmt.Fprintf(b, "  %s include %s exclude %s rename %q describe %q\n", what, nilOr(s.Include), nilOr(s.Exclude), s.Rename, s.Describe)
	}
	if s.Keywords != nil {
		fmt.Fprintf(b, "  %s keywords %q\n", what, s.Keywords)
	}
	if s.Unlisted {
		fmt.Fprintf(b, "  %s unlisted\n", what)
	}
}

// nilOr tells nil from an empty list.
func nilOr(list []string) string {
	if list == nil {
		return "nil"
	}
	return fmt.Sprintf("%q", list)
}
