// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy_test

import (
	"context"
	"log/slog"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/engine/legacy"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// TestRootsChangedIsPassedOn holds that a client's word of other roots is passed on with
// its session, by POST, in a batch and over a connection.
func TestRootsChangedIsPassedOn(t *testing.T) {
	const changed = `{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}`
	synctest.Test(t, func(t *testing.T) {
		session := "" // of the last call
		var told []string
		p := legacy.New(legacy.Config{
			Handler: rpc.HandlerFunc(func(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
				session = call.Peer.Session
				return fixture(ctx, call)
			}),
			RootsChanged: func(session string) { told = append(told, session) },
		})
		e := engine.New(jsonrpc.DefaultLimits(), slog.New(slog.DiscardHandler), p)
		post := func(token, body string) *exchange {
			x := newExchange("POST", body, nil)
			x.header.Set("Accept", "application/json, text/event-stream")
			if token != "" {
				x.header.Set(mcp.HeaderSessionID, token)
			}
			e.ServeExchange(x)
			return x
		}
		greeting := func(version string) string {
			return `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":` + strconv.Quote(version) + `,"capabilities":{"roots":{"listChanged":true}}}}`
		}
		const call = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}`
		for body, version := range map[string]mcp.Version{changed: mcp.V20251125, `[` + changed + `]`: mcp.V20250326} {
			told = nil
			token := post("", greeting(string(version))).reply.Get(mcp.HeaderSessionID)
			post(token, call)
			if x := post(token, body); x.status != 202 {
				t.Errorf("%s: status %d", body, x.status)
			}
			if diff := cmp.Diff([]string{session}, told); diff != "" || session == "" {
				t.Errorf("%s (-want +got):\n%s", body, diff)
			}
		}
		told = nil
		near, far := transport.Pipe()
		served := make(chan error, 1)
		go func() { served <- e.ServeConn(t.Context(), far) }()
		go func() { // reads what is answered, until the connection is closed
			for _, err := near.Read(); err == nil; _, err = near.Read() {
			}
		}()
		for _, body := range []string{changed, greeting(string(mcp.V20251125)), call, changed} {
			if err := near.Write([]byte(body)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if diff := cmp.Diff([]string{session}, told); diff != "" {
			t.Errorf("over a connection (-want +got):\n%s", diff)
		}
		near.Close()
		<-served
		if err := p.Drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
