// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package nodes says how work that lives at one node of a cluster is named and
// reached: an open stream, a parked call, a child process, a task. It has one
// form of address, one kind of stream, one rule for when a node counts as lost,
// and one error that says so. It knows no network: package cluster implements
// [Nodes], and nodestest does in tests.
//
// The package starts no goroutine.
package nodes

import (
	"context"
	"time"
)

// Nodes is one node's view of all nodes. It is safe for concurrent use.
type Nodes interface { //nolint:interfacebloat // one view of the other nodes, instead of five
	// Self returns the name of this node and of its process, which is another
	// after each restart. Neither changes.
	Self() (node, instance string)
	// Scope names the part of the program that this view is for, the same at all nodes;
	// empty for all of it. What opens at that part only is sealed with it for a binding.
	Scope() string
	// Members returns what is known of all nodes: this one, those that cannot be
	// reached, and the processes that have said good-bye lately.
	Members() []Member
	// Alive reports whether a node has a process that does not count as lost.
	Alive(node string) bool
	// Lost reports whether a node's instance is over for certain, or counts as
	// over: another instance has its name, it has left, no node hears it any more, or
	// nobody has heard of it for longer than it takes to hear of everybody. One that
	// only others hear is not lost. A node whose own view is not complete yet says
	// false. Lost never blocks.
	Lost(node, instance string) bool
	// Majority reports whether most nodes are there. Without them this node may be
	// the one that is cut off.
	Majority() bool
	// Changes returns a channel that receives a value when something that Members
	// or Lost says may have changed, and a function that ends that.
	Changes() (changes <-chan struct{}, stop func())

	// Open opens a stream to what serves to.Kind at to.Node: if to names an instance,
	// at that one only. A first message, unless it is nil, goes with the opening: the
	// other end receives it before any other. ctx bounds only the opening. Open fails
	// with a [LostError] as soon as the node or instance is known not to be there, with
	// [ErrUnserved] when it does not serve the kind; [MayHaveArrived] then says whether
	// the other end may have the first message all the same. It keeps no part of first.
	Open(ctx context.Context, to Address, first []byte) (Stream, error)
	// Ask opens a stream with a message, returns the first that comes back, and ends the
	// stream. It costs less than to do these by themselves. It fails as Open and Receive do.
	Ask(ctx context.Context, to Address, message []byte) ([]byte, error)
	// Serve sets what is done with streams of a kind that nodes open to this one, until
	// stop is called. The kind is a word of at most 15 lower-case letters, digits, '-'
	// and '_'. accept runs on a goroutine of its own; its ctx ends with the stream, and
	// the stream, in good order, with its return. stop waits for none of them.
	Serve(kind string, accept func(ctx context.Context, s Stream)) (stop func())

	// Publish sends to all subscribers of a topic on all nodes, this one included, in
	// order per publisher. It does not wait.
	Publish(topic string, payload []byte) error
	// Subscribe calls take, which must not block or keep the payload, with what is
	// published, until stop is called.
	Subscribe(topic string, take func(payload []byte)) (stop func())

	// Keep keeps a message in a mailbox, whose name is of letters, digits, '_' and '-',
	// for a process that cannot be reached, for some minutes. It returns nil when no
	// loss of a single node can lose the message.
	Keep(ctx context.Context, mailbox string, message []byte) error
	// Collect returns the messages that are kept in a mailbox, by numbers that do not
	// change. It takes none out, and may miss what was kept a moment ago.
	Collect(ctx context.Context, mailbox string) (map[uint64][]byte, error)
}

// Member is one process of a node, as another node sees it.
type Member struct {
	Name, Instance string
	Self           bool
	// Reachable says that some node hears it; else it may have crashed, be cut off, or
	// be stopped for a while.
	Reachable bool
	// Ready says that it takes new work.
	Ready bool
	// Left says that it has said good-bye: it is no more.
	Left bool
	// Gaps counts how often what was published there or here may not have arrived.
	Gaps uint64
}

// MaxMessage bounds one message, in bytes.
const MaxMessage = 65 << 20

// PartBytes is how much of a message goes at once, in bytes, so that a long one
// does not hold up all others.
const PartBytes = 256 << 10

// Stream carries messages of at most [MaxMessage] bytes in order both ways between
// two nodes. It ends when either end closes it or either node is lost. It is safe
// for concurrent use; messages do not mix.
type Stream interface {
	// Node is the name of the other end's node.
	Node() string
	// Send sends a message, waiting while the other end is too far behind. It does not
	// keep the message. It fails with the reason why the stream is over, or ctx's cause;
	// the other end then receives nothing of the message. A sent message has not
	// necessarily arrived.
	Send(ctx context.Context, message []byte) error
	// Receive returns the next message, which is the caller's to keep; [io.EOF] after
	// the last one of a stream that ended in good order, else the reason why it is
	// over, a [LostError] when the other node was lost; or ctx's cause. What arrived
	// before the end comes first.
	Receive(ctx context.Context) ([]byte, error)
	// Limit sets the longest message that Receive takes, in bytes; it is [MaxMessage] at
	// first. A longer one ends the stream with [ErrTooLarge].
	Limit(bytes int)
	// Close ends the stream both ways; the other end learns the reason, nil being the
	// ordinary end. What was sent before still arrives. It is idempotent.
	Close(reason error)
	// Done is closed when the stream is over.
	Done() <-chan struct{}
}

// AwaitLoss waits until a node's instance is lost, at most for d, and reports
// whether it is. It is for who was told [ErrLost] and wants to know whether that
// is how all see it.
func AwaitLoss(ctx context.Context, n Nodes, node, instance string, d time.Duration) bool {
	changes, stop := n.Changes()
	defer stop()
	timer := time.NewTimer(d)
	defer timer.Stop()
	for !n.Lost(node, instance) {
		select {
		case <-changes:
		case <-timer.C:
			return n.Lost(node, instance)
		case <-ctx.Done():
			return false
		}
	}
	return true
}
