// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"strings"
	"testing"
)

// TestSessionsDoNotMeet has two clients in front of one server over stdio. What one of them does to the state of the
// server the other sees if they share a process, and never with a process for each session. Modern clients have no
// sessions: there it is one process for each principal, and not that of a session.
func TestSessionsDoNotMeet(t *testing.T) {
	command := everything(t)
	server := map[string]any{"command": command[0], "args": command[1:]}
	own := map[string]any{"command": command[0], "args": command[1:], "sharing": "session"}
	g := newGatewayOf(t, []entry{{name: "shared", config: server}, {name: "session", config: own}})
	toggle := func(t *testing.T, p *peer) string {
		t.Helper()
		return p.do(step{"op": "call", "name": "toggle-subscriber-updates", "args": step{}}).text(t)
	}
	for _, test := range []struct {
		name, server string
		second       dialect
		meet         bool
	}{
		{"shared", "shared", eras[3], true},
		{"session and session", "session", eras[3], false},
		{"session and modern", "session", eras[4], false},
	} {
		t.Run(test.name, func(t *testing.T) {
			url := g.url("/servers/" + test.server + "/mcp")
			first, _ := dial(t, eras[0], url, nil)
			awaitTools(t, first, "echo")
			second, _ := dial(t, test.second, url, nil)
			if got := toggle(t, first); !strings.Contains(got, "Started") {
				t.Fatalf("the first client hears %q", got)
			}
			if got := toggle(t, second); strings.Contains(got, "Stopped") != test.meet {
				t.Errorf("the second client hears %q", got)
			}
			if test.meet {
				return
			}
			args := step{"name": "mine", "data": "data:text/plain,kelp", "outputType": "resourceLink"}
			first.do(step{"op": "call", "name": "gzip-file-as-resource", "args": args})
			read := step{"op": "read", "uri": "demo://resource/session/mine"}
			if r := first.try(read); !r.OK {
				t.Errorf("the first client cannot read what it made: %v %s", r.Error.Code, r.Error.Message)
			}
			if r := second.try(read); r.OK {
				t.Errorf("the second client reads %s", r.Result)
			}
			if got := toggle(t, first); !strings.Contains(got, "Stopped") {
				t.Errorf("at last the first client hears %q", got)
			}
		})
	}
}
