// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package httpio reads the bodies of HTTP requests and writes their answers so
// that a client which does not go on costs little and not for long: deadlines
// roll, so that a slow client that moves is served, and memory is taken as bytes
// arrive, not as they are announced. It starts no goroutine.
package httpio

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

const (
	// bodyGrace is how long a body may take, and bodyPart allows one second more
	// each time so many bytes of it have arrived: 4 MiB may take 74 seconds.
	bodyGrace = 10 * time.Second
	bodyPart  = 64 << 10
	// dropPause is how long nothing is read after each bodyPart of a body that is
	// refused: the rate is 640 KiB a second.
	dropPause = 100 * time.Millisecond
	// firstBuffer is what is allocated for a body of which nothing has arrived, at
	// most. Most bodies fit it.
	firstBuffer = 4 << 10
	// growth is how many times as much is allocated when a buffer is full, of a body
	// whose length is known; others double.
	growth = 4
)

// ErrSlow reports a body that did not arrive in time.
var ErrSlow = errors.New("the body did not arrive in time; it may take 10 seconds and one more for each 64 KiB")

// Room is where a body asks for the memory that it is read into.
type Room interface {
	// Grow says that the body takes n bytes in all by now. An error refuses it.
	Grow(n int) error
}

// ReadBody reads the body of a request, at most max bytes. It fails with
// [*http.MaxBytesError], with [ErrSlow], or with what room said: then the rest of
// the body is read and dropped, in the same time, as a client that is still
// sending would not see the answer. Any other error means that the client has
// gone or sends no HTTP. Where the server does not support deadlines, there are
// none.
func ReadBody(w http.ResponseWriter, r *http.Request, max int64, room Room) ([]byte, error) {
	switch {
	case r.ContentLength > max:
		return nil, &http.MaxBytesError{Limit: max}
	case r.ContentLength == 0:
		return nil, nil
	}
	b := body{w: w, began: time.Now(), room: room, length: r.ContentLength, max: max}
	b.extend()
	from := r.Body // which has no more than is announced
	if b.length < 0 {
		from = http.MaxBytesReader(w, r.Body, max)
	}
	data, err := b.readAll(from)
	if errors.Is(err, errRoom) {
		b.drop(from)
		return nil, b.refused
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, fmt.Errorf("%w (%d bytes did)", ErrSlow, b.arrived)
	}
	return data, err
}

// body is a body that is being read.
type body struct {
	w      http.ResponseWriter
	room   Room
	began  time.Time
	length int64 // as announced, -1 if it was not
	max    int64
	data   []byte

	arrived int   // bytes, those dropped included
	next    int   // how many of them move the deadline
	refused error // what room said
}

// errRoom says that there is no room for the body.
var errRoom = errors.New("no room")

// extend moves the deadline when enough has arrived.
func (b *body) extend() {
	if b.arrived < b.next {
		return
	}
	parts := b.arrived / bodyPart
	b.next = (parts + 1) * bodyPart
	_ = http.NewResponseController(b.w).SetReadDeadline(b.began.Add(bodyGrace + time.Duration(parts)*time.Second)) // see ReadBody
}

func (b *body) readAll(r io.Reader) ([]byte, error) {
	for {
		if len(b.data) == cap(b.data) {
			if err := b.grow(); err != nil {
				return nil, err
			}
		}
		n, err := r.Read(b.data[len(b.data):cap(b.data)])
		b.data = b.data[:len(b.data)+n]
		b.arrived = len(b.data)
		switch {
		case int64(len(b.data)) == b.length, errors.Is(err, io.EOF) && b.length < 0:
			return b.data, nil
		case errors.Is(err, io.EOF):
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		}
		b.extend()
	}
}

// grow makes the full buffer larger.
func (b *body) grow() error {
	size := int64(2 * cap(b.data))
	if b.length >= 0 {
		size = min(int64(growth*cap(b.data)), b.length)
	}
	if cap(b.data) == 0 {
		size = firstBuffer
		if b.length >= 0 {
			size = min(size, b.length)
		}
	}
	// One byte over the limit, so that it shows.
	size = min(size, b.max+1)
	if err := b.room.Grow(int(size)); err != nil {
		b.refused = err
		return errRoom
	}
	larger := make([]byte, len(b.data), size)
	copy(larger, b.data)
	b.data = larger
	return nil
}

// drop reads what is left of a body that is refused, slowly: who sends many must
// not keep the server busy with that.
func (b *body) drop(r io.Reader) {
	scratch := b.data[:0]
	if b.data = nil; cap(scratch) > firstBuffer || cap(scratch) == 0 {
		scratch = make([]byte, firstBuffer)
	}
	for read := 0; ; {
		n, err := r.Read(scratch[:cap(scratch)])
		if b.arrived += n; err != nil {
			return
		}
		b.extend()
		if read += n; read >= bodyPart {
			read = 0
			time.Sleep(dropPause)
		}
	}
}
