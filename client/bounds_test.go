// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// padded are the params of a notification of about size bytes.
func padded(token string, n, size int) string {
	return fmt.Sprintf(`{"progressToken":%s,"progress":%d,"message":"%s"}`, token, n, strings.Repeat("x", size))
}

// TestNotificationsAreBounded: what a server sends while its handler does not take
// it is kept up to a number of bytes, the newest of it, and what was dropped is said once.
func TestNotificationsAreBounded(t *testing.T) {
	const sent, size = 120, 100 << 10
	for _, where := range []string{"call", "client"} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				var heard []string
				block := make(chan struct{})
				hear := func(_ string, params Raw) {
					<-block
					raw, _ := jsonrpc.Get(params, "progress")
					heard = append(heard, string(raw))
				}
				method := map[string]string{"call": mcp.NotificationProgress, "client": "notifications/other"}[where]
				c := connect(t, Conn(legacyPipe(func(m jsonrpc.Message, send func([]byte)) {
					if m.Method != mcp.MethodCallTool {
						return
					}
					for i := range sent {
						send(notification(method, padded(m.ID.String(), i, size)))
					}
					send(notification(method, padded(m.ID.String(), sent, maxNote)))
					send(result(m, textResult))
				})), Logger(slog.New(slog.NewTextHandler(&log, nil))), OnNotification(hear))
				opts := CallOptions{}
				if where == "call" {
					opts.OnNotify = hear
				}
				done := make(chan error)
				go func() {
					_, err := c.Call(t.Context(), mcp.MethodCallTool, Raw(`{"name":"t","_meta":{"progressToken":7}}`), opts)
					done <- err
				}()
				synctest.Wait()
				if n := c.core.backlogs.Load(); n > maxBacklog {
					t.Errorf("%d bytes wait, the bound is %d", n, maxBacklog)
				}
				close(block)
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if n := len(heard); n == 0 || n > maxBacklog/size+1 || heard[n-1] != fmt.Sprint(sent-1) {
					t.Errorf("heard %d of %d, the last %v; want the newest", n, sent, heard[max(n-1, 0):])
				}
				if lines := strings.Count(log.String(), "notifications dropped"); lines != 1 {
					t.Errorf("%d log lines, want 1: %s", lines, log.String())
				}
				if n := c.core.backlogs.Load(); n != 0 {
					t.Errorf("%d bytes are still counted", n)
				}
			})
		})
	}
}

// TestBacklogsAreBoundedTogether: handlers of many calls share a bound too.
func TestBacklogsAreBoundedTogether(t *testing.T) {
	k := &core{}
	params := Raw(`"` + strings.Repeat("x", maxNote-100) + `"`)
	var all []*flight
	for i := range 64 {
		f := k.newFlight(jsonrpc.IntID(int64(i)), &request{})
		for range 4 {
			f.push("m", params)
		}
		all = append(all, f)
	}
	if n := k.backlogs.Load(); n > maxBacklogs {
		t.Errorf("%d bytes wait at all calls, the bound is %d", n, maxBacklogs)
	}
	for _, f := range all {
		f.missed()
	}
	if n := k.backlogs.Load(); n != 0 {
		t.Errorf("%d bytes are still counted", n)
	}
}

// TestQuestionsAreBounded: too many, too large and unread ones are refused.
func TestQuestionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		refused := map[string]int{}
		big := strings.Repeat("x", maxQuestionBytes/4)
		c := connect(t, Conn(legacyPipe(func(m jsonrpc.Message, send func([]byte)) {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case m.Error != nil:
				text, _, _ := strings.Cut(m.Error.Message, ":")
				refused[text]++
			case m.Method == mcp.MethodCallTool:
				for i := range 6 {
					send(fmt.Appendf(nil, `{"jsonrpc":"2.0","id":"b%d","method":"elicitation/create","params":{"message":"%s"}}`, i, big))
				}
				for i := range maxQuestions {
					send(fmt.Appendf(nil, `{"jsonrpc":"2.0","id":"s%d","method":"elicitation/create","params":{}}`, i))
				}
			}
		})))
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			_, _ = c.Call(ctx, mcp.MethodCallTool, Raw(`{"name":"t"}`), CallOptions{OnAsk: func(ctx context.Context, _ string, _ Raw) (Raw, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}})
		}()
		synctest.Wait()
		mu.Lock()
		large, many := refused["the client is answering requests that are too large"], refused["the client is answering too many requests"]
		mu.Unlock()
		if large != 3 || many != 3 {
			t.Errorf("refused %v; want 3 of the large, and 3 of all", refused)
		}
		cancel()
		synctest.Wait()
	})
}

// TestServerThatReadsNothing: what is sent to it waits in bounds, and who sends
// more waits for room.
func TestServerThatReadsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := transport.Pipe()
		defer far.Close()
		stuck := &stuckConn{Conn: near, block: make(chan struct{})}
		k, err := newCore(t.Context(), newConfig(nil))
		if err != nil {
			t.Fatal(err)
		}
		m, err := newMux(k, stuck)
		if err != nil {
			t.Fatal(err)
		}
		sent, message := 0, bytes.Repeat([]byte{' '}, 1<<20)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for m.send(ctx, message) == nil {
				sent++
			}
		}()
		synctest.Wait()
		if sent != 1+maxOutBytes>>20 { // one is being written
			t.Errorf("%d messages of 1 MiB were taken", sent)
		}
		cancel()
		close(stuck.block)
		synctest.Wait()
		m.fail(ErrClosed)
		k.group.end(ErrClosed)
		k.group.wait()
	})
}

type stuckConn struct {
	transport.Conn
	block chan struct{}
}

func (c *stuckConn) Write([]byte) error {
	<-c.block
	return transport.ErrClosed
}

// TestLargeAnswersAskForRoom: before more than the threshold is held, however the
// answer comes, and no room is the call's error.
func TestLargeAnswersAskForRoom(t *testing.T) {
	const over = 1 << 10
	large := `{"content":[],"x":"` + strings.Repeat("x", 4*over) + `"}`
	noRoom := errors.New("no room")
	over1k := LargeResults(over, 1<<20)
	targets := map[string]func(answer string) (Target, []Option){
		"pipe": func(answer string) (Target, []Option) {
			return Conn(legacyPipe(func(m jsonrpc.Message, send func([]byte)) { send(result(m, answer)) })), nil
		},
		"body": func(answer string) (Target, []Option) {
			s := legacyWire(t, func(w http.ResponseWriter, _ *http.Request, m jsonrpc.Message) { reply(w, 200, result(m, answer)) })
			return HTTP(s.URL), nil
		},
		"legacy stream": func(answer string) (Target, []Option) {
			s := legacyWire(t, func(w http.ResponseWriter, _ *http.Request, m jsonrpc.Message) {
				stream(w, "id: 1\ndata: \n\n"+event(result(m, answer)))
			})
			return HTTP(s.URL), nil
		},
		"modern stream": func(answer string) (Target, []Option) {
			s := modernWire(t, func(w http.ResponseWriter, _ *http.Request, m jsonrpc.Message) { stream(w, event(result(m, answer))) })
			return HTTP(s.URL), []Option{ForceEra(mcp.Modern)}
		},
	}
	for name, target := range targets {
		t.Run(name, func(t *testing.T) {
			for _, tt := range []struct {
				answer string
				err    error
				asked  int
			}{{textResult, nil, 0}, {large, nil, 1}, {large, noRoom, 1}} {
				to, options := target(tt.answer)
				c := connect(t, to, append(options, over1k)...)
				asked := 0
				got, err := c.Call(t.Context(), mcp.MethodCallTool, Raw(`{"name":"t"}`), CallOptions{
					ReturnInput: true, Reserve: func(_ context.Context, size int) error {
						if asked++; size < len(tt.answer) {
							t.Errorf("asked for %d bytes, want at least %d", size, len(tt.answer))
						}
						return tt.err
					},
				})
				if asked != tt.asked || !errors.Is(err, tt.err) || err == nil && len(got) != len(tt.answer) {
					t.Errorf("asked %d times, %d bytes, %v; want %d times, %v", asked, len(got), err, tt.asked, tt.err)
				}
			}
		})
	}
}
