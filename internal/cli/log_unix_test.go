// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cli

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
)

// TestLogWithoutReader: lines that nobody reads hold nobody up, and are counted
// for who reads again.
func TestLogWithoutReader(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	l := &logFile{f: w}
	line := []byte(strings.Repeat("x", 9_999) + "\n")
	const lines = 100 // of ten thousand bytes, more than a pipe takes
	for range lines {
		if n, err := l.Write(line); n != len(line) || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
	if l.dropped == 0 || l.dropped >= lines {
		t.Fatalf("%d lines dropped", l.dropped)
	}
	got := make(chan []byte)
	go func() { // ends with the writing end
		b, _ := io.ReadAll(r)
		got <- b
	}()
	for l.dropped > 0 { // until the reader has made room
		_, _ = l.Write([]byte("again\n"))
	}
	w.Close()
	text := <-got
	if n := bytes.Count(text, []byte("log lines dropped, which nobody read\n")); n < 1 || !bytes.HasSuffix(text, []byte("again\n")) {
		t.Errorf("%d reports; it ends with %q", n, text[max(len(text)-100, 0):])
	}
	r.Close()
	if n, err := l.Write(line); n != len(line) || err != nil {
		t.Errorf("to a closed pipe: %d, %v", n, err)
	}
}
