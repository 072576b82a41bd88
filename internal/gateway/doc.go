// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package gateway puts many backends behind one handler: it keeps their lists
// in a catalog, gives their tools and prompts distinct names, and routes each
// call to the backend it belongs to. A backend that is slow or gone costs its
// own calls, never a list and never another backend's call.
//
// A [Catalog] asks the servers, in the background, and keeps what they said
// last: chosen, repaired and named. A [Gateway] is a view over it, one for each
// endpoint: a chosen set, encoded once. Both are published as immutable values
// behind atomic pointers, so that a call reads them without a lock.
//
//	server ─ list.go ─→ part of one server ─ revision.go ─→ revision ─ view.go ─→ edition of one view
//	         (ask)      (pages.go, sanitize.go, repair.go)  (merge)    (choose, encode)
//
// Entries stand in the order of the configuration, then in the server's own
// order. Digests are taken over sorted canonical JSON: a server that only
// shuffles its list has not changed it.
//
// The Catalog owns all goroutines and timers; Close stops them and waits.
package gateway
