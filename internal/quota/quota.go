// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package quota bounds how much of something is in use at once, in all and by
// one client, so that one client cannot use up what all share. What is counted
// is the caller's affair: calls, streams, bytes. The package starts no goroutine.
package quota

import (
	"errors"
	"net/netip"
	"sync"
)

// Errors of [Quota.Take].
var (
	// ErrFull reports that everything is in use.
	ErrFull = errors.New("everything is in use")
	// ErrShare reports that the client has all that one client may have.
	ErrShare = errors.New("the client's share is in use")
)

// Client is who takes: a principal or, without one, an address. It is comparable;
// the zero Client stands for whoever has neither, such as the user of a terminal.
type Client struct {
	addr         netip.Addr
	tenant, name string
}

// Addr returns the client at an address. IPv6 addresses of one /64 are one
// client, as whoever has one of them has them all.
func Addr(a netip.Addr) Client {
	a = a.Unmap().WithZone("")
	if a.Is6() && !a.IsLoopback() {
		if p, err := a.Prefix(64); err == nil {
			a = p.Addr()
		}
	}
	return Client{addr: a}
}

// Remote returns the client at a remote address as package net writes it,
// host:port. One that is no IP address gives the zero Client.
func Remote(hostport string) Client {
	at, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return Client{}
	}
	return Addr(at.Addr())
}

// Principal returns the client that a principal is, wherever it calls from.
func Principal(tenant, id string) Client { return Client{tenant: tenant, name: id} }

// String returns the address or name, for logs.
func (c Client) String() string {
	switch {
	case c.name != "":
		return c.name
	case c.addr.IsValid():
		return c.addr.String()
	}
	return "local"
}

// Share returns a percentage of all, at least 1. The product must fit an int64.
func Share(all int64, percent int) int64 { return max(all*int64(percent)/100, 1) }

// Quota is an amount of something. It is safe for concurrent use. A nil Quota
// bounds nothing.
type Quota struct {
	max, each int64

	mu   sync.Mutex
	used int64
	by   map[Client]int64 // those that use some
}

// New returns a quota of max in all, of which one client may have each.
func New(max, each int64) *Quota {
	return &Quota{max: max, each: each, by: map[Client]int64{}}
}

// Take takes n for c, all or nothing. It fails with [ErrFull] or [ErrShare].
func (q *Quota) Take(c Client, n int64) error {
	if q == nil {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	has := q.by[c]
	switch {
	case has+n > q.each:
		return ErrShare
	case q.used+n > q.max:
		return ErrFull
	}
	q.used += n
	q.by[c] = has + n
	return nil
}

// Give gives back n that c has taken.
func (q *Quota) Give(c Client, n int64) {
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.used -= n
	if has := q.by[c] - n; has > 0 {
		q.by[c] = has
	} else {
		delete(q.by, c)
	}
}

// Used returns how much is in use.
func (q *Quota) Used() int64 {
	if q == nil {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.used
}
