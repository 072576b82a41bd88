// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"fmt"
)

// Errors that callers branch on.
var (
	// ErrNoQuorum reports a write that no majority acknowledged in time. Nothing
	// is known of it: it may have been done or not. Reads go on.
	ErrNoQuorum = errors.New("no majority of the cluster acknowledged the write")
	// ErrStorage reports a write refused for lack of space. It is an ErrNoQuorum.
	ErrStorage error = &refusal{"the store has no space left"}
	// ErrTooLarge reports a value or message over the limit of the transport.
	ErrTooLarge = errors.New("too large for the cluster")
	// ErrBusy reports that the node addressed has too many requests in work.
	ErrBusy = errors.New("node has too many requests in work")
	// ErrClosed reports that the cluster has been closed.
	ErrClosed = errors.New("cluster is closed")

	// ErrSecret reports a cluster secret that the other nodes do not accept.
	ErrSecret = errors.New("the other nodes do not accept the cluster secret")
	// ErrNameTaken reports that another node of the cluster has this name.
	ErrNameTaken = errors.New("another node of the cluster has this name")
	// ErrIncompatible reports nodes whose versions cannot work together.
	ErrIncompatible = errors.New("the other nodes run an incompatible version")
	// ErrOtherCluster reports that what answered, or the directory, belongs to another cluster.
	ErrOtherCluster = errors.New("belongs to another cluster")
	// ErrDirectory reports a directory that this node must not use as asked.
	ErrDirectory = errors.New("store directory cannot be used")

	// errConflict reports that a key is at another revision than expected.
	errConflict = errors.New("changed by somebody else")
	// errNoLeader reports that nobody was there to take a message.
	errNoLeader = errors.New("the store has no leader")
	// errNoAnswer reports a message that nobody has answered.
	errNoAnswer = errors.New("the store's leader does not answer")
	// errStale reports a change that may have been overtaken while its process was
	// stopped. Its client has gone elsewhere, and may have changed the record since.
	errStale error = &refusal{"this node was stopped and has only just gone on"}
	// errAlone reports that the store of a node without others has not answered.
	errAlone error = &refusal{"the store of this node did not take the write in time"}
	// errAbsent reports that a key has no value.
	errAbsent = errors.New("no value")
)

// refusal is an [ErrNoQuorum] that has another reason than a missing majority.
type refusal struct{ text string }

// Error implements error.
func (r *refusal) Error() string { return r.text }

// Is implements the interface of [errors.Is].
func (r *refusal) Is(target error) bool { return target == ErrNoQuorum }

// RemoteError is an error that another node's handler returned.
type RemoteError struct {
	Node    string
	Message string
}

// Error implements error.
func (e *RemoteError) Error() string { return fmt.Sprintf("node %q: %s", e.Node, e.Message) }
