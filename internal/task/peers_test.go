// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package task_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/nodes/nodestest"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/task"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// faulty is one node's access to the store that all share; without a majority
// it reads and cannot write.
type faulty struct {
	*task.Memory
	mu    sync.Mutex
	minor bool
}

var errQuorum = errors.New("no majority")

func (f *faulty) isolate(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.minor = on
}

func (f *faulty) writes() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.minor {
		return errQuorum
	}
	return nil
}

func (f *faulty) Create(ctx context.Context, t task.Task, perPrincipal, total int) error {
	if err := f.writes(); err != nil {
		return err
	}
	return f.Memory.Create(ctx, t, perPrincipal, total)
}

func (f *faulty) Put(ctx context.Context, t task.Task) error {
	if err := f.writes(); err != nil {
		return err
	}
	return f.Memory.Put(ctx, t)
}

// trio is three nodes in one process.
type trio struct {
	net    *nodestest.Network
	memory *task.Memory
	sets   map[string]*task.Set
	stores map[string]*faulty
	adapt  func(node string, cfg *task.Config) // nil for nothing

	mu   sync.Mutex
	told []string // "node status", as hooks were told
}

// three runs f with nodes a, b and c under a fake clock.
func three(t *testing.T, f func(t *testing.T, n *trio)) { threeOf(t, nil, f) }

// threeOf is three with nodes that are configured further.
func threeOf(t *testing.T, adapt func(node string, cfg *task.Config), f func(t *testing.T, n *trio)) {
	synctest.Test(t, func(t *testing.T) {
		n := &trio{net: nodestest.New(), memory: task.NewMemory(), sets: map[string]*task.Set{}, stores: map[string]*faulty{}, adapt: adapt}
		for _, name := range []string{"a", "b", "c"} {
			n.start(name)
		}
		defer func() {
			for _, s := range n.sets {
				s.Close()
			}
			synctest.Wait()
		}()
		f(t, n)
	})
}

func (n *trio) start(name string) *task.Set {
	n.stores[name] = &faulty{Memory: n.memory}
	cfg := task.Config{Store: n.stores[name], Nodes: n.net.Start(name)}
	if n.adapt != nil {
		n.adapt(name, &cfg)
	}
	s := task.NewSet(cfg)
	s.Watch(mcp.Modern, func(x task.Task) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.told = append(n.told, name+" "+string(x.Status))
	})
	n.sets[name] = s
	return s
}

func (n *trio) heard() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.told, ", ")
}

func asking(ctx context.Context, c rpc.Client) (rpc.Result, error) {
	got, err := c.Ask(ctx, map[string]rpc.InputRequest{"q": form})
	if err != nil {
		return rpc.Result{}, err
	}
	return body(fmt.Sprintf(`{"got":%s}`, got["q"]))
}

func waiting(ctx context.Context, _ rpc.Client) (rpc.Result, error) {
	<-ctx.Done()
	return rpc.Result{}, context.Cause(ctx)
}

func wantLost(t *testing.T, x task.Task, err error) {
	t.Helper()
	if err != nil || x.Status != task.Failed || x.Err == nil || x.Err.Code != jsonrpc.CodeInternal ||
		string(x.Err.Data) != `{"gateway":{"reason":"node_lost","started":true}}` {
		t.Errorf("task %+v, %v, %v; want it failed by the loss of its node", x, x.Err, err)
	}
}

func TestAnyNodeAnswers(t *testing.T) {
	three(t, func(t *testing.T, n *trio) {
		x := start(t, n.sets["a"], asking)
		synctest.Wait()
		if x.Home != "a" {
			t.Fatalf("home %q", x.Home)
		}
		seen := get(t, n.sets["b"], x.ID)
		if seen.Status != task.InputRequired || len(seen.Questions) != 1 {
			t.Fatalf("at b: %+v", seen)
		}
		if list, _, err := n.sets["c"].List(t.Context(), owner, "", 10); err != nil || len(list) != 1 {
			t.Errorf("list at c: %v, %v", list, err)
		}
		waited := make(chan task.Task, 1)
		go func() {
			end, err := n.sets["c"].Wait(t.Context(), owner, x.ID, seen.Revision)
			if err != nil {
				t.Error(err)
			}
			waited <- end
		}()
		synctest.Wait()
		if y, err := n.sets["b"].Answer(t.Context(), owner, x.ID, map[string]rpc.Raw{"q": rpc.Raw(`"yes"`)}); err != nil || len(y.Questions) != 0 {
			t.Errorf("answer at b: %+v, %v", y, err)
		}
		if end := <-waited; end.Status != task.Completed || string(end.Result.Body) != `{"got":"yes"}` {
			t.Errorf("wait at c: %+v", end)
		}
		for name, s := range n.sets {
			if y := get(t, s, x.ID); y.Status != task.Completed {
				t.Errorf("at %s: %+v", name, y)
			}
			stranger := task.Owner{Principal: "bert", Era: mcp.Modern}
			if _, err := s.Get(t.Context(), stranger, x.ID); !errors.Is(err, task.ErrUnknown) {
				t.Errorf("a stranger at %s: %v", name, err)
			}
		}
	})
}

func TestCancelAndRefuseElsewhere(t *testing.T) {
	three(t, func(t *testing.T, n *trio) {
		var cause error
		x := start(t, n.sets["a"], func(ctx context.Context, _ rpc.Client) (rpc.Result, error) {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return body("{}")
		})
		if y, changed, err := n.sets["b"].Cancel(t.Context(), owner, x.ID); err != nil || !changed || y.Status != task.Cancelled {
			t.Errorf("cancel at b: %+v, %v, %v", y, changed, err)
		}
		if y, changed, err := n.sets["c"].Cancel(t.Context(), owner, x.ID); err != nil || changed || y.Status != task.Cancelled {
			t.Errorf("again at c: %+v, %v, %v", y, changed, err)
		}
		synctest.Wait()
		if !errors.Is(cause, task.ErrCancelled) {
			t.Errorf("cause %v", cause)
		}
		z := start(t, n.sets["a"], asking)
		synctest.Wait()
		if _, err := n.sets["c"].Refuse(t.Context(), owner, z.ID, "q", jsonrpc.PeerError(-1, "no", rpc.Raw("7"))); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if y := get(t, n.sets["b"], z.ID); y.Status != task.Failed || y.Err.Code != -1 || string(y.Err.Data) != "7" {
			t.Errorf("after a refusal: %+v", y)
		}
	})
}

// TestClaimElsewhere: who claims at another node holds the question until it
// releases it or its node is lost.
func TestClaimElsewhere(t *testing.T) {
	three(t, func(t *testing.T, n *trio) {
		x := start(t, n.sets["a"], asking)
		synctest.Wait()
		claim := func(node string) (int, func()) {
			t.Helper()
			questions, release, err := n.sets[node].Claim(t.Context(), owner, x.ID)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			return len(questions), release
		}
		mine, release := claim("b")
		none, releaseNone := claim("c")
		releaseNone()
		if mine != 1 || none != 0 {
			t.Fatalf("claims hold %d and %d", mine, none)
		}
		release()
		synctest.Wait()
		if mine, _ = claim("c"); mine != 1 {
			t.Fatal("a released question cannot be claimed")
		}
		n.net.Cut("c")
		synctest.Wait()
		if mine, release = claim("b"); mine != 1 {
			t.Fatal("what a lost node claimed cannot be claimed")
		}
		release()
	})
}

// TestHomeLost: everybody who waits learns of it at once, one node says so, and
// the home takes no other outcome when it comes back.
func TestHomeLost(t *testing.T) {
	three(t, func(t *testing.T, n *trio) {
		var cause error
		finish := make(chan struct{})
		x := start(t, n.sets["a"], func(ctx context.Context, _ rpc.Client) (rpc.Result, error) {
			<-finish
			cause = context.Cause(ctx)
			return body(`{"done":1}`)
		})
		ended := make(chan task.Task, 2)
		for _, name := range []string{"b", "c"} {
			go func() {
				end, err := n.sets[name].Wait(t.Context(), owner, x.ID, 0)
				if err != nil {
					t.Error(err)
				}
				ended <- end
			}()
		}
		synctest.Wait()
		before := time.Now()
		n.net.Cut("a")
		for range 2 {
			wantLost(t, <-ended, nil)
		}
		if d := time.Since(before); d > 0 {
			t.Errorf("noticed after %v", d)
		}
		synctest.Wait()
		if told := n.heard(); strings.Count(told, "failed") != 1 {
			t.Errorf("told: %s", told)
		}
		n.net.Heal("a")
		wantLost(t, get(t, n.sets["a"], x.ID), nil)
		close(finish)
		synctest.Wait()
		for _, s := range n.sets {
			wantLost(t, get(t, s, x.ID), nil)
		}
		if !errors.Is(cause, task.ErrLost) {
			t.Errorf("the work's context ended with %v", cause)
		}
		if told := n.heard(); strings.Contains(told, "completed") {
			t.Errorf("told: %s", told)
		}
	})
}

// TestHomeHadTheLastWord: what the home stored before it was lost stays.
func TestHomeHadTheLastWord(t *testing.T) {
	three(t, func(t *testing.T, n *trio) {
		x := start(t, n.sets["a"], func(context.Context, rpc.Client) (rpc.Result, error) { return body(`{"done":1}`) })
		synctest.Wait()
		n.net.Cut("a")
		time.Sleep(time.Minute)
		if y := get(t, n.sets["b"], x.ID); y.Status != task.Completed {
			t.Errorf("%+v", y)
		}
	})
}

func TestRestartedHomeFailsWhatItRan(t *testing.T) {
	three(t, func(t *testing.T, n *trio) {
		x := start(t, n.sets["a"], waiting)
		n.stores["a"].isolate(true) // kill -9 writes nothing
		old := n.sets["a"]
		again := n.start("a")
		time.Sleep(2 * time.Second)
		y, err := n.memory.Get(t.Context(), x.ID)
		wantLost(t, y, err)
		wantLost(t, get(t, again, x.ID), nil)
		old.Close()
	})
}

// TestHomeLeaves: who waits elsewhere for a task of a node that shuts down gets
// the end it comes to there.
func TestHomeLeaves(t *testing.T) {
	three(t, func(t *testing.T, n *trio) {
		x := start(t, n.sets["a"], waiting)
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
		if end := <-ended; end.Status != task.Failed || !strings.Contains(end.Err.Message, "stopped before its end") {
			t.Errorf("%+v", end)
		}
	})
}

// TestNothingUnstoredIsShown: an outcome that could not be stored is not told to
// anybody, and stored when that is possible again.
func TestNothingUnstoredIsShown(t *testing.T) {
	three(t, func(t *testing.T, n *trio) {
		finish := make(chan struct{})
		x := start(t, n.sets["a"], func(context.Context, rpc.Client) (rpc.Result, error) {
			<-finish
			return body(`{"done":1}`)
		})
		idle := start(t, n.sets["a"], waiting)
		n.stores["a"].isolate(true)
		close(finish)
		time.Sleep(time.Second)
		for name, s := range n.sets {
			if y := get(t, s, x.ID); y.Status != task.Working {
				t.Errorf("at %s the task is %s although that is not stored", name, y.Status)
			}
		}
		for name, s := range n.sets {
			if _, _, err := s.Cancel(t.Context(), owner, idle.ID); !errors.Is(err, task.ErrUnavailable) {
				t.Errorf("cancel at %s without a majority: %v", name, err)
			}
		}
		if _, err := n.sets["a"].Start(t.Context(), owner, task.Spec{Peer: client}, &rpc.Deferred{Run: waiting}); !errors.Is(err, task.ErrUnavailable) {
			t.Errorf("start without a majority: %v", err)
		}
		n.stores["a"].isolate(false)
		time.Sleep(time.Second)
		for name, s := range n.sets {
			if y := get(t, s, x.ID); y.Status != task.Completed {
				t.Errorf("at %s: %s", name, y.Status)
			}
			if y := get(t, s, idle.ID); y.Status != task.Cancelled {
				t.Errorf("at %s: %s", name, y.Status)
			}
		}
	})
}

// TestUnreachableIsNotLost: a node that reaches nobody, but has no word that the
// home is lost, says what is stored and fails what needs the home.
func TestUnreachableIsNotLost(t *testing.T) {
	three(t, func(t *testing.T, n *trio) {
		x := start(t, n.sets["a"], waiting)
		n.net.Cut("b")
		if y := get(t, n.sets["b"], x.ID); y.Status != task.Working {
			t.Errorf("%+v", y)
		}
		if _, _, err := n.sets["b"].Cancel(t.Context(), owner, x.ID); !errors.Is(err, task.ErrUnavailable) {
			t.Errorf("cancel: %v", err)
		}
		if y := get(t, n.sets["a"], x.ID); y.Status != task.Working {
			t.Errorf("at home: %+v", y)
		}
	})
}

// TestWaiterLeaves: who waits at another node and leaves holds nothing there.
func TestWaiterLeaves(t *testing.T) {
	three(t, func(t *testing.T, n *trio) {
		x := start(t, n.sets["a"], waiting)
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			_, err := n.sets["b"].Wait(ctx, owner, x.ID, 0)
			failed <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		synctest.Wait() // a goroutine left behind at the home fails the test at its end
	})
}

// TestSweepsOfSeveral: whoever sweeps the store, the home stops the work.
func TestSweepsOfSeveral(t *testing.T) {
	three(t, func(t *testing.T, n *trio) {
		causes := make(chan error, 3)
		var ids []string
		for _, s := range n.sets {
			x, err := s.Start(t.Context(), owner, task.Spec{Peer: client, TTL: time.Minute}, &rpc.Deferred{
				Run: func(ctx context.Context, _ rpc.Client) (rpc.Result, error) {
					<-ctx.Done()
					causes <- context.Cause(ctx)
					return rpc.Result{}, ctx.Err()
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, x.ID)
		}
		time.Sleep(2 * time.Minute)
		for range 3 {
			if err := <-causes; !errors.Is(err, task.ErrExpired) {
				t.Errorf("cause %v", err)
			}
		}
		for _, id := range ids {
			if _, err := n.sets["b"].Get(t.Context(), owner, id); !errors.Is(err, task.ErrUnknown) {
				t.Errorf("after its time: %v", err)
			}
		}
	})
}

// TestManyLostAtOnce: with real concurrency every task of the lost node gets one
// outcome, however many nodes notice.
func TestManyLostAtOnce(t *testing.T) {
	three(t, func(t *testing.T, n *trio) {
		const tasks = 50
		var ids []string
		for range tasks {
			ids = append(ids, start(t, n.sets["a"], waiting).ID)
		}
		n.net.Cut("a")
		synctest.Wait()
		for _, id := range ids {
			wantLost(t, get(t, n.sets["c"], id), nil)
		}
		if failed := strings.Count(n.heard(), "failed"); failed != tasks {
			t.Errorf("%d announcements for %d tasks: %s", failed, tasks, n.heard())
		}
	})
}
