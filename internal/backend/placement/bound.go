// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// The state that an instance gives with its questions is for that instance: often
// it has sealed it with a key that nobody else knows. So the state says where the
// instance is, and the call with the answers goes there, also when the home has
// moved meanwhile. Clients get it sealed, as any state.

// boundState begins a state that says so.
const boundState = 'b'

// bind adds to the state of a result that it is for an instance here.
func (b *Backend) bind(res rpc.Result) rpc.Result {
	if res.Input == nil || res.Input.State == nil {
		return res
	}
	in := *res.Input
	here := nodes.Here(b.x.nodes, kindPlaced, b.name)
	in.State = append(here.Append([]byte{boundState}), res.Input.State...)
	res.Input = &in
	return res
}

// handle makes a call at an instance here.
func (b *Backend) handle(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	res, err := b.inner.Handle(ctx, call)
	return b.bind(res), err
}

// bound reads what bind has added.
func bound(state []byte) (asker nodes.Address, rest []byte, ok bool) {
	if len(state) == 0 || state[0] != boundState {
		return nodes.Address{}, nil, false
	}
	asker, rest, err := nodes.ReadAddress(state[1:])
	return asker, rest, err == nil
}

// errAskerGone says of a call with answers that what asked for them is no more.
var errAskerGone = errors.New("the process that asked is gone, with what it knew of the call; start over")

// again makes a call with answers at the instance that asked for them. When that is
// gone with its node, a call that may be repeated begins anew, as afresh makes it.
func (b *Backend) again(ctx context.Context, asker nodes.Address, state []byte, call *rpc.Call, afresh rpc.HandlerFunc) (rpc.Result, error) {
	answered := *call
	answered.Input.State = state
	if asker.At(b.x.nodes) {
		return b.handle(ctx, &answered)
	}
	if asker.Node != b.x.self {
		if out := b.sendBound(ctx, asker, &answered); !out.lost && out.moved == "" {
			return out.res, out.err
		}
	}
	if b.inner.Repeatable(call) && ctx.Err() == nil {
		again := *call
		again.Input = rpc.Input{}
		return afresh(ctx, &again)
	}
	return rpc.Result{}, b.askerGone()
}

// absence is how long a node that is not heard of may take to be back: it may have
// been stopped, or cut off, and still has the processes that ask. Both ends have to
// know that they hear each other: retryBound is the time between two tries.
const (
	absence    = 4 * time.Second
	retryBound = 500 * time.Millisecond
)

// sendBound sends a call with answers to the node that asked for them. A try that is
// lost may have arrived: later ones are served only while the question is open.
func (b *Backend) sendBound(ctx context.Context, asker nodes.Address, call *rpc.Call) outcome {
	over := time.NewTimer(absence)
	defer over.Stop()
	out := outcome{node: asker.Node, lost: true}
	for to := (search{bound: asker.Instance}); ; {
		if b.x.alive(asker.Node) {
			if out = b.send(ctx, asker.Node, to, call); !out.lost {
				return out
			}
			to.again = true
		}
		select {
		case <-time.After(retryBound):
		case <-over.C:
			return out
		case <-ctx.Done():
			return out
		}
	}
}

func (b *Backend) askerGone() error {
	return jsonrpc.Errorf(jsonrpc.CodeInternal, "server %q: %w", b.name, errAskerGone).WithData(map[string]any{
		"gateway": map[string]any{"server": b.name, "reason": "node_lost", "started": true}, "restart": true,
	})
}

// Pinned is a server of which each node has instances of its own that remember
// nothing, except while they wait for answers: these reach the node that asked.
type Pinned struct {
	*backend.Remote
	at *Backend // what sends and is sent calls with answers; it has no homes
}

var _ backend.Backend = (*Pinned)(nil)

// Pinned returns such a server over a backend. The name must be one that the
// exchange does not have.
func (x *Exchange) Pinned(name string, inner *backend.Remote) *Pinned {
	p := &Pinned{inner, &Backend{x: x, name: name, inner: inner}}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.pinned[name] = p.at
	return p
}

// Handle implements [backend.Backend].
func (p *Pinned) Handle(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	if asker, state, ok := bound(call.Input.State); ok {
		return p.at.again(ctx, asker, state, call, p.at.handle)
	}
	return p.at.handle(ctx, call)
}

// Close implements [backend.Backend].
func (p *Pinned) Close() error {
	p.at.x.mu.Lock()
	delete(p.at.x.pinned, p.at.name)
	p.at.x.mu.Unlock()
	return p.Remote.Close()
}

// asker returns what has instances of a server that may have asked; nil for none.
func (x *Exchange) asker(server string) *Backend {
	x.mu.Lock()
	defer x.mu.Unlock()
	if b := x.backends[server]; b != nil {
		return b
	}
	return x.pinned[server]
}

// servers returns everything that has instances here.
func (x *Exchange) servers() []*Backend {
	all := x.all()
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, b := range x.pinned {
		all = append(all, b)
	}
	return all
}

// awaitAnswers waits until what the instances here have asked is answered.
func (x *Exchange) awaitAnswers(ctx context.Context) error {
	for _, b := range x.servers() {
		if err := b.inner.AwaitAnswers(ctx); err != nil {
			return err
		}
	}
	return nil
}

// openQuestions returns how many of the instances' questions are not answered.
func (x *Exchange) openQuestions() int {
	n := 0
	for _, b := range x.servers() {
		n += b.inner.OpenQuestions()
	}
	return n
}
