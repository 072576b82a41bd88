// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// processes launches modern servers that seal what they ask with keys of their own.
type processes struct {
	mu    sync.Mutex
	dials int
	live  []func()
}

func (p *processes) launch(context.Context) (*Launched, error) {
	d := newInMemory(mcp.Modern)
	near, far := transport.Pipe()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = d.srv.ServeConn(context.Background(), far)
		d.srv.Close()
	}()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dials++
	p.live = append(p.live, func() { far.Close(); <-gone })
	return &Launched{Target: client.Conn(near), Stop: func() { near.Close(); <-gone }, Gone: gone}, nil
}

// kill ends every process, as if it had crashed.
func (p *processes) kill() {
	p.mu.Lock()
	live := p.live
	p.live = nil
	p.mu.Unlock()
	for _, stop := range live {
		stop()
	}
}

// question makes a call that is answered with a question, and returns the call
// with the answer.
func question(t *testing.T, r *Remote) *rpc.Call {
	t.Helper()
	call := sessionCall("who", "s1", "ada")
	call.Peer.Capabilities.Elicitation = &mcp.ElicitationCapability{}
	res, err := r.Handle(t.Context(), call)
	if err != nil || res.Input == nil || res.Input.State == nil {
		t.Fatalf("no question: %+v, %v", res, err)
	}
	call.Input.Responses, _ = (*caller)(nil).Ask(t.Context(), res.Input.Requests)
	call.Input.State = res.Input.State
	return call
}

func wantAnswer(t *testing.T, r *Remote, answered *rpc.Call) {
	t.Helper()
	res, err := r.Handle(t.Context(), answered)
	if err != nil || !strings.Contains(string(res.Body), "accept Ada") {
		t.Errorf("the answered call came to %s, %v", res.Body, err)
	}
}

// TestAnswersReachTheAsker holds that a process lives on for the answers to what
// it asked, whatever would otherwise end it.
func TestAnswersReachTheAsker(t *testing.T) {
	for _, tt := range []struct {
		name   string
		cfg    Config
		before func(t *testing.T, r *Remote)
	}{
		{"one process a call", Config{Sharing: PerCall}, func(*testing.T, *Remote) {}},
		{"idle", Config{Sharing: PerSession, Idle: time.Second}, func(*testing.T, *Remote) { time.Sleep(5 * time.Minute) }},
		{"dismissed", Config{Sharing: PerSession}, func(_ *testing.T, r *Remote) { r.Dismiss(r.Whose(sessionCall("who", "s1", "ada"))) }},
		{"replaced", Config{Sharing: Shared}, func(t *testing.T, r *Remote) {
			r.Dismiss(r.Whose(sessionCall("who", "s1", "ada")))
			if _, err := r.Handle(t.Context(), sessionCall("echo", "s1", "ada")); err != nil {
				t.Error(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &processes{}
				tt.cfg.Launch, tt.cfg.Processes = p.launch, NewSlots(10)
				r := newPooled(t, tt.cfg)
				answered := question(t, r)
				tt.before(t, r)
				wantAnswer(t, r, answered)
				if n := r.OpenQuestions(); n != 0 {
					t.Errorf("%d questions are open after the answer", n)
				}
			})
		})
	}
}

// TestRetiredInstanceEnds: once its question is answered, or too old.
func TestRetiredInstanceEnds(t *testing.T) {
	for name, before := range map[string]func(*testing.T, *Remote, *rpc.Call){
		"answered":       wantAnswer,
		"never answered": func(*testing.T, *Remote, *rpc.Call) { time.Sleep(answerTime + 2*restless) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &processes{}
				r := newPooled(t, Config{Launch: p.launch, Processes: NewSlots(10)})
				answered := question(t, r)
				r.Dismiss(r.Whose(answered))
				before(t, r, answered)
				synctest.Wait()
				r.pool.mu.Lock()
				defer r.pool.mu.Unlock()
				if n := len(r.pool.links); n != 0 {
					t.Errorf("%d instances are left", n)
				}
			})
		})
	}
}

// TestAskerGone: the caller hears that its call is lost, not that its state is
// wrong, and what may be repeated begins again.
func TestAskerGone(t *testing.T) {
	for name, repeatable := range map[string]bool{"lost": false, "made again": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &processes{}
				r := newPooled(t, Config{
					Launch: p.launch, Processes: NewSlots(10), Repeatable: func(string) bool { return repeatable },
				})
				answered := question(t, r)
				p.kill()
				synctest.Wait()
				res, err := r.Handle(t.Context(), answered)
				if repeatable {
					if err != nil || res.Input == nil {
						t.Fatalf("the call was not made again: %s, %v", res.Body, err)
					}
					answered.Input.State = res.Input.State
					wantAnswer(t, r, answered)
					return
				}
				var wire *jsonrpc.Error
				if !errors.As(err, &wire) || wire.Code != jsonrpc.CodeInternal {
					t.Fatalf("error %v", err)
				}
				want := `{"gateway":{"reason":"lost","server":"inner","started":true},"restart":true}`
				if wire.Data.Canonicalize(); string(wire.Data) != want {
					t.Errorf("data %s, want %s", wire.Data, want)
				}
			})
		})
	}
}

// TestForeignState: what another server, or this one with another credential,
// has made is refused.
func TestForeignState(t *testing.T) {
	p := &processes{}
	r := newPooled(t, Config{Launch: p.launch, Processes: NewSlots(10)})
	answered := question(t, r)
	for name, state := range map[string][]byte{
		"nothing":        {},
		"too short":      answered.Input.State[:originBytes-1],
		"other format":   append([]byte{9}, answered.Input.State[1:]...),
		"no origin":      answered.Input.State[originBytes:],
		"other server's": alter(answered.Input.State),
	} {
		call := *answered
		call.Input.State = state
		if _, err := r.Handle(t.Context(), &call); err != errState {
			t.Errorf("%s: %v, want %v", name, err, errState)
		}
	}
	other := newPooled(t, Config{Launch: p.launch, Processes: NewSlots(10), Credential: "other"})
	if _, err := other.Handle(t.Context(), answered); err != errState {
		t.Errorf("another credential: %v, want %v", err, errState)
	}
	wantAnswer(t, r, answered)
}

func alter(state []byte) []byte {
	other := append([]byte(nil), state...)
	other[1] ^= 1
	return other
}

// TestRoomBeforeAnswers: an instance that waits for answers makes room for others
// when all slots are taken, after those that wait for nothing.
func TestRoomBeforeAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &processes{}
		r := newPooled(t, Config{Launch: p.launch, Sharing: PerSession, Max: 2, Processes: NewSlots(10)})
		answered := question(t, r)
		time.Sleep(time.Second)
		for _, session := range []string{"s2", "s3"} {
			if _, err := r.Handle(t.Context(), sessionCall("echo", session, "ada")); err != nil {
				t.Fatal(err)
			}
		}
		if n := r.OpenQuestions(); n != 1 {
			t.Fatal("the instance that waits for an answer was stopped while an idle one was there")
		}
		wantAnswer(t, r, answered)
	})
}
