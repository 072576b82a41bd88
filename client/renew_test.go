// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// slowPipe is a server of either era whose calls make progress each 600 ms, and
// have a result after the given number of these.
func slowPipe(legacy bool, steps int) Target {
	serve := modernPipe
	if legacy {
		serve = legacyPipe
	}
	return Conn(serve(func(m jsonrpc.Message, send func([]byte)) {
		if m.Method != mcp.MethodCallTool {
			return
		}
		meta, _ := jsonrpc.Get(m.Params, "_meta")
		token, asked := jsonrpc.Get(meta, "progressToken")
		go func() { // ends with the steps
			for i := range steps {
				time.Sleep(600 * time.Millisecond)
				if asked {
					send(notification(mcp.NotificationProgress, fmt.Sprintf(`{"progressToken":%s,"progress":%d}`, token, i+1)))
				}
			}
			send(result(m, textResult))
		}()
	}))
}

func TestProgressRenewsTheTimeout(t *testing.T) {
	for _, tt := range []struct {
		name  string
		opts  []Option
		steps int
		late  string // part of the error; empty for a result
		after time.Duration
	}{
		{"not asked for", []Option{CallTimeout(time.Second)}, 5, "no result after 1s", time.Second},
		{"renewed", []Option{CallTimeout(time.Second), RenewByProgress(time.Minute)}, 5, "", 3 * time.Second},
		{"up to the total", []Option{CallTimeout(time.Second), RenewByProgress(2 * time.Second)}, 5, "no result after 2s, progress or not", 2 * time.Second},
		{"silence", []Option{CallTimeout(500 * time.Millisecond), RenewByProgress(time.Minute)}, 5, "neither progress nor a result for 500ms", 500 * time.Millisecond},
	} {
		for _, legacy := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.name, legacy), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := connect(t, slowPipe(legacy, tt.steps), append(tt.opts, InputRounds(10, 0))...)
					began := time.Now()
					_, err := c.Call(t.Context(), mcp.MethodCallTool, Raw(`{"name":"t"}`), CallOptions{ReturnInput: true})
					switch {
					case tt.late == "" && err != nil, tt.late != "" && (!errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), tt.late)):
						t.Errorf("%v, want %q", err, tt.late)
					case time.Since(began) != tt.after:
						t.Errorf("it took %v, want %v", time.Since(began), tt.after)
					}
					time.Sleep(time.Minute) // the server's goroutine ends
				})
			})
		}
	}
}

func TestRenewedCallsHandOnWhatWasAskedFor(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts []CallOption
		want string
	}{
		{"nothing", []CallOption{With(CallOptions{OnNotify: func(string, Raw) { t.Error("progress that nobody asked for") }})}, "[]"},
		{"progress", nil, "[1 2]"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var heard []float64
			opts := tt.opts
			if opts == nil {
				opts = []CallOption{OnProgress(func(p Progress) { heard = append(heard, p.Progress) })}
			}
			c := connect(t, slowPipe(false, 2), RenewByProgress(time.Minute))
			if _, err := c.CallTool(t.Context(), "t", nil, opts...); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(heard); got != tt.want {
				t.Errorf("%s: heard %s, want %s", tt.name, got, tt.want)
			}
		})
	}
}

func TestCallToolCancelsItsTask(t *testing.T) {
	const task = `{"resultType":"task","taskId":"t1","status":"working","createdAt":"2026-07-28T10:00:00Z","lastUpdatedAt":"2026-07-28T10:00:00Z","ttlMs":null,"pollIntervalMs":100}`
	synctest.Test(t, func(t *testing.T) {
		var methods []string
		c := connect(t, Conn(modernPipe(func(m jsonrpc.Message, send func([]byte)) {
			methods = append(methods, m.Method)
			switch m.Method {
			case mcp.MethodCallTool:
				send(result(m, task))
			case mcp.MethodGetTask:
				send(result(m, strings.Replace(task, `"task"`, `"complete"`, 1)))
			case mcp.MethodCancelTask:
				id, _ := jsonrpc.Get(m.Params, "taskId")
				methods = append(methods, string(id))
				send(result(m, `{"resultType":"complete"}`))
			}
		})), Extension(mcp.ExtensionTasks, nil))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.CallTool(ctx, "t", nil)
		if !errors.Is(err, ctx.Err()) || !strings.Contains(err.Error(), "task t1, which the server is asked to cancel") {
			t.Errorf("CallTool: %v", err)
		}
		synctest.Wait()
		if i := slices.Index(methods, mcp.MethodCancelTask); i < 0 || methods[i+1] != `"t1"` {
			t.Errorf("the server got %q", methods)
		}
	})
}
