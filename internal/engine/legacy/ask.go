// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// errNoStream says why a client cannot be asked. Notifications to it are dropped.
var errNoStream = jsonrpc.NewError(jsonrpc.CodeInvalidRequest,
	"the call needs to ask the client, which does not accept text/event-stream")

// errAskTimeout is the cause of an unanswered question's end.
var errAskTimeout = jsonrpc.NewError(jsonrpc.CodeInternal, "the client did not answer in time")

// asks are the questions a session's client has not answered yet. Their number
// is bounded by the calls in flight and what each asks at once. It is safe for
// concurrent use.
type asks struct {
	mu      sync.Mutex
	pending map[jsonrpc.ID]chan jsonrpc.Message
}

func (a *asks) add(id jsonrpc.ID) <-chan jsonrpc.Message {
	answer := make(chan jsonrpc.Message, 1)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pending == nil {
		a.pending = map[jsonrpc.ID]chan jsonrpc.Message{}
	}
	a.pending[id] = answer
	return answer
}

// remove forgets a question and reports whether it was unanswered.
func (a *asks) remove(id jsonrpc.ID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, open := a.pending[id]
	delete(a.pending, id)
	return open
}

// deliver hands a response to whom it answers and reports whether there was one.
func (a *asks) deliver(m *jsonrpc.Message) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	answer, open := a.pending[m.ID]
	if open {
		delete(a.pending, m.ID)
		answer <- *m // has room: one answer per question
	}
	return open
}

// Notify implements [rpc.Client].
func (t *turn) Notify(_ context.Context, method string, params Raw) error {
	if t.done.Load() || method == mcp.NotificationMessage && !t.wants(params) {
		return nil
	}
	down, ok := mcp.DownNotification(t.call.Peer.Features, method, params)
	if !ok {
		return nil
	}
	err := t.out.send(jsonrpc.AppendNotification(make([]byte, 0, 64+len(down)), method, down))
	if errors.Is(err, errNoStream) {
		return nil
	}
	return err
}

// wants reports whether a log message passes the session's level.
func (t *turn) wants(params Raw) bool {
	raw, _ := jsonrpc.Get(params, "level")
	level, _ := engine.Text(raw)
	return t.call.LogLevel.Allows(mcp.LogLevel(level))
}

// Detach implements [rpc.Detacher].
func (t *turn) Detach(retry time.Duration) {
	if !t.done.Load() && t.call.Peer.Features.PrimingEvent {
		t.out.detach(retry)
	}
}

// Ask implements [rpc.Client].
func (t *turn) Ask(ctx context.Context, requests map[string]rpc.InputRequest) (map[string]Raw, error) {
	answers := make(map[string]Raw, len(requests))
	err := t.askEach(ctx, requests, "", func(key string, body Raw, wire *jsonrpc.Error) error {
		if wire != nil {
			return wire
		}
		answers[key] = body
		t.pages.answered(requests[key], body)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return answers, nil
}

// askEach asks everything at once and hands over each answer as it comes. It
// ends with the first error that take returns. A task's id, if given, goes along.
//
// spec 2025-11-25 basic/transports: requests on a call's stream should relate to it.
func (t *turn) askEach(ctx context.Context, requests map[string]rpc.InputRequest, taskID string,
	take func(key string, body Raw, wire *jsonrpc.Error) error) error {
	if t.done.Load() {
		return jsonrpc.NewError(jsonrpc.CodeInternal, "the call has been answered; its client can no longer be asked")
	}
	params, err := t.questions(requests, taskID)
	if err != nil {
		return err
	}
	if !t.out.interactive() {
		return errNoStream
	}
	ctx, cancel := context.WithTimeoutCause(ctx, t.p.cfg.Limits.Ask, errAskTimeout)
	defer cancel()
	keys := slices.Sorted(maps.Keys(requests))
	ids := make([]jsonrpc.ID, len(keys))
	waits := make([]<-chan jsonrpc.Message, len(keys))
	for i, key := range keys {
		ids[i] = t.p.questionID()
		waits[i] = t.live.asks.add(ids[i])
		if err = t.out.send(jsonrpc.AppendRequest(nil, ids[i], requests[key].Method, params[key])); err != nil {
			t.withdraw(ids[:i+1])
			return err
		}
	}
	for i, key := range keys {
		select {
		case m := <-waits[i]:
			err = take(key, m.Result, m.Error)
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if err != nil {
			t.withdraw(ids[i:])
			return err
		}
	}
	return nil
}

// questionID returns the id of a new question. With peers it ends with the
// address that the answer is to be brought to.
func (p *Protocol) questionID() jsonrpc.ID {
	n := p.lastID.Add(1) & (1<<53 - 1)
	if p.peers == nil {
		return jsonrpc.IntID(n)
	}
	return jsonrpc.StringID("q" + strconv.FormatInt(n, 10) + "@" + string(p.peers.address))
}

// questions checks that the client can be asked all this and returns the params
// in the shape of its version.
func (t *turn) questions(requests map[string]rpc.InputRequest, taskID string) (map[string]Raw, error) {
	params := make(map[string]Raw, len(requests))
	for key, r := range requests {
		if missing, ok := missing(t.call.Peer, r); ok {
			return nil, mcp.MissingCapability(missing)
		}
		down, err := mcp.DownAsk(t.call.Peer.Features, r.Method, r.Params)
		if err != nil {
			return nil, jsonrpc.Errorf(jsonrpc.CodeInternal, "the client cannot be asked: %w", err)
		}
		if r.Method == mcp.MethodElicit && isPage(down) {
			down = t.pages.identify(down)
		}
		if taskID != "" {
			down = relate(down, taskID)
		}
		params[key] = down
	}
	return params, nil
}

// missing returns the capabilities that the question needs and the client lacks.
func missing(peer *rpc.Peer, r rpc.InputRequest) (mcp.ClientCapabilities, bool) {
	c := &peer.Capabilities
	if !peer.Features.Ask(r.Method) || !c.CanAsk(r.Method) {
		return mcp.Required(r.Method), true
	}
	switch r.Method {
	case mcp.MethodElicit:
		mode, _ := jsonrpc.Get(r.Params, "mode")
		if string(mode) == `"url"` {
			return mcp.ClientCapabilities{Elicitation: &mcp.ElicitationCapability{URL: Raw("{}")}},
				!peer.Features.ElicitationURL || !c.Elicitation.URLs()
		}
		return mcp.ClientCapabilities{Elicitation: &mcp.ElicitationCapability{Form: Raw("{}")}}, !c.Elicitation.Forms()
	case mcp.MethodCreateMessage:
		if _, tools := jsonrpc.Get(r.Params, "tools"); tools {
			return mcp.ClientCapabilities{Sampling: &mcp.SamplingCapability{Tools: Raw("{}")}}, c.Sampling.Tools == nil
		}
	}
	return mcp.ClientCapabilities{}, false
}

// withdraw tells the client that these questions need no answer any more.
func (t *turn) withdraw(ids []jsonrpc.ID) {
	for _, id := range ids {
		if !t.live.asks.remove(id) {
			continue
		}
		params := append(append(Raw(`{"requestId":`), id.Raw()...), '}')
		if err := t.out.send(jsonrpc.AppendNotification(nil, mcp.NotificationCancelled, params)); err != nil {
			return
		}
	}
}
