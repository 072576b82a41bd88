// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// board is a table of flights and its flights by id.
type board struct {
	flights
	of map[string]*flight
}

// do applies one move, such as "a:ada" for a call a of the owner ada.
func (b *board) do(move string) {
	what, arg, _ := strings.Cut(move, " ")
	id := jsonrpc.StringID(strings.SplitN(arg, ":", 2)[0])
	f := b.of[id.String()]
	respond := func(result string) { b.take(&jsonrpc.Message{ID: id, Result: Raw(result)}) }
	switch what {
	case "call", "quiet", "list", "follow":
		_, owner, _ := strings.Cut(arg, ":")
		r := &request{method: mcp.MethodCallTool, opts: CallOptions{Owner: owner}}
		switch what {
		case "call", "quiet":
			r.opts.OnAsk = func(context.Context, string, Raw) (Raw, error) { return nil, nil }
		case "list":
			r.method = mcp.MethodListTools
		case "follow": // "follow ID:OWNER" asks for the result of task T
			r.method, r.params = mcp.MethodTaskResult, Raw(`{"taskId":"T"}`)
			r.opts.OnAsk = func(context.Context, string, Raw) (Raw, error) { return nil, nil }
		}
		f = (&core{}).newFlight(id, r)
		f.quiet = what == "quiet"
		b.of[id.String()] = f
		if err := b.add(f); err != nil {
			panic(err)
		}
	case "leave":
		b.abandon(f)
	case "answer":
		respond(textResult)
	case "task":
		respond(`{"task":{"taskId":"T","status":"working"}}`)
	case "many": // more calls that are left than are remembered
		for i := range maxUnanswered + 1 {
			one := fmt.Sprintf("%s%d", arg, i)
			b.do("call " + one + ":" + arg)
			b.do("leave " + one)
		}
	case "renew":
		b.renew()
	default:
		panic(move)
	}
}

// TestMessagesThatNameNoCall: who is asked and who is told, if anybody, after a
// number of moves.
func TestMessagesThatNameNoCall(t *testing.T) {
	const about = `{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"T"}}}`
	for _, tt := range []struct {
		name, moves, params string
		asked, logged       string
	}{
		{"nothing", "", "", "", ""},
		{"the only call", "call a:ada", "", "a", "a"},
		{"the newest of one owner", "call a:ada, call b:ada", "", "b", "b"},
		{"one of two owners", "call a:ada, call b:bob", "", "", ""},
		{"a list is nobody's", "call a:ada, list l:", "", "a", "a"},
		{"after another's answer", "call a:ada, answer a, call b:bob", "", "b", ""},
		{"another's call was left", "call a:ada, leave a, call b:bob", "", "", ""},
		{"one's own call was left", "call a:ada, leave a, call b:ada", "", "b", "b"},
		{"left, while the other runs", "call a:ada, call b:bob, leave a", "", "", ""},
		{"answered late", "call a:ada, leave a, call b:bob, answer a", "", "b", ""},
		{"left after the answer", "call a:ada, answer a, leave a, call b:bob", "", "b", ""},
		{"another's task", "call a:ada, task a, call b:bob", "", "", ""},
		{"about one's own task", "call a:ada, task a, follow f:ada, call b:bob", about, "f", ""},
		{"about a task of which nobody is there", "call a:ada, task a, call b:bob", about, "", ""},
		{"about no known task", "call a:ada", about, "", "a"},
		{"another's task is over", "call a:ada, task a, follow f:ada, answer f, call b:bob", "", "b", ""},
		{"another's task was given up", "call a:ada, task a, follow f:ada, leave f, call b:bob", "", "", ""},
		{"too many left to know", "many ada, call b:bob", "", "", ""},
		{"too many left of one's own", "many ada, call a:ada", "", "a", "a"},
		{"another server", "call a:ada, leave a, renew, call b:bob", "", "b", "b"},
		{"a modern server, after another's answer", "renew, call a:ada, answer a, call b:bob", "", "b", "b"},
		{"a modern server, another's call was left", "renew, call a:ada, leave a, call b:bob", "", "", ""},
		{"a modern server, quiet calls", "renew, quiet a:ada, call b:bob, quiet c:cyd, leave a", "", "", "b"},
		{"nobody named", "call a:", "", "a", "a"},
		{"two without a name", "call a:, call b:", "", "", ""},
		{"one after the other", "call a:, answer a, call b:", "", "b", "b"},
		{"left without a name", "call a:, leave a, call b:", "", "", "b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := &board{of: map[string]*flight{}}
			b.lateLogs()
			for _, move := range strings.Split(tt.moves, ", ") {
				if move != "" {
					b.do(move)
				}
			}
			name := func(f *flight) string {
				if f == nil {
					return ""
				}
				return strings.Trim(f.id.String(), `"`)
			}
			if asked := name(b.asked(Raw(tt.params))); asked != tt.asked {
				t.Errorf("asked %q, want %q", asked, tt.asked)
			}
			if logged := name(b.logged()); logged != tt.logged {
				t.Errorf("logged %q, want %q", logged, tt.logged)
			}
		})
	}
}

// TestUnansweredIsBounded: what is remembered of a server that never answers.
func TestUnansweredIsBounded(t *testing.T) {
	b := &board{of: map[string]*flight{}}
	b.do("many ada")
	b.do("many bob")
	if n := len(b.unanswered.calls); n != maxUnanswered {
		t.Errorf("%d calls are remembered, want %d", n, maxUnanswered)
	}
	for id := range b.unanswered.calls {
		b.take(&jsonrpc.Message{ID: id, Result: Raw(`{}`)})
	}
	if len(b.unanswered.calls)+len(b.unanswered.counts) != 0 {
		t.Errorf("%d calls and %d owners are left after all answers", len(b.unanswered.calls), len(b.unanswered.counts))
	}
	b.do("call c:cyd")
	if b.asked(nil) != nil {
		t.Error("a question was handed out although calls over the bound may be meant")
	}
}

// TestAbandonedCallsAreOver: who left a call is told once that nothing of it is left
// at the server: it has answered, or is gone.
func TestAbandonedCallsAreOver(t *testing.T) {
	for _, tc := range []struct {
		moves string // a b: both calls are left first
		over  int
	}{
		{"", 0}, {"answer a", 1}, {"answer a,answer a", 1}, {"answer a,answer b", 2}, {"renew", 2}, {"answer a,renew,renew", 2},
	} {
		t.Run(tc.moves, func(t *testing.T) {
			b, left, over := &board{of: map[string]*flight{}}, 0, 0
			for _, id := range []string{"a", "b"} {
				b.do("call " + id + ":ada")
				b.of[jsonrpc.StringID(id).String()].req.opts.Abandoned = func() func() { left++; return func() { over++ } }
				b.do("leave " + id)
			}
			for move := range strings.SplitSeq(tc.moves, ",") {
				if move != "" {
					b.do(move)
				}
			}
			if left != 2 || over != tc.over {
				t.Errorf("%d calls were left and %d are over, want 2 and %d", left, over, tc.over)
			}
		})
	}
}

// TestQuestionOfACallThatEnds: a question that goes by a call which ends is put to
// another of the same owner, and else answered with an error, lest the server wait.
func TestQuestionOfACallThatEnds(t *testing.T) {
	for _, second := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var calls []jsonrpc.Message
			answers := make(chan jsonrpc.Message, 1)
			c := connect(t, Conn(legacyPipe(func(m jsonrpc.Message, send func([]byte)) {
				switch {
				case m.Kind() == jsonrpc.Response:
					answers <- m
					for _, call := range calls {
						send(result(call, textResult))
					}
				case m.Method == mcp.MethodCallTool:
					if calls = append(calls, m); len(calls) == 2 || !second {
						send([]byte(`{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"?"}}`))
					}
				}
			})))
			asked := make(chan string, 2)
			call := func(ctx context.Context, name string) {
				_, _ = c.Call(ctx, mcp.MethodCallTool, Raw(`{"name":"`+name+`"}`), CallOptions{
					Owner: "ada", OnAsk: func(ctx context.Context, _ string, _ Raw) (Raw, error) {
						asked <- name
						if name == "first" {
							return Raw(`{"action":"accept"}`), nil
						}
						<-ctx.Done()
						return nil, context.Cause(ctx)
					},
				})
			}
			if second {
				go call(t.Context(), "first")
				synctest.Wait()
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			go call(ctx, "last")
			if by := <-asked; by != "last" {
				t.Fatalf("%s was asked, want the newest", by)
			}
			cancel(errors.New("enough"))
			got := <-answers
			switch {
			case second && (got.Error != nil || string(got.Result) != `{"action":"accept"}`):
				t.Errorf("answered %s, %v, want the other call's answer", got.Result, got.Error)
			case !second && (got.Error == nil || !strings.Contains(got.Error.Message, "has ended")):
				t.Errorf("answered %s, %v, want that the call has ended", got.Result, got.Error)
			}
			synctest.Wait()
		})
	}
}

// TestProgressOfACallThatEnded: progress is its token's, whatever stream it comes on.
func TestProgressOfACallThatEnded(t *testing.T) {
	first := ""
	s := legacyWire(t, func(w http.ResponseWriter, _ *http.Request, m jsonrpc.Message) {
		if first == "" {
			first = m.ID.String()
			reply(w, 200, result(m, textResult))
			return
		}
		note := func(token string) string {
			return event(notification(mcp.NotificationProgress, `{"progressToken":`+token+`,"progress":1}`))
		}
		stream(w, note(first)+note(m.ID.String())+note(`"`+m.ID.String()+`"`)+event(result(m, textResult)))
	})
	c := connect(t, HTTP(s.URL))
	for i, want := range []int{0, 2} {
		heard := 0
		_, err := c.Call(t.Context(), mcp.MethodCallTool, Raw(`{"name":"t","_meta":{"progressToken":7}}`), CallOptions{
			OnNotify: func(_ string, params Raw) {
				if token, _ := jsonrpc.Get(params, "progressToken"); string(token) == "7" {
					heard++
				}
			},
		})
		if err != nil || heard != want {
			t.Errorf("call %d: %d notifications, %v; want %d", i, heard, err, want)
		}
	}
}

// TestQuestionsOverHTTP: a question on a call's own stream is the call's. One on
// the session's stream names no call, and the server may still work on one that
// was left.
func TestQuestionsOverHTTP(t *testing.T) {
	const question = `{"jsonrpc":"2.0","id":"q%d","method":"elicitation/create","params":{"message":"?"}}`
	aside, answers := make(chan string), make(chan jsonrpc.Message, 1)
	s := legacyWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
		switch name, _ := jsonrpc.Get(m.Params, "name"); {
		case r.Method == http.MethodGet:
			stream(w, ":\n\n")
			for n := 1; ; n++ {
				select {
				case <-aside:
					stream(w, event(fmt.Appendf(nil, question, n)))
				case <-r.Context().Done():
					return
				}
			}
		case m.Kind() == jsonrpc.Response:
			w.WriteHeader(http.StatusAccepted)
			answers <- m
		case m.Kind() == jsonrpc.Notification:
			w.WriteHeader(http.StatusAccepted)
		case string(name) == `"hang"`:
			stream(w, ":\n\n")
			<-r.Context().Done()
		default:
			stream(w, event(fmt.Appendf(nil, question, 0)))
			aside <- ""
			<-r.Context().Done()
		}
	})
	c := connect(t, HTTP(s.URL), OnToolsChanged(func() {}))
	call := func(ctx context.Context, owner, name string) {
		_, _ = c.Call(ctx, mcp.MethodCallTool, Raw(`{"name":"`+name+`"}`), CallOptions{
			Owner: owner, OnAsk: func(context.Context, string, Raw) (Raw, error) { return Raw(`{"by":"` + owner + `"}`), nil },
		})
	}
	for _, tt := range []struct {
		left string // whose call was left before
		want string // what the question on the session's stream is answered with
	}{{"", `{"by":"bob"}`}, {"bob", `{"by":"bob"}`}, {"ada", ""}} {
		if tt.left != "" {
			short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			call(short, tt.left, "hang")
			cancel()
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { call(ctx, "bob", "ask"); close(done) }()
		for range 2 {
			m := <-answers
			want := tt.want
			if m.ID == jsonrpc.StringID("q0") {
				want = `{"by":"bob"}`
			}
			if got := string(m.Result); got != want || (m.Error != nil) != (want == "") {
				t.Errorf("%q left: %s answered with %s, %v; want %q", tt.left, m.ID.String(), got, m.Error, want)
			}
		}
		cancel() // which leaves one of bob's
		<-done
	}
}
