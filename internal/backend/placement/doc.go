// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package placement gives each stateful instance of a server one home in the cluster
// and lets every node call it. It wraps a [backend.Remote]; what needs no home,
// such as lists, stays on the node where it was asked.
//
// # Homes
//
// The owner of an instance (a session, tenant or principal) has a key. A node
// that knows the key's home sends the call there. One that does not sends it to
// the node which rendezvous hashing chooses among the ready members. That node
// passes it on if it knows better; else it claims the key: it asks all members,
// and becomes the home when none of them is. So a running instance stays where
// it is when members come and go, and the hash only decides where new ones go.
//
// Two nodes that claim a key at once meet in each other's question, and the one
// with the lower hash yields. A claim that reaches nobody who should be there
// fails: better no instance than two. Homes are announced on the bus when they
// are claimed and whenever a member comes, so all nodes know them, and know when
// one was lost with its node. Each claim of a key has a higher generation than
// the one before. A node that was away, and hears of a newer home than itself,
// ends its own instance. What this cannot prevent is two homes on the two sides of a
// partition; the caller is told of the state that is gone, and after the healing
// the newer home stays. A node that drains gives its homes up, and says so: it is
// asked no more, and what it is still called for goes elsewhere.
//
// # Calls
//
// A call on another node has one stream, on which go the call, then
// notifications, questions and their answers, and one outcome; see envelope.go
// for the encoding. The end of the stream at the caller's side cancels the call at
// its home. When the home is lost, the call fails once and says whether it may
// have begun, unless it may be repeated, which is done once. Tasks run on in the
// same stream. Results are not passed on while they arrive: they are whole and
// bounded.
//
// A server that asks by returning gives a state with its questions, which often only
// the process understands that made it. So states say at which node that is, and
// the call with the answers goes there; a node that leaves waits for them. A claim
// also asks the home that one of the members names, so that a node which has not
// heard of everybody yet does not start a second instance.
//
// # Goroutines
//
// An [Exchange] owns one goroutine that watches the members, one per claim under
// way and per member that it asks, and one that reads per call it serves; Close
// ends them and waits. A [Backend] owns one that brings watched resources to the
// instances here, which its Close waits for. A call that was sent away has one per
// question that is with its client, and returns after them. The goroutines that
// streams of others are accepted on belong to the cluster.
package placement
