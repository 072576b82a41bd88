// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
)

// TestClientEntry reads entries as clients write them, beside a good one. want is
// what comes of each: a notice and a fault name what they are about.
func TestClientEntry(t *testing.T) {
	for _, test := range []struct {
		entry  string
		want   string // command, arguments, environment; or transport, url, headers
		notice string // a part of the only notice, "" for none
		fault  string
	}{
		{`{"command": "x", "unheardOf": {"a": 1}}`, `x []`, "unheardOf: ignored", ""},
		{`{"command": "x", "unheardOf": null, "unheard": "", "of": [], "at": false}`, `x []`, "", ""},
		{`{"command": "x", "url": null, "type": null, "args": null, "env": null, "cwd": "", "headers": {}}`, `x []`, "", ""},
		{`{"command": "x", "args": "", "env": "", "url": "", "envFile": ""}`, `x []`, "", ""},
		{`{"command": null, "url": "http://h.example/mcp"}`, `auto http://h.example/mcp`, "", ""},
		{`{"command": "x", "args": ["a", null, 1, true], "env": {"A": null, "B": 1, "C": true, "D": ""}}`, `x [a 1 true] B=1 C=true D=`, "", ""},
		{`{"command": "x", "disabled": "false", "enabled": "true"}`, `x []`, "", ""},
		{`{"command": "x", "type": "STDIO"}`, `x []`, "", ""},
		{`{"command": "x", "type": "http"}`, `x []`, "type: ignored", ""},
		{`{"command": "x", "type": "pigeon"}`, `x []`, "type: ignored", ""},
		{`{"command": "x", "headers": {"A": "${NOPE}"}}`, `x []`, "headers: ignored", ""},
		{`{"url": "http://h.example/mcp", "args": ["a"]}`, `auto http://h.example/mcp`, "args: ignored", ""},
		{`{"url": "http://h.example/mcp", "type": "stdio"}`, `auto http://h.example/mcp`, "type: ignored", ""},
		{`{"url": "http://h.example/mcp", "type": "Streamable-HTTP"}`, `http http://h.example/mcp`, "", ""},
		{`{"url": "http://h.example/mcp", "command": "x"}`, `x []`, "url: ignored", ""},
		{`{"url": "http://h.example/mcp", "command": "x", "type": "sse"}`, `sse http://h.example/mcp`, "command: ignored", ""},
		{`{"url": "http://h.example/a", "serverUrl": "http://h.example/b"}`, `auto http://h.example/a`, "serverUrl: ignored", ""},
		{`{"command": "x", "command": "y"}`, `y []`, "given twice", ""},
		{`{"url": "http://h.example/mcp", "headers": {"A": "Bearer $TOKEN"}}`, `auto http://h.example/mcp A=Bearer s3cret`, "$TOKEN is read as ${TOKEN}", ""},
		{`{"url": "http://h.example/mcp", "headers": {"A": "Bearer $NOPE"}}`, `auto http://h.example/mcp A=Bearer $NOPE`, "headers.A: passed on as written", ""},
		{`{"url": "http://h.example/mcp", "headers": {"A": "key=$TOKEN"}}`, `auto http://h.example/mcp A=key=$TOKEN`, "headers.A: passed on as written", ""},
		{`{"command": "x", "env": {"A": "$TOKEN"}}`, `x [] A=s3cret`, "$TOKEN is read as ${TOKEN}", ""},
		{`{"command": "x", "env": {"A": "--key $TOKEN"}}`, `x [] A=--key $TOKEN`, "env.A: passed on as written", ""},
		{`{"command": "x", "env": {"A": "pa$word", "B": "pa$$word", "C": "$5"}}`, `x [] A=pa$word B=pa$$word C=$5`, "", ""},
		{`{"command": "x", "env": {"A": "{env:TOKEN}{env:REGION}", "B": "${env:TOKEN}", "C": "${{ secrets.TOKEN }}"}}`, `x [] A=s3creteu B=s3cret C=s3cret`, "", ""},
		{`{"command": "x", "args": ["~/data"]}`, `x [~/data]`, "args[0]: passed on as written: ~", ""},
		{`{"command": "x", "env": {"A": "$HOLDFAST_CLUSTER_SECRET"}}`, `x [] A=$HOLDFAST_CLUSTER_SECRET`, "passed on as written", ""},

		{`{"command": "~/bin/x"}`, "", "", "command: want a program to run, got a path that begins with ~"},
		{`{"command": "x", "cwd": "~/work"}`, "", "", "cwd: want a directory, got a path that begins with ~"},
		{`{"command": "x", "env": {"A": "${NOPE}"}}`, "", "", "env.A: variable NOPE is not set"},
		{`{"command": "x", "env": {"A": "${input:api_key}"}}`, `x [] A=answered`, "", ""},
		{`{"command": "x", "env": {"A": "${input:nope}"}}`, "", "", "set the variable INPUT_NOPE"},
		{`{"command": "x", "args": "-y pkg"}`, "", "", "args: want a list"},
		{`{"comand": "x"}`, "", "comand", `comand: unknown key; did you mean "command"?`},
		{`{}`, "", "", "no command and no url"},
		{`"x"`, "", "", "want a mapping with a command or a url"},
		{`{"command": "x", "env_keys": ["NOPE"]}`, "", "", "env.NOPE: variable NOPE is not set"},
		{`{"url": "http://h.example/", "bearer_token_env_var": "$TOKEN"}`, "", "", "bearer_token_env_var: want the name"},
		// A key of Holdfast's own shows that the entry was written for it.
		{`{"command": "x", "sharing": "session", "unheardOf": 1}`, "", "", "unheardOf: unknown key"},
		{`{"command": "x", "sharing": "session", "url": null}`, "", "", "url: want a string"},
	} {
		t.Run(test.entry, func(t *testing.T) {
			text := `{"good": 0, "mcpServers": {"ok": {"command": "ok"}, "a": ` + test.entry + `}}`
			c, err := Parse("mcp.json", []byte(text), environment)
			if err != nil {
				t.Fatal(err)
			}
			s := c.Servers[1]
			if s.Fault == "" && test.fault != "" || !strings.Contains(s.Fault, test.fault) || s.Fault != "" && test.fault == "" {
				t.Errorf("fault %q, want %q", s.Fault, test.fault)
			}
			if got := describeServer(&s); test.want != "" && got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			notices := c.Notices[:len(c.Notices)-1] // without that on "good", which has no line of its own
			if strings.Contains(c.Notices[0], `"good"`) {
				notices = c.Notices[1:]
			}
			switch {
			case test.notice == "" && len(notices) > 0, test.notice != "" && (len(notices) != 1 || !strings.Contains(notices[0], test.notice)):
				t.Errorf("notices %q, want %q", notices, test.notice)
			}
		})
	}
}

func describeServer(s *Server) string {
	if s.Fault != "" {
		return ""
	}
	text, values := fmt.Sprintf("%s %v", s.Command, s.Args), s.Env
	if s.Transport != Stdio {
		text, values = fmt.Sprintf("%s %s", s.Transport, s.URL), s.Headers
	}
	for _, name := range []string{"A", "B", "C", "D"} {
		if v, ok := values[name]; ok {
			text += " " + name + "=" + string(v)
		}
	}
	return text
}

// TestWhoseFile: what is not known is ignored in a client's file, and refused in one
// that has a key of Holdfast's own, and with Strict.
func TestWhoseFile(t *testing.T) {
	for _, test := range []struct {
		name, text string
		clients    bool
	}{
		{"mcp.json", `{"locale": "en", "mcpServers": {"a": {"command": "x"}}}`, true},
		{"mcp.json", `{"locale": "en", "listen": "127.0.0.1:1", "mcpServers": {"a": {"command": "x"}}}`, false},
		{"mcp.json", `{"locale": "en", "endpoints": {"some": {"servers": ["a"]}}, "mcpServers": {"a": {"command": "x"}}}`, false},
		{"holdfast.yaml", "locale: en\nmcpServers: {a: {command: x}}", false},
		{"librechat.yaml", "version: 1\nlocale: en\nendpoints: {custom: [{name: x}]}\nmcpServers: {a: {command: x}}", true},
		{"config.yaml", "locale: en\nextensions: {a: {cmd: x, type: stdio}}", true},
		{"config.yaml", "locale: en\nlisten: 127.0.0.1:1\nextensions: {a: {cmd: x, type: stdio}}", false},
		{"config.toml", "locale = 'en'\n[mcp_servers.a]\ncommand = 'x'", true},
		{"config", "locale = 'en'\n[mcp_servers.a]\ncommand = 'x'", true},
		{"config.toml", "locale = 'en'\nlisten = '127.0.0.1:1'\n[mcpServers.a]\ncommand = 'x'", false},
	} {
		c, err := Parse(test.name, []byte(test.text), environment)
		if test.clients != (err == nil) {
			t.Errorf("%s: %s: %v", test.name, test.text, err)
			continue
		}
		if test.clients && (len(c.Servers) != 1 || c.Servers[0].Command != "x" || !strings.Contains(strings.Join(c.Notices, "\n"), "locale")) {
			t.Errorf("%s: servers %v, notices %q", test.name, c.Servers, c.Notices)
		}
		if _, err := Parse(test.name, []byte(test.text), environment, Strict); err == nil || !strings.Contains(err.Error(), "locale: unknown key") {
			t.Errorf("%s: %s: Strict says %v", test.name, test.text, err)
		}
	}
}

// TestForeignKeys: servers that stand where nobody looks are told of.
func TestForeignKeys(t *testing.T) {
	for text, want := range map[string]string{
		`{"mcpServer": {"a": {"command": "x"}}, "mcpServers": {}}`:              "mcpServer: ignored: servers belong under mcpServers",
		`{"mcpServers": {"a": {"command": "x"}}, "b": {"command": "y"}}`:        "b: ignored: a server belongs under mcpServers",
		`{"mcpServers": {"a": {"command": "x"}}, "servers": {"a": {"url": 1}}}`: "servers.a: ignored: line 1 has a server of this name",
		`{"mcp": {"allowed": [], "excluded": [], "serverCommand": "x"}}`:        "mcp.serverCommand: ignored",
		`{"projects": {"/p": {"mcpServers": {"a": {"command": "x"}}}}}`:         "projects: ignored: 1 servers of single projects",
	} {
		c, err := Parse("mcp.json", []byte(text), environment)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if !strings.Contains(strings.Join(c.Notices, "\n"), want) {
			t.Errorf("%s: notices %q", text, c.Notices)
		}
	}
}

func TestToolsChosenTwice(t *testing.T) {
	_, err := Parse("holdfast.yaml", []byte("mcpServers: {a: {command: x, enabledTools: [a], tools: {include: [b]}}}"), environment, Strict)
	if err == nil || !strings.Contains(err.Error(), "include stands beside another list") {
		t.Errorf("got %v", err)
	}
	c, err := Parse("holdfast.yaml", []byte("mcpServers: {a: {command: x, disabledTools: [a], tools: {exclude: [b]}}}"), environment, Strict)
	if err != nil || strings.Join(c.Servers[0].Tools.Exclude, " ") != "b a" {
		t.Errorf("got %+v, %v", c, err)
	}
}

// TestToolsOfClients has each way in which clients choose tools.
func TestToolsOfClients(t *testing.T) {
	for keys, want := range map[string]string{
		`"disabledTools": ["a", "b"]`:                         "nil [a b]",
		`"disabled_tools": ["a"]`:                             "nil [a]",
		`"excludeTools": ["a(x)"]`:                            "nil [a]",
		`"enabledTools": ["a"]`:                               "[a] []",
		`"enabled_tools": ["a"], "disabled_tools": ["b"]`:     "[a] [b]",
		`"includeTools": ["a"]`:                               "[a] []",
		`"includeTools": []`:                                  "nil [*]",
		`"available_tools": []`:                               "nil []",
		`"available_tools": ["a"]`:                            "[a] []",
		`"tools": ["*"]`:                                      "nil []",
		`"tools": ["a"]`:                                      "[a] []",
		`"tools": []`:                                         "nil [*]",
		`"tools": "*"`:                                        "nil []",
		`"tools": "a, b"`:                                     "[a b] []",
		`"tools": {"a": {"approval_mode": "approve"}}`:        "nil []",
		`"tools": {"a": {"enabled": false}, "b": {}}`:         "nil [a]",
		`"tools": {"a": {"disabled": true}}`:                  "nil [a]",
		`"tools": {"a": false, "b": true}`:                    "nil [a]",
		`"tools": {"include": ["a"]}`:                         "[a] []",
		`"tools": {"rename": {"a": "b"}}`:                     "nil []",
		`"disabledTools": null`:                               "nil []",
		`"disabledTools": "a"`:                                "fault",
		`"tools": {"exlude": ["a"]}`:                          "fault",
		`"tools": {"include": ["a"]}, "enabledTools": ["b"]`:  "fault",
		`"tools": {"exclude": ["a"]}, "disabledTools": ["b"]`: "nil [a b]",
	} {
		c, err := Parse("mcp.json", []byte(`{"mcpServers": {"ok": {"command": "x"}, "a": {"command": "x", `+keys+`}}}`), environment)
		if err != nil {
			t.Fatal(err)
		}
		tools := c.Servers[1].Tools
		got := fmt.Sprintf("%v %v", tools.Include, tools.Exclude)
		if tools.Include == nil {
			got = fmt.Sprintf("nil %v", tools.Exclude)
		}
		if c.Servers[1].Fault != "" {
			got = "fault"
		}
		if got != want {
			t.Errorf("%s: %s, want %s (%s)", keys, got, want, c.Servers[1].Fault)
		}
	}
}

// TestOtherShapes reads what no file in testdata/clients has.
func TestOtherShapes(t *testing.T) {
	for _, test := range []struct{ name, text string }{
		{"config.json", `{"experimental": {"modelContextProtocolServers": [{"transport": {"type": "stdio", "command": "x", "args": ["a"]}}]}}`},
		{"5ire.json", `{"servers": [{"name": "a", "command": "x", "args": ["a"], "isActive": true}]}`},
		{"fastagent.config.yaml", "default_model: y\nmcp: {servers: {a: {transport: stdio, command: x, args: [a]}}}"},
		{"recipe.yaml", "version: 1.0.0\ntitle: t\nextensions: [{type: stdio, name: a, cmd: x, args: [a]}, {type: builtin, name: developer}]"},
		{"librechat.yaml", "mcpServers: {a: {command: x, args: [a], iconPath: /a.svg, chatMenu: false}}"},
		{"vibe.toml", "[[mcp_servers]]\nname = 'a'\ntransport = 'stdio'\ncommand = 'x'\nargs = ['a']"},
		{"crush.json", `{"$schema": "https://charm.land/crush.json", "mcp": {"a": {"type": "stdio", "command": "x", "args": ["a"]}}, "lsp": {}}`},
		{"settings.json", `{"mcp.servers": {"a": {"command": "x", "args": ["a"]}}}`},
		{".mcp.json", `{"inputs": [], "servers": {" a ": {"type": "stdio", "command": "x", "args": ["a"]}}}`},
	} {
		c, err := Parse(test.name, []byte(test.text), environment)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if len(c.Servers) != 1 || c.Servers[0].Command != "x" || len(c.Servers[0].Args) != 1 || c.Servers[0].Fault != "" {
			t.Errorf("%s: servers %v", test.name, c.Servers)
		}
	}
}

// FuzzTOML checks what FuzzParse does, for the syntax that Codex uses.
func FuzzTOML(f *testing.F) {
	for _, file := range clientFiles(f) {
		f.Add(readFile(f, file))
	}
	for _, seed := range []string{"a = 1", "[[a]]\nb.c = [1, {d = 2.5}]\n[a.e]", "a = [[[[", "[mcp_servers]\na = {command = 'x'}", "d = 1979-05-27"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p := &parser{file: "fuzz.toml", lookup: environment, cfg: Default(),
			readFile: func(string) ([]byte, error) { return nil, fs.ErrNotExist }}
		c, err := p.parse(data)
		if err != nil {
			checkErrors(t, err, 1+len(lineBreak.FindAll(data, -1)))
			return
		}
		checkConfig(t, c)
	})
}

func TestTOMLBounds(t *testing.T) {
	for text, want := range map[string]string{
		"a = " + strings.Repeat("[", 100_000):                         "too many brackets",
		"a = " + strings.Repeat("[", 100) + strings.Repeat("]", 100):  "nested too deeply",
		"a = [" + strings.Repeat("1,", maxNodes) + "]":                "too many values",
		strings.Repeat("[a.b]\n", maxExpressions+1):                   "too many members and tables",
		"a = {" + strings.Repeat("b = 1,", maxExpressions) + "c = 1}": "too many members and tables",
		"a = 1\n[a.b]\nc = 1":                                         ":2: not valid TOML",
		"a = 1\nb = [\n":                                              "not valid TOML",
		"a = 1\na = 2":                                                ":2: not valid TOML",
		"# nothing":                                                   "the file is empty",
	} {
		if _, err := Parse("config.toml", []byte(text), environment); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20s: %v, want %s", text, err, want)
		}
	}
}
