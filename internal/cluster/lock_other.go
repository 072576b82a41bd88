// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package cluster

import "os"

// lockFile does nothing where the system has no advisory locks.
func lockFile(*os.File) error { return nil }
