// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package cli

import (
	"io"
	"os"
)

// logTo returns where log lines go.
func logTo(out io.Writer) io.Writer { return out }

// unread is known when a write fails, not before.
func unread(io.Writer) bool { return false }

// isTerminal reports whether a person may type into f.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
