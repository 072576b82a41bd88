// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package filelock

import "os"

// Try does nothing where the system has no advisory locks.
func Try(*os.File) error { return nil }
