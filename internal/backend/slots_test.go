// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
)

// visitor is one session and where it comes from.
type visitor struct {
	session, address string
	after            time.Duration // since the visitor before
}

// TestWhoMakesRoom: which sessions still have their processes after a number of
// visitors came to a server that may have three.
func TestWhoMakesRoom(t *testing.T) {
	for _, tt := range []struct {
		name     string
		visitors []visitor
		want     string
	}{
		{"newcomers do not drive out who was there", []visitor{{"v", "a", 0}, {"n1", "a", 0}, {"n2", "a", 0}, {"n3", "a", 0}, {"n4", "a", 0}}, "n1 n4 v"},
		{"but who has not called for a while", []visitor{{"v", "a", 0}, {"n1", "a", 2 * fresh}, {"n2", "a", 0}, {"n3", "a", 0}}, "n1 n2 n3"},
		{"the idlest of these first", []visitor{{"v", "a", 0}, {"n1", "a", time.Second}, {"n2", "a", time.Second}, {"n3", "a", 2 * fresh}}, "n1 n2 n3"},
		{"who comes from where most are", []visitor{{"v", "b", 0}, {"n1", "a", 0}, {"n2", "a", 0}, {"n3", "a", 0}}, "n1 n3 v"},
		{"though who comes is from elsewhere", []visitor{{"n1", "a", 0}, {"n2", "a", 0}, {"n3", "a", 0}, {"v", "b", 0}}, "n1 n2 v"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newCounters()
				r := New(Config{Name: "inner", Launch: d.dial, Sharing: PerSession, Max: 3, Processes: NewSlots(64), Log: slog.New(slog.DiscardHandler)}, func(subscription.Event) {})
				for _, v := range tt.visitors {
					time.Sleep(max(v.after, time.Second))
					call := sessionCall("echo", v.session, "local")
					call.Address = v.address
					if _, err := r.Handle(t.Context(), call); err != nil {
						t.Fatal(err)
					}
				}
				synctest.Wait()
				var kept []string
				r.pool.mu.Lock()
				for k := range r.pool.entries {
					kept = append(kept, strings.TrimPrefix(k.whose, sessionMark))
				}
				r.pool.mu.Unlock()
				slices.Sort(kept)
				if got := strings.Join(kept, " "); got != tt.want {
					t.Errorf("%s have their processes, want %s", got, tt.want)
				}
				r.Close()
				d.srv.Close()
				if n := r.pool.slots.shares.Used() + r.cfg.Processes.shares.Used(); n != 0 {
					t.Errorf("%d slots are still counted", n)
				}
			})
		})
	}
}

// TestBusyProcessesLeaveRoom: a session whose calls keep all the processes it can have
// busy leaves room for another, and those who wait have turns.
func TestBusyProcessesLeaveRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const processes = 16
		slots := NewSlots(processes)
		d := newCounters()
		server.AddTool(d.srv, "work", "Work for a minute", func(ctx context.Context, _ *server.Request, _ struct{}) (*mcp.CallToolResult, error) {
			select {
			case <-time.After(time.Minute):
			case <-ctx.Done():
			}
			return &mcp.CallToolResult{}, nil
		})
		var remotes []*Remote
		for i := range 2 * processes {
			remotes = append(remotes, New(Config{Name: fmt.Sprint("inner", i), Launch: d.dial, Sharing: PerSession, Processes: slots, Log: slog.New(slog.DiscardHandler)}, func(subscription.Event) {}))
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for _, r := range remotes {
			wg.Go(func() { _, _ = r.Handle(ctx, sessionCall("work", "greedy", "local")) })
		}
		synctest.Wait()
		began := time.Now()
		if _, err := remotes[0].Handle(t.Context(), sessionCall("echo", "other", "local")); err != nil || time.Since(began) > 0 {
			t.Errorf("another session's call, after %s: %v", time.Since(began), err)
		}
		short, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		_, err := remotes[1].Handle(short, sessionCall("echo", "bobs", "bob"))
		if err != nil {
			t.Errorf("another principal's call: %v", err)
		}
		cancel()
		wg.Wait()
		for _, r := range remotes {
			r.Close()
		}
		d.srv.Close()
		if n := slots.shares.Used() + slots.line.Len(); n != 0 {
			t.Errorf("%d slots are still counted", n)
		}
	})
}
