// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/engine/legacy"
	"github.com/holdfast-mcp/holdfast/internal/quota"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/internal/task"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// remote is an exchange of a client at an address. Its answer is read when
// reading is closed, at once if that is nil.
type remote struct {
	*exchange
	addr    string
	hold    transport.Hold
	reading chan struct{}
	parts   [][]byte
}

func (x *remote) RemoteAddr() string    { return x.addr + ":1" }
func (x *remote) Hold() *transport.Hold { return &x.hold }

func (x *remote) Reply(status int, body []byte, headers ...string) {
	if x.reading != nil {
		<-x.reading
	}
	x.exchange.Reply(status, body, headers...)
}

func (x *remote) ReplyParts(parts [][]byte, headers ...string) {
	x.parts = parts
	x.Reply(200, bytes.Join(parts, nil), headers...)
}

// desk serves remote exchanges, as transports do.
type desk struct {
	t      *testing.T
	p      *legacy.Protocol
	engine *engine.Engine
	shares *engine.Shares
	budget *transport.Budget
	store  *counting
	n      int
}

// counting is a store that counts the bytes of URIs that are written.
type counting struct {
	session.Store
	bytes int
}

func (s *counting) Put(ctx context.Context, id session.ID, r session.Record) (uint64, error) {
	for _, uri := range r.Subscriptions {
		s.bytes += len(uri)
	}
	return s.Store.Put(ctx, id, r)
}

func newDesk(t *testing.T, handler rpc.HandlerFunc) *desk {
	d := &desk{t: t, shares: engine.NewShares(0, 100), budget: transport.NewBudget(1<<20, 100), store: &counting{Store: session.NewMemory(0)}}
	tasks := task.NewSet(task.Config{})
	d.p = legacy.New(legacy.Config{
		Handler: handler, Tasks: tasks, Shares: d.shares, Sessions: session.NewRegistry(session.Config{Store: d.store}),
	})
	d.engine = engine.New(jsonrpc.DefaultLimits(), slog.New(slog.DiscardHandler), d.p)
	t.Cleanup(func() {
		tasks.Close()
		if err := d.p.Drain(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return d
}

// start begins an exchange of a session, "" for a new one.
func (d *desk) start(addr, token, body string) *remote {
	x := &remote{exchange: newExchange("POST", body, nil), addr: addr}
	x.header.Set("Accept", "application/json, text/event-stream")
	if token != "" {
		x.header.Set(mcp.HeaderSessionID, token)
	}
	return x
}

func (d *desk) send(x *remote) *remote {
	d.t.Helper()
	x.hold.Begin(d.budget, x.RemoteAddr())
	if err := x.hold.Grow(len(x.body)); err != nil {
		d.t.Fatal(err)
	}
	go func() { // ends with the exchange
		defer x.hold.Release()
		d.engine.ServeExchange(x)
	}()
	synctest.Wait()
	return x
}

func (d *desk) session(addr string) string {
	x := d.send(d.start(addr, "", `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}}}}`))
	return x.reply.Get(mcp.HeaderSessionID)
}

func (d *desk) request(addr, token, method, params string) *remote {
	d.n++
	return d.send(d.start(addr, token, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, d.n, method, params)))
}

func (d *desk) call(addr, token, tool string) *remote {
	return d.request(addr, token, "tools/call", `{"name":"`+tool+`"}`)
}

func (x *remote) want(t *testing.T, status int, part string) {
	t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	if all := strings.Join(x.out, " "); x.status != status || !strings.Contains(all, part) {
		t.Errorf("answer %d %.300s, want %d with %q", x.status, all, status, part)
	}
}

// TestCallShares holds that one client cannot have all calls, in however many
// sessions, and that a call's place is given back when its outcome is there.
func TestCallShares(t *testing.T) {
	const a, b = "192.0.2.1", "192.0.2.2"
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, fixture)
		d.shares.Calls = quota.New(2, 1)
		one, two, other := d.session(a), d.session(a), d.session(b)
		d.call(a, one, "sleep")
		d.call(a, two, "echo").want(t, 503, "one may have")
		d.call(b, other, "echo").want(t, 200, "content")
		d.request(a, two, "ping", "{}").want(t, 200, "{}")
		d.call(b, other, "sleep")
		d.call("192.0.2.3", other, "echo").want(t, 503, "as many calls in flight as it takes")
		time.Sleep(2 * time.Minute)
		idle := d.start(a, one, `{"jsonrpc":"2.0","id":99,"method":"tools/call","params":{"name":"echo"}}`)
		idle.reading = make(chan struct{})
		d.send(idle)
		d.call(a, two, "echo").want(t, 200, "content")
		close(idle.reading)
		synctest.Wait()
		idle.want(t, 200, "content")
		if used := d.shares.Calls.Used(); used != 0 {
			t.Errorf("%d places are taken in the end", used)
		}
	})
}

// TestCallKeepsItsMessage holds that a message counts for as long as its call
// needs it, though its exchange is over.
func TestCallKeepsItsMessage(t *testing.T) {
	pad := `,"pad":"` + strings.Repeat("x", 50_000) + `"`
	for name, params := range map[string]string{
		"stream": `{"name":"progress","arguments":{"n":30},"_meta":{"progressToken":1}` + pad + `}`,
		"task":   `{"name":"job","task":{}` + pad + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, fixture)
				token := d.session("192.0.2.1")
				d.request("192.0.2.1", token, "tools/call", params)
				time.Sleep(10 * time.Second)
				if used := d.budget.Used(); used < 40_000 {
					t.Errorf("%d bytes count while the call goes on", used)
				}
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if used := d.budget.Used(); used != 0 {
					t.Errorf("%d bytes count after the end", used)
				}
			})
		})
	}
}

// TestLongAnswersAreNotCopied holds that clients which get the same long list get
// the same bytes, over HTTP and connections.
func TestLongAnswersAreNotCopied(t *testing.T) {
	list := `{"tools":[{"name":"a","description":"` + strings.Repeat("x", 64<<10) + `","inputSchema":{"type":"object"}}]}`
	shared := &rpc.Shared{}
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, func(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
			if call.Method == mcp.MethodListTools {
				return rpc.Result{Body: rpc.Raw(list), Shared: shared}, nil
			}
			return fixture(ctx, call)
		})
		token := d.session("192.0.2.1")
		one, other := d.request("192.0.2.1", token, "tools/list", "{}"), d.request("192.0.2.1", token, "tools/list", "{}")
		one.want(t, 200, `"id":1,"result":`+list+`}`)
		other.want(t, 200, `"id":2,"result":`+list+`}`)
		w := d.dial()
		defer w.hangUp()
		if got := w.ask("tools/list", "{}"); !strings.Contains(got, list) {
			t.Errorf("on a connection: %.200s…", got)
		}
		if len(one.parts) != 3 || &one.parts[1][0] != &other.parts[1][0] || &one.parts[1][0] != &w.conn.parts[1][0] {
			t.Error("the list is copied for each client")
		}
	})
}

// wire is the client's end of a connection that a desk serves.
type wire struct {
	t *testing.T
	transport.Conn
	conn   *parted
	served chan error
	n      int
}

// parted is a Conn that notes the parts of what is written.
type parted struct {
	transport.Conn
	parts [][]byte
}

func (c *parted) WriteParts(parts [][]byte) error {
	c.parts = parts
	return c.Write(bytes.Join(parts, nil))
}

// dial opens a connection and greets.
func (d *desk) dial() *wire {
	client, server := transport.Pipe()
	w := &wire{t: d.t, Conn: client, conn: &parted{Conn: server}, served: make(chan error, 1)}
	go func() { w.served <- d.engine.ServeConn(d.t.Context(), w.conn) }() // ends with hangUp
	w.ask("initialize", `{"protocolVersion":"2025-11-25","capabilities":{}}`)
	return w
}

func (w *wire) ask(method, params string) string {
	w.t.Helper()
	w.n++
	if err := w.Write(fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, w.n, method, params)); err != nil {
		w.t.Fatal(err)
	}
	msg, err := w.Read()
	if err != nil {
		w.t.Fatal(err)
	}
	return string(msg)
}

func (w *wire) hangUp() {
	w.Close()
	if err := <-w.served; err != nil {
		w.t.Error(err)
	}
}

// uri returns one of a size that no other number gives.
func uri(n, size int) string {
	name := fmt.Sprintf("x:%d/", n)
	return name + strings.Repeat("u", size-len(name))
}

func subscribe(uri string) string { return `{"uri":"` + uri + `"}` }

// TestSubscriptionLimits holds the bounds on what one session or connection is
// subscribed to, which count what is there and not what was asked for.
func TestSubscriptionLimits(t *testing.T) {
	most := engine.MaxSubscribed / rpc.MaxURI
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, fixture)
		token := d.session("192.0.2.1")
		w := d.dial()
		defer w.hangUp()
		for name, ask := range map[string]func(method, params string) string{
			"session": func(method, params string) string {
				return strings.Join(d.request("192.0.2.1", token, method, params).out, " ")
			},
			"connection": w.ask,
		} {
			want := func(method, uri, part string) {
				t.Helper()
				if got := ask(method, subscribe(uri)); !strings.Contains(got, part) {
					t.Errorf("%s: %s of %d bytes: %.200s, want %q", name, method, len(uri), got, part)
				}
			}
			want("resources/subscribe", uri(0, rpc.MaxURI+1), "the URI has 8193 bytes")
			for n := range most {
				want("resources/subscribe", uri(n, rpc.MaxURI), `"result":{}`)
			}
			want("resources/subscribe", uri(1, rpc.MaxURI), `"result":{}`) // is there already
			want("resources/subscribe", uri(most, 10), "more than 131072 bytes")
			want("resources/unsubscribe", uri(0, rpc.MaxURI), `"result":{}`)
			want("resources/unsubscribe", uri(0, rpc.MaxURI), `"result":{}`)
			want("resources/subscribe", uri(most, rpc.MaxURI), `"result":{}`)
			want("resources/subscribe", uri(most+1, 10), "more than 131072 bytes")
		}
	})
}

// TestSubscriptionsOfAClient holds the bound over all connections, which is given
// back with them.
func TestSubscriptionsOfAClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, fixture)
		d.shares.Subscribed = quota.New(3*engine.SubscriptionCost(uri(0, 10)), 3*engine.SubscriptionCost(uri(0, 10)))
		one, other := d.dial(), d.dial()
		for n := range 2 {
			one.ask("resources/subscribe", subscribe(uri(n, 10)))
		}
		if got := other.ask("resources/subscribe", subscribe(uri(2, 10))); !strings.Contains(got, `"result":{}`) {
			t.Error(got)
		}
		if got := other.ask("resources/subscribe", subscribe(uri(3, 10))); !strings.Contains(got, "too many subscriptions") {
			t.Error(got)
		}
		one.hangUp()
		if got := other.ask("resources/subscribe", subscribe(uri(3, 10))); !strings.Contains(got, `"result":{}`) {
			t.Error(got)
		}
		other.hangUp()
		if used := d.shares.Subscribed.Used(); used != 0 {
			t.Errorf("%d bytes are taken in the end", used)
		}
	})
}

// TestSubscriptionsWritten holds how much is written when a session subscribes to
// as much as it may, each change with the whole record.
func TestSubscriptionsWritten(t *testing.T) {
	for _, size := range []int{20, 131, 1000, rpc.MaxURI} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, fixture)
				token := d.session("192.0.2.1")
				refused := false
				for n := 0; n < 1100 && !refused; n++ {
					out := d.request("192.0.2.1", token, "resources/subscribe", subscribe(uri(n, size))).out
					refused = slices.ContainsFunc(out, func(line string) bool { return strings.Contains(line, "more than") })
				}
				if most := 66 << 20; !refused || d.store.bytes > most {
					t.Errorf("%d bytes written until refused (%v), want at most %d", d.store.bytes, refused, most)
				}
			})
		})
	}
}

// TestChangesArePaced holds that a client which changes sessions with large records does so
// no faster than it may, in however many, and that nobody else waits.
func TestChangesArePaced(t *testing.T) {
	const a, b = "192.0.2.1", "192.0.2.2"
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, fixture)
		d.shares.Rewritten = quota.NewPace(1<<10, 64<<10)
		refused, began, token := 0, time.Now(), ""
		for range 4 {
			token = d.session(a)
			for n := range 8 {
				x := d.request(a, token, "resources/subscribe", subscribe(uri(n, rpc.MaxURI)))
				time.Sleep(6 * time.Second) // until it is answered
				x.mu.Lock()
				if strings.Contains(strings.Join(x.out, ""), "faster than it may") {
					refused++
				}
				x.mu.Unlock()
			}
		}
		// 8 subscriptions of 8 KiB make a session write 256 KiB beyond what is small.
		if most := int(time.Since(began)/time.Second)<<10 + 64<<10 + 100<<10; refused == 0 || d.store.bytes > most {
			t.Errorf("%d bytes written, want at most %d; %d changes refused", d.store.bytes, most, refused)
		}
		end := d.start(a, token, "")
		end.verb = "DELETE"
		d.send(end).want(t, 204, "") // whoever is too fast may end a session at once
		d.request(b, d.session(b), "resources/subscribe", subscribe(uri(0, rpc.MaxURI))).want(t, 200, `"result":{}`)
		small := d.session(a)
		time.Sleep(5 * time.Minute)
		for n := range 100 {
			d.request(a, small, "resources/subscribe", subscribe(uri(n, 30))).want(t, 200, `"result":{}`)
		}
	})
}

// TestLargeSessionsArePaced holds that a client which opens sessions with large
// capabilities does so no faster than it may, and that nobody else waits.
func TestLargeSessionsArePaced(t *testing.T) {
	const a, b = "192.0.2.1", "192.0.2.2"
	open := func(d *desk, client string, size int) *remote {
		return d.request(client, "", "initialize", fmt.Sprintf(`{"protocolVersion":"2025-11-25","clientInfo":{"name":"c","version":"1"},`+
			`"capabilities":{"experimental":{"x":%q}}}`, strings.Repeat("A", size)))
	}
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, fixture)
		d.shares.Declared = quota.NewPace(1<<10, 32<<10)
		opened, refused, began := 0, 0, time.Now()
		for range 40 {
			x := open(d, a, 10_000)
			time.Sleep(6 * time.Second) // until it is answered
			x.mu.Lock()
			if strings.Contains(strings.Join(x.out, ""), "faster than it may") {
				refused++
			} else {
				opened++
			}
			x.mu.Unlock()
		}
		if most := (int(time.Since(began)/time.Second)<<10+32<<10)/10_000 + 1; refused == 0 || opened > most {
			t.Errorf("%d sessions opened, want at most %d; %d refused", opened, most, refused)
		}
		open(d, b, 10_000).want(t, 200, `"result":{`)
		for range 100 {
			open(d, a, 1_000).want(t, 200, `"result":{`)
		}
	})
}
