// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"context"
	"errors"

	"github.com/holdfast-mcp/holdfast/internal/session"
)

// ErrNodeLost reports that a node is not there, or was lost before it answered.
var ErrNodeLost = errors.New("the node is lost")

// Peers are the other nodes that serve the same endpoint: each has a Protocol
// over the same keys and the same records. They carry what belongs to a live
// thing of another node there and back; what goes between them is this package's
// own. An implementation is safe for concurrent use.
type Peers interface {
	// Self returns the name of this node, which is the same after a restart, and of
	// its process, which is not.
	Self() (node, instance string)
	// Nodes returns the other nodes as far as this one knows: those that are about
	// to leave, those that cannot be reached, and those that have left lately.
	Nodes() []Node
	// Request sends a message to another node and waits for the answer of its
	// request handler. It fails with an [ErrNodeLost] as soon as it is known that
	// none will come.
	Request(ctx context.Context, node string, message []byte) ([]byte, error)
	// Open opens a stream to another node's stream handler. ctx bounds only the
	// opening. It fails as Request does.
	Open(ctx context.Context, node string) (PeerStream, error)
	// Serve sets what answers other nodes' requests and serves their streams, each
	// on a goroutine of its own, until stop is called. It is called once. ctx ends
	// when the caller has gone; a stream ends when its handler returns.
	Serve(request func(ctx context.Context, message []byte) ([]byte, error), stream func(ctx context.Context, s PeerStream)) (stop func())
	// Archive returns the event log that all nodes share.
	Archive() session.Archive
	// Keep keeps a message for the process of an address that cannot be reached,
	// until that collects it, for some minutes. It returns nil when no loss of a
	// single node can lose the message.
	Keep(ctx context.Context, address string, message []byte) error
	// Collect returns the messages that are kept for an address, by numbers that do
	// not change. Messages collected before may be among them.
	Collect(ctx context.Context, address string) (map[uint64][]byte, error)
}

// Node is another node, by what is known of its latest process.
type Node struct {
	Name, Instance string
	// Reachable says that the node is heard of; else it may have crashed, be cut off,
	// or be stopped for a while.
	Reachable bool
	// Left says that the process has said good-bye: it is no more.
	Left bool
}

// PeerStream carries messages in order between two nodes. It ends when either
// end closes it or either node is lost. It is safe for concurrent use.
type PeerStream interface {
	// Send sends a message, waiting while the other end is too far behind. It does
	// not keep the message. A sent message has not necessarily arrived.
	Send(ctx context.Context, message []byte) error
	// Receive returns the next message; io.EOF after the last one when the other
	// end has closed the stream without a reason, else why the stream is over, or
	// ctx's cause.
	Receive(ctx context.Context) ([]byte, error)
	// Close ends the stream; the other end receives first what was sent. It is
	// idempotent.
	Close(reason error)
	// Done is closed when the stream is over.
	Done() <-chan struct{}
}
