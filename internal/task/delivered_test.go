// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package task_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/share"
	"github.com/holdfast-mcp/holdfast/internal/task"
)

func quick(context.Context, rpc.Client) (rpc.Result, error) { return body(`{"content":[]}`) }

// TestDeliveredTasksMakeRoom: whose clients fetch their outcomes can go on, however
// long tasks are kept; what was not fetched is kept for its time, and a refusal says
// what is full.
func TestDeliveredTasksMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := task.NewSet(task.Config{PerPrincipal: 30, Total: 100, Log: slog.New(slog.NewTextHandler(&log, nil))})
		defer s.Close()
		begin := func(session string) (task.Task, error) {
			caller := share.Caller{Group: share.Group{Principal: "anna"}, Member: share.Member{Session: session}}
			return s.Start(t.Context(), owner, task.Spec{Method: "tools/call", Peer: client, Caller: caller, TTL: 24 * time.Hour}, &rpc.Deferred{Run: quick})
		}
		kept, err := begin("keeper") // whose client never asks for the outcome
		if err != nil {
			t.Fatal(err)
		}
		for i := range 1000 {
			x, err := begin("busy")
			if err != nil {
				t.Fatalf("task %d: %v", i, err)
			}
			synctest.Wait()
			done := get(t, s, x.ID)
			s.Delivered(&done)
			time.Sleep(time.Second)
			if _, err := s.Get(t.Context(), owner, x.ID); err != nil {
				t.Fatalf("task %d is gone a second after its delivery: %v", i, err)
			}
		}
		if x := get(t, s, kept.ID); x.Status != task.Completed {
			t.Errorf("what was not fetched is %s", x.Status)
		}
		n := 0
		for ; n < 100 && err == nil; n++ { // nobody fetches these
			_, err = begin("greedy")
			time.Sleep(time.Second)
		}
		if !errors.Is(err, task.ErrFull) || !strings.Contains(err.Error(), "of at most 30 of this principal and address") {
			t.Errorf("after %d: %v", n, err)
		}
		if _, err := begin("other"); err != nil {
			t.Errorf("another session: %v", err)
		}
		for range 100 {
			_, _ = begin("greedy")
		}
		if lines := strings.Count(log.String(), "task refused"); lines != 1 {
			t.Errorf("%d log lines for refusals within a minute", lines)
		}
	})
}

// TestClientsDecideHowLong: a client's wish wins over the server's, up to the limit.
func TestClientsDecideHowLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := task.NewSet(task.Config{MaxTTL: 2 * time.Hour})
		defer s.Close()
		for _, tt := range []struct{ wish, server, want time.Duration }{
			{10 * time.Second, 5 * time.Minute, 10 * time.Second}, {0, 5 * time.Minute, 5 * time.Minute}, {0, 0, time.Hour}, {24 * time.Hour, 0, 2 * time.Hour},
		} {
			stopped := make(chan error, 1)
			x, err := s.Start(t.Context(), owner, task.Spec{Peer: client, TTL: tt.wish}, &rpc.Deferred{TTL: tt.server, Run: func(ctx context.Context, _ rpc.Client) (rpc.Result, error) {
				<-ctx.Done()
				stopped <- context.Cause(ctx)
				return rpc.Result{}, ctx.Err()
			}})
			if err != nil || x.TTL != tt.want {
				t.Fatalf("wish %s, server %s: kept for %s, %v", tt.wish, tt.server, x.TTL, err)
			}
			time.Sleep(tt.want + 10*time.Second) // the next sweep
			synctest.Wait()
			if len(stopped) != 1 || !errors.Is(<-stopped, task.ErrExpired) {
				t.Errorf("wish %s: the work goes on after its time", tt.wish)
			}
			if _, err := s.Get(t.Context(), owner, x.ID); !errors.Is(err, task.ErrUnknown) {
				t.Errorf("wish %s: after its time: %v", tt.wish, err)
			}
		}
	})
}

// TestTasksKeepWithinBounds: a result or questions too large to be kept are the task's
// explicit error.
func TestTasksKeepWithinBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := task.NewSet(task.Config{MaxResult: 1 << 10})
		defer s.Close()
		large := start(t, s, func(context.Context, rpc.Client) (rpc.Result, error) {
			return body(`"` + strings.Repeat("x", 1<<10) + `"`)
		})
		asks := start(t, s, func(ctx context.Context, c rpc.Client) (rpc.Result, error) {
			big := form
			big.Params = rpc.Raw(`{"message":"` + strings.Repeat("x", 400<<10) + `"}`)
			_, err := c.Ask(ctx, map[string]rpc.InputRequest{"a": big, "b": big, "c": big})
			return rpc.Result{}, err
		})
		synctest.Wait()
		for id, want := range map[string]string{large.ID: "at most 1024 are kept", asks.ID: "at most 1048576 are kept"} {
			if x := get(t, s, id); x.Status != task.Failed || !strings.Contains(x.Err.Message, want) {
				t.Errorf("%s, %v; want %q", x.Status, x.Err, want)
			}
		}
	})
}

// TestDeliveriesAreForgotten: what is known of deliveries goes with the tasks.
func TestDeliveriesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := task.NewSet(task.Config{PerPrincipal: 10, Total: 10, TTL: time.Minute})
		defer s.Close()
		wait := func(ctx context.Context, _ rpc.Client) (rpc.Result, error) {
			<-ctx.Done()
			return rpc.Result{}, ctx.Err()
		}
		for i := range 50 { // who cancels knows the outcome
			x, err := s.Start(t.Context(), owner, task.Spec{Peer: client}, &rpc.Deferred{Run: wait})
			if err != nil {
				t.Fatal(i, err)
			}
			if _, _, err := s.Cancel(t.Context(), owner, x.ID); err != nil {
				t.Error(err)
			}
			time.Sleep(2 * time.Second)
		}
		for range 5 {
			for i := range 5 {
				x, err := s.Start(t.Context(), owner, task.Spec{Peer: client}, &rpc.Deferred{Run: quick})
				if err != nil {
					t.Fatal(i, err)
				}
				synctest.Wait()
				done := get(t, s, x.ID)
				s.Delivered(&done)
				s.Delivered(&done)
			}
			time.Sleep(2 * time.Minute)
		}
		if got := fmt.Sprint(task.Deliveries(s)); got != "0" {
			t.Errorf("%s deliveries are remembered", got)
		}
	})
}
