// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// An instance that is one call's ends with it. When the call ends with questions
// to its client, the instance stays for the call that brings the answers: often
// only the process that asked understands the state it gave, or waits itself for
// what the user does. So the state says which instance that is. Engines seal it.

// answerTime is how long an instance waits for answers. It may be stopped before
// to make room, as any idle one.
const answerTime = 10 * time.Minute

// askerState begins a state that says so: then come the number of the Remote, the
// instance's turn, and 1 and the server's own state, or 0 if it gave none.
const (
	askerState = 'i'
	askerHead  = 1 + 8
)

// newLife returns a number that tells a Remote from all others.
func newLife() uint64 { return rand.Uint64() }

// awaitAnswers keeps an instance that is one call's for the answers to what it
// asks, and says so in the state.
func (r *Remote) awaitAnswers(l *link, res rpc.Result) rpc.Result {
	if res.Input == nil || l.key.turn == 0 {
		return res
	}
	r.pool.await(l)
	in := *res.Input
	state := binary.BigEndian.AppendUint64([]byte{askerState}, r.life)
	state = binary.AppendUvarint(state, l.key.turn)
	if in.State == nil {
		in.State = append(state, 0)
	} else {
		in.State = append(append(state, 1), in.State...)
	}
	res.Input = &in
	return res
}

// asker reads which instance asked the question that a call answers, and returns
// the call with the server's own state. turn is 0 when any instance will do.
func (r *Remote) asker(call *rpc.Call) (own *rpc.Call, turn uint64, err error) {
	state := call.Input.State
	if len(state) < askerHead || state[0] != askerState || !r.alone(call) {
		return call, 0, nil
	}
	turn, n := binary.Uvarint(state[askerHead:])
	rest := state[askerHead+max(n, 0):]
	if n <= 0 || len(rest) == 0 || rest[0] > 1 {
		return call, 0, nil
	}
	if binary.BigEndian.Uint64(state[1:]) != r.life {
		return nil, 0, r.askerGone()
	}
	again := *call
	again.Input.State = nil
	if rest[0] == 1 {
		again.Input.State = rest[1:]
	}
	return &again, turn, nil
}

var errAskerGone = errors.New("the process that asked is gone, with what it knew of the call; start over")

// askerGone is the error of a call whose instance is no more.
func (r *Remote) askerGone() error {
	return jsonrpc.Errorf(jsonrpc.CodeInternal, "server %q: %w", r.cfg.Name, errAskerGone).WithData(map[string]any{
		"gateway": map[string]any{"server": r.cfg.Name, "reason": "lost"}, "restart": true,
	})
}

// await makes an instance stay after its call.
func (p *pool) await(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !l.out {
		l.asking = true
		p.asking[l.key.turn] = l
	}
}

// reacquire returns the instance that waits for a call's answers, held until
// release; nil when there is none any more, or another call has it.
func (p *pool) reacquire(turn uint64) *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.asking[turn]
	if l == nil || l.calls > 0 {
		return nil
	}
	delete(p.asking, turn)
	l.asking = false
	l.calls++
	return l
}
