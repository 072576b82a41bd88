// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// mayBeLarge reports whether the result of a call may be passed on while it
// arrives.
func mayBeLarge(call *rpc.Call) bool {
	return call.AllowLarge && (call.Method == mcp.MethodCallTool || call.Method == mcp.MethodReadResource)
}

// large is a result that arrives while it is passed on. Until it is closed it
// counts as a call in flight, on its instance and against the server's bound.
func (r *Remote) large(l *link, call *rpc.Call, src *client.LargeResult) rpc.Result {
	return rpc.Result{Large: rpc.NewLarge(&arriving{src, r}, func() {
		r.pool.release(l)
		r.calls.leave(call.Caller())
	})}
}

// arriving names the server in what goes wrong after the call has returned.
type arriving struct {
	*client.LargeResult
	r *Remote
}

// Next is [rpc.LargeSource]'s.
func (a *arriving) Next() (Raw, error) {
	name, err := a.LargeResult.Next()
	if err != nil {
		err = a.r.tell(err, true)
		if outage(err) {
			a.r.breaker.failure(err, failedCall)
		}
		return nil, a.r.unreachable("lost", err)
	}
	return name, nil
}
