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

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// sharedBy makes a Remote over scripted legacy servers for one test in a bubble.
func sharedBy(s *scripted, sharing Sharing) *Remote {
	return New(Config{
		Name: "inner", Launch: s.launch, Sharing: sharing, Processes: NewSlots(64), Log: slog.New(slog.DiscardHandler),
	}, func(subscription.Event) {})
}

// scriptedCall is a call of a session, or of a modern client, that does the steps.
func scriptedCall(w *witness, session, steps string) *rpc.Call {
	call := sessionCall("play", session, "ada")
	args := `{"Who":"` + w.call + `","Steps":[` + steps + `]}`
	call.Params = Raw(`{"name":"play","arguments":` + args + `,"_meta":{"progressToken":7}}`)
	call.Client, call.LogLevel = w, "debug"
	return call
}

const (
	askAfter10    = `{"After":10,"Do":"ask"}`
	answerAfter10 = `{"After":10,"Do":"answer"}`
	answerLate    = `{"After":100,"Do":"answer"}`
)

// TestStrayQuestionsOfSharedServers: a question that names no call is asked when
// it can be meant for one session only, and else refused with the setting that helps.
func TestStrayQuestionsOfSharedServers(t *testing.T) {
	for _, tt := range []struct {
		name          string
		sharing       Sharing
		first, second string // the sessions of two calls
		leave         bool   // the first is cancelled before the second begins and asks
		asked         int
	}{
		{"two of one session", Shared, "s1", "s1", false, 2},
		{"two sessions", Shared, "s1", "s2", false, 0},
		{"two sessions of one principal", PerPrincipal, "s1", "s2", false, 0},
		{"two modern calls of one principal", PerPrincipal, "", "", false, 0},
		{"two sessions, each with a process", PerSession, "s1", "s2", false, 2},
		{"two modern calls, each with a process", PerSession, "", "", false, 2},
		{"one left, of another session", Shared, "s1", "s2", true, 0},
		{"one left, of the same session", Shared, "s1", "s1", true, 2},
		{"one left, of another process", PerSession, "s1", "s2", true, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{era: mcp.Legacy, answers: map[string]string{}}
				r := sharedBy(s, tt.sharing)
				defer r.Close()
				all := got{count: map[string]int{}}
				one, two := &witness{call: "one", party: "one", got: &all}, &witness{call: "two", party: "two", got: &all}
				if tt.first == tt.second && tt.first != "" {
					one, two = &witness{call: "s1 one", party: "s1", got: &all}, &witness{call: "s1 two", party: "s1", got: &all}
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var wg sync.WaitGroup
				wg.Go(func() { _, _ = r.Handle(ctx, scriptedCall(one, tt.first, askAfter10+","+answerAfter10)) })
				synctest.Wait()
				if tt.leave {
					cancel()
					synctest.Wait()
				}
				wg.Go(func() { _, _ = r.Handle(t.Context(), scriptedCall(two, tt.second, askAfter10+","+answerLate)) })
				wg.Wait()
				if all.count["question"] != tt.asked || len(all.wrong) > 0 {
					t.Errorf("%d questions, wrong %q; want %d", all.count["question"], all.wrong, tt.asked)
				}
			})
		})
	}
	r := sharedBy(&scripted{}, Shared)
	defer r.Close()
	_, err := r.refuseQuestion(t.Context(), mcp.MethodElicit, nil)
	if err == nil || !strings.Contains(err.Error(), `sharing: session for server "inner"`) {
		t.Errorf("refused with %v, which does not say what helps", err)
	}
}

// TestLogsOfSharedServers: a message may be about a call that was answered before,
// so where several sessions have called it is nobody's.
func TestLogsOfSharedServers(t *testing.T) {
	const logLate = `{"After":1,"Do":"answer"},{"After":20,"Do":"log"}`
	for _, tt := range []struct {
		sharing       Sharing
		first, second string
		want          int
	}{
		{Shared, "s1", "s1", 1}, {Shared, "s1", "s2", 0}, {Shared, "", "", 0},
		{PerSession, "s1", "s2", 0}, {PerSession, "s1", "s1", 1}, {PerPrincipal, "", "", 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := sharedBy(&scripted{era: mcp.Legacy, answers: map[string]string{}}, tt.sharing)
			defer r.Close()
			all := got{count: map[string]int{}}
			first := &witness{call: tt.first + " one", party: tt.first, got: &all}
			second := &witness{call: tt.second + " two", party: tt.second, got: &all}
			if _, err := r.Handle(t.Context(), scriptedCall(first, tt.first, logLate)); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Handle(t.Context(), scriptedCall(second, tt.second, answerLate)); err != nil {
				t.Fatal(err)
			}
			if all.count["log"] != tt.want || len(all.wrong) > 0 {
				t.Errorf("%s, %q then %q: %d messages, wrong %q; want %d", tt.sharing, tt.first, tt.second, all.count["log"], all.wrong, tt.want)
			}
		})
	}
}

// TestAnswersFindTheirProcess: a process that is one call's stays for the call that
// brings the answers to what it asked, and no longer than these may take.
func TestAnswersFindTheirProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, era := range eras {
			d := newBridged(era)
			r := New(Config{Name: "inner", Launch: d.dial, Sharing: PerSession, Processes: NewSlots(9), Log: slog.New(slog.DiscardHandler)}, func(subscription.Event) {})
			tool := map[mcp.Era]string{mcp.Modern: "who", mcp.Legacy: "login"}[era]
			ask := func() *rpc.Call {
				call, _ := asking(mcp.Modern, tool, `{}`, false)
				res, err := r.Handle(t.Context(), call)
				if err != nil || res.Input == nil {
					t.Fatalf("%v server: %+v, %v, want a question", era, res, err)
				}
				next := *call
				next.Input = rpc.Input{Responses: map[string]Raw{}, State: res.Input.State}
				for key := range res.Input.Requests {
					next.Input.Responses[key] = Raw(`{"action":"accept","content":{"name":"Ada"}}`)
				}
				return &next
			}
			answer := ask()
			if dials, live := d.counts(); dials != 1 || live != 1 {
				t.Errorf("%v server: %d started, %d live after the question, want one", era, dials, live)
			}
			if _, err := r.Handle(t.Context(), answer); err != nil {
				t.Errorf("%v server: with the answer: %v", era, err)
			}
			if dials, _ := d.counts(); dials != 1 {
				t.Errorf("%v server: the answer started another process", era)
			}
			late := ask()
			time.Sleep(2 * answerTime)
			synctest.Wait()
			if _, live := d.counts(); live > 1 {
				t.Errorf("%v server: %d processes wait for answers that do not come", era, live)
			}
			_, err := r.Handle(t.Context(), late)
			wire, ok := jsonrpc.AsError(err)
			if !ok || !errors.Is(err, errAskerGone) || !strings.Contains(string(wire.Data), `"restart":true`) {
				t.Errorf("%v server: late answer: %v", era, err)
			}
			r.Close()
			d.srv.Close()
		}
	})
}

// TestTasksAskTheirOwnSession: the questions of tasks name these, so they find
// their sessions whatever else goes on in a shared process.
func TestTasksAskTheirOwnSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newBridged(mcp.Legacy)
		defer d.srv.Close()
		r := newPooled(t, Config{Launch: d.dial})
		defer r.Close()
		var wg sync.WaitGroup
		for _, session := range []string{"s1", "s2", "s3"} {
			wg.Go(func() {
				call, h := asking(mcp.Legacy, "job", `{"text":"ask"}`, true)
				call.Peer.Session = session
				res, err := r.Handle(t.Context(), call)
				if err != nil || res.Deferred == nil {
					t.Errorf("%+v, %v, want a task", res, err)
					return
				}
				res, err = res.Deferred.Run(t.Context(), h)
				if got := textOf(t, res, err); got != "accept Ada" || len(h.questions) != 1 {
					t.Errorf("%s: %q after %d questions", session, got, len(h.questions))
				}
			})
		}
		wg.Wait()
	})
}

// TestUpdatesAreTheirInstances: that a resource has changed in the process of one
// session, principal or tenant concerns nobody else.
func TestUpdatesAreTheirInstances(t *testing.T) {
	for sharing, want := range map[Sharing]subscription.Audience{
		Shared: {}, PerSession: {Session: "s1"}, PerPrincipal: {Principal: "ada"}, PerTenant: {Tenant: "t-ada"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &scripted{era: mcp.Legacy, answers: map[string]string{}}
			var events []subscription.Event
			r := New(Config{Name: "inner", Launch: s.launch, Credential: "secret", Sharing: sharing, Processes: NewSlots(9), Log: slog.New(slog.DiscardHandler)},
				func(e subscription.Event) { events = append(events, e) })
			w := &witness{call: "s1 one", party: "s1", got: &got{count: map[string]int{}}}
			if _, err := r.Handle(t.Context(), scriptedCall(w, "s1", `{"Do":"update"},`+answerAfter10)); err != nil {
				t.Fatal(err)
			}
			r.Close()
			if len(events) != 1 || events[0].Topic.Key != "test://a" || events[0].For != want {
				t.Errorf("%s: %+v, want it for %+v", sharing, events, want)
			}
		})
	}
}
