// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
)

func TestTemplate(t *testing.T) {
	c, err := Parse("", Template(), environment)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), *c); diff != "" {
		t.Errorf("the template changes the defaults: -want +got:\n%s", diff)
	}
}

// TestTemplateUncommented checks the settings that the template offers in
// comments: each is valid, and the limits shown as defaults are the defaults.
func TestTemplateUncommented(t *testing.T) {
	text := regexp.MustCompile(`(?m)^# `).ReplaceAll(Template(), nil)
	text = []byte(strings.ReplaceAll(string(text), "file:/run/secrets/tickets", "file:"+secretFile(t, "t0p\n")))
	c, err := Parse("holdfast.yaml", text, func(string) (string, bool) { return "x", true })
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Servers) != 3 || c.Data == "" || len(c.AllowedHosts) != 1 || len(c.AllowedOrigins) != 1 ||
		len(c.Endpoints) != 1 || c.Servers[1].Tools.Include == nil || c.Servers[2].Process.Memory == 0 {
		t.Errorf("settings are missing: %v", c)
	}
	if c.Limits != Default().Limits {
		t.Errorf("limits %+v are not the defaults", c.Limits)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	good := write("holdfast.yaml", "mcpServers: {a: {command: \"${HOME}/x\", args: [\"${workspaceFolder}\"]}}")
	c, err := Load(good, environment)
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Servers[0]; s.Command != "/home/user/x" || s.Args[0] != dir || c.File != good {
		t.Errorf("got %+v of %s", s.Args, c.File)
	}
	big := write("big.yaml", strings.Repeat("#\n", MaxFile/2+1))
	for _, test := range []struct{ path, want string }{
		{filepath.Join(dir, "none.yaml"), "no such file"},
		{dir, "is a directory, not a file"},
		{big, "too large: over 4MiB"},
		{filepath.Join(good, "x"), "not a directory"},
	} {
		_, err := Load(test.path, environment)
		if err == nil || err.Error() != test.path+": "+test.want {
			t.Errorf("got %v, want %s: %s", err, test.path, test.want)
		}
	}
	if _, err := Load(filepath.Join(dir, "none.yaml"), environment); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
	if _, err := Parse("big.yaml", readFile(t, big), environment); err == nil {
		t.Error("Parse takes what Load refuses as too large")
	}
}

func TestErrorsTogether(t *testing.T) {
	_, err := Parse("holdfast.yaml", []byte(`
mcpServers:
  a:
    comand: x
    args: [y]
  b: {url: "ftp://h/"}
listen: [x]
lissen: y
`), environment)
	want := `holdfast.yaml:4: mcpServers.a.comand: unknown key; did you mean "command"?
holdfast.yaml:6: mcpServers.b.url: want a URL of scheme http, https, ws or wss, got scheme "ftp"
holdfast.yaml:7: listen: want a string such as 127.0.0.1:8080, got a list
holdfast.yaml:8: lissen: unknown key; did you mean "listen"?`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
	one, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("no *Error in %T", err)
	}
	if got := (Error{File: one.File, Line: one.Line, Path: one.Path, Message: one.Message, Hint: one.Hint}); got != (Error{
		File: "holdfast.yaml", Line: 4, Path: "mcpServers.a.comand", Message: "unknown key", Hint: `did you mean "command"?`}) {
		t.Errorf("got %+v", got)
	}
}

func TestErrorsBounded(t *testing.T) {
	var text strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&text, "zz%d: 1\n", i)
	}
	_, err := Parse("holdfast.yaml", []byte(text.String()), environment)
	list, ok := errors.AsType[*Errors](err)
	if !ok || len(list.List) != 20 || list.Omitted != 2980 || list.List[19].Line != 20 {
		t.Fatalf("got %v", err)
	}
	if !strings.HasSuffix(err.Error(), "\nand 2980 more") {
		t.Errorf("the end is %q", err.Error()[len(err.Error())-40:])
	}
}

func TestNoticesBounded(t *testing.T) {
	var text strings.Builder
	text.WriteString("mcpServers:\n")
	for i := range 150 {
		fmt.Fprintf(&text, "  s%d: {command: x, trust: true}\n", i)
	}
	c, err := Parse("holdfast.yaml", []byte(text.String()), environment)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(c.Notices); n != maxNotices+1 || c.Notices[n-1] != "holdfast.yaml: and 50 more notices" {
		t.Errorf("%d notices, the last %q", n, c.Notices[n-1])
	}
}

// TestSecretsDoNotShow prints a configuration in every way there is, and the
// errors that a wrong value of each kind causes, and looks for the secret.
func TestSecretsDoNotShow(t *testing.T) {
	text := `
mcpServers:
  a: {command: x, args: ["--token=s3cret"], env: {KEY: "${TOKEN}"}}
  b: {url: "https://me:s3cret@h/p?k=s3cret#s3cret", headers: {Authorization: "Bearer ${TOKEN}"}, tools: {describe: {a: "${TOKEN}"}}}
`
	c, err := Parse("holdfast.yaml", []byte(text), environment)
	if err != nil {
		t.Fatal(err)
	}
	if string(c.Servers[0].Env["KEY"]) != "s3cret" {
		t.Fatal("the secret is not there at all")
	}
	var log strings.Builder
	for _, h := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		slog.New(h).Info("x", "c", *c, "p", c, "s", c.Servers[0], "all", c.Servers, "env", c.Servers[0].Env)
	}
	encoded, err := json.Marshal([]any{c, c.Servers, c.Servers[0].Env})
	if err != nil {
		t.Fatal(err)
	}
	shown := log.String() + string(encoded) + c.String() +
		fmt.Sprintf("%v %+v %#v %s %v %+v %#v %v %#v", c, c, c, c, *c, *c, *c, c.Servers, c.Servers[1].Headers)
	if strings.Contains(shown, "s3cret") {
		t.Errorf("a secret is shown:\n%s", shown)
	}
	for _, want := range []string{"KEY", "Authorization", "https://h/p", "[redacted]"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%s is not shown:\n%s", want, shown)
		}
	}
	for _, wrong := range []string{
		`{command: x, env: {KEY: "${TOKEN}\0"}}`,
		`{url: "http://h/", headers: {A: "${TOKEN}\n"}}`,
		`{url: "http://h/", headers: {A: "file:s3cret"}}`,
		`{url: "http://h:x/${TOKEN}"}`,
		`{url: "//s3cret@h"}`,
		`{command: x, args: "s3cret"}`,
		`{command: x, timeout: "${TOKEN}"}`,
		`{command: "${s3"}`,
		`{command: x, env: [s3cret]}`,
		`{command: x, env: "s3cret"}`,
		`{command: x, headers: {A: "${TOKEN}"}}`,
		`{url: "ws://s3cret@h:0/"}`,
		`{url: "ws://h/s3cret", type: http}`,
	} {
		_, err := Parse("holdfast.yaml", []byte("mcpServers:\n  a: "+wrong), environment, Strict)
		if err == nil {
			t.Errorf("%s is accepted", wrong)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("a secret is shown: %v", err)
		}
	}
}

func TestNearest(t *testing.T) {
	keys := []string{"command", "args", "env", "envFile", "cwd", "type", "url", "headers", "disabled", "timeout",
		"max", "maxCalls", "maxConns", "inheritEnv", "memory", "cpu"}
	for key, want := range map[string]string{
		"comand": "command", "commnad": "command", "cmd": "command", "Command": "command", "arg": "args",
		"ENV": "env", "envs": "env", "envfile": "envFile", "header": "headers", "disable": "disabled",
		"tiemout": "timeout", "uri": "url", "urls": "url", "workingDirectory": "cwd",
		"maxConnections": "maxConns", "instances": "max", "mem": "memory", "cpus": "cpu", "inherit": "inheritEnv",
		"zebra": "", "x": "", "": "", strings.Repeat("command", 1000): "",
	} {
		if got := nearest(key, keys); got != want {
			t.Errorf("nearest(%.20q) = %q, want %q", key, got, want)
		}
	}
}
