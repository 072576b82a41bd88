// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"strings"
)

// expand makes the body of a response plain that was compressed. Compression is not
// asked for, as it may hold events back, but some servers compress whatever was
// asked, and their other clients are used to it. The bounds of bodies and events
// hold for what comes out.
func expand(resp *http.Response) {
	named := resp.Header.Get("Content-Encoding")
	if named == "" || resp.ContentLength == 0 {
		return
	}
	named = strings.ToLower(strings.TrimSpace(named))
	body := &expanded{from: resp.Body, named: named}
	switch named {
	case "gzip", "x-gzip":
		body.open = func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }
	case "deflate":
		body.open = openDeflate
	case "br", "zstd", "compress":
		body.err = protocolErrorf("a body compressed as %s, which was not asked for", named)
	default: // identity, or a name that is none: as it is
		return
	}
	resp.Header.Del("Content-Encoding")
	resp.Header.Del("Content-Length")
	resp.ContentLength, resp.Uncompressed = -1, true
	resp.Body = body
}

// openDeflate reads deflate as it is meant, within zlib, or bare, as some send it.
//
// RFC 9110 §8.4.1.2.
func openDeflate(r io.Reader) (io.Reader, error) {
	in := bufio.NewReader(r)
	head, err := in.Peek(2)
	if err != nil {
		return nil, err
	}
	if head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		return zlib.NewReader(in)
	}
	return flate.NewReader(in), nil
}

// expanded is a body that is decompressed as it is read; its beginning is not
// waited for before.
type expanded struct {
	from  io.ReadCloser
	named string
	open  func(io.Reader) (io.Reader, error)
	r     io.Reader
	err   error
}

// Read decompresses.
func (e *expanded) Read(buf []byte) (int, error) {
	if e.r == nil && e.err == nil {
		e.r, e.err = e.open(e.from)
	}
	if e.err != nil {
		return 0, e.damage(e.err)
	}
	n, err := e.r.Read(buf)
	return n, e.damage(err)
}

// damage tells a body that is not what it is said to be from one that broke off.
func (e *expanded) damage(err error) error {
	_, corrupt := errors.AsType[flate.CorruptInputError](err)
	if corrupt || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) ||
		errors.Is(err, zlib.ErrHeader) || errors.Is(err, zlib.ErrChecksum) {
		return protocolErrorf("a body that is not %s, as its Content-Encoding says", e.named)
	}
	return err
}

// Close closes what is read from.
func (e *expanded) Close() error { return e.from.Close() }
