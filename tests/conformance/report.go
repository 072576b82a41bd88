// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"
)

// The statuses of a check that count.
const (
	success = "SUCCESS"
	warning = "WARNING"
	failure = "FAILURE"
	skipped = "SKIPPED"
	info    = "INFO"
)

// A check is one finding of a scenario, as the suite writes it. Members that the report does not use are left out.
type check struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Description  string `json:"description"`
	Status       string `json:"status"`
	ErrorMessage string `json:"errorMessage"`
}

// scenarioResult is what one scenario found.
type scenarioResult struct {
	scenario string
	checks   []check
}

// setResult is what a set found.
type setResult struct {
	set       set
	scenarios []scenarioResult
	// problems are findings about the run itself; each makes the set fail.
	problems []string
	elapsed  time.Duration
}

func (r *setResult) problem(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

// stamp is the length of the time stamp that ends the name of a scenario's directory, with its hyphen.
const stamp = len("-2006-01-02T15-04-05-000Z")

// checksFile is the name of the file with a scenario's checks.
const checksFile = "checks.json"

// readScenarios returns the results below a set's directory, sorted by scenario.
func readScenarios(dir string) ([]scenarioResult, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*", checksFile))
	if err != nil {
		return nil, fmt.Errorf("find the checks: %w", err)
	}
	var results []scenarioResult
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the checks: %w", err)
		}
		name := filepath.Base(filepath.Dir(file))
		result := scenarioResult{scenario: strings.TrimPrefix(name[:max(0, len(name)-stamp)], "server-")}
		if err := json.Unmarshal(data, &result.checks); err != nil {
			return nil, fmt.Errorf("read the checks of %s: %w", result.scenario, err)
		}
		results = append(results, result)
	}
	slices.SortFunc(results, func(a, b scenarioResult) int { return strings.Compare(a.scenario, b.scenario) })
	return results, nil
}

// count returns how many checks of the set have a status.
func (r setResult) count(status string) int {
	n := 0
	for _, s := range r.scenarios {
		n += s.count(status)
	}
	return n
}

func (s scenarioResult) count(status string) int {
	n := 0
	for _, c := range s.checks {
		if c.Status == status {
			n++
		}
	}
	return n
}

// empty reports whether a scenario tested nothing: only informational checks, or none.
func (s scenarioResult) empty() bool {
	return !slices.ContainsFunc(s.checks, func(c check) bool { return c.Status != info })
}

// faults returns a line for everything that makes the set fail.
func (r setResult) faults() []string {
	var lines []string
	for _, p := range r.problems {
		lines = append(lines, "PROBLEM "+p)
	}
	for _, s := range r.scenarios {
		if s.empty() {
			lines = append(lines, fmt.Sprintf("PROBLEM %s: the scenario made no check", s.scenario))
		}
		lines = append(lines, s.lines(failure, warning)...)
	}
	return lines
}

// lines returns a line for every check of the given statuses.
func (s scenarioResult) lines(statuses ...string) []string {
	var lines []string
	for _, c := range s.checks {
		if !slices.Contains(statuses, c.Status) {
			continue
		}
		message := c.ErrorMessage
		if message == "" {
			message = c.Description
		}
		lines = append(lines, fmt.Sprintf("%s %s: %s (%s): %s", c.Status, s.scenario, c.ID, c.Name, message))
	}
	return lines
}

// allClean reports whether nothing failed.
func allClean(results []setResult) bool {
	return !slices.ContainsFunc(results, func(r setResult) bool { return len(r.faults()) > 0 })
}

// printReport writes the table, then everything that needs a look.
func printReport(w io.Writer, results []setResult, verbose bool) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight|tabwriter.Debug)
	fmt.Fprintln(table, "scenario set\tscenarios\tpass\twarn\tfail\tskipped\tn/a\ttime\t")
	for _, r := range results {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%.1fs\t\n", r.set.name, len(r.scenarios), r.count(success),
			r.count(warning), r.count(failure)+len(r.problems), r.count(skipped), r.count(absent), r.elapsed.Seconds())
	}
	_ = table.Flush()
	for _, r := range results {
		lines := r.faults()
		for _, s := range r.scenarios {
			if verbose {
				lines = append(lines, fmt.Sprintf("ran %s: %d pass, %d warn, %d fail, %d skipped", s.scenario,
					s.count(success), s.count(warning), s.count(failure), s.count(skipped)))
				lines = append(lines, s.lines(info)...)
			}
			lines = append(lines, s.lines(skipped)...)
		}
		if len(lines) > 0 {
			fmt.Fprintf(w, "\n%s\n  %s\n", r.set.name, strings.Join(lines, "\n  "))
		}
	}
}
