// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/session"
)

// A session's first change makes a record that is kept for minutes. When the client
// comes back later, with a request or by keeping a GET stream, the record is confirmed:
// kept for as long as its ticket. Clients that say hello, set something and are never
// seen again would otherwise be remembered for a month.

const (
	// unconfirmedLife is how long a record is kept whose client has not come back.
	unconfirmedLife = 15 * time.Minute
	// confirmAfter is how much later than the record a client counts as coming back.
	confirmAfter = time.Minute
	// maxConfirming bounds how many records are confirmed at once; the others are when
	// their clients come again.
	maxConfirming = 256
)

// unconfirmed returns when a record of a session that may last until expires is to be
// confirmed, if it has yet to be. A tombstone is kept as it is.
func unconfirmed(r *session.Record, expires time.Time) (due time.Time, ok bool) {
	if r == nil || r.Ended || r.Revision == 0 || !r.Expires.Before(expires) {
		return time.Time{}, false
	}
	return r.Expires.Add(confirmAfter - unconfirmedLife), true
}

// firstExpiry is when a new record of a session expires unless it is confirmed.
func firstExpiry(expires time.Time) time.Time {
	if first := time.Now().Add(unconfirmedLife); first.Before(expires) {
		return first
	}
	return expires
}

// confirming are the records that are being confirmed. Its goroutines end soon after
// the Protocol's drain, which waits for them.
type confirming struct {
	mu     sync.Mutex
	ids    map[session.ID]struct{}
	wg     sync.WaitGroup // Add under mu
	closed bool
}

func (c *confirming) enter(id session.ID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, twice := c.ids[id]; twice || c.closed || len(c.ids) >= maxConfirming {
		return false
	}
	if c.ids == nil {
		c.ids = map[session.ID]struct{}{}
	}
	c.ids[id] = struct{}{}
	c.wg.Add(1)
	return true
}

func (c *confirming) leave(id session.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.ids, id)
	c.wg.Done()
}

// close lets no more in and waits.
func (c *confirming) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.wg.Wait()
}

// errNothing ends the confirmation of a record that is gone.
var errNothing = errors.New("the record is gone")

// confirm has a session's record kept until expires, without being waited for. Nobody
// is told when it fails: the client's next request tries again.
func (p *Protocol) confirm(id session.ID, expires time.Time) {
	if !p.confirming.enter(id) {
		return
	}
	p.crew.Go(func() {
		defer p.confirming.leave(id)
		ctx, cancel := context.WithTimeout(context.Background(), readWait)
		defer cancel()
		err := session.Update(ctx, p.store, id, expires, func(r *session.Record) error {
			if _, ok := unconfirmed(r, expires); !ok {
				return errNothing
			}
			r.Expires = expires
			return nil
		})
		if err != nil && !errors.Is(err, errNothing) {
			p.cfg.Log.Debug("session record not confirmed; tried again", "session", id.String(), "error", err)
		}
	})
}

// confirmRecord confirms the visit's record if this is its client coming back.
func (v *visit) confirmRecord() {
	if due, ok := unconfirmed(v.record, v.expires); ok && !time.Now().Before(due) {
		v.p.confirm(v.id, v.expires)
	}
}

// confirmLater confirms a record when the stream has been kept for long enough.
// s.heeding is held.
func (s *standing) confirmLater(r *session.Record) {
	if s.confirm != nil {
		s.confirm.Stop()
		s.confirm = nil
	}
	if due, ok := unconfirmed(r, s.v.expires); ok {
		s.confirm = time.AfterFunc(max(time.Until(due), 0), func() { s.p.confirm(s.v.id, s.v.expires) })
	}
}

// stopConfirming is for the end of the stream.
func (s *standing) stopConfirming() {
	s.heeding.Lock()
	defer s.heeding.Unlock()
	if s.confirm != nil {
		s.confirm.Stop()
	}
}
