// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// seen is what a test compares of a response.
type seen struct {
	Status  int
	Stream  bool
	Closing bool
	Session string
	Body    string
}

func TestResponseRead(t *testing.T) {
	cases := map[string]struct {
		wire string
		want seen
	}{
		"content length": {
			"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
			seen{Status: 200, Body: `{"a":1}`},
		},
		"names and values without case": {
			"HTTP/1.1 200 OK\r\ncontent-length:2\r\nCONTENT-TYPE: Text/Event-Stream; charset=utf-8\r\nmcp-session-id: s1 \r\n\r\nhi",
			seen{Status: 200, Stream: true, Session: "s1", Body: "hi"},
		},
		"chunked event stream": {
			"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" +
				"6;x=y\r\ndata: \r\n0A\r\n{\"a\":1234}\r\n2\r\n\n\n\r\n0\r\n\r\n",
			seen{Status: 200, Stream: true, Body: "data: {\"a\":1234}\n\n"},
		},
		"empty accepted": {
			"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
			seen{Status: 202},
		},
		"no content": {
			"HTTP/1.1 204 No Content\r\n\r\n",
			seen{Status: 204},
		},
		"connection close": {
			"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
			seen{Status: 400, Closing: true, Body: "x"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			// Twice in one stream, a byte at a time: nothing of the first may
			// be left in the second.
			br := bufio.NewReader(iotest.OneByteReader(strings.NewReader(c.wire + c.wire)))
			var r response
			for range 2 {
				if err := r.read(br); err != nil {
					t.Fatal(err)
				}
				got := seen{r.status, r.stream, r.closing, r.session, string(r.body)}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("response (-want +got):\n%s", diff)
				}
			}
			if err := r.read(br); !errors.Is(err, io.EOF) {
				t.Errorf("after the last response: %v, want EOF", err)
			}
		})
	}
}

func TestResponseRefused(t *testing.T) {
	head := "HTTP/1.1 200 OK\r\n"
	cases := map[string]struct {
		wire string
		want error
	}{
		"other protocol":     {"SSH-2.0-OpenSSH\r\n", errMalformed},
		"no status":          {"HTTP/1.1 abc OK\r\n\r\n", errMalformed},
		"header without :":   {head + "nonsense\r\n\r\n", errMalformed},
		"negative length":    {head + "Content-Length: -1\r\n\r\n", errMalformed},
		"huge length":        {head + "Content-Length: 99999999\r\n\r\n", errMalformed},
		"unframed":           {head + "\r\nhello", errMalformed},
		"other coding":       {head + "Transfer-Encoding: gzip\r\n\r\n", errMalformed},
		"bad chunk size":     {head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", errMalformed},
		"chunk runs over":    {head + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", errMalformed},
		"huge chunk":         {head + "Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", errMalformed},
		"too many headers":   {head + strings.Repeat("A: b\r\n", maxHeaders+1) + "\r\n", errMalformed},
		"endless line":       {head + "A: " + strings.Repeat("b", maxLine), errMalformed},
		"end in head":        {head + "Content-Le", io.ErrUnexpectedEOF},
		"end after head":     {head + "Content-Length: 5\r\n\r\n", io.ErrUnexpectedEOF},
		"end in body":        {head + "Content-Length: 5\r\n\r\nabc", io.ErrUnexpectedEOF},
		"end between chunks": {head + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n", io.ErrUnexpectedEOF},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var r response
			err := r.read(bufio.NewReaderSize(strings.NewReader(c.wire), maxLine))
			if !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

func BenchmarkResponseRead(b *testing.B) {
	const wire = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Mon, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 88\r\n\r\n" +
		`{"jsonrpc":"2.0","id":1000000000,"result":{"content":[{"type":"text","text":"1234567"}]}`
	src := strings.NewReader(wire)
	br := bufio.NewReaderSize(src, maxLine)
	var r response
	b.ReportAllocs()
	for b.Loop() {
		src.Reset(wire)
		br.Reset(src)
		if err := r.read(br); err != nil {
			b.Fatal(err)
		}
	}
}
