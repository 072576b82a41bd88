// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package sse

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadHead(t *testing.T) {
	long := strings.Repeat("0123456789", 2000)
	for _, tc := range []struct{ name, in, want, id, event string }{
		{"one line", "id: 7\ndata: " + long + "\n\n", long, "7", ""},
		{"crlf", "data:" + long + "\r\nevent: x\r\n\r\n", long, "", "x"},
		{"lines", "data: {" + long + "\ndata: " + long + "\n:comment\ndata\nid: 8\ndata:}\n\n", "{" + long + "\n" + long + "\n}", "8", ""},
		{"many lines", strings.Repeat("data: 0123456789\n", 2000) + "\n", strings.TrimSuffix(strings.Repeat("0123456789\n", 2000), "\n"), "", ""},
	} {
		for _, in := range []io.Reader{strings.NewReader(tc.in + "data: next\n\n"), iotest.OneByteReader(strings.NewReader(tc.in + "data: next\n\n"))} {
			r := NewReader(in, 1<<20)
			e, rest, err := r.ReadHead(5000)
			if err != nil || rest == nil || len(e.Data) < 5000 || len(e.Data) > 10_000 {
				t.Fatalf("%s: %d bytes, %v, %v", tc.name, len(e.Data), rest, err)
			}
			more, err := io.ReadAll(rest)
			if got := strings.ReplaceAll(string(e.Data)+string(more), " ", ""); err != nil || got != tc.want {
				t.Errorf("%s: got %d bytes, want %d; %v", tc.name, len(got), len(tc.want), err)
			}
			if rest.Event.ID != tc.id || rest.Event.Name != tc.event {
				t.Errorf("%s: %q %q", tc.name, rest.Event.ID, rest.Event.Name)
			}
			if e, rest, err = r.ReadHead(5000); err != nil || rest != nil || string(e.Data) != "next" {
				t.Errorf("%s: then %q, %v, %v", tc.name, e.Data, rest, err)
			}
		}
	}
}

// TestReadHeadDoesNotWait ends an event behind which nothing comes.
func TestReadHeadDoesNotWait(t *testing.T) {
	in, out := io.Pipe()
	defer out.Close()
	go func() { // ends when all is read
		_, _ = io.WriteString(out, "data: "+strings.Repeat("x", 6000)+"\n\n")
	}()
	_, rest, err := NewReader(in, 1<<20).ReadHead(4000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, rest); err != nil {
		t.Fatal(err)
	}
}

func TestReadHeadBreaksOff(t *testing.T) {
	long := strings.Repeat("x", 6000)
	for _, in := range []string{"data: " + long, "data: " + long + "\n", "data: " + long + "\nid: 4"} {
		_, rest, err := NewReader(strings.NewReader(in), 1<<20).ReadHead(4000)
		if err != nil || rest == nil {
			t.Fatal(rest, err)
		}
		if _, err := io.ReadAll(rest); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes: %v", len(in), err)
		}
	}
}
