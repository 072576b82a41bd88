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
	if scratch, err = os.MkdirTemp("", "storm-"); err != nil {
		fmt.Fprintln(os.Stderr, "storm:", err)
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

var built = sync.OnceValues(func() (programs, error) { return build(context.Background(), scratch) })

// TestStorm is the storm at a small size; make storm has the full one.
func TestStorm(t *testing.T) {
	if testing.Short() {
		t.Skip("starts whole programs")
	}
	p, err := built()
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64() >> 32
	s := newStorm(p, smallSize, seed, t.Output())
	err = s.run(t.Context())
	s.l.Table(t.Output())
	if err != nil {
		t.Fatalf("with -seed %d: %v", seed, err)
	}
}

// TestIsolation has every sickness beside healthy servers.
func TestIsolation(t *testing.T) {
	if testing.Short() {
		t.Skip("starts whole programs")
	}
	p, err := built()
	if err != nil {
		t.Fatal(err)
	}
	if err := checkIsolation(t.Context(), p, t.Output()); err != nil {
		t.Fatal(err)
	}
}
