// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"sync"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Bounds of the questions of a server that are being answered at a time; more are
// refused.
const (
	maxQuestions     = 64
	maxQuestionBytes = 8 << 20 // of their params
)

// questions are the requests of a legacy server that are being answered.
type questions struct {
	mu      sync.Mutex
	all     map[jsonrpc.ID]question
	bytes   int
	refused int           // refusals that the server has not read
	ended   chan struct{} // closed when one has been answered; nil when nobody waits
}

type question struct {
	method string
	cancel context.CancelFunc
	size   int
}

// begin enters a question, or returns why it is refused.
func (q *questions) begin(m *jsonrpc.Message, cancel context.CancelFunc) *jsonrpc.Error {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, twice := q.all[m.ID]
	switch {
	case twice:
		return jsonrpc.Errorf(jsonrpc.CodeInvalidRequest, "the request's id %s is in use", m.ID)
	case len(q.all) >= maxQuestions:
		return jsonrpc.Errorf(jsonrpc.CodeInternal, "the client is answering too many requests: at most %d at a time", maxQuestions)
	case q.bytes+len(m.Params) > maxQuestionBytes:
		return jsonrpc.Errorf(jsonrpc.CodeInternal, "the client is answering requests that are too large: at most %d bytes at a time", maxQuestionBytes)
	}
	if q.all == nil {
		q.all = map[jsonrpc.ID]question{}
	}
	q.all[m.ID] = question{m.Method, cancel, len(m.Params)}
	q.bytes += len(m.Params)
	return nil
}

// refuse counts a refusal that is being sent, until wasRefused. It reports false
// when there are too many, as the server does not read them.
func (q *questions) refuse() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.refused >= maxQuestions {
		return false
	}
	q.refused++
	return true
}

func (q *questions) wasRefused() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refused--
}

func (q *questions) end(id jsonrpc.ID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= q.all[id].size
	delete(q.all, id)
	if q.ended != nil {
		close(q.ended)
		q.ended = nil
	}
}

// wait waits until no question of a method is being answered, or returns ctx's cause.
func (q *questions) wait(ctx context.Context, method string) error {
	for {
		q.mu.Lock()
		open := false
		for _, asked := range q.all {
			open = open || asked.method == method
		}
		if !open {
			q.mu.Unlock()
			return nil
		}
		if q.ended == nil {
			q.ended = make(chan struct{})
		}
		ended := q.ended
		q.mu.Unlock()
		select {
		case <-ended:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// cancelled stops the question that the params of notifications/cancelled name.
func (q *questions) cancelled(params Raw) {
	raw, _ := jsonrpc.Get(params, "requestId")
	id, err := jsonrpc.ParseID(raw)
	if err != nil {
		return
	}
	q.mu.Lock()
	asked, ok := q.all[id]
	q.mu.Unlock()
	if ok {
		asked.cancel()
	}
}

// answer answers a legacy server's request on a goroutine of the group and
// hands the response to reply, unless the server cancelled it. f is the call on
// whose stream it came, nil when that is not known.
func (k *core) answer(ctx context.Context, f *flight, m jsonrpc.Message, reply func(ctx context.Context, response []byte)) {
	ctx, cancel := context.WithCancel(ctx)
	if refusal := k.asking.begin(&m, cancel); refusal != nil {
		cancel()
		k.log.Debug("request of the server refused", "method", m.Method, "error", refusal)
		if k.asking.refuse() {
			k.group.start(func(ctx context.Context) {
				defer k.asking.wasRefused()
				reply(ctx, jsonrpc.AppendError(nil, m.ID, refusal))
			})
		}
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
