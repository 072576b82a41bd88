// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package task_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/task"
	"github.com/holdfast-mcp/holdfast/internal/task/tasktest"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemory(t *testing.T) {
	tasktest.Run(t, func(*testing.T) task.Store { return task.NewMemory() })
}

var (
	owner  = task.Owner{Principal: "anna", Era: mcp.Modern}
	client = &rpc.Peer{Capabilities: mcp.ClientCapabilities{Elicitation: &mcp.ElicitationCapability{}}}
	form   = rpc.InputRequest{Method: mcp.MethodElicit, Params: rpc.Raw(`{"message":"?"}`)}
)

type run = func(ctx context.Context, c rpc.Client) (rpc.Result, error)

func newSet(t *testing.T, cfg task.Config) *task.Set {
	s := task.NewSet(cfg)
	t.Cleanup(s.Close)
	return s
}

func start(t *testing.T, s *task.Set, f run) task.Task {
	t.Helper()
	x, err := s.Start(t.Context(), owner, task.Spec{Method: "tools/call", Peer: client}, &rpc.Deferred{Run: f})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func get(t *testing.T, s *task.Set, id string) task.Task {
	t.Helper()
	x, err := s.Get(t.Context(), owner, id)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func body(text string) (rpc.Result, error) { return rpc.Result{Body: rpc.Raw(text)}, nil }

func TestCompleteAndFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := task.NewSet(task.Config{})
		defer s.Close()
		good := start(t, s, func(context.Context, rpc.Client) (rpc.Result, error) { return body(`{"isError":true}`) })
		bad := start(t, s, func(context.Context, rpc.Client) (rpc.Result, error) {
			return rpc.Result{}, jsonrpc.NewError(-32602, "no")
		})
		dark := start(t, s, func(context.Context, rpc.Client) (rpc.Result, error) { return rpc.Result{}, errors.New("secret") })
		panics := start(t, s, func(context.Context, rpc.Client) (rpc.Result, error) { panic("secret") })
		synctest.Wait()
		if x := get(t, s, good.ID); x.Status != task.Completed || string(x.Result.Body) != `{"isError":true}` {
			t.Errorf("%+v", x)
		}
		if x := get(t, s, bad.ID); x.Status != task.Failed || x.Err.Code != -32602 {
			t.Errorf("%+v", x)
		}
		for _, id := range []string{dark.ID, panics.ID} {
			if x := get(t, s, id); x.Status != task.Failed || x.Err.Code != jsonrpc.CodeInternal || x.Err.Message == "secret" {
				t.Errorf("%+v", x)
			}
		}
	})
}

func TestOwnership(t *testing.T) {
	s := newSet(t, task.Config{})
	x := start(t, s, func(context.Context, rpc.Client) (rpc.Result, error) { return body("{}") })
	for _, o := range []task.Owner{{Principal: "bert", Era: mcp.Modern}, {Principal: "anna", Era: mcp.Legacy}} {
		_, get := s.Get(t.Context(), o, x.ID)
		_, _, cancel := s.Cancel(t.Context(), o, x.ID)
		_, answer := s.Answer(t.Context(), o, x.ID, nil)
		_, wait := s.Wait(t.Context(), o, x.ID, 0)
		for _, err := range []error{get, cancel, answer, wait} {
			if !errors.Is(err, task.ErrUnknown) {
				t.Errorf("%+v: %v, want ErrUnknown", o, err)
			}
		}
	}
}

func TestAskInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := task.NewSet(task.Config{})
		defer s.Close()
		var seen []task.Status
		s.Watch(mcp.Modern, func(x task.Task) { seen = append(seen, x.Status) })
		var answers []map[string]rpc.Raw
		x := start(t, s, func(ctx context.Context, c rpc.Client) (rpc.Result, error) {
			for range 2 {
				a, err := c.Ask(ctx, map[string]rpc.InputRequest{"a": form, "b": form})
				if err != nil {
					return rpc.Result{}, err
				}
				answers = append(answers, a)
			}
			return body("{}")
		})
		synctest.Wait()
		if q := get(t, s, x.ID).Questions; len(q) != 2 {
			t.Fatalf("questions %v", q)
		}
		left, _ := s.Answer(t.Context(), owner, x.ID, map[string]rpc.Raw{"a": rpc.Raw(`1`), "unknown": rpc.Raw(`2`)})
		if len(left.Questions) != 1 || left.Status != task.InputRequired {
			t.Fatalf("after a partial answer: %+v", left)
		}
		s.Answer(t.Context(), owner, x.ID, map[string]rpc.Raw{"b": rpc.Raw(`2`)})
		synctest.Wait()
		again := get(t, s, x.ID)
		if _, reused := again.Questions["a"]; reused || len(again.Questions) != 2 {
			t.Fatalf("second round has keys %v; keys must be new", again.Questions)
		}
		rest := map[string]rpc.Raw{}
		for key := range again.Questions {
			rest[key] = rpc.Raw(`3`)
		}
		s.Answer(t.Context(), owner, x.ID, rest)
		synctest.Wait()
		if x := get(t, s, x.ID); x.Status != task.Completed {
			t.Fatalf("%+v", x)
		}
		if string(answers[0]["a"]) != "1" || string(answers[0]["b"]) != "2" || string(answers[1]["a"]) != "3" {
			t.Errorf("answers %v", answers)
		}
		if last := seen[len(seen)-1]; last != task.Completed || seen[0] != task.InputRequired {
			t.Errorf("hook saw %v", seen)
		}
	})
}

func TestAskUndeclared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := task.NewSet(task.Config{})
		defer s.Close()
		x := start(t, s, func(ctx context.Context, c rpc.Client) (rpc.Result, error) {
			_, err := c.Ask(ctx, map[string]rpc.InputRequest{"a": {Method: mcp.MethodCreateMessage}})
			return rpc.Result{}, err
		})
		synctest.Wait()
		if x := get(t, s, x.ID); x.Err == nil || x.Err.Code != mcp.CodeMissingCapability {
			t.Errorf("%+v", x)
		}
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := task.NewSet(task.Config{})
		defer s.Close()
		var cause error
		x := start(t, s, func(ctx context.Context, _ rpc.Client) (rpc.Result, error) {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return body("{}")
		})
		if y, changed, err := s.Cancel(t.Context(), owner, x.ID); err != nil || !changed || y.Status != task.Cancelled {
			t.Fatalf("cancel = %+v, %v, %v", y, changed, err)
		}
		synctest.Wait()
		if y, changed, err := s.Cancel(t.Context(), owner, x.ID); err != nil || changed || y.Status != task.Cancelled {
			t.Fatalf("second cancel = %+v, %v, %v", y, changed, err)
		}
		if !errors.Is(cause, task.ErrCancelled) {
			t.Errorf("cause %v", cause)
		}
	})
}

func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := task.NewSet(task.Config{TTL: time.Minute})
		defer s.Close()
		var cause error
		x := start(t, s, func(ctx context.Context, _ rpc.Client) (rpc.Result, error) {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return rpc.Result{}, cause
		})
		waited := make(chan error, 1)
		go func() {
			_, err := s.Wait(t.Context(), owner, x.ID, 0)
			waited <- err
		}()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if _, err := s.Get(t.Context(), owner, x.ID); !errors.Is(err, task.ErrUnknown) {
			t.Errorf("get after the end: %v", err)
		}
		if err := <-waited; !errors.Is(err, task.ErrUnknown) {
			t.Errorf("wait: %v", err)
		}
		if !errors.Is(cause, task.ErrExpired) {
			t.Errorf("cause %v", cause)
		}
	})
}

func TestWaitAndClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := task.NewSet(task.Config{})
		defer s.Close()
		x := start(t, s, func(ctx context.Context, c rpc.Client) (rpc.Result, error) {
			_, err := c.Ask(ctx, map[string]rpc.InputRequest{"a": form})
			if err != nil {
				return rpc.Result{}, err
			}
			return body("{}")
		})
		asked, err := s.Wait(t.Context(), owner, x.ID, 0)
		if err != nil || asked.Status != task.InputRequired {
			t.Fatalf("wait = %+v, %v", asked, err)
		}
		mine, release, _ := s.Claim(t.Context(), owner, x.ID)
		none, releaseNone, _ := s.Claim(t.Context(), owner, x.ID)
		if len(mine) != 1 || len(none) != 0 {
			t.Fatalf("claims hold %v and %v", mine, none)
		}
		releaseNone()
		release()
		again, release, _ := s.Claim(t.Context(), owner, x.ID)
		if len(again) != 1 {
			t.Fatal("a released question cannot be claimed")
		}
		s.Refuse(t.Context(), owner, x.ID, "a", jsonrpc.PeerError(-1, "no", nil))
		release()
		done, err := s.Wait(t.Context(), owner, x.ID, asked.Revision)
		for err == nil && !done.Status.Terminal() {
			done, err = s.Wait(t.Context(), owner, x.ID, done.Revision)
		}
		if err != nil || done.Status != task.Failed || done.Err.Code != -1 {
			t.Errorf("end = %+v, %v", done, err)
		}
	})
}

func TestLimitsAndClose(t *testing.T) {
	s := newSet(t, task.Config{PerPrincipal: 1})
	start(t, s, func(ctx context.Context, _ rpc.Client) (rpc.Result, error) {
		<-ctx.Done()
		return rpc.Result{}, ctx.Err()
	})
	idle := &rpc.Deferred{Run: func(context.Context, rpc.Client) (rpc.Result, error) { return body("{}") }}
	if _, err := s.Start(t.Context(), owner, task.Spec{Peer: client}, idle); !errors.Is(err, task.ErrFull) {
		t.Errorf("start over the limit: %v", err)
	}
	s.Close()
	if _, err := s.Start(t.Context(), owner, task.Spec{Peer: client}, idle); !errors.Is(err, task.ErrClosed) {
		t.Errorf("start after close: %v", err)
	}
}

func TestListPages(t *testing.T) {
	s := newSet(t, task.Config{})
	for range 5 {
		start(t, s, func(context.Context, rpc.Client) (rpc.Result, error) { return body("{}") })
	}
	seen, cursor := 0, ""
	for {
		page, next, err := s.List(t.Context(), owner, cursor, 2)
		if err != nil {
			t.Fatal(err)
		}
		seen += len(page)
		if cursor = next; next == "" {
			break
		}
	}
	if seen != 5 {
		t.Errorf("pages hold %d tasks, want 5", seen)
	}
	if _, _, err := s.List(t.Context(), owner, "!", 2); !errors.Is(err, task.ErrCursor) {
		t.Errorf("bad cursor: %v", err)
	}
}
