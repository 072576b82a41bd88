// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/mcp"
)

func TestPublicName(t *testing.T) {
	for _, tc := range []struct{ server, own, want string }{
		{"files", "read_file", "files__read_file"},
		{"a.b-c", "X9", "a.b-c__X9"},
		{"my server", "read", "my_server__read_"},
		{"s", strings.Repeat("t", 100), "s__ttt"},
	} {
		got, _ := publicName(tc.server, tc.own, nil)
		if !strings.HasPrefix(got, tc.want) || len(got) > maxName {
			t.Errorf("publicName(%q, %q) = %q (%d characters), want %q…", tc.server, tc.own, got, len(got), tc.want)
		}
		if again, _ := publicName(tc.server, tc.own, nil); again != got {
			t.Errorf("publicName(%q, %q) = %q, then %q", tc.server, tc.own, got, again)
		}
	}
}

func TestPublicNamesStayDistinct(t *testing.T) {
	long := strings.Repeat("x", 80)
	seen := map[string]string{}
	for _, p := range [][2]string{{"a", long}, {"a", long + "y"}, {"a b", "c"}, {"a_b", "c"}, {"a/b", "c"}, {"a", "b c"}, {"a", "b_c"}} {
		name, _ := publicName(p[0], p[1], nil)
		if other, taken := seen[name]; taken {
			t.Errorf("%q and %q are both %q", other, p, name)
		}
		seen[name] = p[0] + " " + p[1]
	}
}

// TestNoNameIsOfAnotherServer holds that whatever a server calls its tools, none of
// them begins with the prefix of another configured server, whichever comes first.
func TestNoNameIsOfAnotherServer(t *testing.T) {
	names := []string{"git", "git__hub", "git_", "git___", "git__hub__x", "a b", "a_b", "git__" + strings.Repeat("y", 47) + "_"}
	tools := []string{"hub__push", "_hub__push", "__hub__push", "hub__", "_", "__", "_x", "hub___push", "hub__x__y", "push", "hub  push", "hub__p p", strings.Repeat("y", 47) + "___z", strings.Repeat("y", 47) + "__" + strings.Repeat("z", 40)}
	for _, reversed := range []bool{false, true} {
		var servers []backend.Backend
		for _, name := range names {
			servers = append(servers, &scripted{name: name, answers: listing(tools...)})
		}
		if reversed {
			slices.Reverse(servers)
		}
		r := newRig(t, CatalogConfig{}, Config{}, servers...)
		r.catalog.Warm(t.Context())
		seen := map[string]bool{}
		for _, it := range r.catalog.revision.Load().lists[toolList].items {
			if other := ownerOf(it.public, withOtherPrefix(it.source, r.catalog.sources)); other != nil {
				t.Errorf("tool %q of %q is %q, which is of %q", it.own, it.source.name, it.public, other.name)
			}
			if seen[it.public] || len(it.public) > maxName {
				t.Errorf("tool %q of %q is %q", it.own, it.source.name, it.public)
			}
			seen[it.public] = true
		}
		if !seen["git__hub__push"] || len(seen) != len(names)*len(tools) {
			t.Errorf("%d names", len(seen))
		}
		got, err := ask(t, r.Gateway, mcp.MethodCallTool, "git__hub__push")
		if want := `"git__hub got push"`; err != nil || !strings.Contains(got, want) {
			t.Errorf("git__hub__push: %s, %v, want %s", got, err, want)
		}
	}
}

func TestNameConflictsAreToldOnce(t *testing.T) {
	git := &scripted{name: "git", answers: listing("hub__push")}
	hub := &scripted{name: "git__hub", answers: listing("push")}
	bubble(t, CatalogConfig{Fresh: time.Second}, func(t *testing.T, r *rig) {
		for i := range 5 {
			names(t, r.Gateway)
			hub.answer(mcp.MethodListTools, toolsBody("push", strings.Repeat("x", i+1)))
			r.catalog.Event("git__hub", toolsChanged)
			settle()
		}
		for line, want := range map[string]int{
			"public name changed: it would be another's\" tool=hub__push server=git other=git__hub to=git__hub_push_": 1,
			"holds __": 1,
		} {
			if n := strings.Count(r.log.String(), line); n != want {
				t.Errorf("%q was logged %d times:\n%s", line, n, r.log)
			}
		}
	}, git, hub)
}

// TestShortenedNamesKeepTheTool holds that of a name which is too long the server's
// part is cut, that the own name is in the title, and that patterns over the server's
// names mean the tool all the same.
func TestShortenedNamesKeepTheTool(t *testing.T) {
	long := "company-internal-production-database-gateway"
	for tool, want := range map[string]string{
		"create_pull_request_review_comment": "company-internal-pr__create_pull_request_review_comment_",
		strings.Repeat("t", 52):              "c__" + strings.Repeat("t", 52) + "_",
		strings.Repeat("t", 55):              strings.Repeat("t", 55) + "_",
		strings.Repeat("t", 56):              strings.Repeat("t", 55) + "_",
	} {
		a := &scripted{name: long, answers: listing(tool, "read")}
		r := newRig(t, CatalogConfig{}, Config{}, a, &scripted{name: "b", answers: listing("x")})
		got := names(t, r.Gateway)
		if !strings.HasPrefix(got[0], want) || len(got[0]) != len(want)+8 {
			t.Errorf("tool %q is %q", tool, got[0])
		}
		if body, err := ask(t, r.Gateway, mcp.MethodCallTool, got[0]); err != nil || !strings.Contains(body, tool) {
			t.Errorf("call of %q: %s, %v", got[0], body, err)
		}
		body, _ := ask(t, r.Gateway, mcp.MethodListTools, "")
		if n := strings.Count(body, `"title"`); n != 1 || !strings.Contains(body, `"title":"`+tool+`"`) {
			t.Errorf("titles in %s", body)
		}
		for _, pattern := range []string{long + "__*", "*__" + tool, long + "__" + tool, got[0]} {
			without, only := New(Config{Exclude: []string{pattern}}, r.hub, r.catalog), New(Config{Include: []string{pattern}}, r.hub, r.catalog)
			if left := names(t, without); slices.Contains(left, got[0]) || len(left) == 0 {
				t.Errorf("without %s: %q", pattern, left)
			}
			if left := names(t, only); !slices.Contains(left, got[0]) || slices.Contains(left, "b__x") {
				t.Errorf("only %s: %q", pattern, left)
			}
		}
	}
}

// TestShortenedNameOfASilentServer holds that such a name is not unknown for good while
// the server that may have given rise to it has listed nothing.
func TestShortenedNameOfASilentServer(t *testing.T) {
	long, tool := strings.Repeat("server-", 7), strings.Repeat("tool_", 8)
	name, _ := publicName(long, tool, nil)
	a := &scripted{name: long, answers: map[string]string{mcp.MethodListTools: "hang"}}
	bubble(t, CatalogConfig{ListTimeout: time.Second}, func(t *testing.T, r *rig) {
		names(t, r.Gateway)
		_, err := ask(t, r.Gateway, mcp.MethodCallTool, name)
		if err == nil || !strings.Contains(err.Error(), "try again later") || !strings.Contains(err.Error(), long) {
			t.Errorf("call of %s: %v", name, err)
		}
		if _, err = ask(t, r.Gateway, mcp.MethodCallTool, "b"+name); err == nil || !strings.Contains(err.Error(), "unknown tool") {
			t.Errorf("call of b%s: %v", name, err)
		}
	}, a, &scripted{name: "b", answers: listing("x")})
}
