// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package task

import (
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/share"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Status is a state of a task, by its name in the protocol.
type Status string

// The states. The last three are final.
const (
	Working       Status = "working"
	InputRequired Status = "input_required"
	Completed     Status = "completed"
	Failed        Status = "failed"
	Cancelled     Status = "cancelled"
)

// Terminal reports whether s is final.
func (s Status) Terminal() bool { return s == Completed || s == Failed || s == Cancelled }

// Errors of a Set.
var (
	// ErrUnknown reports a task that never was, has expired, or belongs to
	// another principal or era. It says no more, so that guessing teaches nothing.
	ErrUnknown = errors.New("task: unknown or expired")
	// ErrFull reports that a caller has its share of the tasks that are kept, or all
	// together as many as the limits allow. [Full] wraps it and says which.
	ErrFull = errors.New("too many tasks")
	// ErrClosed reports that the Set has been closed.
	ErrClosed = errors.New("task: set is closed")
	// ErrCursor reports a cursor that [Set.List] did not return.
	ErrCursor = errors.New("task: cursor is not valid")
	// ErrCancelled is the cause of the context of a task that was cancelled.
	ErrCancelled = errors.New("task: cancelled")
	// ErrExpired is the cause of the context of a task whose time ran out.
	ErrExpired = errors.New("task: expired")
	// ErrLost is the cause of the context of a task that other nodes have ended,
	// since they took this one for lost.
	ErrLost = errors.New("task: ended by other nodes, which took this one for lost")
	// ErrUnavailable reports that a task's state cannot be written, or its home not
	// be reached, for now. What was asked for may have been done or not.
	ErrUnavailable = errors.New("task: unavailable for now")
	// ErrNotYet is what [Config.Handler] says while this node is still starting, or
	// is leaving.
	ErrNotYet = errors.New("task: this node serves no calls at the moment")
)

// Owner says to whom a task belongs. Lookups compare Endpoint, Principal and Era;
// Session only narrows [Set.List], since a task may outlive the session that began it.
type Owner struct {
	Endpoint  string // by a name that means the same at all nodes
	Principal string
	Era       mcp.Era
	Session   string // random id of a legacy session; empty for modern
}

// allows reports whether o may see a task of owner.
func (o Owner) allows(owner Owner) bool {
	return o.Endpoint == owner.Endpoint && o.Principal == owner.Principal && o.Era == owner.Era
}

// Full is an [ErrFull] that says how many tasks there are.
func Full(shares *share.Shares, c share.Caller, perPrincipal, total int) error {
	own, inGroup := shares.Held(c)
	return fmt.Errorf("%w: %d of at most %d are kept, %d of at most %d of this principal and address, %d of them of this session; wait for some to expire, or ask for less time",
		ErrFull, shares.Used(), total, inGroup, perPrincipal, own)
}

// Task is a snapshot of one task. It is immutable.
type Task struct {
	ID       string // unguessable
	Owner    Owner
	Caller   share.Caller // who has a share of the tasks for it; see Holder
	Method   string       // of the call that began it
	Target   string       // of the call that began it
	Status   Status
	Message  string // about the status, for people; may be empty
	Created  time.Time
	Updated  time.Time
	TTL      time.Duration // from Created; then the task is forgotten
	Poll     time.Duration // suggested polling interval
	Revision uint64        // grows with each change, from 1
	Home     string        // node where its work runs; empty without other nodes
	Instance string        // of that node, another after each restart
	Restarts int           // how often its work was lost and begun again

	// Call is what it takes to begin the work again; nil when that must not be, and
	// once Status is final.
	Call *Call

	// Questions are those waiting for an answer; not empty exactly when Status
	// is InputRequired. A key is never used twice in the life of a task.
	Questions map[string]rpc.InputRequest

	Result rpc.Result     // when Completed
	Err    *jsonrpc.Error // when Failed
}

// Holder returns who has a share of the tasks for t.
func (t *Task) Holder() share.Caller {
	if t.Caller != (share.Caller{}) {
		return t.Caller
	}
	return share.Caller{Group: share.Group{Principal: t.Owner.Principal}, Member: share.Member{Session: t.Owner.Session}}
}

// Expires returns when the task is forgotten.
func (t *Task) Expires() time.Time { return t.Created.Add(t.TTL) }

// Follows reports whether a store that keeps kept, and is given t, takes t. What
// is final stays, and nothing goes back. A restart gives the task a new home; of
// several nodes that try, the first is it, and from then on what other homes say
// counts no more, but that the task is over.
func (t *Task) Follows(kept *Task) bool {
	switch {
	case kept.Status.Terminal(), t.Revision <= kept.Revision:
		return false
	case t.Restarts == kept.Restarts:
		return t.Status.Terminal() || t.Home == kept.Home && t.Instance == kept.Instance
	}
	return t.Restarts == kept.Restarts+1
}
