// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

const (
	maxLine    = 16 << 10
	maxHeaders = 100
	maxAnswer  = 1 << 20
)

// errMalformed is wrapped by every error about bytes that are not the HTTP/1.1
// the generator understands.
var errMalformed = errors.New("malformed HTTP response")

// response is an HTTP/1.1 response read without net/http, whose client would
// cost more than most of the servers measured. It is reused: each read
// overwrites it, and body is valid until the next.
type response struct {
	status  int
	length  int // -1 without Content-Length
	chunked bool
	closing bool
	stream  bool // Content-Type is text/event-stream
	session string
	body    []byte
}

// readHead reads the status line and the headers.
func (r *response) readHead(br *bufio.Reader) error {
	r.status, r.length, r.chunked, r.closing, r.stream = 0, -1, false, false, false
	r.session, r.body = "", r.body[:0]
	line, err := r.line(br)
	if err != nil {
		return err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return fmt.Errorf("%w: status line %q", errMalformed, line)
	}
	if r.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return fmt.Errorf("%w: status line %q", errMalformed, line)
	}
	for range maxHeaders {
		line, err := r.line(br)
		if err != nil {
			return noEOF(err)
		}
		if len(line) == 0 {
			return nil
		}
		if err := r.header(line); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: more than %d headers", errMalformed, maxHeaders)
}

func (r *response) header(line []byte) error {
	name, value, found := bytes.Cut(line, []byte(":"))
	if !found {
		return fmt.Errorf("%w: header %q", errMalformed, line)
	}
	value = bytes.TrimSpace(value)
	switch {
	case is(name, "Content-Length"):
		n, err := strconv.Atoi(string(value))
		if err != nil || n < 0 || n > maxAnswer {
			return fmt.Errorf("%w: Content-Length %q", errMalformed, value)
		}
		r.length = n
	case is(name, "Transfer-Encoding"):
		if !is(value, "chunked") {
			return fmt.Errorf("%w: Transfer-Encoding %q", errMalformed, value)
		}
		r.chunked = true
	case is(name, "Content-Type"):
		kind, _, _ := bytes.Cut(value, []byte(";"))
		r.stream = is(bytes.TrimSpace(kind), "text/event-stream")
	case is(name, "Connection"):
		r.closing = is(value, "close")
	case is(name, "Mcp-Session-Id"):
		r.session = string(value)
	}
	return nil
}

// read reads one whole response, body included.
func (r *response) read(br *bufio.Reader) error {
	if err := r.readHead(br); err != nil {
		return err
	}
	return noEOF(r.readBody(br))
}

func (r *response) readBody(br *bufio.Reader) error {
	switch {
	case r.chunked:
		for {
			n, err := r.readChunk(br)
			if err != nil || n == 0 {
				return err
			}
		}
	case r.length >= 0:
		return r.fill(br, r.length)
	case r.status == 204 || r.status == 304:
		return nil
	default:
		return fmt.Errorf("%w: neither Content-Length nor chunked", errMalformed)
	}
}

// readChunk appends one chunk to body and returns its size, 0 for the last.
func (r *response) readChunk(br *bufio.Reader) (int, error) {
	line, err := r.line(br)
	if err != nil {
		return 0, err
	}
	digits, _, _ := bytes.Cut(line, []byte(";"))
	size, err := strconv.ParseUint(string(bytes.TrimSpace(digits)), 16, 32)
	if err != nil || size > maxAnswer {
		return 0, fmt.Errorf("%w: chunk size %q", errMalformed, line)
	}
	if err := r.fill(br, int(size)); err != nil {
		return 0, err
	}
	// After the last chunk come trailers, which nobody here sends, and in
	// either case an empty line.
	if line, err = r.line(br); err != nil {
		return 0, err
	}
	if len(line) != 0 {
		return 0, fmt.Errorf("%w: %q after a chunk", errMalformed, line)
	}
	return int(size), nil
}

func (r *response) fill(br *bufio.Reader, n int) error {
	from := len(r.body)
	if from+n > maxAnswer {
		return fmt.Errorf("%w: body over %d bytes", errMalformed, maxAnswer)
	}
	for cap(r.body) < from+n {
		r.body = append(r.body[:cap(r.body)], 0)
	}
	r.body = r.body[:from+n]
	_, err := io.ReadFull(br, r.body[from:])
	return err
}

// line reads up to a line feed and returns the line without its ending.
func (r *response) line(br *bufio.Reader) ([]byte, error) {
	line, err := br.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, fmt.Errorf("%w: line over %d bytes", errMalformed, br.Size())
	}
	if err != nil {
		if len(line) > 0 {
			err = noEOF(err)
		}
		return nil, err
	}
	line = line[:len(line)-1]
	return bytes.TrimSuffix(line, []byte("\r")), nil
}

// is compares ASCII names without case.
func is(got []byte, want string) bool {
	return len(got) == len(want) && bytes.EqualFold(got, []byte(want))
}

// noEOF turns an end of input in the middle of a response into an error that
// says so.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
