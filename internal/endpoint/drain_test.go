// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package endpoint_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/endpoint"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport/httpsse"
)

// asks is a handler whose every call asks its client.
func asks(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	if call.Method == mcp.MethodDiscover {
		return rpc.Result{Body: rpc.Raw(`{"capabilities":{"tools":{}},"serverInfo":{"name":"asks","version":"1"}}`)}, nil
	}
	answers, err := call.Client.Ask(ctx, map[string]rpc.InputRequest{"q": {
		Method: mcp.MethodElicit, Params: rpc.Raw(`{"message":"?","requestedSchema":{"type":"object","properties":{}}}`),
	}})
	if err != nil {
		return rpc.Result{}, err
	}
	action, _ := jsonrpc.Get(answers["q"], "action")
	return rpc.Result{Body: rpc.Raw(`{"content":[{"type":"text","text":` + string(action) + `}]}`)}, nil
}

// TestDrainOverSSE: a call that waits for its client is answered although its
// stream is draining, and idle streams end meanwhile.
func TestDrainOverSSE(t *testing.T) {
	e := endpoint.New(endpoint.Config{Handler: rpc.HandlerFunc(asks)})
	t.Cleanup(e.Close)
	h := httpsse.NewHandler(e, httpsse.Config{})
	mux := http.NewServeMux()
	mux.Handle("/sse", h)
	mux.Handle("/messages", h)
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)

	drained := make(chan error, 1)
	idle := make(chan struct{})
	c, err := client.Connect(t.Context(), client.SSE(web.URL+"/sse"), client.OnElicit(
		func(context.Context, *mcp.ElicitParams) (*mcp.ElicitResult, error) {
			go func() { drained <- h.Drain(t.Context()) }() // ends with the streams
			<-idle
			return &mcp.ElicitResult{Action: "accept"}, nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	opened := make(chan error)
	go func() { // ends with the idle stream
		defer close(idle)
		res, err := web.Client().Get(web.URL + "/sse")
		opened <- err
		if err != nil {
			return
		}
		defer res.Body.Close()
		_, _ = io.Copy(io.Discard, res.Body)
	}()
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got, err := c.CallTool(ctx, "ask", nil)
	if err != nil || got.Content[0].Text != "accept" {
		t.Errorf("a call in flight at the drain: %+v, %v", got, err)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}
