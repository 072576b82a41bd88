// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package stdio

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/holdfast-mcp/holdfast/transport"
)

func TestLines(t *testing.T) {
	in := "{\"a\":1}\r\n\n" + strings.Repeat("x", 200) + "\n{\"b\":2}"
	var out strings.Builder
	c := New(strings.NewReader(in), &out, 100)
	if got, err := c.Read(); err != nil || string(got) != `{"a":1}` {
		t.Fatalf("Read = %q, %v", got, err)
	}
	if _, err := c.Read(); !errors.Is(err, transport.ErrTooLarge) {
		t.Fatalf("a long line: %v, want ErrTooLarge", err)
	}
	if got, err := c.Read(); err != nil || string(got) != `{"b":2}` {
		t.Fatalf("after a long line: %q, %v", got, err)
	}
	if _, err := c.Read(); !errors.Is(err, io.EOF) {
		t.Fatalf("at the end: %v, want EOF", err)
	}
	if err := c.Write([]byte("{\n\"c\":3}")); err != nil {
		t.Fatal(err)
	}
	if out.String() != "{ \"c\":3}\n" {
		t.Errorf("wrote %q", out.String())
	}
}

func TestCloseUnblocks(t *testing.T) {
	r, w := io.Pipe()
	c := New(r, w, 100)
	read := make(chan error)
	go func() { // ends with Close
		_, err := c.Read()
		read <- err
	}()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-read; !errors.Is(err, transport.ErrClosed) && !errors.Is(err, io.EOF) {
		t.Errorf("Read = %v, want the end", err)
	}
	if err := c.Write([]byte("{}")); !errors.Is(err, transport.ErrClosed) {
		t.Errorf("Write = %v, want ErrClosed", err)
	}
}
