// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"sync"
)

// Capabilities that the bits do not say all about travel in the ticket, deflated: a
// session that has changed nothing is nothing but its ticket, whatever its client
// declares.

const (
	// MaxDeclared bounds a capabilities object that does not fit the bits, deflated,
	// in bytes. Its ticket is a header of about four thirds of that.
	MaxDeclared = 2 << 10
	// maxInflated bounds what one inflates to, in bytes.
	maxInflated = 64 << 10
)

// Declare puts a client's capabilities into the ticket. It fails, in words for the
// client, when they do not fit. raw must be valid JSON.
func (t *Ticket) Declare(raw Raw) error {
	bits, whole := PackCapabilities(raw)
	t.Capabilities, t.Declared = bits, nil
	if whole {
		return nil
	}
	if len(raw) > maxInflated {
		return fmt.Errorf("capabilities have %d bytes, and at most %d fit a session id", len(raw), maxInflated)
	}
	if n := len(deflate(nil, raw)); n > MaxDeclared {
		return fmt.Errorf("capabilities have %d bytes deflated, and at most %d fit a session id: declare fewer experimental capabilities", n, MaxDeclared)
	}
	t.Declared = append(Raw(nil), raw...)
	return nil
}

// Writers and readers are large, and made anew for each session they would cost more
// than the rest of it.
var (
	deflaters = sync.Pool{New: func() any {
		w, err := flate.NewWriter(nil, flate.DefaultCompression)
		if err != nil {
			panic(err) // the level is a constant
		}
		return w
	}}
	inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}
)

// deflate appends data, deflated.
func deflate(dst, data []byte) []byte {
	buf := bytes.NewBuffer(dst)
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(buf)
	_, _ = w.Write(data) // a Buffer takes everything
	_ = w.Close()
	return buf.Bytes()
}

// inflate is the inverse. It fails beyond maxInflated.
func inflate(data []byte) ([]byte, error) {
	r := inflaters.Get().(io.ReadCloser)
	defer inflaters.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(data), nil); err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(r, maxInflated+1))
	if err == nil && len(out) > maxInflated {
		err = fmt.Errorf("over the limit of %d bytes", maxInflated)
	}
	return out, err
}
