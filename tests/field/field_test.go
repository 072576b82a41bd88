// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package field

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// atOnce is how soon a call must be answered in all cases, in milliseconds: it is far below the time limit of any
// client, and far above what a busy machine needs.
const atOnce = 10_000

var healthy = Healthy()

func TestMessages(t *testing.T) { testTable(t, "messages") }
func TestLines(t *testing.T)    { testTable(t, "lines") }
func TestEvents(t *testing.T)   { testTable(t, "events") }
func TestEntries(t *testing.T)  { testTable(t, "entries") }
func TestSessions(t *testing.T) { testTable(t, "sessions") }
func TestEras(t *testing.T)     { testTable(t, "eras") }
func TestOutages(t *testing.T)  { testTable(t, "outages") }
func TestStarts(t *testing.T)   { testTable(t, "starts") }

// testTable has clients connect to each server of a table, directly and through one Holdfast.
func testTable(t *testing.T, table string) {
	t.Parallel()
	variants := Tables()[table]
	t.Run("direct", func(t *testing.T) { testDirect(t, table, variants) })
	t.Run("through", func(t *testing.T) { testThrough(t, table, variants) })
}

// TestGoSDK holds that the official Go SDK works with a server that has no oddity, directly over each transport. Of
// the others it refuses many, and through Holdfast none.
func TestGoSDK(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(NewWeb([]Variant{{Name: "plain", HTTP: &HTTP{}}, {Name: "sse", HTTP: &HTTP{SSE: true}}}))
	defer web.Close()
	jobs := []job{
		{Command: program(t, "tests/field/odd"), Args: []string{"stdio", "messages", healthy.Name}, Steps: healthy.steps()},
		{URL: web.URL + "/plain/mcp", Steps: healthy.steps()},
		{URL: web.URL + "/sse/mcp", SSE: true, Steps: healthy.steps()},
	}
	for i, s := range goSDK.run(t, jobs) {
		if why := healthy.amiss(s); why != "" {
			t.Errorf("%+v: %s", jobs[i], why)
		}
	}
}

// testDirect holds that the variants are what they are said to be, and that Holdfast's own client takes them.
func testDirect(t *testing.T, table string, variants []Variant) {
	odd := program(t, "tests/field/odd")
	web := httptest.NewServer(NewWeb(variants))
	defer web.Close()
	var jobs []job
	variants = slices.DeleteFunc(slices.Clone(variants), func(v Variant) bool { return v.Late > 0 || v.Down != "" })
	for _, v := range variants {
		j := job{Command: odd, Args: []string{"stdio", table, v.Name}, Steps: v.steps(), Refused: v.Refused}
		if v.HTTP != nil {
			j = job{URL: web.URL + "/" + v.Name + "/mcp", SSE: v.HTTP.SSE, Forget: web.URL + "/" + v.Name + "/forget", Steps: v.steps(), Refused: v.Refused}
		}
		jobs = append(jobs, j)
	}
	for i, s := range script1.run(t, jobs) {
		t.Run(script1.name+"/"+variants[i].Name, func(t *testing.T) {
			why := variants[i].amiss(s)
			switch {
			case why != "" && !variants[i].Refused:
				t.Errorf("the official client does not work with it: %s", why)
			case why == "" && variants[i].Refused:
				t.Error("the official client works with it")
			}
		})
	}
	for i, s := range own.run(t, jobs) {
		t.Run(own.name+"/"+variants[i].Name, func(t *testing.T) {
			if why := variants[i].amiss(s); why != "" && !variants[i].GatewayOnly {
				t.Error(why)
			}
		})
	}
}

// testThrough holds that through Holdfast all clients work with all variants, and that the list of all servers together
// is taken by them.
func testThrough(t *testing.T, table string, variants []Variant) {
	g := startGateway(t, table, append(slices.Clone(variants), healthy))
	late := g.await(variants)
	present := slices.DeleteFunc(slices.Clone(variants), func(v Variant) bool { return v.Down != "" })
	var jobs []job
	for _, v := range append(present, healthy) {
		jobs = append(jobs, job{URL: g.url("/servers/" + v.Name + "/mcp"), Forget: g.web + "/" + v.Name + "/forget", Steps: v.steps()})
	}
	jobs = append(jobs, job{URL: g.url("/mcp"), Steps: []Step{{Tool: "healthy__echo"}}})
	for _, p := range []peer{own, script1, script2, goSDK} { // whatever a client takes directly it takes so
		all := p.run(t, jobs)
		for i, v := range append(present, healthy) {
			t.Run(p.name+"/"+v.Name, func(t *testing.T) {
				if why := v.amiss(all[i]); why != "" {
					t.Error(why)
				}
				if why := late[v.Name]; why != "" {
					t.Error(why)
				}
			})
		}
		t.Run(p.name+"/together", func(t *testing.T) { testTogether(t, present, all[len(all)-1]) })
	}
	for _, v := range variants {
		if v.Down != "" || v.Logged != "" {
			t.Run("log/"+v.Name, func(t *testing.T) { g.testLog(t, v) })
		}
	}
}

// testTogether holds that the list of all servers names the tools of each.
func testTogether(t *testing.T, variants []Variant, s seen) {
	if s.Error != "" {
		t.Fatal(s.Error)
	}
	for _, v := range append(variants, healthy) {
		if !slices.Contains(s.Lists["tools"], v.Name+"__echo") {
			t.Errorf("the tool of %s is not listed", v.Name)
		}
	}
	if why := healthy.amiss(seen{Lists: map[string][]string{"tools": {"echo"}}, Outcomes: s.Outcomes}); why != "" {
		t.Error(why)
	}
}

// amiss says what a client did not see as it must, "" when all is well.
func (v *Variant) amiss(s seen) string {
	if s.Error != "" {
		return s.Error
	}
	if !slices.Contains(s.Lists["tools"], "echo") {
		return fmt.Sprintf("tool echo is not among %q", s.Lists["tools"])
	}
	for i, step := range v.steps() {
		got := s.Outcomes[i]
		failed := step.Err != "" || step.Tool == "broken" || step.Tool == "forbidden"
		want := step.Text
		switch want {
		case "":
			want = "ok"
		case "-":
			want = ""
		}
		switch {
		case step.Drop:
		case failed && (got.Error == "" || !strings.Contains(got.Error, step.Err)):
			return fmt.Sprintf("step %d: %s returned %q and the error %q, want an error with %q", i, step.Tool, got.Text, got.Error, step.Err)
		case failed && step.Err == "" && strings.Contains(strings.ToLower(got.Error), "timed out"):
			return fmt.Sprintf("step %d: %s was not answered: %s", i, step.Tool, got.Error)
		case !failed && got.Error != "":
			return fmt.Sprintf("step %d: %s failed: %s", i, step.Tool, got.Error)
		case !failed && got.Text != want:
			return fmt.Sprintf("step %d: %s returned %q, want %q", i, step.Tool, got.Text, want)
		case got.MS > atOnce:
			return fmt.Sprintf("step %d: %s took %s", i, step.Tool, time.Duration(got.MS)*time.Millisecond)
		}
	}
	return ""
}
