// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
)

var built = sync.OnceValues(func() (programs, error) { return build(context.Background(), scratch) })

func programsOf(t *testing.T) programs {
	t.Helper()
	p, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestRuns does every run at a small size; make cluster has the full ones.
func TestRuns(t *testing.T) {
	for _, r := range runs() {
		t.Run(r.name, func(t *testing.T) {
			e := &env{programs: programsOf(t), dir: t.TempDir(), small: true, seed: rand.Uint64() >> 32}
			if err := e.run(t.Context(), r, t.Output()); err != nil {
				t.Fatalf("with -run %s -small -seed %d: %v", r.name, e.seed, err)
			}
		})
	}
}
