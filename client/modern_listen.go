// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/holdfast-mcp/holdfast/internal/pause"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

const (
	firstBackoff = 250 * time.Millisecond
	maxBackoff   = 30 * time.Second
)

// backoff is the wait before attempt n (from 0), with jitter, capped.
func backoff(n int) time.Duration {
	d := firstBackoff << min(n, 10)
	d = min(d, maxBackoff)
	return d/2 + rand.N(d/2+1)
}

// listener keeps one subscriptions/listen request open, on a goroutine of the
// client's group, and opens it again when it ends. As a filter cannot change,
// another filter means another request, opened before the old one is closed.
//
// spec 2026-07-28 basic/utilities/subscriptions.
type listener struct {
	core *core
	call func(ctx context.Context, r *request) (Raw, error)

	// disjoint is set where all requests come to one session of the server: see alter.
	disjoint bool

	heard atomic.Pointer[heard] // what handlers are told of

	turn   chan struct{} // holds one token: who has it may use the fields below
	filter Filter        // that is wanted
	parts  []part        // the present requests; one at most, unless disjoint
}

func newListener(k *core, call func(context.Context, *request) (Raw, error)) *listener {
	return &listener{core: k, call: call, turn: make(chan struct{}, 1)}
}

// set replaces the filter and waits for the server's acknowledgement.
func (l *listener) set(ctx context.Context, f Filter) error {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-l.turn }()
	if f.equal(l.filter) {
		return nil
	}
	before := l.filter
	l.want(f)
	err := l.change(ctx, f)
	if err != nil {
		l.want(before)
	}
	return err
}

func (l *listener) change(ctx context.Context, f Filter) error {
	if l.disjoint {
		return l.alter(ctx, f)
	}
	var parts []part
	if f.wanted() {
		stop, err := l.open(ctx, f)
		if err != nil {
			return err
		}
		parts = append(parts, part{f, stop})
	}
	l.end()
	l.filter, l.parts = f.clone(), parts
	return nil
}

// end ends the present requests.
func (l *listener) end() {
	stopAll(l.parts)
	l.filter, l.parts = Filter{}, nil
}

// open starts a request and waits for its acknowledgement. It returns what ends
// the request, and waits for that where requests are disjoint.
func (l *listener) open(ctx context.Context, f Filter) (func(), error) {
	params, err := f.listenParams()
	if err != nil {
		return nil, err
	}
	run, stop := context.WithCancel(l.core.group.ctx)
	first := make(chan error, 1)
	done := make(chan struct{})
	if !l.core.group.start(func(context.Context) { defer close(done); l.keep(run, params, first) }) {
		stop()
		return nil, ErrClosed
	}
	select {
	case err = <-first:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		stop()
		return nil, err
	}
	return func() {
		stop()
		if l.disjoint {
			<-done
		}
	}, nil
}

// keep repeats the request until ctx ends. The outcome of its first
// acknowledgement goes to first; if that is an error, keep ends.
func (l *listener) keep(ctx context.Context, params Raw, first chan<- error) {
	acknowledged := false
	for attempt := 0; ; attempt++ {
		r := &request{method: mcp.MethodListen, params: params, listen: true}
		r.opts.OnNotify = func(method string, p Raw) {
			switch {
			case method == mcp.NotificationAcknowledged:
			case method == mcp.NotificationResourceUpdated && !l.wants(uriOf(p)):
				return
			default:
				l.core.inbox.put(method, p)
				return
			}
			attempt = 0
			if acknowledged { // again: what may have been missed counts as changed
				honoured(p).only(l.filterNow()).gap(l.core.inbox)
			}
			if !acknowledged {
				acknowledged = true
				first <- nil
			}
		}
		_, err := l.call(ctx, r)
		switch {
		case ctx.Err() != nil:
			return
		case !acknowledged:
			if err == nil {
				err = protocolErrorf("%s ended without an acknowledgement", mcp.MethodListen)
			}
			first <- err
			return
		case errors.Is(err, ErrClosed), errors.Is(err, ErrConnClosed), peerCode(err) == jsonrpc.CodeMethodNotFound:
			l.core.log.Warn("listening has ended", "error", err)
			return
		}
		l.core.log.Debug("listening again", "attempt", attempt, "error", err)
		if pause.For(ctx, backoff(attempt)) != nil {
			return
		}
	}
}

// honoured is what an acknowledgement says is listened to.
func honoured(params Raw) Filter {
	var ack struct {
		Notifications Filter `json:"notifications"`
	}
	_ = json.Unmarshal(params, &ack) // an unreadable one grants nothing
	return ack.Notifications
}

func uriOf(params Raw) string {
	raw, _ := jsonrpc.Get(params, "uri")
	uri, _ := jsonrpc.Unquote(raw)
	return uri
}
