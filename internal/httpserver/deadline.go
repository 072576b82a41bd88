// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package httpserver

import (
	"errors"
	"os"
	"sync"
	"time"
)

// deadline is that of reading or of writing. Moving the system's costs as much as a small
// write, and net/http moves that of reading seven times for each request, to read nothing
// most times. So the system's is moved only when it must be: while somebody reads or writes
// it is never later than what is wanted, but may be sooner, and what it ends too soon is
// taken up again. The zero value is none.
type deadline struct {
	mu          sync.Mutex
	want        time.Time // zero for none
	at          time.Time // as the system has it; zero for none
	over        bool      // at is known to have passed
	busy        int       // reads or writes in progress
	interrupted bool      // a deadline that had passed when it was set has ended them
}

// move takes what is wanted. Who reads or writes sees it at once.
func (d *deadline) move(set func(time.Time) error, to time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.want = to
	if d.busy == 0 || to.IsZero() || !d.at.IsZero() && !to.Before(d.at) {
		return nil // begin sees to it, or the system's comes first
	}
	if passed(to) {
		d.over, d.interrupted = true, true
	}
	d.at = to
	return set(to)
}

// during does one read or write.
func (d *deadline) during(set func(time.Time) error, do func([]byte) (int, error), p []byte) (int, error) {
	for done := 0; ; {
		if err := d.begin(set); err != nil {
			return done, err
		}
		n, err := do(p[done:])
		done += n
		if ended := d.end(err); ended {
			return done, err
		}
	}
}

// begin gets the system's deadline ready.
func (d *deadline) begin(set func(time.Time) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	late := !d.want.IsZero() && (d.at.IsZero() || d.want.Before(d.at))
	if late || d.over {
		if err := set(d.want); err != nil {
			return err
		}
		d.at, d.over = d.want, false
	}
	if d.busy++; d.busy == 1 {
		d.interrupted = false
	}
	return nil
}

// end reports whether a read or write has ended, rather than that the system's deadline
// came too soon.
func (d *deadline) end(err error) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.busy--
	if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	d.over = true
	return d.interrupted || !d.want.IsZero() && passed(d.want)
}

// passed reports whether a time has. That the one net/http cuts reads off with has, is
// known without a look at the clock.
func passed(t time.Time) bool { return t.Unix() <= 1 || !t.After(time.Now()) }
