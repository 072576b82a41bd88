// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// Unusable is a server whose entry in the configuration has a mistake. It is down
// for as long as this process runs, and every call to it hears why. It has nothing
// to start or to end.
type Unusable struct{ name, reason string }

var _ Backend = (*Unusable)(nil)

// NewUnusable returns a server that is down for a reason fit for clients.
func NewUnusable(name, reason string) *Unusable { return &Unusable{name, reason} }

// Name returns the server's name.
func (u *Unusable) Name() string { return u.name }

// Start says why the server cannot be used.
func (u *Unusable) Start(context.Context) error { return errors.New(u.reason) }

// Handle answers every call with the reason.
func (u *Unusable) Handle(context.Context, *rpc.Call) (rpc.Result, error) {
	return rpc.Result{}, jsonrpc.Errorf(jsonrpc.CodeInternal, "server %q cannot be used: %s", u.name, u.reason).WithData(map[string]any{
		"gateway": map[string]string{"server": u.name, "reason": "misconfigured"},
	})
}

// Status reports that the server is down.
func (u *Unusable) Status() Status { return Status{Reason: u.reason, Final: true} }

// Watch says why nothing can be watched.
func (u *Unusable) Watch(context.Context, string, bool) error { return errors.New(u.reason) }

// Release does nothing: no session ever had an instance.
func (*Unusable) Release(string) {}

// RootsChanged does nothing: nobody asks for them.
func (*Unusable) RootsChanged(string) {}

// Close does nothing.
func (*Unusable) Close() error { return nil }
