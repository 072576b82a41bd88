// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// environment is what the files in testdata see.
func environment(name string) (string, bool) {
	value, ok := map[string]string{
		"HOME": "/home/user", "TOKEN": "s3cret", "EMPTY": "", "REGION": "eu",
		"API_BASE_URL": "https://api.example.com", "SNEAKY": "file:/etc/passwd",
		"DOLLAR": "${TOKEN}", "INPUT_API_KEY": "answered",
	}[name]
	return value, ok
}

// TestBad runs the files in testdata/bad, each with one mistake. The message is
// in the first line of a YAML file and beside a JSON file, without the file's
// name; it begins with the line number if there is one. All are refused by Strict.
// Without it a mistake in a server's entry marks that server down, with the same message.
func TestBad(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.bad.*")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, file := range files {
		if filepath.Ext(file) == ".want" {
			continue
		}
		ran++
		t.Run(filepath.Base(file), func(t *testing.T) {
			data := readFile(t, file)
			name := filepath.Base(file)
			_, err := Parse(name, data, environment, Strict)
			if err == nil {
				t.Fatal("no error")
			}
			want := wantedMessage(t, file, data)
			sep := ": "
			if want[0] >= '0' && want[0] <= '9' {
				sep = ":"
			}
			if diff := cmp.Diff(name+sep+want, err.Error()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if list, ok := errors.AsType[*Errors](err); !ok || len(list.List) != 1 {
				t.Fatalf("want exactly one mistake of type *Errors, got %T", err)
			}
			checkApart(t, name, data, err)
		})
	}
	if ran < 35 {
		t.Fatalf("only %d files", ran)
	}
}

// checkApart checks that a mistake in a server's entry is that server's own, and
// any other one the file's, without Strict as with it. In a client's file the last
// of two keys counts.
func checkApart(t *testing.T, name string, data []byte, strict error) {
	t.Helper()
	one, _ := errors.AsType[*Error](strict)
	p := &parser{file: name, lookup: environment, readFile: readSecretFile, cfg: Default()}
	p.read(data)
	repeated := strings.HasPrefix(one.Message, "given twice, here")
	if repeated && p.client {
		if len(p.errs.List) > 0 || len(p.notices) != 1 || p.notices[0].Line != one.Line {
			t.Errorf("a client's file: errors %v, notices %v", p.errs.List, p.notices)
		}
		return
	}
	if repeated || !strings.HasPrefix(one.Path, "mcpServers.") {
		if err := p.errs.result(); err == nil || err.Error() != strict.Error() {
			t.Errorf("not strict: got %v", err)
		}
		return
	}
	if err := p.errs.result(); err != nil {
		t.Fatalf("one entry's mistake is the file's: %v", err)
	}
	down := slices.ContainsFunc(p.cfg.Servers, func(s Server) bool { return s.Fault != "" && strings.Contains(one.Error(), s.Fault) })
	if unnamed := strings.Contains(one.Message, "a server's name"); down == unnamed {
		t.Errorf("servers %v", p.cfg.Servers)
	}
	told := append(p.remarks(p.faults.List, ""), p.remarks(p.notices, "")...) // of a disabled server it is a notice
	if !slices.Contains(told, one.Error()) {
		t.Errorf("told %q", told)
	}
}

func wantedMessage(t *testing.T, file string, data []byte) string {
	t.Helper()
	if filepath.Ext(file) == ".json" {
		return strings.TrimSpace(string(readFile(t, strings.TrimSuffix(file, ".json")+".want")))
	}
	first, _, _ := strings.Cut(string(data), "\n")
	want, ok := strings.CutPrefix(first, "# want: ")
	if !ok {
		t.Fatal("no # want: line")
	}
	return want
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
