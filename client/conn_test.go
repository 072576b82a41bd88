// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

func TestConnProgressOfConcurrentCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var waiting []jsonrpc.Message
		c := connect(t, Conn(legacyPipe(func(m jsonrpc.Message, send func([]byte)) {
			if waiting = append(waiting, m); len(waiting) < 2 {
				return
			}
			for _, w := range waiting { // both chose the same token
				meta, _ := jsonrpc.Get(w.Params, "_meta")
				token, _ := jsonrpc.Get(meta, "progressToken")
				name, _ := jsonrpc.Get(w.Params, "name")
				send(notification(mcp.NotificationProgress, `{"progressToken":`+string(token)+`,"progress":1,"message":`+string(name)+`}`))
			}
			send(notification(mcp.NotificationProgress, `{"progressToken":"nobody","progress":1}`))
			send(notification(mcp.NotificationProgress, `[]`))
			for _, w := range waiting {
				send(result(w, textResult))
				send(result(w, textResult)) // a second response is dropped
			}
		})))
		got := map[string][]string{}
		type named struct {
			name  string
			notes []string
		}
		done := make(chan named)
		for _, name := range []string{"a", "b"} {
			go func() {
				var notes []string
				_, err := c.Call(t.Context(), mcp.MethodCallTool, Raw(`{"name":"`+name+`","_meta":{"progressToken":1}}`),
					CallOptions{OnNotify: func(_ string, params Raw) { notes = append(notes, string(params)) }})
				if err != nil {
					t.Error(err)
				}
				done <- named{name, notes}
			}()
			synctest.Wait()
		}
		for range 2 {
			n := <-done
			got[n.name] = n.notes
		}
		want := map[string][]string{
			"a": {`{"progressToken":1,"progress":1,"message":"a"}`},
			"b": {`{"progressToken":1,"progress":1,"message":"b"}`},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("progress (-want +got):\n%s", diff)
		}
	})
}

// TestConnCancel: spec basic/utilities/cancellation, both eras.
func TestConnCancel(t *testing.T) {
	for era, pipe := range map[string]func(func(jsonrpc.Message, func([]byte))) Target{
		"legacy": func(f func(jsonrpc.Message, func([]byte))) Target { return Conn(legacyPipe(f)) },
		"modern": func(f func(jsonrpc.Message, func([]byte))) Target { return Conn(modernPipe(f)) },
	} {
		t.Run(era, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var call, cancelled jsonrpc.Message
				c := connect(t, pipe(func(m jsonrpc.Message, send func([]byte)) {
					switch m.Method {
					case mcp.MethodCallTool:
						call = m
					case mcp.NotificationCancelled:
						cancelled = m
						send(result(call, textResult)) // too late: dropped
					}
				}))
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := c.CallTool(ctx, "t", nil); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("CallTool: %v", err)
				}
				synctest.Wait()
				id, _ := jsonrpc.Get(cancelled.Params, "requestId")
				if string(id) != call.ID.String() {
					t.Errorf("cancelled %s, want %s", id, call.ID)
				}
			})
		})
	}
}

func TestConnQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var call jsonrpc.Message
		answers := map[string]string{}
		stopped := make(chan error, 1)
		c := connect(t, Conn(legacyPipe(func(m jsonrpc.Message, send func([]byte)) {
			switch {
			case m.Method == mcp.MethodCallTool:
				call = m
				send([]byte(`{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"?"}}`))
				send([]byte(`{"jsonrpc":"2.0","id":2,"method":"roots/list"}`))
				send([]byte(`{"jsonrpc":"2.0","id":2,"method":"roots/list"}`)) // the id is in use
				send(notification(mcp.NotificationCancelled, `{"requestId":2}`))
			case m.Method == "":
				answers[m.ID.String()] = string(m.Result)
				if m.Error != nil {
					answers[m.ID.String()] = m.Error.Error()
				}
			}
			if len(answers) == 2 {
				send(result(call, textResult))
			}
		})), OnElicit(decline), OnRoots(func(ctx context.Context) ([]mcp.Root, error) {
			<-ctx.Done()
			stopped <- ctx.Err()
			return nil, ctx.Err()
		}))
		if _, err := c.CallTool(t.Context(), "t", nil); err != nil {
			t.Fatal(err)
		}
		<-stopped
		want := map[string]string{"1": `{"action":"decline"}`, "2": "the request's id 2 is in use (code -32600)"}
		if diff := cmp.Diff(want, answers); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
}

func TestConnQuestionGoesToTheOnlyAsker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var call jsonrpc.Message
		c := connect(t, Conn(legacyPipe(func(m jsonrpc.Message, send func([]byte)) {
			if m.Method == mcp.MethodCallTool {
				call = m
				send([]byte(`{"jsonrpc":"2.0","id":"q","method":"sampling/createMessage","params":{"x":1}}`))
				return
			}
			send(result(call, string(m.Result)))
		})))
		got, err := c.Call(t.Context(), mcp.MethodCallTool, Raw(`{"name":"t"}`), CallOptions{
			OnAsk: func(_ context.Context, method string, params Raw) (Raw, error) {
				return Raw(`{"asked":"` + method + `","params":` + string(params) + `}`), nil
			},
		})
		if err != nil || string(got) != `{"asked":"sampling/createMessage","params":{"x":1}}` {
			t.Errorf("Call: %s, %v", got, err)
		}
	})
}

// TestConnGarbage: stray lines are survived, however many, and an unreadable answer
// costs its call and no other.
func TestConnGarbage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var held jsonrpc.Message
		c := connect(t, Conn(legacyPipe(func(m jsonrpc.Message, send func([]byte)) {
			name, _ := jsonrpc.Get(m.Params, "name")
			switch string(name) {
			case `"stray"`:
				send([]byte("npm notice: update available"))
				send([]byte(""))
				send([]byte(`{"jsonrpc":"2.0","id":12345,"result":{}}`))
				send(result(m, textResult))
			case `"twice"`:
				send([]byte(`{"jsonrpc":"2.0","id":` + m.ID.String() + `,"result":{"a":1,"a":2}}`))
			case `"held"`:
				held = m
			case `"broken"`:
				send([]byte(`{"jsonrpc":"2.0","id":` + m.ID.String() + `,"result":{"a":[}}`))
				send([]byte(`{"level":30,"id":` + held.ID.String() + `,"msg":"no answer"}`))
				send([]byte(`{"jsonrpc":"2.0","id":` + held.ID.String() + `,"method":"x","params":[1]}`))
			case `"no-id"`:
				send([]byte(`{"jsonrpc":"2.0","error":{"code":-32700,"message":"cannot read you"}}`))
			case `"flood"`:
				for range 1000 {
					send([]byte("{x}"))
				}
				send(result(m, textResult))
			case `"release"`:
				send(result(m, textResult))
				send(result(held, textResult))
			}
		})))
		for name, want := range map[string]string{"stray": "", "twice": "", "no-id": "cannot read you", "flood": ""} {
			_, err := c.CallTool(t.Context(), name, nil)
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
		}
		var other sync.WaitGroup
		other.Go(func() {
			if _, err := c.CallTool(t.Context(), "held", nil); err != nil {
				t.Errorf("held: %v", err)
			}
		})
		synctest.Wait()
		began := time.Now()
		if _, err := c.CallTool(t.Context(), "broken", nil); err == nil || !strings.Contains(err.Error(), "unreadable") || time.Since(began) > 0 {
			t.Errorf("broken: %v after %v", err, time.Since(began))
		}
		if _, err := c.CallTool(t.Context(), "release", nil); err != nil {
			t.Errorf("release: %v", err)
		}
		other.Wait()
	})
}

// TestConnQuietCallsDoNotLog: a modern server logs for those calls only that ask for it.
func TestConnQuietCallsDoNotLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, Conn(modernPipe(func(m jsonrpc.Message, send func([]byte)) {
			if m.Method == mcp.MethodCallTool {
				send(notification(mcp.NotificationMessage, `{"level":"info","data":"x"}`))
				send(result(m, textResult))
			}
		})))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _, _ = c.ListPrompts(ctx, nil) }() // never answered
		synctest.Wait()
		heard := 0
		if _, err := c.CallTool(t.Context(), "t", nil, OnCallLog("info", func(LogMessage) { heard++ })); err != nil {
			t.Fatal(err)
		}
		if heard != 1 {
			t.Errorf("%d messages", heard)
		}
	})
}

func TestConnListen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var listens []jsonrpc.Message
		heard := 0
		c := connect(t, Conn(modernPipe(func(m jsonrpc.Message, send func([]byte)) {
			meta := func(m jsonrpc.Message) string {
				return `{"_meta":{"io.modelcontextprotocol/subscriptionId":` + m.ID.String() + `}`
			}
			switch m.Method {
			case mcp.MethodListen:
				listens = append(listens, m)
				filter, _ := jsonrpc.Get(m.Params, "notifications")
				send(notification(mcp.NotificationAcknowledged, meta(m)+`,"notifications":`+string(filter)+`}`))
				if len(listens) == 1 {
					send(result(m, meta(m)+`,"resultType":"complete"}`)) // the server ends it
				} else {
					send(notification(mcp.NotificationToolsChanged, meta(m)+`}`))
				}
			}
		})), OnNotification(func(method string, _ Raw) {
			if method == mcp.NotificationToolsChanged {
				heard++
			}
		}))
		if err := c.Listen(t.Context(), Filter{Tools: true}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(listens) != 2 || heard != 2 { // once for the gap
			t.Errorf("%d requests, heard %d times", len(listens), heard)
		}
	})
}

// listens is a server that answers listen requests and notes what is asked for.
type listens struct {
	mu   sync.Mutex
	open map[string]Filter // by request id
	ids  map[string]jsonrpc.Message
	most int // requests open at once
	t    *testing.T
	send func([]byte)
}

func (l *listens) take(m jsonrpc.Message, send func([]byte)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.send = send
	switch m.Method {
	case mcp.MethodListen:
		raw, _ := jsonrpc.Get(m.Params, "notifications")
		var f Filter
		if err := json.Unmarshal(raw, &f); err != nil {
			l.t.Error(err)
		}
		for _, other := range l.open { // the official Go SDK's servers would forget what both ask for
			if new := f.beyond(other); new.size() != f.size() || f.Tools && other.Tools {
				l.t.Errorf("%v is asked for beside %v", f, other)
			}
		}
		l.open[m.ID.String()], l.ids[m.ID.String()] = f, m
		l.most = max(l.most, len(l.open))
		send(notification(mcp.NotificationAcknowledged, l.meta(m.ID.String())+`,"notifications":`+string(raw)+`}`))
	case mcp.NotificationCancelled:
		id, _ := jsonrpc.Get(m.Params, "requestId")
		send(result(l.ids[string(id)], `{"resultType":"complete"}`))
		delete(l.open, string(id))
	}
}

func (l *listens) meta(id string) string {
	return `{"_meta":{"io.modelcontextprotocol/subscriptionId":` + id + `}`
}

// asked is all that is asked for, by so many requests.
func (l *listens) asked() (all Filter, requests int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.open {
		all = all.plus(f)
	}
	return all, len(l.open)
}

// update tells of a change on the request that asks for the resource.
func (l *listens) update(uri string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, f := range l.open {
		if slices.Contains(f.URIs, uri) {
			l.send(notification(mcp.NotificationResourceUpdated, l.meta(id)+`,"uri":"`+uri+`"}`))
		}
	}
}

// TestConnListenRequestsAreDisjoint: on one connection, the official Go SDK's
// servers forget lists, and what else two requests asked for, when one of them
// ends. So requests do not overlap, and they do not end for every change.
func TestConnListenRequestsAreDisjoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &listens{open: map[string]Filter{}, ids: map[string]jsonrpc.Message{}, t: t}
		heard := map[string]int{}
		c := connect(t, Conn(modernPipe(server.take)), OnResourceUpdated(func(uri string) { heard[uri]++ }))
		if err := c.Listen(t.Context(), Filter{Tools: true}); err != nil {
			t.Fatal(err)
		}
		const many = 300
		uri := func(i int) string { return fmt.Sprintf("test://%d", i) }
		for i := range many {
			if err := c.Subscribe(t.Context(), uri(i)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		asked, _ := server.asked()
		if asked.size() != many || !asked.Tools || server.most > 40 {
			t.Errorf("%d resources are asked for, lists: %t, by up to %d requests", asked.size(), asked.Tools, server.most)
		}
		for u, n := range heard {
			if n > 3 { // each time a request is replaced
				t.Errorf("%s counts as changed %d times", u, n)
			}
		}
		for i := 10; i < many; i++ {
			if err := c.Unsubscribe(t.Context(), uri(i)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		clear(heard)
		for i := range many {
			server.update(uri(i))
		}
		synctest.Wait()
		asked, _ = server.asked()
		if len(heard) != 10 || asked.size() > 10+slack || !asked.Tools {
			t.Errorf("updates of %d resources are heard, %d are asked for, lists: %t", len(heard), asked.size(), asked.Tools)
		}
		if err := c.Listen(t.Context(), Filter{}); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if _, n := server.asked(); n != 0 {
			t.Errorf("%d requests are open that nobody wants", n)
		}
	})
}

func TestConnListenRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, Conn(modernPipe(func(m jsonrpc.Message, send func([]byte)) {
			if !m.ID.IsZero() {
				send(failure(m, -32601, "no", ""))
			}
		})), OnToolsChanged(func() {})) // a warning, no more
		if err := c.Subscribe(t.Context(), "test://a"); peerCode(err) != -32601 {
			t.Errorf("Subscribe: %v", err)
		}
	})
}

func TestConnEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near := legacyPipe(nil)
		c := connect(t, Conn(near))
		near.Close()
		if err := c.Ping(t.Context()); !errors.Is(err, ErrConnClosed) {
			t.Errorf("Ping: %v, want ErrConnClosed", err)
		}
	})
}

// TestConnCallLog: a log message names no call; with one in flight it is that one's.
func TestConnCallLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		others := 0
		c := connect(t, Conn(modernPipe(func(m jsonrpc.Message, send func([]byte)) {
			send(notification(mcp.NotificationMessage, `{"level":"info","data":"x"}`))
			send(result(m, textResult))
			send(notification(mcp.NotificationMessage, `{"level":"info","data":"y"}`))
		})), OnLog(func(LogMessage) { others++ }))
		own := 0
		if _, err := c.CallTool(t.Context(), "t", nil, OnCallLog("info", func(LogMessage) { own++ })); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if own != 1 || others != 1 {
			t.Errorf("%d messages for the call, %d others", own, others)
		}
		if _, err := c.CallTool(t.Context(), "t", nil, OnProgress(func(Progress) {})); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if own != 1 || others != 3 { // who follows progress does not take the messages
			t.Errorf("with progress followed, %d messages for the call, %d others", own, others)
		}
	})
}
