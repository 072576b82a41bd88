// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package nodes

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrLost reports that a node or process is not there, or was lost meanwhile. The
	// error is a [LostError].
	ErrLost = errors.New("node lost")
	// ErrUnserved reports that the node addressed does not serve the kind, or not yet.
	ErrUnserved = errors.New("node serves no such kind of request")
	// ErrUnanswered reports that a node has not answered in time. What was sent to it may
	// have arrived.
	ErrUnanswered = errors.New("node has not answered in time")
	// ErrTooLarge reports a message over the limit.
	ErrTooLarge = errors.New("message is too large for another node")
)

// LostError says of a request to a lost node whether it may have begun.
type LostError struct {
	Node string
	// Sent is false when the node has not received the request.
	Sent bool
	// HeardBy are the nodes that hear it, when only the link from here is broken.
	HeardBy []string
}

// Error implements error.
func (e *LostError) Error() string {
	switch {
	case e.Sent:
		return fmt.Sprintf("node %q was lost while it had the request", e.Node)
	case len(e.HeardBy) > 0:
		return fmt.Sprintf("node %q cannot be reached from here at the moment, though %s hears it", e.Node, strings.Join(e.HeardBy, ", "))
	}
	return fmt.Sprintf("node %q is not there", e.Node)
}

// Is reports whether target is [ErrLost].
func (e *LostError) Is(target error) bool { return target == ErrLost }

// MayHaveArrived reports, of an error of [Nodes.Open], whether the other end may
// have the first message.
func MayHaveArrived(err error) bool {
	if lost, ok := errors.AsType[*LostError](err); ok {
		return lost.Sent
	}
	return errors.Is(err, ErrUnanswered)
}

// Absent reports, of an error of [Nodes.Open], that the node surely has not begun what
// it was asked for and cannot be asked: it is not there, or does not serve the kind.
// One that other nodes hear is not absent.
func Absent(err error) bool {
	if lost, ok := errors.AsType[*LostError](err); ok {
		return !lost.Sent && len(lost.HeardBy) == 0
	}
	return errors.Is(err, ErrUnserved)
}
