// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test's own program be the attacker, as the command is.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == attackWord {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		os.Exit(attack(ctx, os.Args[2], os.Args[3]))
	}
	os.Exit(m.Run())
}

// front are the floods whose effect shows in a short time.
var front = []string{"bodies", "calls", "readers", "subscriptions", "windows"}

// TestFloods runs some of the floods for a short time; make flood has all of
// them in full. How long calls take beside other tests says nothing, so only
// memory is held, and that the others are served.
func TestFloods(t *testing.T) {
	if testing.Short() {
		t.Skip("starts whole programs")
	}
	p, err := build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range front {
		t.Run(name, func(t *testing.T) {
			r := round{programs: p, binary: p.holdfast, flood: name, quiet: time.Second, last: 4 * time.Second}
			f, err := r.run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			f.during = 0
			if bad := f.broken(); bad != "" {
				t.Errorf("%+v: %s", f, bad)
			}
		})
	}
}

func TestUnknownFlood(t *testing.T) {
	var out strings.Builder
	if status := command(t.Context(), []string{"-floods", "rain"}, &out); status != 2 || !strings.Contains(out.String(), "readers") {
		t.Errorf("status %d, %q; want 2 and the names there are", status, out.String())
	}
}
