// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package filelock takes locks on files that end with the process, however it
// ends, or with the file being closed. It has no goroutine.
package filelock

import "errors"

// ErrHeld reports a lock that somebody else holds.
var ErrHeld = errors.New("another holdfast is using it")
