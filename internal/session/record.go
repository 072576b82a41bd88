// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-mcp/holdfast/mcp"
)

// Record is what a session has changed. It exists only once there is such a
// thing. A Record in a store is immutable.
type Record struct {
	Revision      uint64       `json:"-"` // of the store, always growing; 0 when the record is not stored yet
	Expires       time.Time    `json:"expires"`
	Ended         bool         `json:"ended,omitzero"` // the tombstone of DELETE
	LogLevel      mcp.LogLevel `json:"logLevel,omitzero"`
	Subscriptions []string     `json:"subscriptions,omitzero"` // URIs, sorted
	Capabilities  Raw          `json:"capabilities,omitzero"`  // as received, of tickets with InRecord
}

// Errors of a [Store].
var (
	ErrNotFound = errors.New("session record not found")
	ErrConflict = errors.New("session record was changed by somebody else")
)

// Store keeps records by session. It is safe for concurrent use. A store forgets a
// record whose Expires has passed, after which one can be put as new, and a bounded
// one may forget others before their time, tombstones last.
type Store interface {
	// Get returns the record, which the caller must not modify, or [ErrNotFound].
	Get(ctx context.Context, id ID) (*Record, error)
	// Put stores a copy of r if the stored record still has r's revision (0: if
	// there is none, or only one that has expired) and returns the new revision, else [ErrConflict].
	Put(ctx context.Context, id ID, r Record) (uint64, error)
}

// Feed is a [Store] that several nodes share and that tells each of them what
// has changed, whoever changed it.
type Feed interface {
	Store
	// Watch calls changed after a change of a session's record can be read by Get,
	// until stop is called. Changes that follow each other closely may be told as
	// one. changed must not block; no call of it begins after stop has returned.
	Watch(changed func(id ID)) (stop func())
	// Archive returns the event log that the nodes share.
	Archive() Archive
}

// maxAttempts bounds how often Update tries against concurrent writers.
const maxAttempts = 16

// Update changes the record of a session with compare-and-set, creating it when
// there is none. The change may run several times, on a copy; its error ends the
// update. A change of an ended session is refused with [ErrNotFound].
func Update(ctx context.Context, store Store, id ID, expires time.Time, change func(*Record) error) error {
	_, err := Change(ctx, store, id, expires, change)
	return err
}

// Change is [Update] and returns what it stored.
func Change(ctx context.Context, store Store, id ID, expires time.Time, change func(*Record) error) (*Record, error) {
	for range maxAttempts {
		stored, err := store.Get(ctx, id)
		switch {
		case errors.Is(err, ErrNotFound):
			stored = &Record{Expires: expires}
		case err != nil:
			return nil, fmt.Errorf("read session record: %w", err)
		case stored.Ended:
			return nil, ErrNotFound
		}
		next := *stored
		next.Subscriptions = slices.Clone(stored.Subscriptions)
		if err := change(&next); err != nil {
			return nil, err
		}
		next.Revision, err = store.Put(ctx, id, next)
		switch {
		case err == nil:
			return &next, nil
		case !errors.Is(err, ErrConflict):
			return nil, err
		}
	}
	return nil, fmt.Errorf("update session record: %w", ErrConflict)
}

// Subscribe adds a URI and reports whether it was new.
func (r *Record) Subscribe(uri string) bool {
	i, has := slices.BinarySearch(r.Subscriptions, uri)
	if !has {
		r.Subscriptions = slices.Insert(r.Subscriptions, i, uri)
	}
	return !has
}

// Unsubscribe removes a URI.
func (r *Record) Unsubscribe(uri string) {
	if i, has := slices.BinarySearch(r.Subscriptions, uri); has {
		r.Subscriptions = slices.Delete(r.Subscriptions, i, i+1)
	}
}
