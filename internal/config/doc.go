// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package config reads the configuration file: holdfast.yaml, or the
// mcpServers JSON that an MCP client wrote, unchanged.
//
// There is one schema. Its YAML is a superset of the clients' JSON, so each of
// their files is a valid configuration:
//
//	listen: 127.0.0.1:8080
//	data: /var/lib/holdfast
//	mcpServers:
//	  files:  {command: npx, args: [-y, "@modelcontextprotocol/server-filesystem", /srv/data]}
//	  search: {type: http, url: "https://search.example/mcp", headers: {Authorization: "Bearer ${SEARCH_TOKEN}"}}
//	limits: {maxBody: 4MiB, maxDepth: 128, maxBatch: 100, callTimeout: 10m}
//	allowedHosts: [mcp.example.com]
//	allowedOrigins: ["https://app.example.com"]
//
// What concerns one server belongs in its entry under mcpServers, what concerns
// the whole process at the top level. There is no key without effect: a key that
// the schema does not know is an error that names the nearest one it does. The
// exception is keys that clients write for themselves (approval lists, editor
// settings); they are ignored, and each leaves a line in [Config.Notices].
//
// # Servers
//
// The keys of an entry are command, args, env, envFile and cwd for a child
// process, url and headers for an HTTP server, and type, disabled and timeout
// for both. Clients' other spellings mean the same: serverUrl and httpUrl,
// transport and transportType, enabled and isActive; at the top level servers
// (VS Code) and context_servers (Zed). A timeout has a unit; clients disagree
// what a bare number is, so it is ignored with a notice. Relative paths are
// relative to Holdfast's own working directory.
//
// # Values
//
// Every text value may use variables of the environment:
//
//	${NAME}            its value; an unset variable is an error
//	${NAME:-default}   the default when it is unset or empty
//	${env:NAME}        the same as ${NAME}, as VS Code and Cursor write it
//	${userHome}, ${workspaceFolder}, ${workspaceFolderBasename},
//	${pathSeparator}   as VS Code and Cursor define them
//	$${                a literal ${
//
// A $ that no { follows is an ordinary character, because clients' files hold
// passwords with dollar signs in them.
//
// Values of env and headers carry secrets, and only these may come from a file:
// file:/run/secrets/token, or ${file:/run/secrets/token} inside a longer text,
// stands for the text of that file without its last line break. Elsewhere
// file: has no meaning: a command, argument or URL that begins so is taken as
// written, and the content of a file never reaches a place that is logged. The
// path is absolute. In env anything else after file: is left alone, since
// "file:./dev.db" is what databases call a URL; ${NOT_SET:-file:/data/dev.db}
// passes a text that would otherwise be read.
//
// # What it is not
//
// The package starts nothing, keeps nothing and has no goroutines. Its result is
// plain data; the node turns it into parts.
package config
