// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// A server that returns its questions gets the answers with another call, which
// brings its requestState back. Often a process has sealed that state with a key
// of its own, so the call has to reach the very process that asked. Therefore the
// state that leaves this package is the server's behind an origin: which server
// made it, with which credential, which instance, and which question it is.
//
// An instance with open questions is kept: it does not count as idle, and one that
// gets no new calls any more stays until they are answered or their time is over.

// origin is what stands before a server's requestState.
type origin struct {
	server   [8]byte // digest of its name and credential
	instance uint64  // 0 when any instance will do
	question uint64  // counts the questions of the instance
}

// An origin is written behind a byte that says what follows it.
const (
	originOnly  = 0 // the server gave no state
	originState = 1 // the server's state
	originBytes = 1 + 8 + 8 + 8
)

// answerTime is how long an instance is kept for the answers to a question.
const answerTime = 10 * time.Minute

// maxUnanswered bounds the open questions that are counted for one instance. It is not
// kept for those beyond.
const maxUnanswered = 16 << 10

// errState says of a requestState that this server did not make it.
var errState = jsonrpc.NewError(jsonrpc.CodeInvalidParams, "params.requestState is not valid for this request")

// errAskerGone says of a call with answers that the process which asked is no more.
var errAskerGone = errors.New("the process that asked has ended, with what it knew of the call; start over")

// digestOf names a server and what it acts with.
func digestOf(cfg *Config) (d [8]byte) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q", cfg.Name, cfg.Credential))
	copy(d[:], sum[:])
	return d
}

// withOrigin puts the origin before the state of a result that asks. An instance
// that is one call's has to get the answers even if it gave no state.
func (r *Remote) withOrigin(l *link, res rpc.Result) rpc.Result {
	own := l.key.turn != 0
	if res.Input == nil || res.Input.State == nil && !own {
		return res
	}
	from := origin{server: r.digest}
	if r.cfg.Processes != nil || own {
		from.instance, from.question = l.id, r.pool.asked(l)
	}
	state := make([]byte, 1, originBytes+len(res.Input.State))
	if res.Input.State != nil {
		state[0] = originState
	}
	state = append(state, from.server[:]...)
	state = binary.BigEndian.AppendUint64(state, from.instance)
	state = binary.BigEndian.AppendUint64(state, from.question)
	in := *res.Input
	state = append(state, res.Input.State...)
	in.State = state
	res.Input = &in
	return res
}

// answering returns the call as its server is to see it, and where its state came
// from; nil when it has none.
func (r *Remote) answering(call *rpc.Call) (*rpc.Call, *origin, error) {
	state := call.Input.State
	if state == nil {
		return call, nil, nil
	}
	if len(state) < originBytes || state[0] > originState || !bytes.Equal(state[1:9], r.digest[:]) {
		return nil, nil, errState
	}
	from := origin{r.digest, binary.BigEndian.Uint64(state[9:]), binary.BigEndian.Uint64(state[17:])}
	answered := *call
	answered.Input.State = nil
	if state[0] == originState {
		answered.Input.State = state[originBytes:]
	}
	return &answered, &from, nil
}

// Waits reports whether the question that a call answers was asked here and nobody
// has answered it yet.
func (r *Remote) Waits(call *rpc.Call) bool {
	_, from, err := r.answering(call)
	if err != nil || from == nil {
		return false
	}
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	l := r.pool.links[from.instance]
	if l == nil {
		return false
	}
	_, open := l.open[from.question]
	return open
}

// afresh returns the call without the answers it brought: it is made again from
// its beginning.
func afresh(call *rpc.Call) *rpc.Call {
	again := *call
	again.Input = rpc.Input{}
	return &again
}

// askerGone is the error of a call whose answers nobody waits for any more.
func (r *Remote) askerGone() error {
	return jsonrpc.Errorf(jsonrpc.CodeInternal, "server %q: %w", r.cfg.Name, errAskerGone).WithData(map[string]any{
		"gateway": map[string]any{"server": r.cfg.Name, "reason": "lost", "started": true}, "restart": true,
	})
}

// asked counts a question that an instance returned, and returns its number.
func (p *pool) asked(l *link) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.questions++
	if len(l.open) < maxUnanswered && !l.out {
		if l.open == nil {
			l.open = map[uint64]time.Time{}
		}
		l.open[l.questions] = time.Now().Add(answerTime)
	}
	return l.questions
}

// acquireAsker returns the instance that asked, held until release, or nil when
// it is gone.
func (p *pool) acquireAsker(from *origin) *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.links[from.instance]
	if l != nil {
		l.calls++
		delete(l.open, from.question)
	}
	return l
}

// OpenQuestions returns how many questions that instances here have returned
// nobody has answered yet.
func (r *Remote) OpenQuestions() int {
	p := r.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, l := range p.links {
		if l.waiting(time.Now()) {
			n += len(l.open)
		}
	}
	return n
}

// waiting reports whether an instance has open questions. The pool's mu is held.
func (l *link) waiting(now time.Time) bool {
	for question, until := range l.open {
		if now.Before(until) {
			return true
		}
		delete(l.open, question)
	}
	return false
}

// lookAgain is the time between two looks at open questions.
const lookAgain = 20 * time.Millisecond

// AwaitAnswers waits until every question that an instance here has returned is
// answered or its time is over. It fails with ctx's cause.
func (r *Remote) AwaitAnswers(ctx context.Context) error {
	for r.OpenQuestions() > 0 {
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// retire takes an instance from new calls. Those in flight go on, and so do those
// that answer its questions; then it ends. Another may take its place at once.
func (p *pool) retire(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.retireLocked(l)
}

// retireLocked is retire. p.mu is held.
func (p *pool) retireLocked(l *link) {
	if l.out || l.retired {
		return
	}
	l.retired = true
	if e := p.entries[l.key]; e != nil && e.link == l {
		delete(p.entries, l.key)
	}
	if l.calls > 0 || l.waiting(time.Now()) {
		l.slotless = true                                    // the next instance need not wait for this one
		p.wg.Go(func() { p.slots.release(l.caller, false) }) // without the pool's lock, which comes after theirs
	}
	p.endIfDone(l)
	p.boundRetired()
}

// endIfDone stops an instance that nobody needs any more. p.mu is held.
func (p *pool) endIfDone(l *link) {
	if l.calls == 0 && (l.retired || l.key.turn != 0) && !l.waiting(time.Now()) {
		p.remove(l)
	}
}

// boundRetired stops the oldest of the retired instances that only wait for
// answers, when there are more than the server may have instances. p.mu is held.
func (p *pool) boundRetired() {
	var waiting []*link
	for _, l := range p.links {
		if l.retired && l.calls == 0 {
			waiting = append(waiting, l)
		}
	}
	for len(waiting) > p.r.cfg.Max {
		oldest := 0
		for i, l := range waiting {
			if l.used.Before(waiting[oldest].used) {
				oldest = i
			}
		}
		p.remove(waiting[oldest])
		waiting = append(waiting[:oldest], waiting[oldest+1:]...)
	}
}

// newLinkID returns a number that no instance had before, on any node.
func newLinkID() uint64 { return rand.Uint64() | 1 }
