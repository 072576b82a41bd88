// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/engine/legacy"
	"github.com/holdfast-mcp/holdfast/internal/session"
)

const setLevel = `{"jsonrpc":"2.0","id":2,"method":"logging/setLevel","params":{"level":"error"}}`

// record returns the only record that a node has seen, whether or not it has expired.
func (n *node) record() *session.Record {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.cache {
		return r
	}
	return nil
}

// TestRecordsOfStrangers holds that a session whose client never comes back costs
// nothing if it has only said hello, whatever it has declared, and a record for
// minutes if it has set something; that of one that comes back, by a request or a
// stream, is kept as long as its ticket; and so is that of one that was ended.
func TestRecordsOfStrangers(t *testing.T) {
	request := func(t *testing.T, n *node, token string) {
		if x := n.ask(token, "POST", "", ping); x.status != 200 {
			t.Fatal(x.all())
		}
	}
	for name, tc := range map[string]struct {
		does func(t *testing.T, n *node, token string)
		kept bool
	}{
		"nothing more":        {func(*testing.T, *node, string) {}, false},
		"comes back at once":  {request, false},
		"comes back later":    {func(t *testing.T, n *node, token string) { time.Sleep(2 * time.Minute); request(t, n, token) }, true},
		"comes back too late": {func(t *testing.T, n *node, token string) { time.Sleep(20 * time.Minute); request(t, n, token) }, false},
		"listens": {func(t *testing.T, n *node, token string) {
			x := n.ask(token, "GET", "", "")
			time.Sleep(2 * time.Minute)
			x.leave()
		}, true},
		"listens too shortly": {func(t *testing.T, n *node, token string) {
			x := n.ask(token, "GET", "", "")
			time.Sleep(10 * time.Second)
			x.leave()
		}, false},
		"ends": {func(t *testing.T, n *node, token string) {
			if x := n.ask(token, "DELETE", "", ""); x.status != 204 {
				t.Fatal(x.all())
			}
		}, true},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGroup()
				n := startGroup(t, g, legacy.Config{}, "a", "b")
				end := time.Now().Add(session.TicketLife).Truncate(time.Second)
				token := n[0].initialize(`{"experimental":{"x":"` + strings.Repeat("A", 12<<10) + `"}}`)
				if g.written() != 0 {
					t.Error("saying hello is written down")
				}
				if x := n[0].ask(token, "POST", "", setLevel); x.status != 200 {
					t.Fatal(x.all())
				}
				tc.does(t, n[1], token)
				synctest.Wait()
				time.Sleep(30 * time.Minute)
				r := n[1].record()
				if alive := time.Now().Before(r.Expires); alive != tc.kept || alive && !r.Expires.Equal(end) {
					t.Errorf("the record: %+v; want it kept %t", r, tc.kept)
				}
			})
		})
	}
}

// TestRecordMadeAnew holds that a session whose record has expired may change again.
func TestRecordMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startGroup(t, newGroup(), legacy.Config{}, "a")[0]
		token := n.initialize("{}")
		for range 3 {
			if x := n.ask(token, "POST", "", setLevel); x.status != 200 {
				t.Fatal(x.all())
			}
			time.Sleep(time.Hour)
		}
	})
}

// TestDeclaredTooMuch holds that capabilities which do not fit a session id are
// refused, in words, and that what a client has declared reaches the handler.
func TestDeclaredTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startGroup(t, newGroup(), legacy.Config{}, "a", "b")
		noise := make([]byte, 0, 8<<10)
		for i := range cap(noise) {
			noise = append(noise, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-"[(i*i*2654435761>>7)&63])
		}
		x := n[0].ask("", "POST", "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","clientInfo":{"name":"c","version":"1"},`+
			`"capabilities":{"experimental":{"x":"`+string(noise)+`"}}}}`)
		if out := x.all(); x.status != 200 || !strings.Contains(out, "-32602") || !strings.Contains(out, "at most 2048 fit a session id") {
			t.Errorf("%.300s", out)
		}
		token := n[0].initialize(`{"roots":{},"experimental":{"x":{"y":1}}}`)
		if out := n[1].ask(token, "POST", "", call("3", "who", "{}")).all(); !strings.Contains(out, `{\"roots\":{},\"experimental\":{\"x\":{\"y\":1}}}`) || !strings.Contains(out, "roots=true") {
			t.Error(out)
		}
	})
}
