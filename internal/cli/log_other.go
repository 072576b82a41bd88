// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package cli

import "io"

// logTo returns where log lines go.
func logTo(out io.Writer) io.Writer { return out }

// unread is known when a write fails, not before.
func unread(io.Writer) bool { return false }
