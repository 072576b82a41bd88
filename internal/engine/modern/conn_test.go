// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package modern

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// wire is the client's end of a Conn that a rig serves.
type wire struct {
	t *testing.T
	transport.Conn
	served chan error
}

func (r *rig) dial(t *testing.T) *wire {
	client, server := transport.Pipe()
	w := &wire{t, client, make(chan error, 1)}
	go func() { w.served <- r.engine.ServeConn(t.Context(), server) }()
	return w
}

func (w *wire) send(format string, args ...any) {
	w.t.Helper()
	if err := w.Write([]byte(fmt.Sprintf(format, args...))); err != nil {
		w.t.Fatal(err)
	}
}

func (w *wire) expect(part string) string {
	w.t.Helper()
	msg, err := w.Read()
	if err != nil || !strings.Contains(string(msg), part) {
		w.t.Errorf("read %s, %v; want %q", msg, err, part)
	}
	return string(msg)
}

func (w *wire) hangUp() {
	w.t.Helper()
	w.Close()
	if err := <-w.served; err != nil {
		w.t.Error(err)
	}
}

func TestConnCalls(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		w := r.dial(t)
		defer w.hangUp()
		w.send(`%s`, callBody("echo", 1, ""))
		w.expect(`"id":1,"result":{"resultType":"complete"`)
		w.send(`{"jsonrpc":"2.0","id":2,"method":"tools/list"}`)
		w.expect(`"id":2,"error":{"code":-32602`)
		w.send(`[{"jsonrpc":"2.0","id":2,"method":"tools/list"}]`)
		w.expect(`{"jsonrpc":"2.0","error":{"code":-32600`)
		w.send(`{"jsonrpc":"2.0","id":7,"result":{}}`) // means nothing
		w.send(`%s`, strings.Replace(callBody("notify", 3, ""), `"_meta":{`, `"_meta":{"progressToken":5,`, 1))
		w.expect(`"progressToken":5`)
		w.expect(`"id":3,"result"`)
	})
}

func TestConnCancel(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		w := r.dial(t)
		defer w.hangUp()
		w.send(`%s`, callBody("slow", 1, ""))
		w.send(`%s`, callBody("slow", 1, ""))
		w.expect(`belongs to a request in flight`)
		w.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
		synctest.Wait()
		if causes := r.fix.seen(); len(causes) != 1 || !errors.Is(causes[0], engine.ErrCancelled) {
			t.Errorf("the handler's context ended with %v", causes)
		}
		w.send(`%s`, callBody("echo", 1, "")) // the id is free again, and nothing else came before
		w.expect(`"id":1,"result"`)
	})
}

func TestConnHangUp(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		w := r.dial(t)
		w.send(`%s`, callBody("slow", 1, ""))
		w.send(`%s`, callBody("ask", 2, ""))
		w.expect("input_required")
		w.hangUp()
		if causes := r.fix.seen(); len(causes) != 1 || !errors.Is(causes[0], engine.ErrDisconnected) {
			t.Errorf("the handler's context ended with %v", causes)
		}
	})
}

// TestConnParked: a call parked by one connection is taken over on another, and
// over HTTP.
func TestConnParked(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		first := r.dial(t)
		first.send(`%s`, callBody("ask-twice", 1, ""))
		token := tokenOf(t, first.expect("input_required"))
		first.hangUp()
		second := r.dial(t)
		second.send(`%s`, callBody("ask-twice", 1, retry(token)))
		token = tokenOf(t, second.expect("input_required"))
		second.hangUp()
		r.post(callExchange("ask-twice", 9, retry(token))).want(t, 200, "complete")
	})
}

func tokenOf(t *testing.T, msg string) string {
	x := &exchange{reply: msg}
	return x.token(t)
}

func TestConnListen(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		w := r.dial(t)
		defer w.hangUp()
		w.send(`%s`, listenBody(1, `{"toolsListChanged":true}`))
		w.expect("acknowledged")
		w.send(`%s`, listenBody(2, `{}`))
		w.expect("acknowledged")
		w.send(`%s`, listenBody(3, `{}`))
		w.expect("more than 2 listens")
		r.hub.Publish(subscription.Event{Topic: subscription.Topic{Kind: subscription.Tools}})
		w.expect(`notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":1}}`)
		w.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`)
		synctest.Wait()
		r.hub.Publish(subscription.Event{Topic: subscription.Topic{Kind: subscription.Tools}})
		if err := r.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		w.expect(`"id":2,"result":{"resultType":"complete"`) // and nothing for the cancelled one
	}, func(c *Config) { c.Limits.ListensPerConn = 2 })
}

// older stands for the other era: it answers every request with its name.
type older struct{ seen chan string }

func (older) Era() mcp.Era { return mcp.Legacy }
func (older) Post(x transport.Exchange, in *engine.Inbound) {
	x.Reply(200, jsonrpc.AppendResult(nil, in.ID, Raw(`"legacy"`)))
}
func (older) PostBatch(x transport.Exchange, _ []jsonrpc.Element) { x.Reply(200, []byte(`[]`)) }
func (older) Other(x transport.Exchange)                          { x.Reply(200, nil) }
func (o older) Attach(_ context.Context, c transport.Conn) engine.Link {
	return olderLink{o, c}
}

type olderLink struct {
	older
	conn transport.Conn
}

func (l olderLink) Receive(in *engine.Inbound) {
	if in.Kind() == jsonrpc.Request {
		l.conn.Write(jsonrpc.AppendResult(nil, in.ID, Raw(`"legacy"`)))
		return
	}
	l.seen <- in.Method
}
func (olderLink) Finish(context.Context)                            {}
func (l olderLink) ReceiveBatch([]jsonrpc.Element, *transport.Hold) { l.conn.Write([]byte(`[]`)) }
func (olderLink) Close()                                            {}

func TestBothErasOnOneConn(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		other := older{make(chan string, 4)}
		r.engine = engine.New(jsonrpc.DefaultLimits(), slog.New(slog.DiscardHandler), r.Protocol, other)
		w := r.dial(t)
		defer w.hangUp()
		w.send(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}`)
		w.expect(`"id":1,"result":"legacy"`)
		w.send(`%s`, callBody("slow", 2, ""))
		w.send(`{"jsonrpc":"2.0","id":3,"method":"tools/list"}`)
		w.expect(`"id":3,"result":"legacy"`)
		w.send(`%s`, callBody("echo", 4, ""))
		w.expect(`"id":4,"result":{"resultType"`)
		w.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}`)
		if got := <-other.seen; got != mcp.NotificationCancelled {
			t.Error(got)
		}
		synctest.Wait()
		if len(r.fix.seen()) != 1 {
			t.Error("the modern call was not cancelled")
		}
	})
}

// TestErasOverHTTP: a header alone makes a request modern; a plain initialize
// is legacy, a modern-marked one is not found.
func TestErasOverHTTP(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.engine = engine.New(jsonrpc.DefaultLimits(), slog.New(slog.DiscardHandler), r.Protocol, older{})
		r.post(newExchange(`{"jsonrpc":"2.0","id":1,"method":"initialize"}`, "Mcp-Method", "initialize")).want(t, 200, "legacy")
		r.post(newExchange(`{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{}}`, "Mcp-Protocol-Version", "2026-07-28")).want(t, 400, "-32602")
		r.post(newExchange(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"_meta":`+usualMeta+`}}`,
			"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "initialize")).want(t, 404, "-32601")
	})
}
