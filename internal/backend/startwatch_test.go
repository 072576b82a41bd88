// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/process"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// installing launches servers that work for a while before they answer, as npx does
// with an empty cache.
type installing struct {
	srv      *inMemory
	install  time.Duration // until it answers
	progress time.Duration // for so long it makes progress
	busy     bool          // it looks as if it did

	launched, dead atomic.Int32
}

func (s *installing) launch(ctx context.Context) (*Launched, error) {
	s.launched.Add(1)
	near, far := transport.Pipe()
	began, stop, gone := time.Now(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		defer far.Close()
		select {
		case <-time.After(s.install):
			_ = s.srv.srv.ServeConn(context.WithoutCancel(ctx), far)
		case <-stop:
			s.dead.Add(1)
		}
	}()
	return &Launched{
		Target: client.Conn(near), Gone: gone,
		Stop: sync.OnceFunc(func() { close(stop); near.Close(); <-gone }),
		Activity: func() process.Activity {
			return process.Activity{CPU: min(time.Since(began), s.progress), Busy: s.busy || time.Since(began) < s.progress}
		},
	}, nil
}

// TestFirstStartMayInstall holds what a start is given: the first as long as it makes
// progress, within ten times the limit, any other its limit, and twice as much after
// each that took too long.
func TestFirstStartMayInstall(t *testing.T) {
	for _, tc := range []struct {
		name              string
		install, progress time.Duration
		starts            []time.Duration // how long each took; the last one is up
	}{
		{"at once", 0, 0, []time.Duration{0}},
		{"silent, within the limit", 25 * time.Second, 0, []time.Duration{25 * time.Second}},
		{"busy far beyond the limit", 4 * time.Minute, 4 * time.Minute, []time.Duration{4 * time.Minute}},
		{"silent, a little too long", 35 * time.Second, 0, []time.Duration{30 * time.Second, 35 * time.Second}},
		{"silent for minutes", 3 * time.Minute, 0, []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 3 * time.Minute}},
		{"stalls", 170 * time.Second, time.Minute, []time.Duration{90 * time.Second, 2 * time.Minute, 170 * time.Second}},
		{"busy for ever", time.Hour, time.Hour, []time.Duration{5 * time.Minute, 10 * time.Minute, 20 * time.Minute}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &installing{srv: newInMemory(mcp.Legacy), install: tc.install, progress: tc.progress}
				var log bytes.Buffer
				r := New(Config{Name: "inner", Launch: s.launch, Processes: NewSlots(1), Starts: NewStarts(), StartTimeout: 30 * time.Second,
					Log: slog.New(slog.NewTextHandler(&log, nil))}, func(subscription.Event) {})
				defer s.srv.srv.Close()
				defer r.Close()
				r.era.Store(int32(mcp.Legacy)) // the question which era it speaks has a limit of its own
				for i, want := range tc.starts {
					began := time.Now()
					err := r.Start(t.Context())
					if took := time.Since(began); took < want || took > want+time.Second {
						t.Errorf("start %d took %v, want %v", i, took, want)
					}
					if up := tc.install <= want; up != (err == nil) {
						t.Fatalf("start %d: %v", i, err)
					}
					if err != nil && (!errors.Is(err, errNotReady) || !strings.Contains(err.Error(), "startTimeout is ")) {
						t.Errorf("start %d: %q names no limit", i, err)
					}
					r.era.Store(int32(mcp.Legacy))
					time.Sleep(maxPause) // of the breaker
				}
				if n := int(s.dead.Load()); n != strings.Count(log.String(), "startTimeout is ") {
					t.Errorf("%d starts were ended, and the log says:\n%s", n, &log)
				}
			})
		})
	}
}

// TestLaterStartsKeepTheLimit: once a server has been up there is nothing to install.
func TestLaterStartsKeepTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &installing{srv: newInMemory(mcp.Legacy)}
		r := New(Config{Name: "inner", Launch: s.launch, Processes: NewSlots(1), StartTimeout: 30 * time.Second,
			Log: slog.New(slog.DiscardHandler)}, func(subscription.Event) {})
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.pool.lost(r.pool.hold()[0])
		s.install, s.progress = time.Hour, time.Hour
		began := time.Now()
		err := r.Start(t.Context())
		if took := time.Since(began); !errors.Is(err, errNotReady) || took != 30*time.Second {
			t.Errorf("after %v: %v", took, err)
		}
		_, err = r.Handle(t.Context(), callOf("echo", `{}`, &caller{}))
		if err == nil || !strings.Contains(err.Error(), "it was not ready within 1m0s (startTimeout)") {
			t.Errorf("clients are told %v", err)
		}
		r.Close()
		s.srv.srv.Close()
	})
}

// TestStartsHaveTurns: of many servers a few are at work on their start at a time, and
// those that only wait hold up nobody.
func TestStartsHaveTurns(t *testing.T) {
	for name, tc := range map[string]struct {
		ahead    int // that hang, and were there first
		busy     bool
		progress time.Duration
		least    time.Duration
		most     time.Duration
	}{
		"nobody ahead":    {0, false, 0, 0, 3 * time.Second},
		"eight hang":      {8, false, 0, 0, 4 * time.Second},
		"eight spin":      {8, true, time.Hour, 4 * placeCPU, 4*placeCPU + 5*time.Second},
		"eight look busy": {8, true, 0, 0, 8 * time.Second},
		"one looks busy":  {1, true, 0, 0, 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				starts := newStarts(2, 2)
				srv := newInMemory(mcp.Legacy)
				var all []*Remote
				add := func(name string, s *installing) *Remote {
					s.srv = srv
					r := New(Config{Name: name, Launch: s.launch, Processes: NewSlots(1), Starts: starts, Log: slog.New(slog.DiscardHandler)},
						func(subscription.Event) {})
					r.era.Store(int32(mcp.Legacy))
					all = append(all, r)
					return r
				}
				began := time.Now()
				for i := range tc.ahead {
					r := add(fmt.Sprint("hangs", i), &installing{install: time.Hour, busy: tc.busy, progress: tc.progress})
					go func() { _ = r.Start(t.Context()) }()
					synctest.Wait()
				}
				var wg sync.WaitGroup
				for i := range 6 { // a second each, two at a time
					r := add(fmt.Sprint("works", i), &installing{install: time.Second, progress: time.Second})
					wg.Go(func() {
						if err := r.Start(t.Context()); err != nil {
							t.Error(err)
						}
					})
				}
				wg.Wait()
				if took := time.Since(began); took < max(3*time.Second, tc.least) || took > tc.most+time.Second {
					t.Errorf("all were up after %v, want %v to %v", took, tc.least, tc.most)
				}
				for _, r := range all {
					r.Close()
				}
				srv.srv.Close()
			})
		})
	}
}

// TestServersThatDieOfEachGreeting: a server that dies however it is greeted is
// launched twice once, and then once each time, in each way.
func TestServersThatDieOfEachGreeting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newInMemory(mcp.Legacy)
		launches := 0
		well := false
		r := New(Config{Name: "inner", Processes: NewSlots(1), Log: slog.New(slog.DiscardHandler), Launch: func(ctx context.Context) (*Launched, error) {
			launches++
			if well {
				return srv.dial(ctx)
			}
			near, far := transport.Pipe()
			far.Close()
			return &Launched{Target: client.Conn(near), Stop: func() { near.Close() }}, nil
		}}, func(subscription.Event) {})
		for i, want := range []int{2, 3, 4, 5} {
			if err := r.Start(t.Context()); err == nil || launches != want {
				t.Errorf("start %d: %v after %d launches, want %d", i, err, launches, want)
			}
			time.Sleep(maxPause)
		}
		well = true
		if err := r.Start(t.Context()); err != nil {
			t.Error(err)
		}
		r.Close()
		srv.srv.Close()
	})
}

// TestCallsTryAtOnce: a call has a server tried that did not start, without waiting for
// the pause; calls that go on and on do not have it started all the time.
func TestCallsTryAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(func() {})
		bad := errors.New("bad")
		for range 20 { // the catalog tries until the pause is at its longest
			if b.allow() == nil {
				b.failure(bad, failedStart)
			}
			time.Sleep(maxPause)
		}
		_ = b.allow()
		b.failure(bad, failedStart)
		if b.allow() == nil {
			t.Fatal("a list does not wait for the pause")
		}
		if b.allowCall() != nil || b.allowCall() != nil || b.allow() != nil {
			t.Error("a call is not let through, or what comes meanwhile does not join it")
		}
		b.failure(bad, failedStart)
		if err := b.allowCall(); !errors.Is(err, bad) {
			t.Errorf("the next call had it tried at once: %v", err)
		}
		tries := 0
		for range 1000 {
			time.Sleep(100 * time.Millisecond)
			if b.allowCall() == nil {
				tries++
				b.failure(bad, failedStart)
			}
		}
		if tries < 6 || tries > 10 {
			t.Errorf("%d tries in 100 s of calls", tries)
		}
		time.Sleep(3 * maxPause)
		_ = b.allow()
		b.failure(bad, failedStart)
		if b.allowCall() != nil {
			t.Error("after a quiet while a call is not let through")
		}
		b.success(false)
		for range tolerated + 1 {
			b.failure(bad, failedCall)
		}
		if b.allowCall() == nil {
			t.Error("calls pass that open the breaker themselves")
		}
	})
}

// TestSpareCores: more starts are let in while those at work get less than half of the
// cores, and not because nobody looked for a while.
func TestSpareCores(t *testing.T) {
	const look = 100 * time.Millisecond
	for name, tc := range map[string]struct {
		cores  int
		used   time.Duration // in each look
		pause  time.Duration // between two looks
		spares int           // in 40 looks
	}{
		"idle":                    {2, 0, look, 9},
		"a quarter":               {2, look / 2, look, 9},
		"just half":               {2, look, look, 0},
		"all":                     {2, 2 * look, look, 0},
		"one of eight":            {8, look, look, 9},
		"idle, but seldom looked": {2, 0, 30 * look, 0},
		"counts that fall":        {2, -look, look, 9},
	} {
		s, now, spares := newStarts(2, tc.cores), time.Unix(1, 0), 0
		for range 40 {
			if s.spare(tc.used, now) {
				spares++
			}
			now = now.Add(tc.pause)
		}
		if spares != tc.spares {
			t.Errorf("%s: %d times, want %d", name, spares, tc.spares)
		}
	}
}
