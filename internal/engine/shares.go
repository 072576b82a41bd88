// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/quota"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/transport"
)

// Shares bounds what clients use of a node, all together and each by itself, over
// both eras and all endpoints that have the same Shares.
type Shares struct {
	// Calls are in flight until their outcome is there. Who writes it for a client
	// that reads slowly holds up nobody else.
	Calls *quota.Quota
	// Listens are open listens of modern clients.
	Listens *quota.Quota
	// Subscribed are the bytes of what connections and listens are subscribed to;
	// sessions over HTTP keep theirs in records. See [SubscriptionCost].
	Subscribed *quota.Quota
	// Rewritten are the bytes that changes of sessions with large records write. See
	// [Shares.Changed].
	Rewritten *quota.Pace
	// Declared are the bytes of large capabilities that sessions are opened with. See
	// [Shares.EnterSession].
	Declared *quota.Pace
}

// MaxSubscribed bounds the bytes of the URIs of one session, connection or
// listen. A session's record is written whole for each change, so that filling
// it with the thousand shortest URIs that do writes 64 MiB, with the longest 1 MiB.
const MaxSubscribed = 128 << 10

const (
	maxCalls      = 65_536
	maxListens    = 100_000
	maxSubscribed = 64 << 20
	// rewritten and rewriteBurst bound what changes of large records write, in bytes a
	// second and at once: filling a session's record up writes 64 MiB at most.
	rewritten    = 1 << 20
	rewriteBurst = 64 << 20
	// declared and declaredBurst bound what large capabilities are declared, in bytes a
	// second and at once: 16 sessions a second of 16 kB each, after the first 256.
	declared      = 256 << 10
	declaredBurst = 4 << 20
	// smallRecord is how large a record, or what a session declares, may be to count nothing.
	smallRecord = 4 << 10
	// patience is how long a change, or a new session, waits for its turn.
	patience = 5 * time.Second
	// perSubscription is what a subscription costs beside its URI, in bytes.
	perSubscription = 256
	// DefaultShare of what there is one client may have, in percent.
	DefaultShare = 75
)

// NewShares returns the bounds of a node: so many calls in flight, 0 for 65,536,
// and of these and all the rest a share in percent for each client.
func NewShares(calls, share int) *Shares {
	if calls <= 0 {
		calls = maxCalls
	}
	of := func(all int64) *quota.Quota { return quota.New(all, quota.Share(all, share)) }
	return &Shares{Calls: of(int64(calls)), Listens: of(maxListens), Subscribed: of(maxSubscribed),
		Rewritten: quota.NewPace(rewritten, rewriteBurst), Declared: quota.NewPace(declared, declaredBurst)}
}

// EnterChange waits until a client may change one of its sessions after those that it has
// changed, see [Shares.Changed].
func (s *Shares) EnterChange(ctx context.Context, c quota.Client) error {
	err := s.Rewritten.Wait(ctx, c, patience)
	if errors.Is(err, quota.ErrShare) {
		return errChanges
	}
	return err
}

// Changed counts that a client has changed a session whose record has so many bytes now: it
// was written whole, to several disks, and who changes large ones without a pause leaves
// these no time for others.
func (s *Shares) Changed(c quota.Client, size int) { s.Rewritten.Did(c, size-smallRecord) }

// EnterSession waits until a client may open a session that declares so many bytes of
// capabilities. They are packed and sealed into the session's id, and unpacked again by
// each node that meets it; who opens many with large ones leaves the processors no time
// for others.
// Its request gives its seat back then.
func (s *Shares) EnterSession(ctx context.Context, seat rpc.Seat, c quota.Client, size int) *jsonrpc.Error {
	if size <= smallRecord {
		return nil
	}
	seat.Leave()
	if s.Declared.Wait(ctx, c, patience) != nil {
		return errSessions
	}
	s.Declared.Did(c, size)
	return nil
}

var errSessions = jsonrpc.NewError(jsonrpc.CodeInternal,
	"this client has opened sessions with large capabilities faster than it may; try again in a while")

var errChanges = jsonrpc.NewError(jsonrpc.CodeInternal,
	"this client has changed sessions with many subscriptions faster than it may; try again in a while")

// SubscriptionCost is what a subscription to a URI counts in [Shares].
func SubscriptionCost(uri string) int64 { return int64(len(uri) + perSubscription) }

// ClientOf returns who is to answer for a request of an Exchange or Conn: its
// principal or, without credentials, its address.
func ClientOf(v any, p *rpc.Principal) quota.Client {
	if p != rpc.Local {
		return quota.Principal(p.Tenant, p.ID)
	}
	if r, ok := v.(transport.Remote); ok {
		return quota.Remote(r.RemoteAddr())
	}
	return quota.Client{}
}

// Errors of requests that find no place. Over HTTP their status is 503.
var (
	ErrCrowded = jsonrpc.NewError(jsonrpc.CodeInternal, "the server has as many calls in flight as it takes (limits.calls); try again in a while")
	ErrShare   = jsonrpc.NewError(jsonrpc.CodeInternal,
		"this client has as many calls in flight as one may have (limits.share of limits.calls); try again when some have been answered")
)

// EnterCall takes a place for a call of a client, which [Shares.LeaveCall] gives
// back.
func (s *Shares) EnterCall(c quota.Client) *jsonrpc.Error {
	switch err := s.Calls.Take(c, 1); {
	case err == nil:
		return nil
	case errors.Is(err, quota.ErrShare):
		return ErrShare
	}
	return ErrCrowded
}

// LeaveCall gives a call's place back.
func (s *Shares) LeaveCall(c quota.Client) { s.Calls.Give(c, 1) }

// Subscribed sums up what a session, connection or listen is subscribed to. It is
// for one goroutine at a time.
type Subscribed struct {
	count, bytes int
}

// Add counts one more URI. The error, for the client, says what is too much: then
// it does not count.
func (s *Subscribed) Add(uri string, max int) *jsonrpc.Error {
	if err := rpc.CheckURI(uri); err != nil {
		return err
	}
	switch {
	case s.count >= max:
		return jsonrpc.Errorf(jsonrpc.CodeInternal, "more than %d subscriptions", max)
	case s.bytes+len(uri) > MaxSubscribed:
		return jsonrpc.Errorf(jsonrpc.CodeInternal, "the URIs of all subscriptions have more than %d bytes", MaxSubscribed)
	}
	s.count++
	s.bytes += len(uri)
	return nil
}

// Remove counts a URI that was added no more.
func (s *Subscribed) Remove(uri string) {
	s.count--
	s.bytes -= len(uri)
}
