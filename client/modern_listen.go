// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/go-json-experiment/json"
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

// sleep waits unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
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

	turn   chan struct{} // holds one token: who has it may use the fields below
	filter Filter
	stops  []func() // end the present requests; one at most, unless disjoint
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
	if l.disjoint {
		return l.alter(ctx, f)
	}
	var stops []func()
	if f.wanted() {
		stop, err := l.open(ctx, f)
		if err != nil {
			return err
		}
		stops = append(stops, stop)
	}
	l.end()
	l.filter, l.stops = f.clone(), stops
	return nil
}

// end ends the present requests.
func (l *listener) end() {
	for _, stop := range l.stops {
		stop()
	}
	l.filter, l.stops = Filter{}, nil
}

// alter is set for requests that share a session of the server, as on stdio.
// There, the official Go SDK (1.8) takes the end of a request for the end of
// all that any other one asked for too. So requests never overlap: what is new is
// asked for beside the rest, and to ask for less all are ended first. What may have
// been missed meanwhile counts as changed.
func (l *listener) alter(ctx context.Context, f Filter) error {
	if more, grows := f.beyond(l.filter); grows {
		if !more.wanted() {
			return nil // the same in another order
		}
		stop, err := l.open(ctx, more)
		if err != nil {
			return err
		}
		l.filter, l.stops = f.clone(), append(l.stops, stop)
		return nil
	}
	l.end()
	if !f.wanted() {
		return nil
	}
	ctx, cancel := context.WithTimeout(l.core.group.ctx, farewell) // the caller's end must not be the others'
	defer cancel()
	stop, err := l.open(ctx, f)
	if err != nil {
		return err
	}
	l.filter, l.stops = f.clone(), []func(){stop}
	f.gap(l.core.inbox)
	return nil
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
	if !l.core.group.start(func(context.Context) { defer close(done); l.keep(run, f, params, first) }) {
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
func (l *listener) keep(ctx context.Context, f Filter, params Raw, first chan<- error) {
	acknowledged := false
	for attempt := 0; ; attempt++ {
		r := &request{method: mcp.MethodListen, params: params, listen: true}
		r.opts.OnNotify = func(method string, p Raw) {
			if method != mcp.NotificationAcknowledged {
				l.core.inbox.put(method, p)
				return
			}
			attempt = 0
			honoured(p).gap(l.core.inbox, acknowledged)
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
		if sleep(ctx, backoff(attempt)) != nil {
			return
		}
	}
}

// granted is what an acknowledgement says is listened to.
type granted struct{ Filter }

func honoured(params Raw) granted {
	var ack struct {
		Notifications Filter `json:"notifications"`
	}
	_ = json.Unmarshal(params, &ack) // an unreadable one grants nothing
	return granted{ack.Notifications}
}

// gap tells the handlers of what may have been missed, when again is true.
func (g granted) gap(b *inbox, again bool) {
	if again {
		g.Filter.gap(b)
	}
}
