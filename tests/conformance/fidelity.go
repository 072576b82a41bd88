// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A direction is a cell without its transport, in the order of the columns.
type direction struct{ client, backend string }

var directions = []direction{{legacy, legacy}, {legacy, modern}, {modern, legacy}, {modern, modern}}

func (d direction) String() string { return d.client + " → " + d.backend }

// A row says how far one feature is carried. Each reason is for one direction: "" means carried, "-" that neither
// side has the feature.
type row struct {
	feature string
	fate    [4]fate
	// proof are scenarios of the suite, Go tests ("package TestName") and scripts of wire tests (paths).
	proof []string
}

// fate is what becomes of a feature in one direction.
type fate struct {
	word   string // yes, partly, no or –
	reason string // of partly and no
}

var (
	yes  = fate{word: "yes"}
	none = fate{word: "–"}
)

func partly(reason string) fate { return fate{"partly", reason} }
func no(reason string) fate     { return fate{"no", reason} }

// everywhere is one fate in all directions.
func everywhere(f fate) [4]fate { return [4]fate{f, f, f, f} }

// fidelity returns the document that says what the gateway carries, made of the rows and the run. It fails when the
// run does not bear out a row.
func fidelity(results []cellResult) ([]byte, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, s := range sections {
		for _, r := range s.rows {
			errs = append(errs, r.check(root, results))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("the fidelity table is not borne out:\n%w", err)
	}
	d := &document{}
	d.tables()
	d.runs(results)
	d.absences(results)
	d.proofs()
	return d.Bytes(), nil
}

// check compares a row with what its proofs found.
func (r *row) check(root string, results []cellResult) error {
	fault := func(format string, args ...any) error {
		return fmt.Errorf("%s: %s", r.feature, fmt.Sprintf(format, args...))
	}
	for i, f := range r.fate {
		if f.reason == "" && (f.word == "partly" || f.word == "no") {
			return fault("%s: no reason", directions[i])
		}
	}
	other := false // proof than scenarios
	for _, p := range r.proof {
		if !isScenario(p) {
			other = true
			if err := exists(root, p); err != nil {
				return fault("%v", err)
			}
		}
	}
	var ran [4]bool
	for _, p := range r.proof {
		if !isScenario(p) {
			continue
		}
		found := false
		for i, d := range directions {
			clean, n := judge(results, d, p)
			found = found || n > 0
			ran[i] = ran[i] || n > 0
			if n > 0 && !clean && r.fate[i].word == "yes" {
				return fault("%s is said to be carried, but %s did not pass whole", d, p)
			}
		}
		if !found {
			return fault("scenario %s did not run", p)
		}
	}
	for i, f := range r.fate {
		if f.word != "no" && f != none && !ran[i] && !other {
			return fault("%s is said to be carried (%s), and nothing proves it", directions[i], f.word)
		}
	}
	return nil
}

// judge reports whether a scenario passed in a direction with nothing taken out, and how often it ran.
func judge(results []cellResult, d direction, scenario string) (clean bool, runs int) {
	clean = true
	for i := range results {
		if c := results[i].cell; c.client != d.client || c.backend != d.backend {
			continue
		}
		for _, s := range results[i].find(scenario) {
			runs++
			clean = clean && !s.excused() && s.count(failure)+s.count(warning) == 0
		}
	}
	return clean, runs
}

func isScenario(proof string) bool { return !strings.ContainsAny(proof, " /") }

// exists checks that a proof other than a scenario is there; make test runs it.
func exists(root, proof string) error {
	pkg, test, isTest := strings.Cut(proof, " ")
	if !isTest {
		_, err := os.Stat(filepath.Join(root, proof))
		return err
	}
	files, err := filepath.Glob(filepath.Join(root, pkg, "*_test.go"))
	if err != nil {
		return err
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if bytes.Contains(source, []byte("\nfunc "+test+"(")) {
			return nil
		}
	}
	return fmt.Errorf("package %s has no %s", pkg, test)
}

// moduleRoot returns the directory of go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, statErr := os.Stat(filepath.Join(dir, "go.mod")); statErr == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod here or above")
		}
		dir = parent
	}
	return "", err
}

// document is the text being written, with its numbered notes.
type document struct {
	bytes.Buffer
	notes []string
}

// note returns the number of a note, the same for the same words.
func (d *document) note(text string) int {
	i := slices.Index(d.notes, text)
	if i < 0 {
		d.notes = append(d.notes, text)
		i = len(d.notes) - 1
	}
	return i + 1
}

func (d *document) tables() {
	d.WriteString(preamble)
	for _, s := range sections {
		fmt.Fprintf(d, "\n### %s\n\n|", s.title)
		for _, dir := range directions {
			fmt.Fprintf(d, " | %s", dir)
		}
		d.WriteString(" |\n|---|---|---|---|---|\n")
		for _, r := range s.rows {
			fmt.Fprintf(d, "| %s", r.feature)
			for _, f := range r.fate {
				fmt.Fprintf(d, " | %s", f.word)
				if f.reason != "" {
					fmt.Fprintf(d, " [%d]", d.note(f.reason))
				}
			}
			d.WriteString(" |\n")
		}
	}
	d.WriteString("\n### Notes\n\n")
	for i, n := range d.notes {
		fmt.Fprintf(d, "%d. %s\n", i+1, n)
	}
}

// runs writes what was run.
func (d *document) runs(results []cellResult) {
	d.WriteString(runsPreamble)
	d.WriteString("| client → server | over | official sets | scenarios passed | of these with checks that cannot exist |\n|---|---|---|---|---|\n")
	for i := range results {
		r := &results[i]
		var sets []string
		total, excused := 0, 0
		for _, set := range r.sets {
			_, name, _ := strings.Cut(set.set.name, ": ")
			sets = append(sets, name)
			for _, s := range set.scenarios {
				total++
				if s.excused() {
					excused++
				}
			}
		}
		fmt.Fprintf(d, "| %s | %s | %s | %d | %d |\n", direction{r.cell.client, r.cell.backend}, r.cell.wire,
			strings.Join(sets, ", "), total, excused)
	}
}

// absences writes what cannot exist, once per excuse.
func (d *document) absences(results []cellResult) {
	d.WriteString("\n## What cannot exist\n\n| client → server | scenario | check | why |\n|---|---|---|---|\n")
	for _, e := range excuses {
		any := func(s string) string {
			if s == "" {
				return "any"
			}
			return s
		}
		check := "all but the form of messages"
		if e.check != "" {
			check = "`" + e.check + "`"
		}
		wire := ""
		if e.wire != "" {
			wire = " over " + e.wire
		}
		fmt.Fprintf(d, "| %s → %s%s | `%s` | %s | %s |\n", any(e.client), any(e.backend), wire, e.scenario, check, e.reason)
	}
}

// proofs writes where each row is tested.
func (d *document) proofs() {
	d.WriteString(proofsPreamble)
	d.WriteString("| feature | proof |\n|---|---|\n")
	for _, s := range sections {
		for _, r := range s.rows {
			var list []string
			for _, p := range r.proof {
				list = append(list, "`"+p+"`")
			}
			if list == nil {
				list = []string{"not carried by design"}
			}
			fmt.Fprintf(d, "| %s | %s |\n", r.feature, strings.Join(list, ", "))
		}
	}
}

const preamble = `<!-- Generated by "go run ./tests/conformance -bridge docs/bridge.md". Do not edit; tests/conformance/rows.go has the words. -->

# What the gateway carries between the eras

MCP has two eras. **Legacy** revisions (2024-11-05 to 2025-11-25) open a session, and servers send requests to clients.
**Modern** revisions (from 2026-07-28) have no sessions: each request stands alone, and a server that needs something from
the client says so in its result. Holdfast serves clients of both in front of servers of both. This page says what gets
through, for a server at its own address, ` + "`/servers/{name}/mcp`" + `. At the common address, ` + "`/mcp`" + `, tools and prompts have
other names, and of the extensions only tasks are offered.

It is made by a run of the official conformance suite through a gateway, with the same test server behind it once as a
legacy server and once as a modern one. A test compares it with what the run finds, so it cannot go stale.

## Feature by feature

Columns are client → server. *Yes*: works as if the two spoke directly. *Partly* and *no*: see the note. *–*: neither side has it.
`

const runsPreamble = `
## What was run

Every scenario that the official suite has for the clients' revision, against the gateway. A warning counts as a failure.

`

const proofsPreamble = `
## What proves each row

Names without a path are scenarios of the official suite; the others are tests in this repository, by package or file.

`
