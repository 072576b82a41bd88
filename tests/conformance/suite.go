// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/tests/npm"
)

// setTimeout bounds one invocation of the suite.
const setTimeout = 3 * time.Minute

// outputTail is how much of an invocation's output an error quotes, in bytes.
const outputTail = 2000

// suite runs the official suite against one endpoint and one client program.
type suite struct {
	tree npm.Tree
	// out receives what the suite writes, in one directory per set.
	out string
	// url is the server under test.
	url string
	// client is the command of the client program under test.
	client string
}

// prepare builds and starts what the sets need and is not given. The returned function stops it.
func (s *suite) prepare(ctx context.Context, sets []set) (stop func(), err error) {
	stop = func() {}
	needServer, needClient := false, false
	for _, set := range sets {
		needServer = needServer || !set.client
		needClient = needClient || set.client
	}
	if needClient && s.client == "" {
		if s.client, err = build(ctx, s.out, clientProgram); err != nil {
			return nil, err
		}
	}
	if needServer && s.url == "" {
		bin, err := build(ctx, s.out, fixtureProgram)
		if err != nil {
			return nil, err
		}
		fixture, err := startFixture(ctx, bin, "both", filepath.Join(s.out, "fixture.log"))
		if err != nil {
			return nil, err
		}
		s.url, stop = fixture.url, fixture.stop
	}
	return stop, nil
}

// runAll runs the sets, some at once, and returns their results in the order of the sets. It waits for all the
// goroutines it starts.
func (s *suite) runAll(ctx context.Context, sets []set, parallel int) []setResult {
	results := make([]setResult, len(sets))
	slots := make(chan struct{}, max(parallel, 1))
	var running sync.WaitGroup
	for i, set := range sets {
		running.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			results[i] = s.runSet(ctx, set)
		})
	}
	running.Wait()
	return results
}

// unsafe matches what a directory name should not hold.
var unsafe = regexp.MustCompile(`[^a-z0-9.-]+`)

// runSet runs one set.
func (s *suite) runSet(ctx context.Context, set set) setResult {
	result := setResult{set: set}
	start := time.Now()
	dir := filepath.Join(s.out, unsafe.ReplaceAllString(set.name, "_"))
	if err := os.RemoveAll(dir); err != nil {
		result.problem("remove the last run's checks: %v", err)
	}
	announced := 0
	complaints := make(map[string]string) // scenario → what its run said when it ended with an error
	for _, inv := range set.invocations() {
		n, complaint, err := s.invoke(ctx, set, dir, inv)
		announced += n
		if complaint != "" {
			complaints[inv.scenario] = complaint
		}
		if err != nil {
			result.problem("%s: %v", strings.Join(inv.args, " "), err)
		}
	}
	scenarios, err := readScenarios(dir)
	if err != nil {
		result.problem("%v", err)
	}
	result.scenarios, result.elapsed = scenarios, time.Since(start)
	if announced != len(scenarios) {
		result.problem("the suite started %d scenarios and wrote the checks of %d", announced, len(scenarios))
	}
	if len(scenarios) != set.want {
		result.problem("%d scenarios ran, the set has %d", len(scenarios), set.want)
	}
	for _, scenario := range scenarios {
		// The suite also fails a client that times out or exits with an error after passing every check.
		if c := complaints[scenario.scenario]; c != "" && scenario.count(failure)+scenario.count(warning) == 0 {
			result.problem("%s: %s", scenario.scenario, c)
		}
	}
	return result
}

// announcement is the line by which the suite says how many scenarios a run has.
var announcement = regexp.MustCompile(`(?m)^Running .*\((\d+) scenarios\)`)

// invoke runs the suite once. It returns how many scenarios the run has and, when the suite ended with an error, the
// end of its output. That is not an error of invoke: the checks say more.
func (s *suite) invoke(ctx context.Context, set set, dir string, inv invocation) (int, string, error) {
	ctx, cancel := context.WithTimeout(ctx, setTimeout)
	defer cancel()
	command := []string{"server", "--url", s.url}
	if set.client {
		command = []string{"client", "--command", s.client}
	}
	command = append(append(command, inv.args...), "--output-dir", dir)
	cmd := s.tree.Command(ctx, s.tree.Path("@modelcontextprotocol/conformance", "dist", "index.js"), command...)
	cmd.WaitDelay = time.Second
	output, err := cmd.CombinedOutput()
	if writeErr := appendLog(dir, output); writeErr != nil {
		return 0, "", writeErr
	}
	count := 1
	if m := announcement.FindSubmatch(output); m != nil {
		count, _ = strconv.Atoi(string(m[1]))
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return count, "", nil
	case ctx.Err() != nil:
		return count, "", fmt.Errorf("stopped: %w", ctx.Err())
	case !errors.As(err, &exit):
		return count, "", fmt.Errorf("run the suite: %w", err)
	}
	return count, tail(output), nil
}

// appendLog keeps the output of the invocations of a set beside their checks.
func appendLog(dir string, output []byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("create the set's directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "suite.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open the set's log: %w", err)
	}
	_, err = f.Write(output)
	return errors.Join(err, f.Close())
}

// colour matches the escape sequences in the suite's output.
var colour = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// tail returns the end of an output for an error message.
func tail(output []byte) string {
	output = colour.ReplaceAll(output, nil)
	return strings.TrimSpace(string(output[max(0, len(output)-outputTail):]))
}
