// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/holdfast-mcp/holdfast/internal/pause"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// rounds calls until the result is not a question any more.
//
// spec 2026-07-28 basic/patterns/mrtr: the retry is the same request with the
// answers, and with requestState, byte for byte, iff there was one.
func (c *Client) rounds(ctx context.Context, r *request) (Raw, error) {
	limit := c.core.cfg.inputTimeout
	waits := 0
	for round := 0; ; round++ {
		result, err := c.call(ctx, r)
		if err != nil || resultType(result) != mcp.ResultInputRequired {
			return result, err
		}
		if round == 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w, for %v", ErrTooManyRounds, limit)) //nolint:fatcontext // in the first round alone
			defer cancel()
		}
		if round >= c.core.cfg.maxRounds {
			return nil, fmt.Errorf("%w: %d rounds", ErrTooManyRounds, round)
		}
		next, asked, err := c.nextRound(ctx, r, result)
		if err != nil {
			return nil, err
		}
		if !asked { // the server only wants the call again, later
			if err := pause.For(ctx, backoff(waits)); err != nil {
				return nil, err
			}
			waits++
		}
		r = next
	}
}

// resultType returns the kind of a modern result; absent means complete.
func resultType(result Raw) string {
	raw, ok := jsonrpc.Get(result, "resultType")
	if !ok {
		return mcp.ResultComplete
	}
	t, _ := jsonrpc.Unquote(raw)
	return t
}

// nextRound answers the questions in result. It reports false when there are none.
func (c *Client) nextRound(ctx context.Context, r *request, result Raw) (*request, bool, error) {
	var in struct {
		Requests map[string]mcp.InputRequest `json:"inputRequests"`
		State    Raw                         `json:"requestState"`
	}
	if err := json.Unmarshal(result, &in); err != nil {
		return nil, false, &ProtocolError{What: "unreadable " + mcp.ResultInputRequired + " result", Err: err}
	}
	if in.State != nil && in.State.Kind() != '"' {
		return nil, false, protocolErrorf("requestState is not a string")
	}
	if len(in.Requests) == 0 && in.State == nil {
		return nil, false, protocolErrorf("an %s result without inputRequests and requestState", mcp.ResultInputRequired)
	}
	next := *r
	next.params = jsonrpc.Delete(r.params, "inputResponses", "requestState")
	if len(in.Requests) > 0 {
		responses, err := c.answers(ctx, r, in.Requests)
		if err != nil {
			return nil, false, err
		}
		next.params = jsonrpc.Set(next.params, "inputResponses", responses)
	}
	if in.State != nil {
		next.params = jsonrpc.Set(next.params, "requestState", in.State)
	}
	return &next, len(in.Requests) > 0, nil
}

// answers asks the handlers, all at the same time, and returns their results by
// key. The first failure stops the others.
func (c *Client) answers(ctx context.Context, r *request, asked map[string]mcp.InputRequest) (Raw, error) {
	if len(asked) > maxQuestions {
		return nil, protocolErrorf("%d questions at once, over the limit of %d", len(asked), maxQuestions)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answered struct {
		key    string
		result Raw
		err    error
	}
	done := make(chan answered, len(asked))
	for key, q := range asked {
		ask, err := c.inputAsker(r, q.Method)
		if err != nil {
			return nil, err
		}
		started := c.core.group.start(func(context.Context) {
			result, err := ask(ctx, q.Method, q.Params)
			done <- answered{key, result, err}
		})
		if !started {
			return nil, ErrClosed
		}
	}
	responses := make(map[string]Raw, len(asked))
	for range asked {
		select {
		case a := <-done:
			if a.err != nil {
				return nil, fmt.Errorf("answer %s (%q): %w", asked[a.key].Method, a.key, a.err)
			}
			responses[a.key] = a.result
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return json.Marshal(responses, json.Deterministic(true))
}

func (c *Client) inputAsker(r *request, method string) (Asker, error) {
	if !c.link.features().Ask(method) {
		return nil, protocolErrorf("a question of method %q", method)
	}
	if r.opts.OnAsk != nil {
		return r.opts.OnAsk, nil
	}
	if ask := c.core.cfg.handlers.asker(method); ask != nil {
		return ask, nil
	}
	return nil, protocolErrorf("a question (%s) that the client did not declare to answer", method)
}
