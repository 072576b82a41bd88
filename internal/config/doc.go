// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package config reads the configuration file: holdfast.yaml, or the file in which
// an MCP client keeps its servers, unchanged.
//
// There is one schema, in YAML, JSON or TOML:
//
//	listen: 127.0.0.1:8080
//	data: /var/lib/holdfast
//	mcpServers:
//	  files:  {command: npx, args: [-y, "@modelcontextprotocol/server-filesystem", /srv/data]}
//	  search: {type: http, url: "https://search.example/mcp", headers: {Authorization: "Bearer ${SEARCH_TOKEN}"}}
//	endpoints:
//	  reading: {servers: [files], include: [files__read_*], search: true}
//	  /servers/*: false
//	limits: {maxBody: 4MiB, maxDepth: 128, maxBatch: 100, callTimeout: 10m, processes: 256,
//	         connections: 20000, calls: 65536, messageMemory: 64MiB, share: 75%}
//	drain: {notice: 2s, calls: 30s}
//	cluster: {name: a, listen: 10.0.0.1:7422, join: [10.0.0.1:7422, 10.0.0.2:7422, 10.0.0.3:7422]}
//	keyAge: 90d
//	allowedHosts: [mcp.example.com]
//	allowedOrigins: ["https://app.example.com"]
//
// What concerns one server belongs in its entry under mcpServers, what concerns
// the whole process at the top level. There is no key without effect: a key that
// the schema does not know is an error that names the nearest one it does. Keys that
// clients write for themselves (approval lists, editor settings) are ignored, and each
// leaves a line in [Config.Notices].
//
// A mistake in an entry, such as a variable that is not set, is its server's own
// trouble: [Server.Fault] has it, and the others are served. A mistake anywhere else
// refuses the file, and so does one that leaves no server, or any at all with [Strict].
//
// # Clients' files
//
// A file in JSON or TOML without a top-level key that only Holdfast has is a client's,
// and so is YAML that has a key by which LibreChat, Continue or Goose is known. Its
// servers are under mcpServers, servers (VS Code, also in mcp), context_servers (Zed),
// mcp (OpenCode, Crush), extensions (Goose), mcp_servers (Codex), amp.mcpServers, or at
// the top level. A list of them gives each its name. In such a file
//
//   - null and "" mean that a key is absent;
//   - any other key is ignored with a notice, except in an entry with a key that only
//     Holdfast has: there it may be a misspelt one, and marks the server down;
//   - of keys that contradict each other, or are there twice, the one counts that the
//     client goes by, and the other leaves a notice;
//   - keys and variables mean what they do to the client: command as a list, environment
//     and envs, bearer_token_env_var, {env:NAME}, ${{ secrets.NAME }} and their like;
//   - $NAME alone in env or headers, or behind Bearer, is ${NAME} when that is set.
//
// With [Strict] it is read like Holdfast's own.
//
// # Servers
//
// The keys of an entry are command, args, env, envFile and cwd for a child
// process, url and headers for a server at a URL, and type, disabled and timeout
// for both. A URL of scheme ws or wss is a WebSocket server. Clients' other
// spellings mean the same: serverUrl and httpUrl, transport and transportType,
// enabled and isActive. A timeout has a unit; clients disagree what a bare number is, so it is
// ignored with a notice. Relative paths are relative to Holdfast's own working
// directory.
//
// tls is for a server at an https or wss URL whose certificate the system would not
// trust, or that wants to see one:
//
//	ca            a file whose certificates are trusted in place of the system's
//	cert, key     files with the certificate that is shown to the server
//	serverName    the name that its certificate is for, if not the URL's
//	insecure      takes any certificate, whoever shows it
//
// The files are in PEM, and read when the server is first connected to. One that
// cannot be used marks its server down, and is read again with the next attempt.
//
// protocol says what is spoken to the server: auto (default) finds it out, legacy
// and modern are the eras, and a version such as 2025-06-18 is spoken, or proposed
// where it is a legacy one. It is for servers that answer what they do not mean.
//
// How many instances a server has, child processes or sessions at its URL:
//
//	sharing       whose calls meet in one: shared (default), node, tenant,
//	              principal, session or call. Of several nodes shared means one for
//	              all, so that what it remembers is the same everywhere; node means
//	              one each, for child processes that remember nothing. Clients of
//	              modern revisions have no session: each of their calls then has one
//	min           kept running; default 0
//	max           at most; default 1 for a child process of all, 50 for others,
//	              1024 at a URL
//	spare         child processes started ahead of need; default 0; not with
//	              shared or node
//	idle          stop after this long without a call; 0 is never, the default
//	              with shared and node; else 30m
//	maxCalls      calls in flight to the server; default 256
//	startTimeout  until an instance has started and greeted; default 30s at a URL, 1m
//	              for a command, and 5m for one that may install what it runs (npx,
//	              uvx, docker run, …). The first start may take ten times as long,
//	              as long as the process makes progress; after a start that took too
//	              long the next may take twice as long, up to 10m
//
// A child process gets those variables of Holdfast's own environment that
// inheritEnv lists, by name or by beginning (AWS_*), or all or none of them. The
// list stands in place of [DefaultInherit]; env comes on top. Holdfast's own
// variables, HOLDFAST_*, are not among all, and the cluster's secret is never passed
// on. What bounds it, with all that it starts:
//
//	memory, cpu   ceilings, such as 512MiB and 1.5 cores; default none
//	pids          processes and threads; default 512. More are refused by a control
//	              group, or the server is ended where none is to be had
//	user          who it runs as, such as nobody or 1000:1000; default as Holdfast.
//	              It takes root, or on Linux CAP_SETUID, CAP_SETGID and CAP_KILL.
//	              HOME, USER and LOGNAME are that user's, who must be able to reach
//	              command, cwd and what the server needs
//	allowPrivilegeEscalation
//	              lets it gain privileges by sudo and other setuid programs, and
//	              start sandboxes and containers of its own; on Linux it otherwise
//	              cannot, and may be kept from the data directory
//
// For an HTTP server maxConns (default 128) bounds the connections, headerTimeout
// the wait for the headers of a response and idleTimeout the silence on a stream;
// without these two the call's deadline does.
//
// What clients see of a server:
//
//	capabilities: [elicitation, sampling, roots]   # of the client's, shown to the server; default all
//	tools:
//	  include: [get_*]                             # default all
//	  exclude: [get_secret]                        # wins over include
//	  rename: {get_me: whoami}
//	  describe: {get_me: Who is signed in.}        # in place of the server's text
//	  keywords: {get_me: account profile}          # find_tool finds it by these too
//
// prompts and resources are the same, but resources have no rename, and keywords
// are for tools only. Globs are over the server's own names, URIs for resources.
// capabilities: [] shows none.
// Clients' lists act too: disabledTools, disabled_tools and excludeTools leave tools
// out, enabledTools, enabled_tools, includeTools, available_tools and a list as tools
// leave out all others.
// An empty include is refused, since it could mean all or nothing.
//
// Names are compared as they are, URIs as what they mean: an exclude leaves out
// every spelling (FILE:///a/../b, file:/%62). Beside include or exclude only what
// the server lists is served, and what its templates stand for.
//
// A URI that no server lists goes to the server whose template stands for it, or
// which alone lists URIs of that scheme; else it is not found.
// resources: {unlisted: true} has the server asked for such URIs all the same, in
// the order of the file. It sees them then, whoever they are meant for.
//
// A key without effect for the server's transport or sharing is an error.
//
// # Endpoints
//
// An entry of endpoints is served at /v/NAME/mcp; the one named default says what
// /mcp serves. servers are the entries of mcpServers it draws on, all without the
// key; include and exclude are globs over the names that clients see; search puts
// find_tool, call_tool and call_read_only_tool in place of the list of tools, and pin
// lists those that its globs name beside them. A client of an endpoint
// reaches nothing outside of it, but each server is also served whole, at
// /servers/NAME/mcp; the key /servers/*, with the value false, ends that.
//
// # Limits
//
// maxBody, maxDepth and maxBatch bound one message, callTimeout one call. The
// others are for the whole node, of which one client may have a share: a
// principal or, without one, an address. Behind a proxy all clients have its
// address; share: 100% then leaves it to the proxy to tell them apart.
//
//	connections    open at once; without the key as many as there are file
//	               descriptors for, after what servers and the store need. When
//	               there is no room, connections that wait for a request give way
//	calls          in flight at once; default 65536
//	messageMemory  of all messages that are received or served at once; default 64MiB,
//	               or four times maxBody if that is more
//	share          percent of these for one client; default 75%
//	processes      child processes at once; default 256
//
// docs/limits.md lists these and the bounds that no key sets.
//
// # The end
//
// drain says how serving ends after SIGTERM. For notice, requests are still
// accepted while /readyz says no: it must be longer than a load balancer takes to
// notice, its interval times the failures it waits for. Without the key it is 2s
// where there are other nodes, and 0 alone. calls is how long calls may then take.
//
// # The cluster
//
// cluster says how this node joins others; flags of holdfast serve win over it. The
// nodes' secret is never in the file: it is in HOLDFAST_CLUSTER_SECRET, or in the
// file that HOLDFAST_CLUSTER_SECRET_FILE names. holdfast secret makes one.
//
//	name         of this node, its own, and the same after each restart
//	listen       for the other nodes, host:port
//	advertise    where they reach it when that is not listen
//	join         the cluster's nodes, host:port or dns:NAME:PORT, the same list everywhere
//	tls          between nodes: secret (default) makes certificates from the secret,
//	             off is for networks that protect by themselves, {cert, key, ca} are
//	             PEM files for mutual TLS; each certificate names its node's host in
//	             join, for servers and clients
//	sync         how often the disk is synced, default 2s, or always: then each write
//	             waits for it
//	compression  of what goes between nodes: off (default); fast where traffic is paid
//	             for or links carry less than 100 Mbit/s; auto does it while round trips
//	             take over 10 ms
//	events       {age: 5m, bytes: 512MiB}, what is kept of streams for clients that
//	             resume them at another node; by default a quarter of the free space
//	             of the node that has least at the first start, at most 512MiB
//	nats         URL of a NATS cluster with JetStream to use instead of an own one,
//	             with credentials, the path of a file, and replicas, default 3
//
// sync and events also apply to a node alone.
//
// keyAge is how old the key that session ids are sealed with gets before another
// takes over; 0 is never. What it sealed opens for as long as that may last. A key
// that has sealed very much is replaced before its time.
//
// # Values
//
// Every text value may use variables of the environment, except words of the
// schema, names of variables, sizes and durations:
//
//	${NAME}            its value; an unset variable is an error
//	${NAME:-default}   the default when it is unset or empty
//	${env:NAME}        the same as ${NAME}, as VS Code and Cursor write it
//	${input:api-key}   what VS Code asks its user for: the variable INPUT_API_KEY, or
//	                   the default of that input
//	${userHome}, ${workspaceFolder}, ${workspaceFolderBasename},
//	${pathSeparator}   as VS Code and Cursor define them
//	$${                a literal ${
//
// The variables of the cluster's secret, HOLDFAST_CLUSTER_SECRET and
// HOLDFAST_CLUSTER_SECRET_FILE, are for no value, nor is the file that the second
// names.
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
