// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package process

import "testing"

// TestCommandNotFound: who wrote the command reads what is wrong and what to do.
func TestCommandNotFound(t *testing.T) {
	for command, want := range map[string]string{
		"no-such-command":        `command "no-such-command": executable file not found in $PATH; install it, or name it by its whole path (PATH is "/bin")`,
		"no-such-command -m x":   `command "no-such-command -m x": executable file not found in $PATH; arguments belong in args: command "no-such-command", args ["-m" "x"] (PATH is "/bin")`,
		"/no/such/command":       `command "/no/such/command": no such file or directory; install it, or correct the path`,
		"/no/such/command stdio": `command "/no/such/command stdio": no such file or directory; arguments belong in args: command "/no/such/command", args ["stdio"]`,
		"/":                      `command "/": is a directory`,
	} {
		err := Check(&Spec{Command: command, Env: []string{"PATH=/bin"}})
		if err == nil || err.Error() != want {
			t.Errorf("%s:\n got  %v\n want %s", command, err, want)
		}
	}
}
