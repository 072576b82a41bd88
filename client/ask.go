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
	result, err := k.ask(ctx, f, m)
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

// ask has a question answered: by the call on whose stream it came, or the one
// that it must belong to, else by the client's handlers.
func (k *core) ask(ctx context.Context, f *flight, m *jsonrpc.Message) (Raw, error) {
	for tried := false; ; tried = true {
		by := f
		if by == nil {
			by = k.flights.asked(m.Params)
		}
		switch {
		case by == nil && tried:
			return nil, errCallEnded
		case by == nil, !by.asks():
			return k.askAside(ctx, m)
		}
		landed := k.flights.landing(by)
		answer, err := askBy(ctx, by, landed, m)
		if err == nil || ctx.Err() != nil || f != nil {
			return answer, err
		}
		select {
		case <-landed: // it went by a call that has ended, so it belongs to another
		default:
			return answer, err
		}
	}
}

// askAside asks the client's handlers.
func (k *core) askAside(ctx context.Context, m *jsonrpc.Message) (Raw, error) {
	ask := k.cfg.handlers.asker(m.Method)
	if ask == nil {
		return nil, jsonrpc.Errorf(jsonrpc.CodeMethodNotFound, "the client does not offer %s", m.Method)
	}
	return ask(ctx, m.Method, m.Params)
}

// errCallEnded is why a question ends whose call has.
var errCallEnded = jsonrpc.NewError(jsonrpc.CodeInternal, "the call that asked has ended")

// askBy asks as long as the call by which the question goes is in flight. The
// server gets an answer in any case: it may wait for that before it stops.
func askBy(ctx context.Context, by *flight, landed <-chan struct{}, m *jsonrpc.Message) (Raw, error) {
	own, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { // ends with this function, or with the call before
		select {
		case <-landed:
			cancel(errCallEnded)
		case <-own.Done():
		}
	}()
	answer, err := by.req.opts.OnAsk(own, m.Method, m.Params)
	if err != nil && ctx.Err() == nil && own.Err() != nil {
		return nil, errCallEnded
	}
	return answer, err
}
