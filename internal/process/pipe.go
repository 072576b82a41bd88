// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// outPipe is the reading end of a process's stdout or stderr. After expire it gives what is in the pipe and then EOF, even
// if someone still holds the writing end: a process that got away must not keep our readers waiting.
type outPipe struct {
	f    *os.File
	gone atomic.Bool
}

// Read implements [io.Reader].
func (o *outPipe) Read(b []byte) (int, error) {
	n, err := o.f.Read(b)
	if n > 0 || !o.gone.Load() || !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	return o.drain(b)
}

// Close releases the pipe and unblocks a pending Read.
func (o *outPipe) Close() error { return o.f.Close() }

func (o *outPipe) expire() {
	o.gone.Store(true)
	_ = o.f.SetReadDeadline(time.Unix(1, 0)) // fails only when it is closed already
}

// drain reads past the deadline, without waiting.
func (o *outPipe) drain(b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	raw, err := o.f.SyscallConn()
	if err != nil {
		return 0, err
	}
	if e := raw.Control(func(fd uintptr) { n, err = readNow(fd, b) }); e != nil {
		return 0, e
	}
	if n <= 0 {
		if err != nil && !errors.Is(err, errNothing) {
			return 0, err
		}
		return 0, io.EOF
	}
	return n, nil
}
