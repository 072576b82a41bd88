// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// FuzzParse checks that no file makes Parse panic or go over its bounds, that
// every mistake has a place in the file, and that what is accepted keeps the
// promises of Config.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*.yaml", "testdata/*/*.json"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(filepath.Ext(file) == ".json", data)
		}
	}
	f.Fuzz(func(t *testing.T, json bool, data []byte) {
		name := "fuzz.yaml"
		if json {
			name = "fuzz.json"
		}
		p := &parser{file: name, lookup: environment, cfg: Default(),
			readFile: func(string) ([]byte, error) { return nil, fs.ErrNotExist }}
		c, err := p.parse(data)
		if err != nil {
			checkErrors(t, err, 1+len(lineBreak.FindAll(data, -1)))
			return
		}
		checkConfig(t, c)
	})
}

// lineBreak is what YAML takes for the end of a line.
var lineBreak = regexp.MustCompile("[\r\n\u0085\u2028\u2029]")

func checkErrors(t *testing.T, err error, lines int) {
	list, ok := errors.AsType[*Errors](err)
	if !ok || len(list.List) == 0 || len(list.List) > maxErrors {
		t.Fatalf("got %T: %v", err, err)
	}
	last := 0
	for _, one := range list.List {
		if one.Line < last || one.Line > lines || one.Message == "" || one.File == "" {
			t.Fatalf("of %d lines: %+v", lines, one)
		}
		last = one.Line
		if strings.Contains(one.Error(), "\n") || len(one.Error()) > 32<<10 {
			t.Fatalf("not one line of bounded length: %q", one.Error())
		}
	}
}

func checkConfig(t *testing.T, c *Config) {
	if err := CheckListen(c.Listen); err != nil {
		t.Fatal(err)
	}
	if c.Limits.MaxBody <= 0 || c.Limits.MaxDepth <= 0 || c.Limits.MaxBatch <= 0 || c.Limits.CallTimeout <= 0 || c.Limits.Processes <= 0 {
		t.Fatalf("limits %+v", c.Limits)
	}
	if l := c.Limits; l.Connections < 0 || l.Calls <= 0 || l.Share < 1 || l.Share > 100 || l.MessageMemory*int64(l.Share)/100 < l.MaxBody {
		t.Fatalf("limits %+v", l)
	}
	if c.Drain.Notice < NoticeDefault || c.Drain.Calls <= 0 {
		t.Fatalf("drain %+v", c.Drain)
	}
	if len(c.Notices) > maxNotices+1 {
		t.Fatalf("%d notices", len(c.Notices))
	}
	names := make(map[string]bool)
	for _, s := range c.Servers {
		if nameProblem(s.Name) != "" || names[s.Name] || s.Line < 1 {
			t.Fatalf("name %q on line %d", s.Name, s.Line)
		}
		names[s.Name] = true
		if s.Fault != "" {
			checkFault(t, &s)
			continue
		}
		if (s.Command == "") == (s.URL == "") || (s.Transport == Stdio) != (s.Command != "") || s.Transport == "" {
			t.Fatalf("transport %q, command %q, url %q", s.Transport, s.Command, s.URL)
		}
		for name, value := range s.Headers {
			if !isToken(name) || strings.ContainsAny(string(value), "\r\n\x00") {
				t.Fatalf("header %q: %q", name, string(value))
			}
		}
		checkPool(t, &s)
		_ = s.String()
	}
	for _, e := range c.Endpoints {
		if !publicName.MatchString(e.Name) || e.Include != nil && len(e.Include) == 0 || e.Servers != nil && len(e.Servers) == 0 {
			t.Fatalf("endpoint %+v", e)
		}
		for _, name := range e.Servers {
			if !names[name] {
				t.Fatalf("endpoint %s names %q", e.Name, name)
			}
		}
	}
}

// checkFault checks that nothing can be started of a server that is marked down.
func checkFault(t *testing.T, s *Server) {
	if strings.Contains(s.Fault, "\n") || len(s.Fault) > 32<<10 {
		t.Fatalf("not one line of bounded length: %q", s.Fault)
	}
	if !reflect.DeepEqual(*s, Server{Name: s.Name, Line: s.Line, Disabled: s.Disabled, Fault: s.Fault}) {
		t.Fatalf("%v has more than a fault", s)
	}
}

// checkPool checks what one server's instances are promised.
func checkPool(t *testing.T, s *Server) {
	p := s.Pool
	if p.Sharing == "" || p.Max < 1 || p.Min < 0 || p.Min > p.Max || p.Spare < 0 || p.Spare > p.Max ||
		p.MaxCalls < 1 || p.Start <= 0 || p.Idle < 0 || p.Sharing == Shared && p.Spare > 0 {
		t.Fatalf("pool %+v", p)
	}
	child, http := s.Transport == Stdio, s.Transport != Stdio && s.Transport != WebSocket
	if http != (s.HTTP.MaxConns > 0) || !http && s.HTTP != (HTTPLimits{}) {
		t.Fatalf("%s with %+v", s.Transport, s.HTTP)
	}
	if !child && (s.Process.Inherit != nil || s.Process.Memory != 0 || s.Process.CPU != 0 || p.Spare != 0) {
		t.Fatalf("%s with %+v, %+v", s.Transport, s.Process, p)
	}
	if s.Process.CPU < 0 || s.Process.CPU > 1024 || s.Process.Memory < 0 {
		t.Fatalf("process %+v", s.Process)
	}
	for _, sel := range []Selection{s.Tools, s.Prompts, s.Resources} {
		taken := make(map[string]bool)
		for own, name := range sel.Rename {
			if !s.Disabled && (!publicName.MatchString(name) || taken[name]) || own == "" {
				t.Fatalf("rename %q", sel.Rename)
			}
			taken[name] = true
		}
	}
	if s.Resources.Rename != nil {
		t.Fatal("a resource is renamed")
	}
	s.Process.Environ([]string{"PATH=/bin", "=C:=C:\\", "X"})
}
