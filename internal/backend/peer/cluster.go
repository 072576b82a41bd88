// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"context"
	"errors"
)

// ErrAbsent reports a node that cannot be asked and surely has not begun what
// was to be asked: it is not there, or serves no peers (yet).
var ErrAbsent = errors.New("node is not there")

// Cluster is what this package needs of the cluster. It is safe for concurrent use.
type Cluster interface {
	// Name is this node's name.
	Name() string
	// Members are the nodes that are alive as far as this one knows, itself included.
	Members() []Member
	// Majority reports whether most nodes are there. Without them this node may be
	// the one that is cut off.
	Majority() bool
	// WatchMembers returns a channel that receives a value when Members has
	// changed, and a function that ends that.
	WatchMembers() (changes <-chan struct{}, stop func())
	// Down returns a channel that is closed when the named node is lost, or closed
	// already when it is not there.
	Down(node string) <-chan struct{}
	// Open opens a stream of a kind to a node. ctx bounds only the opening. The
	// error is an ErrAbsent when the node is not there.
	Open(ctx context.Context, node, kind string) (Stream, error)
	// ServeStream sets what is done with streams of a kind. accept runs on a
	// goroutine of its own; ctx ends with the stream, which ends with accept.
	ServeStream(kind string, accept func(ctx context.Context, s Stream))
	// Publish sends to all subscribers of the topic on all nodes, this one
	// included, in order per publisher. It does not wait.
	Publish(topic string, payload []byte) error
	// Subscribe calls take, which must not block, with what is published.
	Subscribe(topic string, take func(payload []byte)) (stop func())
}

// Member is a node that is alive.
type Member struct {
	Name  string
	Ready bool   // it may become a home
	Gaps  uint64 // how often what was published here or there may not have arrived
}

// Stream carries messages of at most 1 MiB in order both ways. It ends when
// either end closes it or either node is lost.
type Stream interface {
	// Node is the name of the other end's node.
	Node() string
	// Send fails with the reason why the stream is over, or ctx's cause.
	Send(ctx context.Context, payload []byte) error
	// Receive returns the next message, which is the caller's to keep; what
	// arrived before the end comes first.
	Receive(ctx context.Context) ([]byte, error)
	// Close ends the stream both ways; it is idempotent.
	Close(reason error)
}
