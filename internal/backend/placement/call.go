// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// sent is a call at another node, seen from where it came from.
type sent struct {
	b     *Backend
	wire  *wire
	node  string
	taken bool // the call's end is somebody else's to await
}

// send makes a call at another node.
func (b *Backend) send(ctx context.Context, node string, to search, call *rpc.Call) outcome {
	if !b.x.calling.Enter() {
		return outcome{err: b.failure("busy", false, errors.New("too many calls to other nodes are in flight"))}
	}
	s := &sent{b: b, node: node}
	defer func() {
		if !s.taken {
			s.close(ctx)
		}
	}()
	e := encodeCall(ctx, call)
	e.Server, e.Key, e.Ask, e.Bound, e.Again, e.Not = b.name, to.key, to.ask, to.bound != "", to.again, slices.Collect(maps.Keys(to.not))
	var stream nodes.Stream
	at, sent := nodes.Address{Node: node, Instance: to.bound, Kind: kindPlaced}, to.bound == ""
	err := e.pass(b.x.cfg.MaxBytes, func(data []byte) (err error) {
		if sent {
			stream, err = b.x.nodes.Open(ctx, at, data)
			return err
		}
		// Answers are taken once: they must not reach a process that is stopped, whose
		// node nobody waits for when it goes on.
		if stream, err = b.x.nodes.Open(ctx, at, nil); err != nil {
			return err
		}
		sent = true
		if err = stream.Send(ctx, data); err != nil {
			stream.Close(err)
			return errors.Join(&nodes.LostError{Node: node, Sent: true}, err)
		}
		return nil
	})
	switch {
	case errors.Is(err, nodes.ErrTooLarge):
		return outcome{err: b.failure("too_large", false, err)}
	case err != nil:
		return b.unopened(ctx, node, sent, err)
	}
	s.wire = newWire(stream, b.x.cfg.MaxBytes)
	return s.follow(ctx, call.Client)
}

// unopened is the outcome of a call whose stream could not be opened. When the call was
// sent with the opening, it may have begun.
func (b *Backend) unopened(ctx context.Context, node string, sent bool, err error) outcome {
	arrived := nodes.MayHaveArrived(err)
	begun := sent && arrived
	switch {
	case nodes.Absent(err), arrived && errors.Is(err, nodes.ErrLost), !b.x.alive(node):
		return outcome{node: node, lost: true, begun: begun, err: err}
	case ctx.Err() != nil:
		return outcome{err: b.ended(ctx)}
	}
	// A home that lives is not replaced.
	return outcome{err: b.hidden("unavailable", begun, "the node where its instance is cannot be reached", err)}
}

// close ends the stream, which cancels what has not been answered.
func (s *sent) close(ctx context.Context) {
	if s.wire != nil {
		s.wire.stream.Close(context.Cause(ctx))
	}
	s.b.x.calling.Leave()
}

// largeResult is from how many bytes a result takes room in the memory for large ones.
const largeResult = 1 << 20

// follow passes on what comes back until there is an outcome.
func (s *sent) follow(ctx context.Context, to rpc.Client) outcome {
	asks := newAsks(ctx, s.wire, to)
	defer asks.end()
	for {
		e, err := s.wire.receive(ctx)
		if err != nil {
			return s.broken(ctx, err)
		}
		switch e.Kind {
		case kindNotify:
			_ = to.Notify(ctx, e.Method, e.Params) // a client that cannot be reached ends the call itself
		case kindAsk:
			asks.pose(e)
		case kindUnask:
			asks.void(e.N)
		case kindDetach:
			if d, ok := to.(rpc.Detacher); ok {
				d.Detach(millis(e.Millis))
			}
		case kindMoved:
			return outcome{node: s.node, moved: e.To}
		case kindRefuse:
			return s.refused(e)
		case kindTask:
			return outcome{res: s.task(e)}
		case kindError:
			return outcome{err: s.failed(ctx, e)}
		case kindResult:
			res, err := e.decodeResult()
			if err != nil {
				return s.garbage(err)
			}
			if n := len(res.Body); n > largeResult {
				if err := s.b.inner.Reserve(ctx, to, n); err != nil {
					return outcome{err: err}
				}
			}
			return outcome{res: res}
		default:
			return s.garbage(errors.New("message of an unknown kind"))
		}
	}
}

// broken is the outcome of a call whose stream has ended.
func (s *sent) broken(ctx context.Context, err error) outcome {
	_, syntax := jsonrpc.AsError(err)
	switch {
	case ctx.Err() != nil:
		return outcome{err: s.b.ended(ctx)}
	case syntax, errors.Is(err, errFrame), errors.Is(err, errVersion), errors.Is(err, nodes.ErrTooLarge):
		return s.garbage(err)
	}
	return outcome{node: s.node, lost: true, begun: true, err: err}
}

func (s *sent) garbage(err error) outcome {
	return outcome{err: s.b.hidden("garbage", true, "what the node where its instance is sent cannot be understood", err)}
}

// refused is the outcome of a call that was not begun: another node may take it,
// unless this one is merely busy.
func (s *sent) refused(e *envelope) outcome {
	err := errors.New(e.Reason)
	if e.Closing {
		return outcome{node: s.node, lost: true, err: err}
	}
	return outcome{err: s.b.hidden("unavailable", false, "the node where its instance is does not take the call", err)}
}

// failed is the error of a call that its home has answered with one.
func (s *sent) failed(ctx context.Context, e *envelope) error {
	if e.Error != nil && e.Error.Opaque && ctx.Err() != nil {
		return s.b.ended(ctx)
	}
	return e.Error.error()
}

// startGrace is how long the home waits for a task to be followed.
const startGrace = time.Minute

// task makes the home's task one of this node's: following it goes on here.
func (s *sent) task(e *envelope) rpc.Result {
	s.taken = true
	unused := time.AfterFunc(startGrace, func() { s.close(context.Background()) })
	run := func(ctx context.Context, to rpc.Client) (rpc.Result, error) {
		if !unused.Stop() {
			return rpc.Result{}, s.b.failure("lost", true, errors.New("the task was not followed in time"))
		}
		defer func() { s.close(ctx) }()
		if err := s.wire.send(ctx, &envelope{Kind: kindRun}); err != nil {
			return rpc.Result{}, s.b.nodeLost(&outcome{node: s.node, begun: true, err: err})
		}
		out := s.follow(ctx, to)
		switch {
		case out.lost:
			return rpc.Result{}, s.b.nodeLost(&out)
		case out.err == nil && out.res.Body == nil:
			return rpc.Result{}, s.garbage(errors.New("a task without a result")).err
		}
		return out.res, out.err
	}
	return rpc.Result{Deferred: &rpc.Deferred{Run: run, TTL: millis(e.TTL), Poll: millis(e.Poll)}}
}

// maxAsks bounds the questions of one call that are with the client at a time.
const maxAsks = 64

// asks takes the questions of a call to the client, on one goroutine each. They
// end with their contexts; end waits for them.
type asks struct {
	ctx    context.Context
	cancel context.CancelFunc
	wire   *wire
	to     rpc.Client
	wg     sync.WaitGroup

	mu   sync.Mutex
	open map[uint64]context.CancelFunc
}

func newAsks(ctx context.Context, w *wire, to rpc.Client) *asks {
	ctx, cancel := context.WithCancel(ctx)
	return &asks{ctx: ctx, cancel: cancel, wire: w, to: to, open: map[uint64]context.CancelFunc{}}
}

func (a *asks) pose(e *envelope) {
	ctx, cancel := context.WithCancel(a.ctx)
	a.mu.Lock()
	full := len(a.open) >= maxAsks
	if !full {
		a.open[e.N] = cancel
	}
	a.mu.Unlock()
	a.wg.Go(func() {
		defer cancel()
		answer := &envelope{Kind: kindAnswer, N: e.N}
		var err error
		if full {
			err = jsonrpc.Errorf(jsonrpc.CodeInternal, "more than %d questions at a time", maxAsks)
		} else {
			defer a.forget(e.N)
			answer.Answers, err = a.to.Ask(ctx, e.Requests)
		}
		if err != nil {
			answer.Answers, answer.Error = nil, encodeError(err)
		}
		if err := a.wire.send(a.ctx, answer); errors.Is(err, nodes.ErrTooLarge) {
			too := jsonrpc.Errorf(jsonrpc.CodeInternal, "the client's answer is over the limit: %w", err)
			_ = a.wire.send(a.ctx, &envelope{Kind: kindAnswer, N: e.N, Error: encodeError(too)}) // the end of the stream tells
		}
	})
}

func (a *asks) forget(n uint64) {
	a.mu.Lock()
	delete(a.open, n)
	a.mu.Unlock()
}

// void ends a question that its home no longer wants answered.
func (a *asks) void(n uint64) {
	a.mu.Lock()
	cancel := a.open[n]
	a.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

func (a *asks) end() {
	a.cancel()
	a.wg.Wait()
}
