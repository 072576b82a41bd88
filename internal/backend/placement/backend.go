// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

type event = subscription.Event

// Backend is a server whose instances have one home each in the cluster. It is
// safe for concurrent use. It owns one goroutine; Close ends it and waits.
type Backend struct {
	x        *Exchange
	name     string
	inner    *backend.Remote
	events   backend.Events
	table    *table
	watching *watching

	ctx    context.Context // ends with the backend
	cancel context.CancelFunc
	wg     sync.WaitGroup

	turns [applying]chan struct{} // by URI; held while one is brought to the instances

	noting  sync.Mutex
	applied map[string]struct{} // URIs watched at the instances here
}

var _ backend.Backend = (*Backend)(nil)

// Name returns the server's name.
func (b *Backend) Name() string { return b.name }

// Status reports whether calls reach the server at this node.
func (b *Backend) Status() backend.Status { return b.inner.Status() }

// StderrTail implements [backend.StderrTailer], of the processes at this node.
func (b *Backend) StderrTail() []string { return b.inner.StderrTail() }

// Start brings up the instance that answers lists: this node's own, or the one
// there is in the cluster.
func (b *Backend) Start(ctx context.Context) error {
	if b.inner.Single() {
		return b.find(ctx)
	}
	return b.inner.Start(ctx)
}

// Release stops the instance that belongs to a session, wherever it is.
func (b *Backend) Release(session string) {
	b.release(session)
	if b.inner.WhoseSession(session) != "" {
		b.publish(notice{Release: session})
	}
}

func (b *Backend) release(session string) {
	if whose := b.inner.WhoseSession(session); whose != "" {
		b.table.forget(keyOf(b.name, whose))
	}
	b.inner.Release(session)
}

// RootsChanged tells the instance that belongs to a session, wherever it is.
func (b *Backend) RootsChanged(session string) {
	b.inner.RootsChanged(session)
	if b.inner.WhoseSession(session) != "" {
		b.publish(notice{Roots: session})
	}
}

// Close stops every instance here. Calls from other nodes are refused from now
// on, so that these find other homes.
func (b *Backend) Close() error {
	b.x.mu.Lock()
	delete(b.x.backends, b.name)
	b.x.mu.Unlock()
	b.cancel()
	b.wg.Wait()
	return b.inner.Close()
}

// maxHops bounds the nodes that one call is sent to before one has begun it.
const maxHops = 5

// Handle makes a call at the home of its instance.
func (b *Backend) Handle(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	if asker, state, ok := bound(call.Input.State); ok {
		return b.again(ctx, asker, state, call, b.Handle)
	}
	whose := b.inner.Whose(call)
	if whose == "" {
		return b.inner.Handle(ctx, call)
	}
	call.Wait() // now it is another node's time
	to := search{key: keyOf(b.name, whose), whose: whose, not: map[string]bool{}}
	out := b.try(ctx, to, call)
	if out.lost && out.begun && b.inner.Repeatable(call) && ctx.Err() == nil {
		to.not[out.node] = true
		if again := b.try(ctx, to, call); !again.lost || again.begun {
			out = again
		}
	}
	if out.lost {
		return rpc.Result{}, b.nodeLost(&out)
	}
	return out.res, out.err
}

// outcome is what came of a call that was sent to a node.
type outcome struct {
	res   rpc.Result
	err   error  // for the caller, or why the node did not answer
	node  string // that was asked
	moved string // where to ask instead
	lost  bool   // there was no answer
	begun bool   // and yet the call may have been begun
}

var errDispute = errors.New("the nodes do not agree on the home of the instance")

// trusted is how often a call is sent on before the nodes are asked anew.
const trusted = 2

// try sends the call from node to node until one has begun it.
func (b *Backend) try(ctx context.Context, to search, call *rpc.Call) (out outcome) {
	next := ""
	for hop := range maxHops {
		to.ask = hop >= trusted
		node := next
		if next = ""; node == "" || node == b.x.self {
			at, h, lost, err := b.place(ctx, to)
			if err != nil {
				return outcome{err: b.unplaced(ctx, err)}
			}
			if h != nil {
				res, err := b.here(ctx, h, lost, call)
				return outcome{res: res, err: err}
			}
			node = at
		}
		out = b.send(ctx, node, to, call)
		switch {
		case out.moved != "":
			next = out.moved
			out = outcome{err: b.failure("unavailable", false, errDispute)}
		case out.lost && !out.begun:
			to.not[node] = true
		default:
			if hop > 0 && !out.lost {
				b.table.hint(to.key, node)
			}
			return out
		}
		if ctx.Err() != nil {
			return outcome{err: b.ended(ctx)}
		}
	}
	return out
}

// here makes a call at its home, which this node is.
func (b *Backend) here(ctx context.Context, h *holding, lost bool, call *rpc.Call) (rpc.Result, error) {
	defer b.table.leave(h)
	if lost {
		b.inner.Lost(call)
	}
	return b.handle(ctx, call)
}

// unplaced is the error of a call for which no home was found.
func (b *Backend) unplaced(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return b.ended(ctx)
	}
	failed := b.hidden("unavailable", false, "no node of the cluster takes the call at the moment", err)
	if errors.Is(err, backend.ErrUnready) || errors.Is(err, errNotReady) {
		return &unready{failed}
	}
	return failed
}

// unready is a failure of a call that came before a node was ready.
type unready struct{ error }

// Unwrap returns the failure, and that it was too early.
func (e *unready) Unwrap() []error { return []error{e.error, backend.ErrUnready} }

// ended is the error of a call whose context has ended.
func (b *Backend) ended(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return b.failure("timeout", true, context.Cause(ctx))
}

func (b *Backend) nodeLost(out *outcome) error {
	begun := "; the call was not begun"
	if out.begun {
		begun = "; the call may have been begun"
	}
	return b.hidden("node_lost", out.begun, "the node where its instance was is lost"+begun, fmt.Errorf("node %q: %w", out.node, out.err))
}

// hidden is a failure of which clients are told in what way it is one; err, which may
// name nodes and addresses, stands in the log under the reference that they get.
func (b *Backend) hidden(reason string, started bool, text string, err error) error {
	ref := rpc.Reference()
	b.x.cfg.Log.Warn("call between nodes failed", "server", b.name, "ref", ref, "kind", text, "error", err)
	return b.failure(reason, started, fmt.Errorf("%s (reference %s)", text, ref))
}

// failure is an error made here about the server, marked as the gateway's.
// started says whether the call may have been begun.
func (b *Backend) failure(reason string, started bool, err error) error {
	return jsonrpc.Errorf(jsonrpc.CodeInternal, "server %q: %w", b.name, err).WithData(map[string]any{
		"gateway": map[string]any{"server": b.name, "reason": reason, "started": started},
	})
}
