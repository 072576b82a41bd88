// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

// readAll reads until the end; a line that is too long is said as "…".
func readAll(t *testing.T, r io.Reader, max int) []string {
	t.Helper()
	lines := NewLineReader(r, max)
	var got []string
	for {
		line, err := lines.Read()
		switch {
		case errors.Is(err, ErrLineTooLong):
			got = append(got, "…")
		case errors.Is(err, io.EOF):
			return got
		case err != nil:
			t.Fatal(err)
		default:
			got = append(got, string(line))
		}
	}
}

func TestLineReader(t *testing.T) {
	long := strings.Repeat("y", 10_000)
	tests := []struct {
		name, text string
		max        int
		want       string
	}{
		{"two", "a\nb\n", 10, "a b"},
		{"no newline at the end", "a\nb", 10, "a b"},
		{"CRLF", "a\r\nb\r\n", 10, "a b"},
		{"empty lines", "\n\r\n\na\n\n", 10, "a"},
		{"nothing", "", 10, ""},
		{"only newlines", "\n\n", 10, ""},
		{"at the limit", "12345\n12345", 5, "12345 12345"},
		{"at the limit with CRLF", "12345\r\n12345\r\n", 5, "12345 12345"},
		{"over the limit", "123456\na\n", 5, "… a"},
		{"over the limit with CRLF", "123456\r\na\r\n", 5, "… a"},
		{"over the limit at the end", "a\n123456", 5, "a …"},
		{"one over, no newline", "123456", 5, "…"},
		{"longer than the buffer", long + "\na\n", 20_000, long + " a"},
		{"far over the limit", long + "\na\n" + long + "\nb", 5, "… a … b"},
		{"at the limit beyond the buffer", long + "\n" + long + "z\na", 10_000, long + " … a"},
		{"buffer's end", strings.Repeat("x", 4096) + "\nb\n", 4096, strings.Repeat("x", 4096) + " b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(readAll(t, strings.NewReader(tt.text), tt.max), " "); got != tt.want {
				t.Errorf("got %.100q; want %.100q", got, tt.want)
			}
			if got := strings.Join(readAll(t, iotest.OneByteReader(strings.NewReader(tt.text)), tt.max), " "); got != tt.want {
				t.Errorf("byte by byte: got %.100q; want %.100q", got, tt.want)
			}
		})
	}
}

func TestLineReaderOwnership(t *testing.T) {
	for _, want := range []string{"first", strings.Repeat("x", 2*maxKept)} {
		lines := NewLineReader(strings.NewReader(want+"\n"+strings.Repeat("o", len(want))+"\n"), len(want))
		first, err := lines.Read()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lines.Read(); err != nil {
			t.Fatal(err)
		}
		if string(first) != want {
			t.Errorf("a later read changed an earlier line to %.20q", first)
		}
		if cap(lines.buf) > maxKept {
			t.Error("the buffer of a large line was kept")
		}
	}
}

// TestLineReaderEndless has a line without an end: it is told at once, costs no
// memory, and ends the reading.
func TestLineReaderEndless(t *testing.T) {
	const max = 1 << 20
	in := &zeros{}
	lines := NewLineReader(in, max)
	if _, err := lines.Read(); !errors.Is(err, ErrLineTooLong) || in.n > 2*max {
		t.Fatalf("%v after %d bytes; want %v near %d", err, in.n, ErrLineTooLong, max)
	}
	if lines.buf != nil {
		t.Errorf("%d bytes of the line are kept", cap(lines.buf))
	}
	for range 2 {
		if _, err := lines.Read(); !errors.Is(err, ErrLineEndless) {
			t.Errorf("%v; want %v", err, ErrLineEndless)
		}
	}
}

// zeros is a reader without an end, and counts.
type zeros struct{ n int }

func (z *zeros) Read(p []byte) (int, error) {
	clear(p)
	z.n += len(p)
	return len(p), nil
}

// TestLongLineID: the id of a message over the limit is found at either end of its line.
func TestLongLineID(t *testing.T) {
	for size := range 40 {
		long := strings.Repeat("y", 6000+700*size)
		for name, line := range map[string]string{
			"first": `{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":"` + long + `"}}`,
			"last":  `{"method":"m","params":{"a":"` + long + `"},"jsonrpc":"2.0","id":7}`,
			"other": `{"jsonrpc":"2.0","method":"m","params":{"id":5,"a":"` + long + `","b":{"id":6}}}`,
		} {
			lines := NewLineReader(strings.NewReader(line+"\nnext\n"), 5000)
			var id ID
			for {
				got, err := lines.Read()
				long, ok := errors.AsType[*LongLine](err)
				if !ok {
					if string(got) != "next" || err != nil {
						t.Errorf("%s: then %q, %v", name, got, err)
					}
					break
				}
				if !long.ID.IsZero() {
					id = long.ID
				}
			}
			if want := (name != "other"); want != (id == IntID(7)) || !want && !id.IsZero() {
				t.Errorf("%s with %d bytes: id %q", name, len(line), id)
			}
		}
	}
}

func TestLineReaderError(t *testing.T) {
	broken := errors.New("broken")
	lines := NewLineReader(io.MultiReader(strings.NewReader("a\npart"), iotest.ErrReader(broken)), 100)
	if line, err := lines.Read(); string(line) != "a" || err != nil {
		t.Errorf("%q, %v", line, err)
	}
	if line, err := lines.Read(); line != nil || !errors.Is(err, broken) {
		t.Errorf("%q, %v; want the reader's error, and no partial line", line, err)
	}
}

func TestLineWriter(t *testing.T) {
	var out bytes.Buffer
	w := NewLineWriter(&out)
	for _, msg := range []string{`{"a":1}`, "{\n\"a\":\r\n 2}", strings.Repeat("x", 100<<10)} {
		if err := w.Write([]byte(msg)); err != nil {
			t.Fatal(err)
		}
	}
	want := "{\"a\":1}\n{ \"a\":   2}\n" + strings.Repeat("x", 100<<10) + "\n"
	if out.String() != want {
		t.Errorf("got %.60q", out.String())
	}
	if w.buf != nil {
		t.Error("the buffer of a large message was kept")
	}
	msg := []byte("a\nb")
	if err := w.Write(msg); err != nil || string(msg) != "a\nb" {
		t.Errorf("the message was modified to %q (%v)", msg, err)
	}
	if err := NewLineWriter(iotest.TruncateWriter(&out, 0)).Write(msg); err != nil {
		t.Errorf("write: %v", err)
	}
}

func TestLineWriterConcurrent(t *testing.T) {
	var out bytes.Buffer
	w := NewLineWriter(&out)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if err := w.Write([]byte(`{"jsonrpc":"2.0","method":"m"}`)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, line := range readAll(t, &out, 100) {
		if m, err := Decode([]byte(line), DefaultLimits()); err != nil || m.Method != "m" {
			t.Fatalf("%q: %v", line, err)
		}
	}
}
