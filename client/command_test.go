// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"os"
	"testing"
	"time"
)

func child(kind string) *CommandTarget {
	c := Command(os.Args[0])
	c.Env = []string{childEnv + "=" + kind}
	return c
}

func TestCommand(t *testing.T) {
	for _, kind := range []string{"legacy", "fragile"} {
		t.Run(kind, func(t *testing.T) {
			var stderr bytes.Buffer
			target := child(kind)
			target.Stderr = &stderr
			c, err := Connect(t.Context(), target)
			if err != nil {
				t.Fatal(err)
			}
			if res, err := c.CallTool(t.Context(), "t", nil); err != nil || res.Text() != "hi" {
				t.Errorf("CallTool: %v, %v", res, err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			if stderr.Len() > 0 {
				t.Errorf("stderr: %s", stderr.String())
			}
		})
	}
}

// TestCommandThatIgnoresStdin: closing stdin is followed by TERM.
func TestCommandThatIgnoresStdin(t *testing.T) {
	c, err := Connect(t.Context(), child("stubborn"))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took < exitGrace || took > exitGrace+termGrace {
		t.Errorf("Close took %v", took)
	}
}
