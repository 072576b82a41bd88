// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"sync"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// maxQuestions bounds the questions of a server that are being answered at a
// time; more are refused.
const maxQuestions = 64

// questions are the requests of a legacy server that are being answered.
type questions struct {
	mu  sync.Mutex
	all map[jsonrpc.ID]context.CancelFunc
}

// begin enters a question; it reports false when there are too many or the
// server uses an id twice.
func (q *questions) begin(id jsonrpc.ID, cancel context.CancelFunc) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, twice := q.all[id]; twice || len(q.all) >= maxQuestions {
		return false
	}
	if q.all == nil {
		q.all = map[jsonrpc.ID]context.CancelFunc{}
	}
	q.all[id] = cancel
	return true
}

func (q *questions) end(id jsonrpc.ID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.all, id)
}

// cancelled stops the question that the params of notifications/cancelled name.
func (q *questions) cancelled(params Raw) {
	raw, _ := jsonrpc.Get(params, "requestId")
	id, err := jsonrpc.ParseID(raw)
	if err != nil {
		return
	}
	q.mu.Lock()
	cancel := q.all[id]
	q.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// answer answers a legacy server's request on a goroutine of the group and
// hands the response to reply, unless the server cancelled it. f is the call on
// whose stream it came, nil when that is not known.
func (k *core) answer(ctx context.Context, f *flight, m jsonrpc.Message, reply func(ctx context.Context, response []byte)) {
	ctx, cancel := context.WithCancel(ctx)
	if !k.asking.begin(m.ID, cancel) {
		cancel()
		k.log.Warn("request of the server refused: too many, or its id is in use", "method", m.Method)
		k.group.start(func(ctx context.Context) {
			reply(ctx, jsonrpc.AppendError(nil, m.ID, jsonrpc.NewError(jsonrpc.CodeInternal, "the client is answering too many requests")))
		})
		return
	}
	started := k.group.start(func(groupCtx context.Context) {
		defer cancel()
		defer k.asking.end(m.ID)
		stop := context.AfterFunc(groupCtx, cancel)
		defer stop()
		response := k.respond(ctx, f, &m)
		if ctx.Err() == nil {
			reply(groupCtx, response)
		}
	})
	if !started {
		k.asking.end(m.ID)
		cancel()
	}
}

// respond runs the handler and returns the response message.
func (k *core) respond(ctx context.Context, f *flight, m *jsonrpc.Message) []byte {
	if m.Method == mcp.MethodPing {
		return jsonrpc.AppendResult(nil, m.ID, Raw("{}"))
	}
	ask := k.askerFor(f, m.Method)
	if ask == nil {
		return jsonrpc.AppendError(nil, m.ID, jsonrpc.Errorf(jsonrpc.CodeMethodNotFound, "the client does not offer %s", m.Method))
	}
	result, err := ask(ctx, m.Method, m.Params)
	if err == nil {
		return jsonrpc.AppendResult(nil, m.ID, result)
	}
	e, ok := jsonrpc.AsError(err)
	if !ok {
		k.log.Debug("handler failed", "method", m.Method, "error", err)
		e = jsonrpc.Errorf(jsonrpc.CodeInternal, "the client could not answer %s", m.Method)
	}
	return jsonrpc.AppendError(nil, m.ID, e)
}

// askerFor prefers the call's own handler. A question that came on no call's
// stream goes to the only call that takes questions, if there is exactly one.
func (k *core) askerFor(f *flight, method string) Asker {
	if f == nil {
		f = k.flights.only(func(f *flight) bool { return f.req.opts.OnAsk != nil })
	}
	if f != nil && f.req.opts.OnAsk != nil {
		return f.req.opts.OnAsk
	}
	return k.cfg.handlers.asker(method)
}
