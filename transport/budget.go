// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/quota"
)

// ErrBusy reports a message that there is no memory for at the moment. It can be
// sent again.
var ErrBusy = errors.New("too many bytes of messages are being received and served")

// uncounted is how much of each message is not counted, in bytes. It costs no
// more than the connection or the call that it belongs to, whose numbers have
// bounds of their own; and most messages are no longer.
const uncounted = 4 << 10

// Budget bounds the bytes of messages that there are at once, over all transports
// that share it: of those received or served, or of those that wait for a client
// to read them. The first 4 KiB of each do not count. When there is more to do than
// there are processors, clients have turns with their messages. It is safe for
// concurrent use. A nil Budget bounds nothing.
type Budget struct {
	bytes *quota.Quota
	seats *quota.Seats
}

// NewBudget returns a budget of max bytes, of which one client, that is, one
// address, may have a share in percent.
func NewBudget(max int64, share int) *Budget {
	return &Budget{quota.New(max, quota.Share(max, share)), quota.NewSeats(runtime.GOMAXPROCS(0))}
}

// Used returns how many bytes are in use.
func (b *Budget) Used() int64 {
	if b == nil {
		return 0
	}
	return b.bytes.Used()
}

// Hold is what one message has of a Budget, from its first byte until nobody
// needs it any more: everybody who goes on using the message when its transport
// is through with it keeps the Hold and releases it at the end. The zero Hold,
// and a nil one, belong to no budget.
type Hold struct {
	budget *Budget
	remote string
	client quota.Client // of remote, once something counts
	bytes  int64        // that count
	users  atomic.Int64 // beside the first
	seat   quota.Seat
}

// Begin makes h the hold of a message that comes from a remote address, host:port.
// Who calls it is its first user.
func (h *Hold) Begin(b *Budget, remote string) { h.budget, h.remote = b, remote }

// Work waits until it is the client's turn to have its message worked at by a processor.
// Who is going to wait for something else calls Leave; the last Release does.
func (h *Hold) Work() {
	if h.budget != nil {
		h.seat.Enter(h.budget.seats, h.remote)
	}
}

// Leave lets others have the processor; idempotent.
func (h *Hold) Leave() {
	if h != nil {
		h.seat.Leave()
	}
}

// Grow says that the message takes n bytes in all by now. It fails with
// [ErrBusy] when there is no room: then the message is refused, and counts no
// more. It is for the first user alone, before there are others.
func (h *Hold) Grow(n int) error {
	if h == nil || h.budget == nil || int64(n)-uncounted <= h.bytes {
		return nil
	}
	if h.bytes == 0 {
		h.client = quota.Remote(h.remote)
	}
	more := int64(n) - uncounted - h.bytes
	if err := h.budget.bytes.Take(h.client, more); err != nil {
		h.budget.bytes.Give(h.client, h.bytes)
		h.bytes = 0
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	h.bytes += more
	return nil
}

// Keep adds a user of the message. It must have one.
func (h *Hold) Keep() {
	if h != nil {
		h.users.Add(1)
	}
}

// Release takes one user away. The last one gives the bytes back.
func (h *Hold) Release() {
	if h == nil || h.users.Add(-1) >= 0 {
		return
	}
	h.seat.Leave()
	if h.bytes > 0 {
		h.budget.bytes.Give(h.client, h.bytes)
	}
}

// hurried is how long a client may take nothing of an answer when all answers
// together are over their budget.
const hurried = time.Second

// Patience returns how long the client of h may take nothing of a message of n
// bytes that is written to it: usual, or a second when the budget of unread messages
// is used up. Until h is released, the message counts.
func (h *Hold) Patience(n int, usual time.Duration) time.Duration {
	if h.Grow(n) == nil {
		return usual
	}
	return min(usual, hurried)
}

// Holder is an Exchange whose body, or a Conn whose messages, belong to a Budget.
type Holder interface {
	// Hold returns the hold of the exchange's body, whose first user is the
	// exchange; of a Conn, that of the message which Read has returned last, whose
	// first user is then the caller. It may be nil.
	Hold() *Hold
}

// HoldOf returns the hold of an Exchange or Conn, nil if it has none.
func HoldOf(v any) *Hold {
	if h, ok := v.(Holder); ok {
		return h.Hold()
	}
	return nil
}

// Remote is an Exchange or a Conn that knows where its client is.
type Remote interface {
	// RemoteAddr is the client's address, host:port.
	RemoteAddr() string
}
