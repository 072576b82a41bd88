// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package task_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/task"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// TestTakenOverOnce: all nodes try, one runs the work, and whoever waits gets its
// result under the id the task always had.
func TestTakenOverOnce(t *testing.T) {
	s := newService()
	threeOf(t, s.adapt(false), func(t *testing.T, n *trio) {
		const tasks = 20
		var ids []string
		ended := make(chan task.Task, 2*tasks)
		for range tasks {
			x := startSlow(t, n.sets["a"], waiting)
			ids = append(ids, x.ID)
			for _, name := range []string{"b", "c"} {
				go func() {
					end, err := n.sets[name].Wait(t.Context(), owner, x.ID, 0)
					if err != nil {
						t.Error(err)
					}
					ended <- end
				}()
			}
		}
		synctest.Wait()
		n.net.Cut("a")
		time.Sleep(time.Second)
		if ran := s.ran(); len(ran) != tasks {
			t.Errorf("%d tasks were begun again %d times: %v", tasks, len(ran), ran)
		}
		for _, id := range ids {
			for _, name := range []string{"b", "c"} {
				if x := get(t, n.sets[name], id); x.Status != task.Working || x.Restarts != 1 && x.Home == "a" || !strings.Contains(x.Message, "restarted") {
					t.Errorf("at %s: %+v", name, x)
				}
			}
		}
		close(s.finish)
		for range 2 * tasks {
			if end := <-ended; end.Status != task.Completed {
				t.Errorf("%+v", end)
			}
		}
		call := s.calls[0]
		if string(call.Params) != string(slowParams) || string(call.Arguments) != `{"n":1}` || call.Target != "slow" || call.Method != mcp.MethodCallTool ||
			call.Principal.ID != "anna" || call.Principal.Tenant != "acme" || call.Peer.Features.Version != mcp.Latest ||
			call.Peer.Client.Name != "shell" || call.Peer.Capabilities.Elicitation == nil || call.LogLevel != "error" ||
			!call.AllowTask || call.Task == nil || call.Task.TTL != time.Minute {
			t.Errorf("the call was made again as %+v, its peer %+v", call, call.Peer)
		}
	})
}

// TestTurns: the first in the order takes a task over; who is not ready lets the
// next have it.
func TestTurns(t *testing.T) {
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprintf("first is late %v", late), func(t *testing.T) {
			s := newService()
			threeOf(t, s.adapt(true), func(t *testing.T, n *trio) {
				startSlow(t, n.sets["a"], waiting)
				synctest.Wait()
				if late {
					s.set(func() { s.refuse["b"], s.refuse["c"] = task.ErrNotYet, task.ErrNotYet })
				}
				s.set(func() { s.down["a"] = true })
				n.net.Cut("a")
				time.Sleep(time.Second)
				synctest.Wait()
				first := s.asked[0]
				for _, node := range s.asked {
					if node != first {
						t.Errorf("asked for its handler: %v", s.asked)
					}
				}
				if !late {
					if ran := s.ran(); len(ran) != 1 || ran[0] != first {
						t.Errorf("ran at %v, want %s", ran, first)
					}
					return
				}
				s.set(func() { delete(s.refuse, "b"); delete(s.refuse, "c"); s.refuse[first] = task.ErrNotYet })
				time.Sleep(3 * time.Second)
				if ran := s.ran(); len(ran) != 1 || ran[0] == first {
					t.Errorf("ran at %v, not ready is %s", ran, first)
				}
			})
		})
	}
}

// TestNotRestarted: what must not be done again is not, and what cannot be says why.
func TestNotRestarted(t *testing.T) {
	for name, test := range map[string]struct {
		spec func(*task.Spec)
		why  string
	}{
		"unnamed endpoint": {func(s *task.Spec) { s.Endpoint = "" }, ""},
		"no call":          {func(s *task.Spec) { s.Call = nil }, ""},
		"too large": {func(s *task.Spec) {
			s.Call.Params = rpc.Raw(`{"x":"` + strings.Repeat("x", 40<<10) + `"}`)
		}, "params are too large"},
		"other endpoint": {func(s *task.Spec) { s.Endpoint = "/v/gone/mcp" }, "its endpoint is not served"},
		"other version": {func(s *task.Spec) {
			peer := *s.Call.Peer
			f := *peer.Features
			f.Version = "3001-01-01"
			peer.Features = &f
			s.Call.Peer = &peer
		}, "3001-01-01"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService()
			threeOf(t, s.adapt(true), func(t *testing.T, n *trio) {
				x := startSlow(t, n.sets["a"], waiting, test.spec)
				n.net.Cut("a")
				s.set(func() { s.down["a"] = true })
				end, err := n.sets["b"].Wait(t.Context(), owner, x.ID, 0)
				wantLost(t, end, err)
				if !strings.Contains(end.Err.Message, test.why) || !strings.Contains(end.Message, test.why) {
					t.Errorf("it says %q and %q, want %q", end.Err.Message, end.Message, test.why)
				}
				time.Sleep(time.Minute)
				if ran := s.ran(); len(ran) != 0 {
					t.Errorf("it ran at %v", ran)
				}
			})
		})
	}
}

// TestOverIsOver: a task that was cancelled, or has finished, is not restarted.
func TestOverIsOver(t *testing.T) {
	s := newService()
	threeOf(t, s.adapt(false), func(t *testing.T, n *trio) {
		cancelled := startSlow(t, n.sets["a"], waiting)
		finished := startSlow(t, n.sets["a"], func(context.Context, rpc.Client) (rpc.Result, error) { return body(`{}`) })
		synctest.Wait()
		if _, _, err := n.sets["b"].Cancel(t.Context(), owner, cancelled.ID); err != nil {
			t.Fatal(err)
		}
		n.net.Cut("a")
		time.Sleep(time.Minute)
		if x := get(t, n.sets["b"], cancelled.ID); x.Status != task.Cancelled {
			t.Errorf("%+v", x)
		}
		if x := get(t, n.sets["b"], finished.ID); x.Status != task.Completed {
			t.Errorf("%+v", x)
		}
		if ran := s.ran(); len(ran) != 0 {
			t.Errorf("it ran at %v", ran)
		}
	})
}

// TestCancelledBetweenHomes: a task whose home is lost and which nobody has taken
// over yet can be cancelled.
func TestCancelledBetweenHomes(t *testing.T) {
	s := newService()
	threeOf(t, s.adapt(false), func(t *testing.T, n *trio) {
		x := startSlow(t, n.sets["a"], waiting)
		s.set(func() { s.refuse["b"], s.refuse["c"] = task.ErrNotYet, task.ErrNotYet })
		n.net.Cut("a")
		synctest.Wait()
		time.AfterFunc(time.Second, func() { s.set(func() { clear(s.refuse) }) })
		y, changed, err := n.sets["c"].Cancel(t.Context(), owner, x.ID)
		if err != nil || !changed || y.Status != task.Cancelled {
			t.Errorf("%+v, %v, %v", y, changed, err)
		}
		time.Sleep(time.Minute)
		if x := get(t, n.sets["b"], x.ID); x.Status != task.Cancelled {
			t.Errorf("%+v", x)
		}
	})
}

// TestRestartsAreBounded: work that takes its nodes with it is not begun for ever.
func TestRestartsAreBounded(t *testing.T) {
	s := newService()
	threeOf(t, s.adapt(false), func(t *testing.T, n *trio) {
		x := startSlow(t, n.sets["a"], waiting)
		for round := range 5 {
			kept, err := n.memory.Get(t.Context(), x.ID)
			if err != nil || kept.Status.Terminal() {
				break
			}
			if kept.Restarts != round {
				t.Errorf("%d restarts after %d losses", kept.Restarts, round)
			}
			n.stores[kept.Home].isolate(true) // kill -9 writes nothing
			old := n.sets[kept.Home]
			n.start(kept.Home)
			old.Close()
			time.Sleep(5 * time.Second)
		}
		end := get(t, n.sets["b"], x.ID)
		wantLost(t, end, nil)
		if !strings.Contains(end.Err.Message, "restarted 3 times already") {
			t.Errorf("it says %q", end.Err.Message)
		}
		if ran := s.ran(); len(ran) != 3 {
			t.Errorf("it ran at %v", ran)
		}
	})
}

// TestSuspectedHomeComesBack: the work of a home that was taken for lost is
// cancelled when it finds out, and what that comes to is not shown.
func TestSuspectedHomeComesBack(t *testing.T) {
	for _, early := range []bool{false, true} {
		t.Run(fmt.Sprintf("work ends before it knows %v", early), func(t *testing.T) {
			s := newService()
			threeOf(t, s.adapt(false), func(t *testing.T, n *trio) {
				var cause error
				finish := make(chan struct{})
				x := startSlow(t, n.sets["a"], func(ctx context.Context, c rpc.Client) (rpc.Result, error) {
					<-finish
					cause = context.Cause(ctx)
					_, err := c.Ask(ctx, map[string]rpc.InputRequest{"late": form})
					if err == nil {
						t.Error("asked in vain")
					}
					return body(`{"by":"a, which was taken for lost"}`)
				})
				waited := make(chan task.Task, 1)
				go func() {
					end, err := n.sets["b"].Wait(t.Context(), owner, x.ID, 0)
					if err != nil {
						t.Error(err)
					}
					waited <- end
				}()
				synctest.Wait()
				n.net.Cut("a")
				time.Sleep(time.Second)
				if early {
					close(finish)
					synctest.Wait()
				}
				n.net.Heal("a")
				time.Sleep(time.Second)
				if !early {
					close(finish)
				}
				synctest.Wait()
				for name, set := range n.sets {
					if y := get(t, set, x.ID); y.Status != task.Working {
						t.Errorf("at %s: %+v", name, y)
					}
				}
				close(s.finish)
				end := <-waited
				ran := s.ran()
				wantEnd(t, end, nil, ran)
				for _, set := range n.sets {
					y := get(t, set, x.ID)
					wantEnd(t, y, nil, ran)
				}
				if len(ran) != 1 || ran[0] == "a" || !early && !errors.Is(cause, task.ErrLost) {
					t.Errorf("ran at %v; the first run ended with %v", ran, cause)
				}
				synctest.Wait() // who waits may be faster than who is told
				if told := n.heard(); strings.Count(told, "completed") != 1 {
					t.Errorf("told: %s", told)
				}
			})
		})
	}
}

// TestQuestionsAreAskedAnew: what was asked at the lost home is asked again under
// other keys, and answers to what it had asked go nowhere.
func TestQuestionsAreAskedAnew(t *testing.T) {
	s := newService()
	s.work = asking
	threeOf(t, s.adapt(false), func(t *testing.T, n *trio) {
		x := startSlow(t, n.sets["a"], asking)
		synctest.Wait()
		seen := get(t, n.sets["c"], x.ID)
		_, release, err := n.sets["c"].Claim(t.Context(), owner, x.ID)
		if err != nil || len(seen.Questions) != 1 {
			t.Fatalf("at first: %+v, %v", seen, err)
		}
		n.net.Cut("a")
		release()
		again, err := n.sets["c"].Wait(t.Context(), owner, x.ID, seen.Revision)
		if _, reused := again.Questions["q"]; err != nil || again.Status != task.InputRequired || len(again.Questions) != 1 || reused {
			t.Fatalf("after the loss: %+v, %v", again, err)
		}
		if y, err := n.sets["b"].Answer(t.Context(), owner, x.ID, map[string]rpc.Raw{"q": rpc.Raw(`"late"`)}); err != nil || len(y.Questions) != 1 {
			t.Errorf("after a late answer: %+v, %v", y, err)
		}
		mine, release, err := n.sets["c"].Claim(t.Context(), owner, x.ID)
		if err != nil || len(mine) != 1 {
			t.Fatalf("claimed %v, %v", mine, err)
		}
		defer release()
		for key := range mine {
			if _, err := n.sets["c"].Answer(t.Context(), owner, x.ID, map[string]rpc.Raw{key: rpc.Raw(`"yes"`)}); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if end := get(t, n.sets["b"], x.ID); end.Status != task.Completed || string(end.Result.Body) != `{"got":"yes"}` {
			t.Errorf("%+v", end)
		}
	})
}

// TestInputByReturning: a call that is made again and asks by returning, as it may
// before there is a task, asks by way of the task.
func TestInputByReturning(t *testing.T) {
	threeOf(t, func(_ string, cfg *task.Config) {
		cfg.Handler = func(string) (rpc.Handler, error) {
			return rpc.HandlerFunc(func(_ context.Context, call *rpc.Call) (rpc.Result, error) {
				if call.Input.Responses == nil {
					return rpc.Result{Input: &rpc.InputRequired{Requests: map[string]rpc.InputRequest{"q": form}, State: []byte("s")}}, nil
				}
				return body(fmt.Sprintf(`{"got":%s,"state":%q}`, call.Input.Responses["q"], call.Input.State))
			}), nil
		}
	}, func(t *testing.T, n *trio) {
		x := startSlow(t, n.sets["a"], waiting)
		n.net.Cut("a")
		asked, err := n.sets["b"].Wait(t.Context(), owner, x.ID, 0)
		if err != nil || asked.Status != task.InputRequired {
			t.Fatalf("%+v, %v", asked, err)
		}
		for key := range asked.Questions {
			if _, err := n.sets["b"].Answer(t.Context(), owner, x.ID, map[string]rpc.Raw{key: rpc.Raw("1")}); err != nil {
				t.Error(err)
			}
		}
		end, err := n.sets["b"].Wait(t.Context(), owner, x.ID, asked.Revision)
		if err != nil || string(end.Result.Body) != `{"got":1,"state":"s"}` {
			t.Errorf("%+v, %v", end, err)
		}
	})
}

// TestRestartedWithItsNode: a node that is killed and started again runs its tasks
// again, once it serves.
func TestRestartedWithItsNode(t *testing.T) {
	s := newService()
	threeOf(t, s.adapt(true), func(t *testing.T, n *trio) {
		x := startSlow(t, n.sets["a"], waiting)
		for _, name := range []string{"b", "c"} { // there are no others
			n.sets[name].Close()
			s.set(func() { s.down[name] = true })
		}
		n.stores["a"].isolate(true) // kill -9 writes nothing
		old := n.sets["a"]
		s.set(func() { s.refuse["a"] = task.ErrNotYet })
		n.start("a")
		old.Close()
		time.Sleep(20 * time.Second)
		if y := get(t, n.sets["a"], x.ID); y.Status != task.Working {
			t.Errorf("while it starts: %+v", y)
		}
		s.set(func() { clear(s.refuse) })
		time.Sleep(time.Second)
		close(s.finish)
		end, err := n.sets["a"].Wait(t.Context(), owner, x.ID, 0)
		wantEnd(t, end, err, []string{"a"})
	})
}

// TestHandedOver: a node that shuts down leaves what may be begun again to the others.
func TestHandedOver(t *testing.T) {
	s := newService()
	threeOf(t, s.adapt(false), func(t *testing.T, n *trio) {
		x := startSlow(t, n.sets["a"], waiting)
		ended := make(chan task.Task, 1)
		go func() {
			end, err := n.sets["b"].Wait(t.Context(), owner, x.ID, 0)
			if err != nil {
				t.Error(err)
			}
			ended <- end
		}()
		synctest.Wait()
		n.sets["a"].Close()
		time.Sleep(time.Second)
		n.net.Cut("a")
		close(s.finish)
		end := <-ended
		wantEnd(t, end, nil, s.ran())
	})
}

// TestLostBehindItsHome: work whose other half was lost with another node is begun
// again at its home, as often as after the loss of that.
func TestLostBehindItsHome(t *testing.T) {
	s := newService()
	failures := 0
	lost := jsonrpc.NewError(-32603, "lost").WithData(rpc.Raw(`{"gateway":{"server":"x","reason":"node_lost","started":true}}`))
	s.work = func(context.Context, rpc.Client) (rpc.Result, error) {
		if failures--; failures >= 0 {
			return rpc.Result{}, lost
		}
		return body(`{"by":"a"}`)
	}
	threeOf(t, s.adapt(false), func(t *testing.T, n *trio) {
		for _, failures = range []int{1, 9} {
			before := len(s.ran())
			x := startSlow(t, n.sets["a"], func(context.Context, rpc.Client) (rpc.Result, error) { return rpc.Result{}, lost })
			end, err := n.sets["b"].Wait(t.Context(), owner, x.ID, 0)
			if failures < 0 {
				wantEnd(t, end, err, []string{"a"})
			} else if err != nil || end.Status != task.Failed || len(s.ran())-before != 3 {
				t.Errorf("%+v, %v, after runs at %v", end, err, s.ran()[before:])
			}
		}
	})
}
