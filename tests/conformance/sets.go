// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import "slices"

// A set is a group of scenarios of the suite that is run and reported together.
type set struct {
	// name is the first column of the report.
	name string
	// client says that the set tests the client program, not the server.
	client bool
	// want is how many scenarios the pinned suite has in this set: fewer means that something was silently left out.
	want int
	// args selects the scenarios in one invocation of the suite. Without it, each of scenarios is one invocation.
	args []string
	// scenarios are the names of the scenarios, run one after the other.
	scenarios []string
	// version is the revision that each of scenarios is run at; empty lets the scenario choose, as extensions must.
	version string
}

// The revisions that the suite knows.
const (
	v20250326 = "2025-03-26"
	v20250618 = "2025-06-18"
	v20251125 = "2025-11-25"
	v20260728 = "2026-07-28"
)

// allSets returns every set in the order of the report.
func allSets() []set { return slices.Concat(serverSets(), clientSets()) }

func serverSets() []set {
	return []set{
		{name: "server requirements " + v20251125, want: 33, args: []string{"--requirements", v20251125}},
		{name: "server requirements " + v20260728, want: 50, args: []string{"--requirements", v20260728}},
		named("server ", serverAll(v20250326, 1)),
		named("server ", serverAll(v20250618, 27)),
		named("server ", serverAll(v20251125, 33)),
		named("server ", serverAll(v20260728, 40)),
		named("server ", headerSet()),
		{name: "server tasks", want: 10, scenarios: []string{
			"tasks-lifecycle", "tasks-capability-negotiation", "tasks-wire-fields", "tasks-request-state-removal",
			"tasks-mrtr-input", "tasks-request-headers", "tasks-dispatch-and-envelope", "tasks-status-notifications",
			"tasks-required-task-error", "tasks-mrtr-composition",
		}},
		named("server ", skillSet()),
	}
}

// named puts a prefix before a set's name.
func named(prefix string, s set) set {
	s.name = prefix + s.name
	return s
}

func headerSet() set {
	return set{name: "headers", want: 2, version: v20260728, scenarios: []string{
		"http-header-validation", "http-custom-header-server-validation",
	}}
}

func skillSet() set {
	return set{name: "skills", want: 3, scenarios: []string{
		"sep-2640-skills-enumeration", "sep-2640-skills-manifest", "sep-2640-skills-directory",
	}}
}

// serverAll is every server scenario that applies at a revision.
func serverAll(version string, want int) set {
	return set{name: "all @ " + version, want: want, args: []string{"--suite", "all", "--spec-version", version}}
}

func clientSets() []set {
	return []set{
		clientAt(v20250618, "initialize", "tools_call"),
		clientAt(v20251125, "initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry",
			"json-schema-2020-12-preservation"),
		clientAt(v20260728, "tools_call", "request-metadata", "sep-2322-client-request-state", "http-standard-headers",
			"http-custom-headers", "http-invalid-tool-headers", "json-schema-ref-no-deref",
			"json-schema-2020-12-preservation"),
	}
}

// clientAt is the client scenarios of a revision that are not about authorization.
func clientAt(version string, scenarios ...string) set {
	return set{name: "client @ " + version, client: true, want: len(scenarios), version: version, scenarios: scenarios}
}

// An invocation is one run of the suite.
type invocation struct {
	// scenario is the only scenario of the run; empty when the suite chooses them.
	scenario string
	// args are the suite's arguments without target and output.
	args []string
}

// invocations returns the runs of the suite that the set needs.
func (s set) invocations() []invocation {
	if s.args != nil {
		return []invocation{{args: s.args}}
	}
	var all []invocation
	for _, name := range s.scenarios {
		args := []string{"--scenario", name}
		if s.version != "" {
			args = append(args, "--spec-version", s.version)
		}
		all = append(all, invocation{scenario: name, args: args})
	}
	return all
}
