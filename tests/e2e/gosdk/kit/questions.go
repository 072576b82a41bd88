// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// modernVersion is the first revision in which servers ask by results.
const modernVersion = "2026-07-28"

// form is what elicit shows.
var form = json.RawMessage(`{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}`)

func (k *kit) addQuestions() {
	mcp.AddTool(k.server, &mcp.Tool{Name: "elicit", Description: "Asks the user for a name"}, k.elicit)
	mcp.AddTool(k.server, &mcp.Tool{Name: "sample", Description: "Asks the model"}, k.sample)
	mcp.AddTool(k.server, &mcp.Tool{Name: "roots", Description: "Asks for the roots"}, k.roots)
	mcp.AddTool(k.server, &mcp.Tool{Name: "returns", Description: "Asks by its result in every revision"}, k.returns)
}

// question is the key of the only question.
const question = "q"

// asks is a result that asks: the SDK has it for modern clients.
func asks(req mcp.InputRequest) *mcp.CallToolResult {
	return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{question: req}, RequestState: "asked"}
}

// ask puts a question to the client, in a request or, in the modern era, by a result. Without error it returns the
// answer, or the result to return.
func ask[R mcp.InputResponse](req *mcp.CallToolRequest, by mcp.InputRequest, blocking func() (R, error)) (R, *mcp.CallToolResult, error) {
	var none R
	if answer, ok := req.Params.InputResponses[question]; ok {
		r, ok := answer.(R)
		if !ok || req.Params.RequestState != "asked" {
			return none, nil, fmt.Errorf("an answer of type %T with state %q", answer, req.Params.RequestState)
		}
		return r, nil, nil
	}
	if req.ProtocolVersion() >= modernVersion {
		return none, asks(by), nil
	}
	r, err := blocking()
	return r, nil, err
}

func (k *kit) elicit(ctx context.Context, req *mcp.CallToolRequest, _ any) (*mcp.CallToolResult, any, error) {
	params := &mcp.ElicitParams{Message: "Who are you?", RequestedSchema: form}
	answer, res, err := ask(req, params, func() (*mcp.ElicitResult, error) { return req.Session.Elicit(ctx, params) })
	if err != nil || res != nil {
		return res, nil, err
	}
	return says("%s: %v", answer.Action, answer.Content["name"]), nil, nil
}

func (k *kit) sample(ctx context.Context, req *mcp.CallToolRequest, _ any) (*mcp.CallToolResult, any, error) {
	params := &mcp.CreateMessageParams{MaxTokens: 20, Messages: []*mcp.SamplingMessage{
		{Role: "user", Content: &mcp.TextContent{Text: "The capital of France?"}},
	}}
	if answer, ok := req.Params.InputResponses[question].(*mcp.CreateMessageWithToolsResult); ok { // as the SDK reads it
		return saysModel(answer.Content...)
	}
	answer, res, err := ask(req, params, func() (*mcp.CreateMessageResult, error) { return req.Session.CreateMessage(ctx, params) })
	if err != nil || res != nil {
		return res, nil, err
	}
	return saysModel(answer.Content)
}

func saysModel(content ...mcp.Content) (*mcp.CallToolResult, any, error) {
	for _, c := range content {
		if t, ok := c.(*mcp.TextContent); ok {
			return says("the model says %s", t.Text), nil, nil
		}
	}
	return nil, nil, fmt.Errorf("the model says no text but %v", content)
}

func (k *kit) roots(ctx context.Context, req *mcp.CallToolRequest, _ any) (*mcp.CallToolResult, any, error) {
	params := &mcp.ListRootsParams{}
	answer, res, err := ask(req, params, func() (*mcp.ListRootsResult, error) { return req.Session.ListRoots(ctx, params) })
	if err != nil || res != nil {
		return res, nil, err
	}
	uris := make([]string, len(answer.Roots))
	for i, root := range answer.Roots {
		uris[i] = root.URI
	}
	return says("roots %q", uris), nil, nil
}

// returns leaves it to the SDK to ask a legacy client.
func (k *kit) returns(_ context.Context, req *mcp.CallToolRequest, _ any) (*mcp.CallToolResult, any, error) {
	answer, ok := req.Params.InputResponses[question].(*mcp.ElicitResult)
	if !ok {
		return asks(&mcp.ElicitParams{Message: "Who are you?", RequestedSchema: form}), nil, nil
	}
	return says("%s: %v", answer.Action, answer.Content["name"]), nil, nil
}
