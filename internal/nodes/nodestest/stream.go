// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package nodestest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/holdfast-mcp/holdfast/internal/nodes"
)

// Serve implements [nodes.Nodes].
func (d *Node) Serve(kind string, accept func(context.Context, nodes.Stream)) func() {
	d.net.mu.Lock()
	defer d.net.mu.Unlock()
	if d.accept[kind] != nil {
		panic("nodestest: kind " + kind + " is served already")
	}
	d.accept[kind] = accept
	return func() {
		d.net.mu.Lock()
		defer d.net.mu.Unlock()
		delete(d.accept, kind)
	}
}

// reach returns the node that an address names. d.net.mu is held.
func (d *Node) reach(to nodes.Address) (*Node, error) {
	other := d.net.nodes[to.Node]
	switch {
	case d.dead || d.state.Cut || d.state.Apart || other == nil || other.dead:
		return nil, &nodes.LostError{Node: to.Node}
	case other.state.Cut || other.state.Silent || other.state.Side != d.state.Side:
		return nil, &nodes.LostError{Node: to.Node}
	case to.Instance != "" && to.Instance != other.instance:
		return nil, &nodes.LostError{Node: to.Node}
	case other.state.Barred:
		return nil, &nodes.LostError{Node: to.Node, HeardBy: []string{"another"}}
	}
	return other, nil
}

// Open implements [nodes.Nodes].
func (d *Node) Open(ctx context.Context, to nodes.Address, first []byte) (nodes.Stream, error) {
	if len(first) > nodes.MaxMessage {
		return nil, nodes.ErrTooLarge
	}
	n := d.net
	n.mu.Lock()
	defer n.mu.Unlock()
	other, err := d.reach(to)
	if err != nil {
		return nil, err
	}
	p := &pipe{over: make(chan struct{}), wake: make(chan struct{})}
	here, there := &end{pipe: p, side: 0, node: to.Node, max: nodes.MaxMessage}, &end{pipe: p, side: 1, node: d.name, max: nodes.MaxMessage}
	if first != nil {
		p.queue[1] = [][]byte{append([]byte{}, first...)}
	}
	d.streams[here], other.streams[there] = struct{}{}, struct{}{}
	if err := d.awaitAnswer(ctx, other, p); err != nil {
		d.forgetLocked(other, here, there)
		return nil, err
	}
	accept := other.accept[to.Kind]
	if accept == nil {
		d.forgetLocked(other, here, there)
		return nil, fmt.Errorf("%w: %q at %q", nodes.ErrUnserved, to.Kind, to.Node)
	}
	life, cancel := context.WithCancelCause(context.Background())
	p.setCancel(cancel)
	other.wg.Go(func() {
		defer d.forget(other, here, there)
		defer there.Close(nil)
		accept(life, there)
	})
	return here, nil
}

// Ask implements [nodes.Nodes].
func (d *Node) Ask(ctx context.Context, to nodes.Address, message []byte) ([]byte, error) {
	s, err := d.Open(ctx, to, append([]byte{}, message...))
	if err != nil {
		return nil, err
	}
	answer, err := s.Receive(ctx)
	s.Close(err)
	return answer, err
}

// awaitAnswer waits while the other node hangs. d.net.mu is held, and not while it waits.
func (d *Node) awaitAnswer(ctx context.Context, other *Node, p *pipe) error {
	if !other.state.Hung {
		return nil
	}
	d.net.mu.Unlock()
	defer d.net.mu.Lock()
	changes, stop := d.Changes()
	defer stop()
	for other.hangs() {
		select {
		case <-changes:
		case <-p.over:
			return p.err
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", nodes.ErrUnanswered, context.Cause(ctx))
		}
	}
	return nil
}

func (d *Node) hangs() bool {
	d.net.mu.Lock()
	defer d.net.mu.Unlock()
	return d.state.Hung
}

func (d *Node) forget(other *Node, here, there *end) {
	d.net.mu.Lock()
	defer d.net.mu.Unlock()
	d.forgetLocked(other, here, there)
}

func (d *Node) forgetLocked(other *Node, here, there *end) {
	delete(d.streams, here)
	delete(other.streams, there)
}

// pipe is a stream; its two ends share it.
type pipe struct {
	cancel context.CancelCauseFunc // of the handler's context; nil when there is none

	mu    sync.Mutex
	queue [2][][]byte // for each end to receive
	err   error
	over  chan struct{}
	wake  chan struct{}
}

// setCancel sets what ends the handler's context with the stream.
func (p *pipe) setCancel(cancel context.CancelCauseFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancel = cancel
	if p.err != nil {
		cancel(p.err)
	}
}

type end struct {
	pipe *pipe
	side int
	node string // of the other end

	max int // guarded by pipe.mu
}

var errClosed = errors.New("the other end closed the stream")

func (p *pipe) end(reason error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return
	}
	p.err = reason
	if errors.Is(reason, nodes.ErrLost) {
		p.queue = [2][][]byte{} // what was under way is lost too
	}
	close(p.over)
	if p.cancel != nil {
		p.cancel(reason)
	}
}

// window is how many messages one end may be ahead of the other.
const window = 64

// Node implements [nodes.Stream].
func (e *end) Node() string { return e.node }

// Done implements [nodes.Stream].
func (e *end) Done() <-chan struct{} { return e.pipe.over }

// Limit implements [nodes.Stream].
func (e *end) Limit(bytes int) {
	e.pipe.mu.Lock()
	defer e.pipe.mu.Unlock()
	e.max = bytes
}

// Send implements [nodes.Stream].
func (e *end) Send(ctx context.Context, message []byte) error {
	if len(message) > nodes.MaxMessage {
		return nodes.ErrTooLarge
	}
	p := e.pipe
	for {
		p.mu.Lock()
		err, wake, room := p.err, p.wake, len(p.queue[1-e.side]) < window
		if err == nil && room {
			p.queue[1-e.side] = append(p.queue[1-e.side], slices.Clone(message))
			p.notify()
			p.mu.Unlock()
			return nil
		}
		p.mu.Unlock()
		if err != nil {
			return err
		}
		select {
		case <-wake:
		case <-p.over:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// notify wakes both ends. p.mu is held.
func (p *pipe) notify() {
	close(p.wake)
	p.wake = make(chan struct{})
}

// Receive implements [nodes.Stream].
func (e *end) Receive(ctx context.Context) ([]byte, error) {
	p := e.pipe
	for {
		p.mu.Lock()
		if q := p.queue[e.side]; len(q) > 0 {
			p.queue[e.side] = q[1:]
			p.notify()
			max := e.max
			p.mu.Unlock()
			if len(q[0]) > max {
				err := fmt.Errorf("%w: over %d bytes", nodes.ErrTooLarge, max)
				e.Close(err)
				return nil, err
			}
			return q[0], nil
		}
		err, wake := p.err, p.wake
		p.mu.Unlock()
		if err != nil {
			return nil, err
		}
		select {
		case <-wake:
		case <-p.over:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Close implements [nodes.Stream].
func (e *end) Close(reason error) {
	switch {
	case reason == nil:
		reason = io.EOF
	case !errors.Is(reason, nodes.ErrLost):
		reason = fmt.Errorf("%w: %w", errClosed, reason)
	}
	e.pipe.end(reason)
}
