// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package task

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// kindTask is the kind of stream on which one node asks another for something
// to be done with a task that runs there. A stream carries one request and its
// reply; a claim lasts as long as its stream.
const kindTask = "task"

// What a request may ask for.
const (
	opGet    = "get"
	opCancel = "cancel"
	opAnswer = "answer"
	opWait   = "wait"
	opClaim  = "claim"
)

// request is what a node asks a task's home for.
type request struct {
	Op        string             `json:"op"`
	Owner     Owner              `json:"owner"`
	ID        string             `json:"id"`
	After     uint64             `json:"after,omitzero"`
	Responses map[string]rpc.Raw `json:"responses,omitzero"`
	Refusal   *wireError         `json:"refusal,omitzero"`
}

// reply is the home's answer: a task, or the reason why there is none.
type reply struct {
	Task      *snapshot                   `json:"task,omitzero"`
	Changed   bool                        `json:"changed,omitzero"`
	Questions map[string]rpc.InputRequest `json:"questions,omitzero"`
	Failure   string                      `json:"failure,omitzero"`
}

// What reply.Failure says.
const (
	failUnknown = "unknown"
	failStore   = "store"
	failMoved   = "moved" // it does not run here
	failElse    = "error"
)

// snapshot is a Task between nodes. Times are Unix nanoseconds, durations nanoseconds.
type snapshot struct {
	ID        string                      `json:"id"`
	Owner     Owner                       `json:"owner"`
	Method    string                      `json:"method"`
	Target    string                      `json:"target"`
	Status    Status                      `json:"status"`
	Message   string                      `json:"message,omitzero"`
	Created   int64                       `json:"created"`
	Updated   int64                       `json:"updated"`
	TTL       int64                       `json:"ttl"`
	Poll      int64                       `json:"poll"`
	Revision  uint64                      `json:"revision"`
	Home      string                      `json:"home"`
	Instance  string                      `json:"instance"`
	Questions map[string]rpc.InputRequest `json:"questions,omitzero"`
	Body      rpc.Raw                     `json:"body,omitzero"`
	Type      string                      `json:"type,omitzero"`
	Cache     mcp.CacheHint               `json:"cache,omitzero"`
	Err       *wireError                  `json:"error,omitzero"`
}

// wireError is a jsonrpc.Error between nodes.
type wireError struct {
	Code     int64   `json:"code"`
	Message  string  `json:"message"`
	Data     rpc.Raw `json:"data,omitzero"`
	FromPeer bool    `json:"fromPeer,omitzero"`
}

func pack(t *Task) *snapshot {
	return &snapshot{
		ID: t.ID, Owner: t.Owner, Method: t.Method, Target: t.Target, Status: t.Status, Message: t.Message,
		Created: t.Created.UnixNano(), Updated: t.Updated.UnixNano(), TTL: int64(t.TTL), Poll: int64(t.Poll),
		Revision: t.Revision, Home: t.Home, Instance: t.Instance, Questions: t.Questions,
		Body: t.Result.Body, Type: t.Result.Type, Cache: t.Result.Cache, Err: packError(t.Err),
	}
}

func (s *snapshot) unpack() Task {
	return Task{
		ID: s.ID, Owner: s.Owner, Method: s.Method, Target: s.Target, Status: s.Status, Message: s.Message,
		Created: time.Unix(0, s.Created), Updated: time.Unix(0, s.Updated), TTL: time.Duration(s.TTL), Poll: time.Duration(s.Poll),
		Revision: s.Revision, Home: s.Home, Instance: s.Instance, Questions: s.Questions,
		Result: rpc.Result{Body: s.Body, Type: s.Type, Cache: s.Cache}, Err: s.Err.unpack(),
	}
}

func packError(e *jsonrpc.Error) *wireError {
	if e == nil {
		return nil
	}
	return &wireError{e.Code, e.Message, e.Data, e.FromPeer()}
}

func (e *wireError) unpack() *jsonrpc.Error {
	switch {
	case e == nil:
		return nil
	case e.FromPeer:
		return jsonrpc.PeerError(e.Code, e.Message, e.Data)
	}
	return &jsonrpc.Error{Code: e.Code, Message: e.Message, Data: e.Data}
}

// errBrokenOff reports a stream that ended before the reply: its node leaves, or
// is lost.
var errBrokenOff = errors.New("broken off")

// exchange sends a request to the home of t and receives the reply.
func (s *Set) exchange(ctx context.Context, t *Task, r *request) (nodes.Stream, reply, error) {
	msg, err := json.Marshal(r)
	if err != nil {
		return nil, reply{}, fmt.Errorf("encode a request to another node: %w", err)
	}
	stream, err := s.cfg.Nodes.Open(ctx, t.home(), msg)
	if err != nil {
		return nil, reply{}, err
	}
	var answer reply
	if msg, err = stream.Receive(ctx); err == nil {
		err = json.Unmarshal(msg, &answer)
	}
	if err != nil {
		stream.Close(err)
		return nil, reply{}, fmt.Errorf("%w: %w", errBrokenOff, err)
	}
	return stream, answer, nil
}

// accept serves a stream of another node that asks for something to be done here.
func (s *Set) accept(ctx context.Context, stream nodes.Stream) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		stream.Close(ErrClosed)
		return
	}
	s.wg.Add(1) // under the lock, so that Close waits for it
	s.mu.Unlock()
	defer s.wg.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.base, func() { cancel(ErrClosed) })()
	msg, err := stream.Receive(ctx)
	var r request
	if err == nil {
		err = json.Unmarshal(msg, &r)
	}
	if err != nil {
		stream.Close(err)
		return
	}
	t, answer, release, err := s.serve(ctx, &r)
	defer release()
	switch {
	case ctx.Err() != nil: // nobody waits for the answer any more
		stream.Close(context.Cause(ctx))
		return
	case errors.Is(err, ErrUnknown):
		answer.Failure = failUnknown
	case errors.Is(err, errMoved):
		answer.Failure = failMoved
	case errors.Is(err, ErrUnavailable):
		answer.Failure = failStore
	case err != nil:
		answer.Failure = failElse
	default:
		answer.Task = pack(&t)
	}
	if msg, err = json.Marshal(answer); err != nil {
		s.cfg.Log.Error("task not encoded for another node", "error", err)
		return
	}
	if stream.Send(ctx, msg) == nil && r.Op == opClaim {
		_, _ = stream.Receive(ctx) // until the claimant is done, or lost
	}
}

// serve does what another node asks for, here or not at all.
func (s *Set) serve(ctx context.Context, r *request) (t Task, answer reply, release func(), err error) {
	l, t, err := s.find(ctx, r.Owner, r.ID)
	switch {
	case err != nil:
	case l != nil:
		return s.here(ctx, l, r)
	case s.orphaned(&t):
		t, err = s.revive(ctx, t)
	case !t.Status.Terminal():
		err = errMoved
	}
	return t, reply{}, nothing, err
}
