// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Raw is a JSON value kept as received.
type Raw = jsonrpc.Raw

// Asker answers a question of the server: elicitation/create,
// sampling/createMessage or roots/list, with its params as received. An error
// that is a *jsonrpc.Error goes to a legacy server as it is, any other as an
// internal error without its text; in the modern era it fails the call. It must
// be safe for concurrent use.
type Asker func(ctx context.Context, method string, params Raw) (Raw, error)

// CallOptions say how one call is made. The zero value is a plain call.
type CallOptions struct {
	// OnNotify gets the notifications that belong to this call, in order, on the
	// caller's goroutine, all of them before the call returns. Progress carries the
	// token of the caller's params. Without it progress is dropped and log messages
	// go to the client's handler.
	OnNotify func(method string, params Raw)
	takes    []string // the methods that OnNotify is for; nil for all
	// Progress asks for progress even when params carry no progressToken.
	Progress bool
	// OnAsk answers the server's questions during this call, instead of the client's
	// handlers.
	OnAsk Asker
	// ReturnInput returns a modern input_required result as it is, instead of
	// answering it and calling again.
	ReturnInput bool
	// LogLevel asks for log messages during this call (modern), instead of the
	// client's level.
	LogLevel mcp.LogLevel
	// Capabilities and ClientInfo stand in this request's _meta in place of the
	// client's own (modern). Nil means the client's.
	Capabilities, ClientInfo Raw
	// InputSchema is the called tool's, if the caller knows it better than the
	// client does from earlier lists; it says which arguments are mirrored in headers.
	InputSchema Raw
	// Owner names on whose behalf the call is made, where one client makes the calls
	// of several parties. Over a message stream, questions and log messages of a
	// server name no call. With an Owner they are handed to a call only if they cannot
	// be meant for another party: if all that the server works on is this owner's,
	// calls included that ended without its answer, and tasks; and, for log messages
	// of legacy servers, which may come at any time, if all calls ever made were.
	// Calls without an Owner are each a party of their own.
	Owner string
	// Reserve is asked before an answer of more than [LargeResults] says is held in
	// memory, with the most that it may take, in bytes. It may wait until ctx ends; its
	// error is the call's. Over a message stream the answer is there already.
	Reserve func(ctx context.Context, size int) error
	// Abandoned is called when the call ends without the server's answer, which may
	// still work on it. What it returns is called once the answer has come after all
	// or can come no more. Both must not block.
	Abandoned func() (over func())
	// Header is added to the HTTP request.
	Header http.Header
	// OnDetach is told that a legacy server has closed the call's stream, to be
	// taken up again after retry, as it is then on its own.
	OnDetach func(retry time.Duration)
	// Large takes the result when it comes by HTTP and is larger than [LargeResults]
	// says, before all of it has arrived; the call then returns nil without error. It
	// is called on the caller's goroutine just before that. Whoever has the result
	// must read it to its end or close it. Without Large, and for messages that are
	// not complete results, the limit is [MaxMessage].
	Large func(*LargeResult)
	// Entries may get the entries of the result, if that is a list; in the result that
	// the call returns they are left out. An entry that the server listed the last time
	// too is the same memory as then, and none may be modified. A list that could not be
	// read strictly, or is small, is returned whole. It is called before the call returns.
	Entries func(entries []Raw)
}

// CallOption changes how a typed call is made.
type CallOption interface{ applyCall(*CallOptions) }

type callOption func(*CallOptions)

func (f callOption) applyCall(o *CallOptions) { f(o) }

// With makes a typed call by these options; options after it still apply.
func With(o CallOptions) CallOption { return callOption(func(dst *CallOptions) { *dst = o }) }

// Progress is what a server reports about a running call.
type Progress struct {
	Progress float64  `json:"progress"`
	Total    *float64 `json:"total,omitzero"` // nil when unknown
	Message  string   `json:"message,omitzero"`
}

// OnProgress asks for progress and hands it to f, in order, on the caller's goroutine.
func OnProgress(f func(Progress)) CallOption {
	return onCallNotification(mcp.NotificationProgress, func(o *CallOptions) { o.Progress = true }, func(params Raw) {
		var p Progress
		if json.Unmarshal(params, &p) == nil {
			f(p)
		}
	})
}

// OnCallLog hands the log messages of this call to f, on the caller's goroutine.
func OnCallLog(level mcp.LogLevel, f func(LogMessage)) CallOption {
	return onCallNotification(mcp.NotificationMessage, func(o *CallOptions) { o.LogLevel = level }, func(params Raw) {
		var m LogMessage
		if json.Unmarshal(params, &m) == nil {
			f(m)
		}
	})
}

// onCallNotification chains a handler of one method in front of those set before.
func onCallNotification(method string, set func(*CallOptions), handle func(Raw)) CallOption {
	return callOption(func(o *CallOptions) {
		set(o)
		next := o.OnNotify
		if next == nil || o.takes != nil {
			o.takes = append(slices.Clip(o.takes), method) // the rest stays the client's
		}
		o.OnNotify = func(m string, params Raw) {
			switch {
			case m == method:
				handle(params)
			case next != nil:
				next(m, params)
			}
		}
	})
}

// hearProgress asks for progress and has heard called with each. The caller's own
// handler gets it too if the caller wants it.
func (o *CallOptions) hearProgress(wanted bool, heard func()) {
	next, takes := o.OnNotify, o.takes
	o.Progress = true
	if next == nil || takes != nil {
		o.takes = append(slices.Clip(takes), mcp.NotificationProgress) // the rest stays the client's
	}
	o.OnNotify = func(method string, params Raw) {
		progress := method == mcp.NotificationProgress
		if progress {
			heard()
		}
		if next != nil && (takes == nil || slices.Contains(takes, method)) && (wanted || !progress) {
			next(method, params)
		}
	}
}

// CallHeader adds a header to the HTTP request of this call.
func CallHeader(name, value string) CallOption {
	return callOption(func(o *CallOptions) {
		if o.Header == nil {
			o.Header = http.Header{}
		}
		o.Header.Add(name, value)
	})
}

// LogMessage is a log message of the server.
type LogMessage struct {
	Level  mcp.LogLevel `json:"level"`
	Logger string       `json:"logger,omitzero"`
	Data   Raw          `json:"data"`
}
