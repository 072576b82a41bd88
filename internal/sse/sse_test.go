// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package sse

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAppend(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   Event
		want string
	}{
		{"message", Event{Data: []byte("{}")}, "data: {}\n\n"},
		{"priming", Event{ID: "s-1", Retry: 500 * time.Millisecond}, "id: s-1\nretry: 500\ndata: \n\n"},
		{"carriage returns", Event{Data: []byte("{\r\"a\":\r1}\r")}, "data: { \"a\": 1} \n\n"},
		{"a field in disguise", Event{Data: []byte("{}\rid: 7\rretry: 0\r\ndata: {}")}, "data: {} id: 7 retry: 0 \ndata: data: {}\n\n"},
		{"lines", Event{Name: "endpoint", Data: []byte("a\nb")}, "event: endpoint\ndata: a\ndata: b\n\n"},
	} {
		if got := string(Append(nil, tc.in)); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestReader(t *testing.T) {
	in := ": hello\n\nevent: keepalive\n\nevent: x\r\ndata: one\r\ndata:two\r\n\r\nid: 7\ndata: \n\nretry: 12\n\nretry: nonsense\n\nevent: ping\n\ndata: after\n\ndata: cut off"
	r := NewReader(strings.NewReader(in), 1024)
	var got []Event
	for {
		e, err := r.Read()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			break
		}
		got = append(got, e)
	}
	want := []Event{
		{Name: "x", Data: []byte("one\ntwo")},
		{ID: "7", HasID: true, Data: []byte{}},
		{Retry: 12 * time.Millisecond},
		{Data: []byte("after")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReaderRefusesLargeEvents(t *testing.T) {
	for name, in := range map[string]string{
		"one line":   "data: " + strings.Repeat("x", 5000) + "\n\n",
		"many lines": strings.Repeat("data: xxxxxxxx\n", 500),
	} {
		if _, err := NewReader(strings.NewReader(in), 1000).Read(); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v, want ErrTooLarge", name, err)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("event: a\nid: 1\ndata: x\n\n"))
	f.Add([]byte("data\n\n:\n\nretry: 5\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := NewReader(bytes.NewReader(in), 256)
		for {
			e, err := r.Read()
			if err != nil {
				return
			}
			again, err := NewReader(bytes.NewReader(Append(nil, e)), 4096).Read()
			spaced := bytes.ReplaceAll(e.Data, []byte{'\r'}, []byte{' '})
			if err != nil || !bytes.Equal(again.Data, spaced) || again.ID != strings.TrimSpace(e.ID) && again.ID != e.ID {
				t.Fatalf("%+v comes back as %+v, %v", e, again, err)
			}
		}
	})
}
