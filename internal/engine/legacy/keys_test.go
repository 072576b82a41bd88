// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holdfast-mcp/holdfast/internal/engine/legacy"
	"github.com/holdfast-mcp/holdfast/internal/seal"
)

// key returns a key for a ring.
func key(n byte) []byte { return bytes.Repeat([]byte{n}, 32) }

func ringOf(t *testing.T, n byte) *seal.Ring {
	t.Helper()
	r, err := seal.RingOf(key(n))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`

// TestKeyRevoked holds that a session ends with the key of its ticket, also one that
// was just used, and with it the stream that it has open.
func TestKeyRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ring := ringOf(t, 1)
		n := startGroup(t, newGroup(), legacy.Config{Ring: ring}, "a")[0]
		token := n.initialize("{}")
		listening := n.ask(token, "GET", "", "")
		if x := n.ask(token, "POST", "", ping); x.status != 200 {
			t.Fatal(x.all())
		}
		if err := ring.Use(key(2), key(1)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if x := n.ask(token, "POST", "", ping); x.status != 200 || strings.Contains(listening.all(), "closed") {
			t.Errorf("with its key still there: %s, the stream %s", x.all(), listening.all())
		}
		later := n.ask(n.initialize("{}"), "GET", "", "")
		if err := ring.Use(key(2)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for _, verb := range []string{"POST", "GET", "DELETE"} {
			if x := n.ask(token, verb, "", ping); x.status != 404 {
				t.Errorf("%s: %s", verb, x.all())
			}
		}
		if !strings.HasSuffix(listening.all(), "closed") || strings.Contains(later.all(), "closed") {
			t.Errorf("its stream: %s; another's: %s", listening.all(), later.all())
		}
	})
}

// TestKeyNotHeardOf holds that a session sealed with a key that a node may not have
// heard of is not called unknown there: its client would give it up.
func TestKeyNotHeardOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		token := startGroup(t, g, legacy.Config{Ring: ringOf(t, 2)}, "a")[0].initialize("{}")
		behind := ringOf(t, 1)
		apart := true
		behind.Follow(func(context.Context) error {
			if apart {
				return errors.New("cut off")
			}
			return behind.Use(key(2), key(1))
		})
		b := startGroup(t, g, legacy.Config{Ring: behind}, "b")[0]
		batch := "[" + ping + "]"
		for _, tc := range [][2]string{{"POST", ping}, {"POST", batch}, {"POST", `{"jsonrpc":"2.0","method":"notifications/initialized"}`}, {"GET", ""}, {"DELETE", ""}} {
			if x := b.ask(token, tc[0], "", tc[1]); x.status != 503 || x.reply.Get("Retry-After") == "" {
				t.Errorf("%s %s: %s", tc[0], tc[1], x.all())
			}
		}
		if x := b.ask("forged", "POST", "", ping); x.status != 404 {
			t.Errorf("no token at all: %s", x.all())
		}
		apart = false
		if x := b.ask(token, "POST", "", ping); x.status != 200 {
			t.Errorf("together again: %s", x.all())
		}
		if x := b.ask(token[1:], "POST", "", ping); x.status != 404 {
			t.Errorf("a key that never was: %s", x.all())
		}
	})
}
