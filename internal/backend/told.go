// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/process"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// Clients are told which server failed, in what way, the exit code of a process,
// and what a server answered to their own call. The rest is the operator's: what a
// process wrote to standard error, where it was looked for, inner addresses. That
// stands in the log, under a reference that clients are told.

// told is an error whose text clients may read. What it wraps is for the log.
type told struct {
	text string
	err  error
}

func (t *told) Error() string { return t.text }
func (t *told) Unwrap() error { return t.err }

// tell returns an error as clients are told it, and logs what they are not told. own
// says that it is what came of a client's call, and not of reaching the server.
func (r *Remote) tell(err error, own bool) error {
	if t, ok := errors.AsType[*told](err); ok {
		return t
	}
	text, whole := kindOf(err, own)
	if whole {
		return &told{text, err}
	}
	return &told{text + " (reference " + r.failures.reference(r, text, err) + ")", err}
}

// kindOf says in what way a server failed, and whether that is all there is to say.
func kindOf(err error, own bool) (text string, whole bool) {
	if errors.Is(err, errBusy) || errors.Is(err, errAskerGone) {
		return err.Error(), true
	}
	if _, ok := errors.AsType[*process.LimitError](err); ok {
		return "it was ended as it went over its limit of memory", false
	}
	if slow, ok := errors.AsType[*slowStartError](err); ok {
		return "it was " + slow.told(), false
	}
	if exit, ok := errors.AsType[*process.ExitError](err); ok {
		return "it " + exit.Error(), false
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "its certificate is not trusted", false
	}
	if e, ok := errors.AsType[*client.HTTPError](err); ok {
		return statusText(e, own), false
	}
	if e, ok := errors.AsType[*client.ProtocolError](err); ok && own {
		return "it broke the protocol: " + e.What, false
	}
	for _, kind := range kinds {
		if errors.Is(err, kind.err) {
			return kind.text, kind.whole
		}
	}
	if wire, ok := jsonrpc.AsError(err); ok && wire.FromPeer() {
		return "it refused to be connected", false
	}
	if own {
		return "the call failed", false
	}
	return "it cannot be reached", false
}

// kinds are failures by their sentinels, in the order in which they are looked for.
var kinds = []struct {
	err   error
	text  string
	whole bool
}{
	{errClosed, "it is being stopped", true},
	{errNotReady, "it was not ready in time", false},
	{errSlowStart, "the wait for the server to start took too long", true},
	{context.DeadlineExceeded, "no answer in time", true},
	{client.ErrTimeout, "no answer in time", false},
	{client.ErrNoCommonVersion, "it speaks no version of the protocol that is spoken here", false},
	{client.ErrConnClosed, "the connection to it has ended", false},
	{client.ErrClosed, "the connection to it was closed", false},
	{client.ErrStreamBroken, "the connection to it was lost", false},
	{process.ErrKeeperDied, "it was ended with the process that keeps all servers", false},
	{errNotStarted, "it could not be started", false},
	{errEnded, "it has ended", false},
}

// statusText tells what a server answered in place of a result. To a call that it
// refused, its own words belong, but not those of a gateway before it, which says
// with 502 and 504 that it has no answer.
func statusText(e *client.HTTPError, own bool) string {
	text := fmt.Sprintf("it answered with HTTP status %d", e.Status)
	if !own || e.Status == http.StatusBadGateway || e.Status == http.StatusGatewayTimeout {
		return text
	}
	if said := e.Said(); said != "" {
		text += ": " + said
	}
	return text
}

// Bounds of what is remembered of failures that were logged.
const (
	failuresKept = 32
	failuresFor  = time.Minute
)

// errOthers stands in the log for failures over the bound.
var errOthers = errors.New("there were so many different failures that no more are logged for a minute")

// failures keeps a failure that repeats from being logged each time: within a minute
// it has one reference, and what is over the bound has one together. It is safe for
// concurrent use; the zero value is ready.
type failures struct {
	mu     sync.Mutex
	began  time.Time
	known  map[string]*failure // by what an operator is told of them
	before map[string]*failure // those of the minute before
}

// failure is one that was logged.
type failure struct {
	ref      string
	repeated int // since then
}

// reference returns under which name a failure stands in the log. When it is logged
// again, that line says how often it repeated in the minute before.
func (f *failures) reference(r *Remote, text string, err error) string {
	what := Describe(err)
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); f.known == nil || now.Sub(f.began) > failuresFor {
		f.known, f.before, f.began = map[string]*failure{}, f.known, now
	}
	if len(f.known) >= failuresKept-1 && f.known[what] == nil {
		what, err = "", errOthers
	}
	if one := f.known[what]; one != nil {
		one.repeated++
		return one.ref
	}
	one := &failure{ref: rpc.Reference()}
	f.known[what] = one
	attrs := []any{"server", r.cfg.Name, "ref", one.ref, "kind", text, "error", err}
	if last := f.before[what]; last != nil && last.repeated > 0 {
		attrs = append(attrs, "repeated", last.repeated)
	}
	r.cfg.Log.Warn("server failed", attrs...)
	return one.ref
}
