// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/jsonform"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Answer is what a user answered to a form.
type Answer struct {
	Action string // accept, decline or cancel
	values Raw
}

// Accepted reports whether the user filled in the form.
func (a Answer) Accepted() bool { return a.Action == mcp.ActionAccept }

// Decode stores the values of an accepted form in v.
func (a Answer) Decode(v any) error {
	if a.values == nil {
		return json.Unmarshal([]byte("{}"), v)
	}
	return json.Unmarshal(a.values, v, jsonform.Exact)
}

// Elicit asks the user and waits for the answer. form is a struct whose fields
// become the form, with the struct tags of [AddTool], or a JSON schema as [Raw]. It
// fails with -32021 when the client cannot ask its user. An accepted answer
// satisfies the schema, and what it leaves out has its default.
//
// spec 2026-07-28 client/elicitation.
func (r *Request) Elicit(ctx context.Context, message string, form any) (Answer, error) {
	question, check, err := formRequest(message, form)
	if err != nil {
		return Answer{}, err
	}
	raw, err := r.ask(ctx, question)
	if err != nil {
		return Answer{}, err
	}
	return readAnswer(raw, check)
}

// Elicit asks the user for a T and waits. The action says whether the answer
// was accepted; otherwise the value is zero.
func Elicit[T any](ctx context.Context, r *Request, message string) (value T, action string, err error) {
	a, err := r.Elicit(ctx, message, value)
	if err != nil || !a.Accepted() {
		return value, a.Action, err
	}
	return value, a.Action, a.Decode(&value)
}

// ElicitURL asks the user to open a page, for what must not pass through the
// client: credentials, payment, consent. It returns the user's action; what
// happens on the page is the server's to find out.
func (r *Request) ElicitURL(ctx context.Context, message, url string) (action string, err error) {
	raw, err := r.ask(ctx, AskURL(message, url))
	if err != nil {
		return "", err
	}
	a, err := readAnswer(raw, nil)
	return a.Action, err
}

// Sample asks the client's model and waits.
//
// spec 2026-07-28 client/sampling.
func (r *Request) Sample(ctx context.Context, params mcp.CreateMessageParams) (*mcp.CreateMessageResult, error) {
	raw, err := r.ask(ctx, AskSampling(params))
	if err != nil {
		return nil, err
	}
	res := new(mcp.CreateMessageResult)
	if err := json.Unmarshal(raw, res); err != nil {
		return nil, fmt.Errorf("read the client's sampling result: %w", err)
	}
	return res, nil
}

// Roots asks the client for its roots and waits.
func (r *Request) Roots(ctx context.Context) ([]mcp.Root, error) {
	raw, err := r.ask(ctx, AskRoots())
	if err != nil {
		return nil, err
	}
	var res mcp.ListRootsResult
	if err := json.Unmarshal(raw, &res); err != nil {
		return nil, fmt.Errorf("read the client's roots: %w", err)
	}
	return res.Roots, nil
}

// ask puts one question to the client.
func (r *Request) ask(ctx context.Context, q mcp.InputRequest) (Raw, error) {
	if p := r.call.Peer; p != nil {
		if missing, ok := p.Capabilities.MissingFor(q.Method, q.Params); ok {
			return nil, missing
		}
	}
	const key = "answer"
	answers, err := r.client.Ask(ctx, map[string]rpc.InputRequest{key: rpc.InputRequest(q)})
	if err != nil {
		return nil, err
	}
	return answers[key], nil
}

// InputRequired is returned as a handler's error to ask the client for input
// without waiting. The handler runs again with the answers; nothing is kept in
// between but State, which the client carries sealed. So the call survives a
// restart of the server, and works in every era.
//
//	city, ok := server.Form[CityForm](req, "city")
//	if !ok {
//		return out, &server.InputRequired{Requests: map[string]mcp.InputRequest{
//			"city": server.AskForm("Which city?", CityForm{}),
//		}}
//	}
//
// Tools, prompts and resources may return it.
//
// spec 2026-07-28 basic/patterns/mrtr.
type InputRequired struct {
	Requests map[string]mcp.InputRequest // by a key of the handler's choice
	State    []byte                      // what [Request.State] returns next time; nil for none
}

// Error says that input is required.
func (*InputRequired) Error() string { return "input from the client is required" }

// result checks that the client can answer and returns the result that asks it.
func (i *InputRequired) result(call *rpc.Call) (rpc.Result, error) {
	if len(i.Requests) == 0 && i.State == nil {
		return rpc.Result{}, fmt.Errorf("%s %s: InputRequired without requests and state", call.Method, call.Target)
	}
	in := &rpc.InputRequired{State: i.State}
	if len(i.Requests) > 0 {
		in.Requests = make(map[string]rpc.InputRequest, len(i.Requests))
	}
	for key, q := range i.Requests {
		if call.Peer != nil {
			if missing, ok := call.Peer.Capabilities.MissingFor(q.Method, q.Params); ok {
				return rpc.Result{}, missing
			}
		}
		in.Requests[key] = rpc.InputRequest(q)
	}
	return rpc.Result{Input: in}, nil
}

// AskForm returns a question to the user; form is as in [Request.Elicit]. It
// panics when form is no form, which is a programmer's error.
func AskForm(message string, form any) mcp.InputRequest {
	q, _, err := formRequest(message, form)
	if err != nil {
		panic(err)
	}
	return q
}

// AskURL returns a wish that the user open a page.
func AskURL(message, url string) mcp.InputRequest {
	return question(mcp.MethodElicit, mcp.ElicitParams{Mode: mcp.ElicitURL, Message: message, URL: url})
}

// AskSampling returns a question to the client's model.
func AskSampling(params mcp.CreateMessageParams) mcp.InputRequest {
	return question(mcp.MethodCreateMessage, params)
}

// AskRoots returns a question for the client's roots.
func AskRoots() mcp.InputRequest {
	return mcp.InputRequest{Method: mcp.MethodListRoots, Params: Raw("{}")}
}

func question(method string, params any) mcp.InputRequest {
	raw, err := marshal(params)
	if err != nil {
		panic(fmt.Sprintf("server: params of %s: %v", method, err)) // raw JSON that is not JSON
	}
	return mcp.InputRequest{Method: method, Params: raw}
}

// Answer decodes the client's answer to the question asked under key into v,
// and reports whether there is one of the right shape. Handlers ask again when
// there is none.
func (r *Request) Answer(key string, v any) bool {
	raw, ok := r.call.Input.Responses[key]
	return ok && raw.Kind() == '{' && json.Unmarshal(raw, v, jsonform.Exact) == nil
}

// State returns what the handler left in [InputRequired], nil on the first round.
func (r *Request) State() []byte { return r.call.Input.State }

// Form returns the values of the form asked under key with [AskForm], and false
// unless the user accepted and the values satisfy T's schema. Use
// [Request.Answer] with an [mcp.ElicitResult] to tell refusal from silence.
func Form[T any](r *Request, key string) (value T, ok bool) {
	raw, ok := r.call.Input.Responses[key]
	if !ok {
		return value, false
	}
	_, check, err := formRequest("", value)
	if err != nil {
		return value, false
	}
	a, err := readAnswer(raw, check)
	if err != nil || !a.Accepted() {
		return value, false
	}
	return value, a.Decode(&value) == nil
}

// readAnswer reads an elicitation result; check may be nil.
func readAnswer(raw Raw, check *schema) (Answer, error) {
	var res mcp.ElicitResult
	if err := json.Unmarshal(raw, &res); err != nil {
		return Answer{}, fmt.Errorf("read the user's answer: %w", err)
	}
	switch res.Action {
	case mcp.ActionAccept:
		if check == nil {
			break
		}
		if res.Content == nil {
			res.Content = Raw("{}")
		}
		var err error
		if res.Content, err = check.accept(res.Content, true); err != nil {
			return Answer{}, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "the user's answer does not fit the form: %w", err)
		}
	case mcp.ActionDecline, mcp.ActionCancel:
		res.Content = nil
	default:
		return Answer{}, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "unknown elicitation action %s", display.Quote(res.Action))
	}
	return Answer{Action: res.Action, values: res.Content}, nil
}
