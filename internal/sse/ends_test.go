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

// TestLineEnds: lines end with CR, LF or both, and one byte order mark counts as nothing, however the bytes come.
func TestLineEnds(t *testing.T) {
	for name, in := range map[string]string{
		"LF":               "event: a\nid: 1\ndata: x\ndata: y\n\ndata: z\n\n",
		"CR":               "event: a\rid: 1\rdata: x\rdata: y\r\rdata: z\r\r",
		"CR LF":            "event: a\r\nid: 1\r\ndata: x\r\ndata: y\r\n\r\ndata: z\r\n\r\n",
		"all":              "event: a\rid: 1\r\ndata: x\ndata: y\r\rdata: z\n\r\n",
		"byte order mark":  "\ufeffevent: a\nid: 1\ndata: x\ndata: y\n\ndata: z\n\n",
		"mark before a CR": "\ufeff\revent: a\rid: 1\rdata: x\rdata: y\r\rdata: z\r\r",
		"like a mark":      "\xef\xbbdata: n\nevent: a\nid: 1\ndata: x\ndata: y\n\ndata: z\n\n",
		"two marks":        "\ufeff\ufeffdata: n\nevent: a\nid: 1\ndata: x\ndata: y\n\ndata: z\n\n",
	} {
		for way, wrap := range map[string]func(io.Reader) io.Reader{
			"at once": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "with the end": iotest.DataErrReader,
		} {
			t.Run(name+", "+way, func(t *testing.T) {
				r := NewReader(wrap(strings.NewReader(in)), 1024)
				first, err := r.Read()
				if err != nil || first.Name != "a" || first.ID != "1" || string(first.Data) != "x\ny" {
					t.Errorf("first: %+v, %v", first, err)
				}
				second, err := r.Read()
				if err != nil || string(second.Data) != "z" {
					t.Errorf("second: %+v, %v", second, err)
				}
				if _, err := r.Read(); !errors.Is(err, io.EOF) {
					t.Errorf("end: %v", err)
				}
			})
		}
	}
}

// TestCRIsReadAtOnce: an event that ends with a CR does not wait for what follows.
func TestCRIsReadAtOnce(t *testing.T) {
	pr, pw := io.Pipe()
	defer pw.Close()
	go func() { _, _ = io.WriteString(pw, "data: x\r\r") }()
	if e, err := NewReader(pr, 1024).Read(); err != nil || string(e.Data) != "x" {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestLargeEventWithCR: a large event whose lines end with CR is read to its end.
func TestLargeEventWithCR(t *testing.T) {
	value := strings.Repeat("x", 10_000)
	_, rest, err := NewReader(strings.NewReader("id: 5\rdata: \""+value+"\rdata: "+value+"\"\r\r"), 1<<20).ReadHead(100)
	if err != nil || rest == nil {
		t.Fatalf("rest %v, %v", rest, err)
	}
	more, err := io.ReadAll(rest)
	got := string(rest.Event.Data) + string(more)
	if err != nil || strings.ReplaceAll(strings.ReplaceAll(got, "\n", ""), " ", "") != `"`+value+value+`"` {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
