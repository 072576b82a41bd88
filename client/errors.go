// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

var (
	// ErrClosed reports the use of a Client after Close, or a call that Close ended.
	ErrClosed = errors.New("client is closed")
	// ErrSessionExpired reports that the server no longer knows the session. The
	// request was not executed.
	ErrSessionExpired = errors.New("the server no longer knows the session")
	// ErrStreamBroken reports that a response stream ended without the response and
	// could not be resumed: whether the request was executed is not known.
	ErrStreamBroken = errors.New("the stream ended before the response")
	// ErrConnClosed reports that the connection to the server ended.
	ErrConnClosed = errors.New("the connection to the server has ended")
	// ErrNoCommonVersion reports that client and server share no protocol version.
	ErrNoCommonVersion = errors.New("no protocol version in common with the server")
	// ErrTooManyRounds reports a call that asked for input more often, or longer,
	// than the client allows.
	ErrTooManyRounds = errors.New("the call keeps asking for input")
	// ErrTimeout reports a wait that the client itself bounds.
	ErrTimeout = errors.New("timed out")
	// ErrNotOffered reports a method that the version in use does not have.
	ErrNotOffered = errors.New("not part of the protocol version in use")
	// ErrInvalidTool reports a tool whose definition the protocol forbids to use.
	ErrInvalidTool = errors.New("the tool's definition is invalid")
)

// HTTPError is an HTTP answer that is not a JSON-RPC success. When the body was
// a JSON-RPC error, that error is in the chain as a *jsonrpc.Error.
type HTTPError struct {
	Status int
	Header http.Header // of the response: WWW-Authenticate, Retry-After, …
	Body   []byte      // its beginning, at most 8 KiB
	Peer   *jsonrpc.Error

	verb, url string
	cause     error
}

// Error names the request, the status and what the server said. A JSON-RPC error
// says it all by itself.
func (e *HTTPError) Error() string {
	if e.Peer != nil {
		return e.Peer.Error()
	}
	text := fmt.Sprintf("%s %s: HTTP status %d", e.verb, e.url, e.Status)
	if said := e.Said(); said != "" {
		text += ": " + said
	}
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

// Unwrap returns what the server said and what the status means, if known.
func (e *HTTPError) Unwrap() []error {
	var chain []error
	if e.Peer != nil {
		chain = append(chain, e.Peer)
	}
	if e.cause != nil {
		chain = append(chain, e.cause)
	}
	return chain
}

// ProtocolError is something the server sent that the protocol does not allow.
type ProtocolError struct {
	What string // what was wrong, without the offending bytes
	Err  error  // may be nil
}

// Error says what was wrong.
func (e *ProtocolError) Error() string {
	if e.Err == nil {
		return "the server broke the protocol: " + e.What
	}
	return "the server broke the protocol: " + e.What + ": " + e.Err.Error()
}

// Unwrap returns the reason.
func (e *ProtocolError) Unwrap() error { return e.Err }

// isProtocolError reports whether err is, or wraps, a [ProtocolError].
func isProtocolError(err error) bool {
	_, ok := errors.AsType[*ProtocolError](err)
	return ok
}

// answered reports whether err is the server's answer to a request, or says that
// the server did not take it. Else the server may work on it still.
func answered(err error) bool {
	status := httpStatus(err)
	return fromPeer(err) || status >= 400 && status < 500
}

func protocolErrorf(format string, args ...any) error {
	return &ProtocolError{What: fmt.Sprintf(format, args...)}
}
