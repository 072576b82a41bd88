// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// TestOneDeathIsOneFailure: when a process dies, all its calls fail, and that is
// one failure of the server, not as many.
func TestOneDeathIsOneFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newCounters()
		r := New(Config{Name: "inner", Launch: d.dial, Processes: NewSlots(2), Log: slog.New(slog.DiscardHandler)}, func(subscription.Event) {})
		var wg sync.WaitGroup
		for range 60 {
			wg.Go(func() {
				if _, err := r.Handle(t.Context(), sessionCall("wait", "s1", "ada")); err == nil {
					t.Error("a call on a dead process had a result")
				}
			})
		}
		synctest.Wait()
		d.breakAll()
		wg.Wait()
		if _, err := r.Handle(t.Context(), sessionCall("echo", "s1", "ada")); err != nil {
			t.Errorf("the next call: %v", err)
		}
		r.Close()
		d.srv.Close()
	})
}

// TestBreakerCountsWhoWasLetThrough: while it is open, late failures of what
// opened it change nothing.
func TestBreakerCountsWhoWasLetThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(func() {})
		for range 100 {
			b.failure(errors.New("bad"), failedCall)
		}
		time.Sleep(firstPause)
		if err := b.allow(); err != nil {
			t.Errorf("the pause has grown by late failures: %v", err)
		}
	})
}

// odd launches a modern server that answers calls as answer says, and may flood.
func odd(answer string, flood int) Launcher {
	return Dial(func(context.Context) (transport.Conn, error) {
		near, far := transport.Pipe()
		go func() { // ends when the near end is closed
			for {
				data, err := far.Read()
				if err != nil {
					return
				}
				m, err := jsonrpc.Decode(data, jsonrpc.DefaultLimits())
				if err != nil || m.Kind() != jsonrpc.Request {
					continue
				}
				reply := answer
				if m.Method == mcp.MethodDiscover {
					reply = `{"supportedVersions":["` + string(mcp.Latest) + `"],"capabilities":{"tools":{}},"resultType":"complete","ttlMs":0,"cacheScope":"private"}`
				}
				if far.Write(jsonrpc.AppendResult(nil, m.ID, Raw(reply))) != nil {
					return
				}
				for range flood {
					if far.Write([]byte(`{"jsonrpc":"2.0","method":"notifications/nonsense"}`)) != nil {
						return
					}
				}
			}
		}()
		return near, nil
	})
}

// TestResultThatIsNoObject: garbage in the place of a result names the server, and
// however often it comes, counts against no other call.
func TestResultThatIsNoObject(t *testing.T) {
	r := newPooled(t, Config{Launch: odd(`"x"`, 0)})
	_, err := r.Handle(t.Context(), callOf("echo", `{}`, &caller{}))
	wire, ok := jsonrpc.AsError(err)
	if !ok || !strings.Contains(string(wire.Data), `"garbage"`) || !strings.Contains(string(wire.Data), `"inner"`) {
		t.Errorf("error %v, data %s", err, wire.Data)
	}
	for range 4 * tolerated {
		_, _ = r.Handle(t.Context(), callOf("echo", `{}`, &caller{}))
	}
	if s := r.Status(); !s.Up {
		t.Errorf("the server is kept away from: %s", s.Reason)
	}
}

// TestFloodEndsTheInstance: a server that never stops notifying is stopped.
func TestFloodEndsTheInstance(t *testing.T) {
	r := newPooled(t, Config{Launch: odd(`{"content":[]}`, 2*floodLimit)})
	_, _ = r.Handle(t.Context(), callOf("echo", `{}`, &caller{}))
	for range 500 {
		if s := r.Status(); !s.Up {
			if !strings.Contains(s.Reason, "notifications") {
				t.Errorf("reason %q", s.Reason)
			}
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the flood goes on")
}

// TestListsDoNotHealACrashLoop: a server that answers lists and dies over calls
// is kept away from, until a call works or none has failed for a while.
func TestListsDoNotHealACrashLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(func() {})
		bad := errors.New("died")
		for range tolerated + 1 {
			b.failure(bad, failedCall)
			b.success(true)
		}
		if b.status().Up {
			t.Error("lists have healed it")
		}
		time.Sleep(maxPause + time.Second)
		if b.success(true); !b.status().Up {
			t.Error("still open after a quiet time")
		}
		if b.failure(bad, failedCall); b.status().Up {
			t.Error("one more death did not open it")
		}
		time.Sleep(2 * firstPause)
		if b.allow() != nil {
			t.Error("nobody is let through")
		}
		if b.success(false); !b.status().Up {
			t.Error("a call's success did not close it")
		}
		b.failure(bad, failedStart)
		if b.success(true); !b.status().Up {
			t.Error("after a failed start, a list's success did not close it")
		}
	})
}
