// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// secretFile writes a file and returns its path.
func secretFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func newParser(lookup func(string) (string, bool)) *parser {
	return &parser{file: "/w/.vscode/mcp.json", lookup: lookup, readFile: readSecretFile, cfg: Default()}
}

func TestExpand(t *testing.T) {
	file := secretFile(t, " t0p \nsecond\r\n")
	env := func(name string) (string, bool) {
		if name == "FILE" {
			return file, true
		}
		return environment(name)
	}
	for in, want := range map[string]string{
		"plain":                        "plain",
		"":                             "",
		"${TOKEN}":                     "s3cret",
		"a${TOKEN}b${REGION}c":         "as3cretbeuc",
		"${env:TOKEN}":                 "s3cret",
		"${EMPTY}":                     "",
		"${EMPTY:-x}":                  "x",
		"${NOPE:-x}":                   "x",
		"${NOPE:-}":                    "",
		"${NOPE:-a:-b}":                "a:-b",
		"${TOKEN:-x}":                  "s3cret",
		"${env:NOPE:-x}":               "x",
		"$${TOKEN}":                    "${TOKEN}",
		"$$${TOKEN}":                   "$${TOKEN}",
		"$TOKEN $ $$ 5$":               "$TOKEN $ $$ 5$",
		"pa$$word":                     "pa$$word",
		"${DOLLAR}":                    "${TOKEN}", // not expanded again
		"${SNEAKY}":                    "file:/etc/passwd",
		"${NOPE:-file:/etc/passwd}":    "file:/etc/passwd",
		"${userHome}":                  "/home/user",
		"${workspaceFolder}/x":         "/w/x",
		"${workspaceFolderBasename}":   "w",
		"a${/}b${pathSeparator}c":      "a/b/c",
		"file:" + file:                 " t0p \nsecond",
		"file:${FILE}":                 " t0p \nsecond",
		"x-${file:" + file + "}":       "x- t0p \nsecond",
		"file:token":                   "file:token",
		"file:./dev.db":                "file:./dev.db",
		"file://" + file:               "file://" + file,
		"xfile:" + file:                "xfile:" + file,
		"${TOKEN" + "}" + "}":          "s3cret}",
		strings.Repeat("${REGION}", 5): "eueueueueu",
	} {
		p := newParser(env)
		got, ok := p.expand("x", &node{kind: kindString, text: in}, true)
		if !ok || got != want {
			t.Errorf("%q becomes %q, want %q; %v", in, got, want, p.errs.result())
		}
	}
}

// TestExpandNoFiles has the same texts where only variables are allowed.
func TestExpandNoFiles(t *testing.T) {
	got, ok := newParser(environment).expand("x", &node{kind: kindString, text: "file:/etc/passwd"}, false)
	if !ok || got != "file:/etc/passwd" {
		t.Errorf("got %q, %t", got, ok)
	}
}

func TestExpandBounded(t *testing.T) {
	long := func(string) (string, bool) { return strings.Repeat("x", 100<<10), true }
	for name, text := range map[string]string{
		"value": "mcpServers: {a: {command: \"${A}${A}\"}}",
		"file":  "mcpServers: {a: {command: x, args: [" + strings.Repeat("\"${A}\",", 200) + "]}}",
	} {
		_, err := Parse("holdfast.yaml", []byte(text), long, Strict)
		if err == nil || !strings.Contains(err.Error(), "over 128KiB long") && !strings.Contains(err.Error(), "add more than 16MiB") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestSecretFileRefused(t *testing.T) {
	for name, text := range map[string]string{
		"too large: over 64KiB": strings.Repeat("x", maxSecret+1),
		"not UTF-8 text":        "\xff\xfe",
		"NUL":                   "a\x00b",
	} {
		file := secretFile(t, text)
		_, err := Parse("holdfast.yaml", []byte("mcpServers: {a: {command: x, env: {A: \"file:"+file+"\"}}}"), environment, Strict)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("want %s, got %v", name, err)
		}
	}
}

func TestEnvFile(t *testing.T) {
	file := secretFile(t, "\ufeff# comment\n\nA=1\nexport B = two words \nC=\"quoted # not a comment\"\nD='${TOKEN}'\nE=\nF=a=b\r\n")
	text := "mcpServers: {a: {command: x, envFile: " + file + ", env: {A: over, Z: z}}}"
	c, err := Parse("holdfast.yaml", []byte(text), environment)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for name, value := range c.Servers[0].Env {
		got[name] = string(value)
	}
	want := map[string]string{"A": "over", "B": "two words", "C": "quoted # not a comment", "D": "${TOKEN}", "E": "", "F": "a=b", "Z": "z"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	file = secretFile(t, "A=1\nno assignment s3cret\n")
	_, err = Parse("holdfast.yaml", []byte("mcpServers: {a: {command: x, envFile: "+file+"}}"), environment, Strict)
	if err == nil || !strings.Contains(err.Error(), "line 2 is not NAME=value") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v", err)
	}
}

// TestEnvFileOfClient: of a client's envFile what is no variable is skipped.
func TestEnvFileOfClient(t *testing.T) {
	file := secretFile(t, "A=1\nno assignment s3cret\nB=2\n")
	c, err := Parse("mcp.json", []byte(`{"servers": {"a": {"command": "x", "envFile": "`+file+`"}}}`), environment)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]Secret{"A": "1", "B": "2"}, c.Servers[0].Env); diff != "" {
		t.Error(diff)
	}
	if len(c.Notices) != 1 || !strings.Contains(c.Notices[0], "line 2 is ignored") || strings.Contains(c.Notices[0], "s3cret") {
		t.Errorf("notices %q", c.Notices)
	}
}

// TestSecretStays: neither the file with the cluster's secret nor a file of
// variables that has it among others brings the secret to a server.
func TestSecretStays(t *testing.T) {
	secret := secretFile(t, "a secret of these tests")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(secret, link); err != nil {
		t.Fatal(err)
	}
	lookup := func(name string) (string, bool) {
		if name == SecretFileVariable {
			return secret, true
		}
		return environment(name)
	}
	for _, value := range []string{"file:" + secret, "x${file:" + link + "}"} {
		text := "mcpServers: {a: {command: x, env: {X: \"" + value + "\"}}}"
		if _, err := Parse("holdfast.yaml", []byte(text), lookup, Strict); err == nil || !strings.Contains(err.Error(), "holds the cluster's secret") {
			t.Errorf("%s: %v", value, err)
		}
	}
	vars := secretFile(t, "A=1\nHOLDFAST_CLUSTER_SECRET=s\nexport HOLDFAST_CLUSTER_SECRET_FILE=/s\n")
	c, err := Parse("holdfast.yaml", []byte("mcpServers: {a: {command: x, envFile: "+vars+"}}"), lookup)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]Secret{"A": "1"}, c.Servers[0].Env); diff != "" {
		t.Error(diff)
	}
	if notices := strings.Join(c.Notices, "\n"); strings.Count(notices, "is left out") != 2 {
		t.Errorf("notices: %s", notices)
	}
}

// TestSecretStaysFromClients: no client's way to name a variable brings the
// cluster's secret to a server.
func TestSecretStaysFromClients(t *testing.T) {
	lookup := func(name string) (string, bool) {
		if name == SecretVariable {
			return "a secret of these tests", true
		}
		return environment(name)
	}
	for _, keys := range []string{
		`"command": "x", "env": {"A": "$HOLDFAST_CLUSTER_SECRET"}`,
		`"command": "x", "env": {"A": "{env:HOLDFAST_CLUSTER_SECRET}"}`,
		`"command": "x", "env": {"A": "${{ secrets.HOLDFAST_CLUSTER_SECRET }}"}`,
		`"command": "x", "env_keys": ["HOLDFAST_CLUSTER_SECRET"]`,
		`"command": "x", "env_vars": ["HOLDFAST_CLUSTER_SECRET"]`,
		`"command": ["x", "{env:HOLDFAST_CLUSTER_SECRET}"]`,
		`"url": "http://h.example/", "headers": {"A": "Bearer $HOLDFAST_CLUSTER_SECRET"}`,
		`"url": "http://h.example/", "bearer_token_env_var": "HOLDFAST_CLUSTER_SECRET"`,
		`"url": "http://h.example/", "env_http_headers": {"A": "HOLDFAST_CLUSTER_SECRET"}`,
		`"url": "http://h.example/", "apiKey": "${HOLDFAST_CLUSTER_SECRET}"`,
	} {
		c, err := Parse("mcp.json", []byte(`{"mcpServers": {"ok": {"command": "x"}, "a": {`+keys+`}}}`), lookup)
		if err != nil || !strings.Contains(c.Servers[1].Fault, "stays with Holdfast") {
			t.Errorf("%s: %v, %v", keys, c, err)
		}
	}
}
