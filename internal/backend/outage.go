// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// outage reports whether a failed call says that the server cannot be used: no
// connection, one that was lost, or a gateway's word that nobody is behind it. A
// status that the server gives itself, and an answer that cannot be read, tell of
// that one call.
func outage(err error) bool {
	if e, ok := errors.AsType[*client.HTTPError](err); ok {
		return e.Status >= http.StatusBadGateway && e.Status <= http.StatusGatewayTimeout
	}
	return !garbage(err) && !errors.Is(err, client.ErrTooManyRounds)
}

// garbage reports whether a server sent what the protocol does not allow.
func garbage(err error) bool {
	_, ok := errors.AsType[*client.ProtocolError](err)
	return ok
}

// refusedAlone reports whether a server refused one request with an HTTP status that
// speaks of the request.
func refusedAlone(err error) bool {
	e, ok := errors.AsType[*client.HTTPError](err)
	return ok && e.Status >= 400 && e.Status < 500
}

// refusedStart reports whether a server that can be reached refused to be greeted.
func refusedStart(err error) bool {
	wire, ok := jsonrpc.AsError(err)
	return ok && wire.FromPeer() || errors.Is(err, client.ErrNoCommonVersion) || !outage(err)
}

const (
	// silence is how long a call may be without an outcome before its caller's
	// giving up raises the question whether the server answers at all.
	silence = 10 * time.Second
	// askedWait is how long a server may take to answer that question.
	askedWait = 5 * time.Second
)

// beginning is when a call began, and how many had succeeded by then.
type beginning struct {
	at      time.Time
	answers uint64
}

func (r *Remote) begin() beginning { return beginning{time.Now(), r.breaker.answers.Load()} }

// unanswered counts a call that had no answer in time as a failure, if the server is
// silent altogether: if no other call has succeeded since it began, and the server
// does not answer when asked. That is found out beside the call.
func (r *Remote) unanswered(l *link, began beginning, err error) {
	if r.breaker.answers.Load() != began.answers {
		return
	}
	r.pool.background(func(ctx context.Context) {
		if l.silent(ctx) && ctx.Err() == nil && r.breaker.answers.Load() == began.answers {
			r.breaker.failure(err, foundSilent)
		}
	})
}

// silent asks the server for a sign of life, and reports whether there was none. It
// asks once for calls that time out together. The end of an instance is none of its
// business: it is counted where it is noticed.
func (l *link) silent(ctx context.Context) bool {
	h := &l.health
	if !h.mu.TryLock() {
		return false // it is being asked
	}
	defer h.mu.Unlock()
	if time.Since(h.heard) < probeTrust {
		return false
	}
	ctx, cancel := context.WithTimeoutCause(ctx, askedWait, fmt.Errorf("no answer after %s", askedWait))
	defer cancel()
	err := l.probe(ctx)
	wire, ok := jsonrpc.AsError(err)
	switch {
	case err == nil, ok && wire.FromPeer(), errors.Is(err, client.ErrConnClosed), errors.Is(err, client.ErrClosed):
	case ctx.Err() != nil, errors.Is(err, client.ErrTimeout), outage(err):
		return true
	}
	h.heard = time.Now()
	return false
}
