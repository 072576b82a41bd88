// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Local is a server in this process, made with package server. Calls reach it
// as they are: it is always up, has no instances and starts no goroutine.
type Local struct {
	name    string
	parts   rpc.ServerParts
	timeout time.Duration
	log     *slog.Logger

	events Events

	mu     sync.RWMutex
	closed bool
	stop   func() // ends the forwarding of changes; nil before Start and after Close
}

var _ Backend = (*Local)(nil)

// LocalConfig describes a Local.
type LocalConfig struct {
	Name        string
	Parts       rpc.ServerParts
	CallTimeout time.Duration // longest time one call may take; 0 means no limit
	Log         *slog.Logger
}

// NewLocal returns a Local whose changes go to events once it has started.
func NewLocal(cfg LocalConfig, events Events) *Local {
	return &Local{name: cfg.Name, parts: cfg.Parts, timeout: cfg.CallTimeout, log: cfg.Log, events: events}
}

var changeKinds = map[string]subscription.Kind{
	mcp.NotificationToolsChanged:     subscription.Tools,
	mcp.NotificationPromptsChanged:   subscription.Prompts,
	mcp.NotificationResourcesChanged: subscription.Resources,
	mcp.NotificationResourceUpdated:  subscription.Resource,
}

// Name returns the server's name.
func (l *Local) Name() string { return l.name }

// Start begins to forward changes. The server itself is there already.
func (l *Local) Start(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.stop != nil {
		return nil
	}
	l.stop = l.parts.Forward(func(c rpc.Change) {
		l.events(subscription.Event{Topic: subscription.Topic{Kind: changeKinds[c.Method], Key: c.URI}, Params: c.Params})
	})
	return nil
}

// Status reports that the server is up.
func (*Local) Status() Status { return Status{Up: true} }

// Watch does nothing: the server tells of every change.
func (*Local) Watch(context.Context, string, bool) error { return nil }

// Release does nothing: a server made with package server binds nothing to sessions.
func (*Local) Release(string) {}

// RootsChanged does nothing: such a server asks for roots when a call needs them.
func (*Local) RootsChanged(string) {}

// Close stops the forwarding of changes. Calls fail from now on; who made the
// server ends it.
func (l *Local) Close() error {
	l.mu.Lock()
	stop := l.stop
	l.closed, l.stop = true, nil
	l.mu.Unlock()
	if stop != nil {
		stop()
	}
	return nil
}

// Handle lets the server answer. A panic costs the call an error and nothing
// else, on whatever goroutine it happens.
func (l *Local) Handle(ctx context.Context, call *rpc.Call) (res rpc.Result, err error) {
	l.mu.RLock()
	closed := l.closed
	l.mu.RUnlock()
	if closed {
		return rpc.Result{}, l.failure("unavailable", errors.New("server is being stopped"))
	}
	if l.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.timeout)
		defer cancel()
	}
	defer func() {
		if p := recover(); p != nil {
			l.log.Error("handler panicked", "server", l.name, "method", call.Method, "target", call.Target,
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			res, err = rpc.Result{}, l.failure("failed", errors.New("its handler panicked"))
		}
	}()
	res, err = l.parts.Handler.Handle(ctx, call)
	if _, wire := jsonrpc.AsError(err); err != nil && !wire && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		l.log.Warn("call timed out", "server", l.name, "method", call.Method, "target", call.Target, "error", err)
		return rpc.Result{}, l.failure("timeout", errors.New("no answer in time"))
	}
	if _, wire := jsonrpc.AsError(err); err != nil && !wire && isCatalog(call.Method) { // what clients are told of lists is not the handler's text
		l.log.Error("list failed", "server", l.name, "method", call.Method, "error", err)
		return rpc.Result{}, l.failure("failed", errors.New("its handler failed"))
	}
	if err == nil && call.Method == mcp.MethodDiscover {
		res.Body = l.offer(res.Body)
	}
	return res, err
}

// failure is an error made here about the server, marked as the gateway's.
func (l *Local) failure(reason string, err error) error {
	return jsonrpc.Errorf(jsonrpc.CodeInternal, "server %q: %w", l.name, err).WithData(map[string]any{
		"gateway": map[string]string{"server": l.name, "reason": reason},
	})
}
