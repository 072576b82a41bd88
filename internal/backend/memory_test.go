// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

func TestMemoryIsHeldInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory(10)
		first, err := m.hold(t.Context(), 6)
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan string, 3)
		wait := func(ctx context.Context, name string, n int) {
			go func() {
				release, err := m.hold(ctx, n)
				if err != nil {
					name += " gave up"
				}
				got <- name
				if err == nil {
					defer release()
					time.Sleep(time.Second)
				}
			}()
			synctest.Wait()
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wait(short, "large", 100) // more than there is: it gets all
		wait(t.Context(), "second", 5)
		wait(t.Context(), "third", 4) // would fit, but not before those who came before
		if len(got) > 0 {
			t.Errorf("%s did not wait", <-got)
		}
		if name := <-got; name != "large gave up" {
			t.Errorf("%s came first", name)
		}
		synctest.Wait()
		if len(got) > 0 {
			t.Errorf("%s did not wait for who came before", <-got)
		}
		first()
		first() // twice is once
		synctest.Wait()
		if len(got) != 2 {
			t.Errorf("%d got room, want both", len(got))
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if m.free != 10 {
			t.Errorf("%d of 10 are free in the end", m.free)
		}
	})
}

// held is a client that has its answer when the test says so.
type held struct {
	caller
	rpc.Finish
}

// TestLargeResultsShareMemory: results of all servers together are bounded until
// their clients have them; who finds no room waits, and small ones always pass.
func TestLargeResultsShareMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := NewMemory(5 << 20)
		large := `{"content":[{"type":"text","text":"` + strings.Repeat("x", 2<<20) + `"}],"resultType":"complete"}`
		var remotes []*Remote
		for range 2 {
			remotes = append(remotes, New(Config{Name: "inner", Launch: odd(large, 0), Memory: memory, CallTimeout: time.Minute, Log: slog.New(slog.DiscardHandler)}, func(subscription.Event) {}))
		}
		small := New(Config{Name: "small", Launch: odd(`{"content":[],"resultType":"complete"}`, 0), Memory: memory, Log: slog.New(slog.DiscardHandler)}, func(subscription.Event) {})
		clients := [3]held{}
		done := make(chan error, 3)
		for i := range clients {
			go func() {
				_, err := remotes[i%2].Handle(t.Context(), callOf("echo", `{}`, &clients[i]))
				done <- err
			}()
			synctest.Wait()
		}
		if len(done) != 2 {
			t.Errorf("%d calls have returned, want 2: there is room for no more", len(done))
		}
		if _, err := small.Handle(t.Context(), callOf("echo", `{}`, &caller{})); err != nil {
			t.Errorf("a small result: %v", err)
		}
		clients[0].Finished()
		synctest.Wait()
		if len(done) != 3 {
			t.Error("the third call did not return when the first client had its answer")
		}
		clients[1].Finished()
		clients[2].Finished()
		for range 3 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		var rest held
		release, err := memory.hold(t.Context(), 5<<20)
		if err != nil {
			t.Fatal(err)
		}
		_, err = remotes[0].Handle(t.Context(), callOf("echo", `{}`, &rest))
		if wire, ok := jsonrpc.AsError(err); !ok || !strings.Contains(string(wire.Data), `"busy"`) || !errors.Is(err, errBusy) {
			t.Errorf("with no room until its deadline a call says %v", err)
		}
		release()
		for _, r := range append(remotes, small) {
			r.Close()
		}
	})
}

// TestListsAreKeptInBounds: pages of lists are kept in so many bytes.
func TestListsAreKeptInBounds(t *testing.T) {
	var c listCache
	for i := range 100 {
		params := Raw(`{"cursor":"` + strings.Repeat("c", i) + `"}`)
		c.put(&rpc.Call{Method: mcp.MethodListTools, Params: params}, rpc.Result{Body: make(Raw, 1<<20)})
		c.put(&rpc.Call{Method: mcp.MethodListTools, Params: params}, rpc.Result{Body: make(Raw, 1<<20)})
		sum := 0
		for page, res := range c.pages {
			sum += len(page) + len(res.Body)
		}
		if sum > maxListBytes || sum != c.bytes {
			t.Fatalf("%d bytes are kept and %d counted, the bound is %d", sum, c.bytes, maxListBytes)
		}
	}
}
