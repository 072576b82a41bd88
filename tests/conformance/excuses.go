// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import "fmt"

// An excuse names what cannot exist in some cells: a check of a scenario, or all of a scenario that did not succeed.
// It must be needed: an excuse for something that passes, or that does not run, fails the cell.
type excuse struct {
	client, backend, wire string // "" means any
	scenario              string
	check                 string // "" means every check that did not succeed
	reason                string // for readers of the fidelity table
}

var excuses = []excuse{
	{
		client: modern, scenario: "tasks-status-notifications", check: "tasks-status-notifications",
		reason: "The suite leaves this scenario out everywhere: it was written for an earlier draft of task notifications.",
	},
	{
		client: modern, backend: legacy, scenario: "input-required-result-basic-elicitation", check: "sep-2322-elicitation-incomplete",
		reason: "The check wants the key that the tool chose for its question. A legacy server asks by a request of its own, which has no key; the gateway makes one up.",
	},
	{
		client: modern, backend: legacy, scenario: "input-required-result-ignore-extra-params", check: "sep-2322-ignore-unexpected-params",
		reason: "The check answers a question before it was asked. A legacy server takes answers only to the requests it sent.",
	},
	{
		client: legacy, backend: modern, scenario: "server-sse-polling",
		reason: "Ending a response stream early so that the client polls is a decision of legacy servers; a modern server cannot make it.",
	},
	{
		client: legacy, backend: legacy, wire: overStdio, scenario: "server-sse-polling",
		reason: "A server over stdio has no response stream that it could end early.",
	},
	{
		client: modern, backend: legacy, wire: overStdio, scenario: "server-stateless",
		check:  "sep-2575-server-sends-tools-list-changed-on-subscription",
		reason: ownProcess,
	},
	{
		client: modern, backend: legacy, wire: overStdio, scenario: "server-stateless",
		check:  "sep-2575-server-sends-prompts-list-changed-on-subscription",
		reason: ownProcess,
	},
	{
		client: modern, backend: legacy, scenario: "sep-2640-skills-enumeration",
		reason: noExtensions,
	},
	{
		client: modern, backend: legacy, scenario: "sep-2640-skills-manifest",
		reason: noExtensions,
	},
	{
		client: modern, backend: legacy, scenario: "sep-2640-skills-directory",
		reason: noExtensions,
	},
}

const ownProcess = "Over stdio the legacy backend has a process for each client (sharing: session), and the tool changes the lists of that process. Lists are the same for all clients and come from a process of their own."

const noExtensions = "Skills are an extension, and legacy servers have no extensions to offer."

// absent is the status of a check that an excuse has taken out.
const absent = "ABSENT"

// excuse takes out what cannot exist, and finds fault with everything else that is not a success.
func (r *cellResult) excuse(all []excuse) {
	for _, e := range all {
		if e.concerns(r.cell) {
			r.apply(&e)
		}
	}
	for i := range r.sets {
		for _, s := range r.sets[i].scenarios {
			if n := s.count(skipped); n > 0 {
				r.sets[i].problem("%s: %d checks were skipped and no excuse says why", s.scenario, n)
			}
		}
	}
}

func (e *excuse) concerns(c cell) bool {
	is := func(want, have string) bool { return want == "" || want == have }
	return is(e.client, c.client) && is(e.backend, c.backend) && is(e.wire, c.wire)
}

// apply takes out what e names in every set that runs its scenario.
func (r *cellResult) apply(e *excuse) {
	ran := false
	for i := range r.sets {
		for j := range r.sets[i].scenarios {
			s := &r.sets[i].scenarios[j]
			if s.scenario != e.scenario {
				continue
			}
			ran = true
			if !s.take(e) {
				r.sets[i].problem("%s passes: the excuse is stale", e)
			}
		}
	}
	if !ran && len(r.sets) > 0 && r.expects(e) {
		r.sets[0].problem("%s did not run: the excuse is stale", e)
	}
}

// expects reports whether the cell has the set in which the excuse's scenario would be.
func (r *cellResult) expects(e *excuse) bool {
	for _, set := range r.sets {
		for _, name := range set.set.scenarios {
			if name == e.scenario {
				return true
			}
		}
	}
	for _, name := range skillSet().scenarios {
		if name == e.scenario {
			return false // the cell does without
		}
	}
	return true
}

// take marks what e names and reports whether there was anything.
func (s *scenarioResult) take(e *excuse) bool {
	found := false
	for i := range s.checks {
		c := &s.checks[i]
		if c.Status == success || c.Status == absent || e.check != "" && c.ID != e.check {
			continue
		}
		if e.check == "" && c.Status == info && !s.empty() {
			continue
		}
		c.Status, found = absent, true
	}
	if e.check == "" && len(s.checks) == 0 {
		s.checks, found = []check{{ID: s.scenario, Status: absent}}, true
	}
	return found
}

func (e *excuse) String() string {
	if e.check == "" {
		return e.scenario
	}
	return fmt.Sprintf("%s of %s", e.check, e.scenario)
}
