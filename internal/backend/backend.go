// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package backend is where calls of one configured server go: a child process
// or an HTTP server, of either era, behind one interface in the inner model.
//
// A Remote owns its connection and the goroutine that keeps it; Close waits.
package backend

import (
	"context"
	"errors"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
)

// Backend answers the calls of one server under the server's own names. It is
// safe for concurrent use. Its Handle answers server/discover with an
// mcp.Discovery; a server that cannot be reached costs an error that names it.
type Backend interface {
	rpc.Handler
	// Name is the server's name in the configuration.
	Name() string
	// Start connects. An error says why the server cannot be used now; a
	// backend goes on trying as calls arrive.
	Start(ctx context.Context) error
	// Watch makes changes of a resource reach the events; it is called when the
	// first listener comes and the last one goes.
	Watch(ctx context.Context, uri string, active bool) error
	// Status says whether calls are let through now, and if not, why. It does not wait.
	Status() Status
	// Release ends what is bound to a legacy session, which has ended. It does not wait.
	Release(session string)
	// RootsChanged says that the roots of a legacy session's client are others now.
	// It does not wait.
	RootsChanged(session string)
	// Close ends the server and waits for it.
	Close() error
}

// Status is what is known of a server now. When it changes, the server's lists
// are announced as changed.
type Status struct {
	Up       bool
	Reason   string // why it is not up, for people; empty when it is
	Starting bool   // the instance that answers lists is being started
	Final    bool   // it is not up and will not be, as long as this process runs
}

// ErrUnready is in the chain of the error of a call that no node of the cluster could
// take, because none is ready yet.
var ErrUnready = errors.New("no node of the cluster is ready")

// StderrTailer is a Backend whose server writes to standard error.
type StderrTailer interface {
	// StderrTail returns the last lines of the process that was started last, at most
	// 20 and 4 KiB. It does not wait.
	StderrTail() []string
}

// Events receives what changes at a backend: lists and watched resources. It
// must not block.
type Events func(subscription.Event)
