// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
	"time"
)

// Bounds and defaults of a server's pool.
const (
	maxInstances   = 100_000 // of min, max, spare and limits.processes
	maxInFlight    = 100_000 // of maxCalls
	maxConnections = 10_000
	maxPIDs        = 1 << 22 // Linux gives no more

	defaultMax    = 50   // child processes of a server that is not shared
	defaultRemote = 1024 // sessions or connections of a server at a url
	defaultCalls  = 256
	defaultPIDs   = 512 // processes and threads of a child process
	defaultConns  = 128
	defaultIdle   = 30 * time.Minute
)

var sharings = []string{string(Shared), string(PerNode), string(PerTenant), string(PerPrincipal), string(PerSession), string(PerCall)}

// common reports whether everybody's calls meet in one instance, of a node at least.
func (s Sharing) common() bool { return s == Shared || s == PerNode }

// defaultPool is the pool of an entry that only says how it is reached and shared.
func defaultPool(t Transport, s Sharing) Pool {
	p := Pool{Sharing: s, Max: defaultMax, Idle: defaultIdle, MaxCalls: defaultCalls, Start: defaultStart}
	if s.common() {
		p.Max, p.Idle = 1, 0
	}
	if t != Stdio {
		p.Max = defaultRemote
	}
	return p
}

// pool reads what concerns instances and calls. The transport is settled before.
func (e *entry) pool() {
	before := len(e.errs.List)
	e.Pool = defaultPool(e.Transport, e.sharing())
	p := &e.Pool
	e.countOf("min", 0, maxInstances, &p.Min)
	e.countOf("max", 1, maxInstances, &p.Max)
	e.countOf("maxCalls", 1, maxInFlight, &p.MaxCalls)
	e.durationOf("startTimeout", &p.Start)
	e.startGiven = e.has("startTimeout")
	e.idle()
	switch m, ok := e.given["spare"]; {
	case !ok:
	case e.atURL():
		e.misfit("spare", "only child processes are started ahead of need", "has no use with a url")
	case p.Sharing.common() && len(e.errs.List) == before:
		e.fail(m.line, e.where(m), "choose another sharing, or set min to keep instances running",
			"has no use with sharing: %s%s", p.Sharing, e.byDefault("sharing"))
	default:
		e.countOf("spare", 0, maxInstances, &p.Spare)
	}
	if len(e.errs.List) > before {
		return // comparing what was not understood would only confuse
	}
	e.atMost("min", p.Min)
	e.atMost("spare", p.Spare)
}

// atMost reports a number of instances that is over max.
func (e *entry) atMost(key string, n int) {
	if m, ok := e.given[key]; ok && n > e.Pool.Max {
		e.fail(m.value.line, e.where(m), fmt.Sprintf("raise max, or lower %s", key),
			"%d is over max, which is %d%s", n, e.Pool.Max, e.byDefault("max"))
	}
}

func (e *entry) byDefault(key string) string {
	if e.has(key) {
		return ""
	}
	return ", the default"
}

func (e *entry) sharing() Sharing {
	m, ok := e.given["sharing"]
	if !ok {
		return Shared
	}
	n := m.value
	if n.kind != kindString {
		e.wrongKind(e.where(m), n, "a string: shared, node, tenant, principal, session or call")
		return Shared
	}
	for _, s := range sharings {
		if n.text == s {
			return Sharing(s)
		}
	}
	e.fail(n.line, e.where(m), didYouMean(n.text, sharings),
		"want shared, node, tenant, principal, session or call, got %s", quote(n.text))
	return Shared
}

// idle reads a duration or 0, which is never.
func (e *entry) idle() {
	m, ok := e.given["idle"]
	if !ok {
		return
	}
	e.durationOrNone(e.where(m), m.value, &e.Pool.Idle)
}

// ceilings reads what a child process gets and takes.
func (e *entry) ceilings() {
	for _, key := range []string{"inheritEnv", "memory", "cpu", "pids", "user", "allowPrivilegeEscalation"} {
		if e.has(key) && e.atURL() {
			e.misfit(key, "it is for child processes", "has no use with a url")
		}
	}
	e.Process.Inherit = e.inherit()
	if e.Transport == Stdio {
		e.Process.PIDs = defaultPIDs
		e.countOf("pids", 1, maxPIDs, &e.Process.PIDs)
	}
	if m, ok := e.given["memory"]; ok {
		e.size(e.where(m), m.value, 1<<20, 1<<40, &e.Process.Memory)
	}
	if m, ok := e.given["cpu"]; ok {
		e.cores(e.where(m), m.value, &e.Process.CPU)
	}
	if m, ok := e.given["user"]; ok {
		e.Process.User = e.user(e.where(m), m.value)
	}
	if m, ok := e.given["allowPrivilegeEscalation"]; ok {
		e.boolean(e.where(m), m, &e.Process.AllowPrivilegeEscalation)
	}
}

// user reads who a child process runs as. Whether the system knows the user shows
// when it starts: the file may be written elsewhere.
func (e *entry) user(path string, n *node) string {
	text, ok := e.value(path, n, false)
	if ok && (strings.TrimSpace(text) == "" || hasControl(text)) {
		e.fail(n.line, path, "", "want a user such as nobody or 1000:1000, got %s", quote(text))
	}
	return text
}

// exchange reads what bounds the exchange with an HTTP server.
func (e *entry) exchange() {
	for _, key := range []string{"maxConns", "headerTimeout", "idleTimeout"} {
		switch {
		case !e.has(key):
		case e.Transport == Stdio:
			e.misfit(key, "it is for HTTP servers", "has no use with a command")
		case e.Transport == WebSocket:
			hint := "it is for HTTP servers"
			if key == "maxConns" {
				hint = "each instance is one connection: set max"
			}
			e.misfit(key, hint, "has no use with a WebSocket server")
		}
	}
	if e.Transport == Stdio || e.Transport == WebSocket {
		return
	}
	e.HTTP.MaxConns = defaultConns
	e.countOf("maxConns", 1, maxConnections, &e.HTTP.MaxConns)
	e.durationOf("headerTimeout", &e.HTTP.HeaderTimeout)
	e.durationOf("idleTimeout", &e.HTTP.IdleTimeout)
}

// atURL reports whether the server is known not to be a child process.
func (e *entry) atURL() bool { return e.Transport != Stdio && e.Transport != "" }

func (e *entry) countOf(key string, least, most int, to *int) {
	if m, ok := e.given[key]; ok {
		e.count(e.where(m), m.value, least, most, to)
	}
}

func (e *entry) durationOf(key string, to *time.Duration) {
	if m, ok := e.given[key]; ok {
		e.duration(e.where(m), m.value, to)
	}
}
