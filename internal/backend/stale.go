// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// The client opens a lost session anew. But an HTTP server that was restarted as
// another version, or has no sessions, refuses whatever it is told, and has to be
// greeted anew. It, or a proxy before it, may as well refuse one request for what
// is in it. So a refusal is only a suspicion, which a request of Holdfast's own
// settles. Even then the instance is only taken from new calls: those in flight may
// still be answered.

const (
	probeTimeout = 10 * time.Second
	// probeTrust is how long an instance that was found well is not asked again: who
	// can provoke refusals must not provoke as many probes.
	probeTrust = time.Second
)

// health is what is known of an instance that was suspected. It is safe for
// concurrent use; the zero value is ready.
type health struct {
	mu    sync.Mutex // held while asking, so that one probe answers for all
	sound time.Time  // when it was found well last
	heard time.Time  // when it gave any answer last
	stale bool
}

// suspect reports whether an error may mean that the server is no longer the one
// that was greeted, or has lost the session for good.
func suspect(err error) bool {
	if errors.Is(err, client.ErrSessionExpired) {
		return true
	}
	if wire, ok := jsonrpc.AsError(err); ok && wire.FromPeer() && wire.Code == mcp.CodeUnsupportedVersion {
		return true
	}
	e, ok := errors.AsType[*client.HTTPError](err)
	if !ok {
		return false
	}
	switch e.Status {
	case http.StatusTooManyRequests:
		return false
	case http.StatusInternalServerError, http.StatusNotImplemented:
		return true
	}
	return e.Status >= 400 && e.Status < 500
}

// mayHaveRun reports whether a refused call may have been executed nevertheless: a
// server that fails in the middle of one, or the gateway before it, answers 5xx.
func mayHaveRun(err error) bool {
	e, ok := errors.AsType[*client.HTTPError](err)
	return ok && e.Status >= 500
}

// isStale reports whether the server has to be greeted anew, asking it unless that
// was done just now.
func (l *link) isStale(ctx context.Context) bool {
	h := &l.health
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stale || time.Since(h.sound) < probeTrust {
		return h.stale
	}
	err := l.probe(ctx)
	switch {
	case err == nil:
		h.sound = time.Now()
	case ctx.Err() == nil:
		h.stale = suspect(err)
	}
	return h.stale
}

// probe asks the server for a sign that it knows who speaks to it. A modern server
// has server/discover. Of a legacy one any answer will do, be it that it has no
// ping, but not 400, which a modern one says to everything legacy.
func (l *link) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, probeTimeout, fmt.Errorf("no answer after %s", probeTimeout))
	defer cancel()
	if l.era() == mcp.Modern {
		_, err := l.client.Call(ctx, mcp.MethodDiscover, nil, client.CallOptions{})
		return err
	}
	_, err := l.client.Call(ctx, mcp.MethodPing, nil, client.CallOptions{})
	wire, ok := jsonrpc.AsError(err)
	if !ok || !wire.FromPeer() || wire.Code == mcp.CodeUnsupportedVersion || errors.Is(err, client.ErrSessionExpired) {
		return err
	}
	if e, is := errors.AsType[*client.HTTPError](err); is && e.Status == http.StatusBadRequest && wire.Code != jsonrpc.CodeMethodNotFound {
		return err
	}
	return nil
}
