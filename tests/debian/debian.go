// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package debian gives tests the programs that they run and that come as Debian packages: load balancers and a browser.
// Where a program is missing, root installs its package; everybody else is told which one it is. The package is for
// tests only and is part of no product binary. It starts no goroutines.
package debian

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// installTimeout bounds the installation of a package.
const installTimeout = 5 * time.Minute

// Program returns the path of a program, after installing the package it is in if it is missing.
func Program(ctx context.Context, name, pkg string) (string, error) {
	if path := lookup(name); path != "" {
		return path, nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return "", fmt.Errorf("%s is not installed; install it (on Debian: apt-get install %s)", name, pkg)
	}
	if err := install(ctx, pkg); err != nil {
		return "", fmt.Errorf("install %s: %w", name, err)
	}
	if path := lookup(name); path != "" {
		return path, nil
	}
	return "", fmt.Errorf("%s was installed and is not there", name)
}

func lookup(program string) string {
	for _, name := range []string{program, "/usr/sbin/" + program, "/usr/local/sbin/" + program} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// install installs a package; a service in it is not to be started. It waits for others who install something.
func install(ctx context.Context, pkg string) error {
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	const policy = "/usr/sbin/policy-rc.d" // Debian's way to keep services from starting
	if _, err := os.Stat(policy); errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(policy, []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil {
			return err
		}
		defer os.Remove(policy)
	}
	for _, args := range [][]string{{"update", "-q"}, {"install", "-q", "-y", "--no-install-recommends", pkg}} {
		cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-o", "DPkg::Lock::Timeout=300"}, args...)...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", args[0], err, out)
		}
	}
	return nil
}
