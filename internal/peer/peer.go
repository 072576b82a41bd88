// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package peer is the contract between what lives at one node, such as a parked
// call or a running task, and the other nodes whose clients reach for it: named
// nodes, streams between them, and when a node counts as lost. It knows no
// network; a cluster, or peertest in tests, is behind it.
//
// The package starts no goroutine.
package peer

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrLost reports that a node is not there, or was lost meanwhile. What had been
// sent to it may have been done or not.
var ErrLost = errors.New("node lost")

// Peers is one node's view of all. It is safe for concurrent use.
type Peers interface {
	// Self returns the name of this node and of its process, which is another
	// after each restart. Neither changes.
	Self() (node, instance string)
	// Lost reports whether a node's instance is over for certain, or counts as
	// over: another instance has its name, it has left, no node hears it any more, or
	// nobody has heard of it for longer than it takes to hear of everybody. One that
	// only others hear is not lost. A node whose own view is not complete yet says
	// false. Lost never blocks.
	Lost(node, instance string) bool
	// Changes returns a channel that receives a value when something that Lost
	// says may have changed, and a function that ends that.
	Changes() (changes <-chan struct{}, stop func())
	// Open opens a stream to a node, whatever its instance. ctx bounds only the
	// opening. It fails with an error that is [ErrLost] as soon as the node is
	// known not to be there.
	Open(ctx context.Context, node, kind string) (Stream, error)
	// Serve sets what is done with streams of a kind that other nodes open, until
	// stop is called. accept runs on a goroutine of its own; its ctx ends with the
	// stream, and the stream, in good order, with its return. stop waits for none
	// of them.
	Serve(kind string, accept func(ctx context.Context, s Stream)) (stop func())
}

// Stream carries messages in order both ways between two nodes. It ends when
// either end closes it or either node is lost. It is safe for concurrent use.
type Stream interface {
	// Send sends a message of at most [MaxPart]+1 bytes, waiting while the other end is
	// too far behind. It fails with the reason why the stream is over, or ctx's cause.
	Send(ctx context.Context, message []byte) error
	// Receive returns the next message, [io.EOF] after the last one of a stream
	// that ended in good order, else the reason why it is over, which is [ErrLost]
	// when the other node was lost; or ctx's cause.
	Receive(ctx context.Context) ([]byte, error)
	// Close ends the stream both ways. What was sent before still arrives. It is idempotent.
	Close(reason error)
}

// AwaitLoss waits until a node's instance is lost, at most for d, and reports
// whether it is. It is for who was told [ErrLost] and wants to know whether that
// is how all see it.
func AwaitLoss(ctx context.Context, p Peers, node, instance string, d time.Duration) bool {
	changes, stop := p.Changes()
	defer stop()
	timer := time.NewTimer(d)
	defer timer.Stop()
	for !p.Lost(node, instance) {
		select {
		case <-changes:
		case <-timer.C:
			return p.Lost(node, instance)
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// MaxPart is how much of a message goes at once, in bytes.
const MaxPart = 256 << 10

// A part begins with a byte that says whether more follow.
const (
	last = 0
	more = 1
)

// Write sends msg, however long, in parts. Messages of several goroutines must
// not mix: only one may write at a time.
func Write(ctx context.Context, s Stream, msg []byte) error {
	for {
		part, mark := msg, byte(last)
		if len(part) > MaxPart {
			part, mark = part[:MaxPart], more
		}
		msg = msg[len(part):]
		if err := s.Send(ctx, append([]byte{mark}, part...)); err != nil {
			return err
		}
		if mark == last {
			return nil
		}
	}
}

// Read receives what one Write sent, at most limit bytes.
func Read(ctx context.Context, s Stream, limit int) ([]byte, error) {
	var msg []byte
	for {
		part, err := s.Receive(ctx)
		if err != nil {
			return nil, err
		}
		if len(part) == 0 || part[0] > more {
			return nil, errors.New("read from another node: not a part of a message")
		}
		if len(msg)+len(part)-1 > limit {
			return nil, fmt.Errorf("read from another node: message over the limit of %d bytes", limit)
		}
		if msg == nil && part[0] == last {
			return part[1:], nil
		}
		msg = append(msg, part[1:]...)
		if part[0] == last {
			return msg, nil
		}
	}
}
