// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// scratch is the directory of all tests; TestMain removes it.
var scratch string

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "privacy-"); err != nil {
		fmt.Fprintln(os.Stderr, "privacy:", err)
		os.Exit(1)
	}
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	_ = os.RemoveAll(scratch)
	os.Exit(code)
}

var built = sync.OnceValues(func() (programs, error) { return build(context.Background(), scratch, "") })

// TestPrivacy has a tenth of the calls; make privacy has them all.
func TestPrivacy(t *testing.T) {
	if testing.Short() {
		t.Skip("starts whole programs")
	}
	for _, nodes := range []int{1, 3} {
		t.Run(fmt.Sprintf("nodes=%d", nodes), func(t *testing.T) {
			p, err := built()
			if err != nil {
				t.Fatal(err)
			}
			seed := rand.Uint64() >> 32
			if err := run(t.Context(), p, size{nodes, 100}, seed, t.Output()); err != nil {
				t.Fatalf("with -seed %d: %v", seed, err)
			}
		})
	}
}
