// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package modern

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/seal"
	"github.com/holdfast-mcp/holdfast/internal/share"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// mergeWindow is how long a call waits with sending its questions for others of
// its goroutines to ask too, so that the client sees them together.
const mergeWindow = 20 * time.Millisecond

// errUnattended is the cause of a parked call's context whose client did not
// come back in time.
var errUnattended = errors.New("the client did not come back with its answers")

// errParkedGone tells a client that its call cannot be continued.
var errParkedGone = jsonrpc.NewError(jsonrpc.CodeInvalidParams,
	"the call that params.requestState belongs to no longer waits here; start over").WithData(restart)

// parked is what a call has once its handler asked. It is guarded by call.mu.
type parked struct {
	id      callID
	binding string
	caller  share.Caller         // who has a share of the lot for it
	pending map[string]*question // by the key the client sees
	asked   map[string]rpc.InputRequest
	merge   *time.Timer // until the questions are sent
	expiry  *time.Timer // runs while no client is there
	outcome *outcome    // the handler ended while no client was there
	kept    int         // bytes of its result; guarded by the lot's mu
}

type callID [16]byte

// question is one key of an ask.
type question struct {
	ask  *ask
	name string // the key the handler uses
}

// ask is one blocking Ask.
type ask struct {
	answers map[string]Raw
	missing int
	done    chan struct{} // closed when nothing is missing
}

// Ask implements [rpc.Client]: the questions go to the client as the answer to
// its request, and the call waits for the retry that brings the answers.
func (c *call) Ask(ctx context.Context, requests map[string]rpc.InputRequest) (map[string]Raw, error) {
	if len(requests) == 0 {
		return map[string]Raw{}, nil
	}
	if !c.method.mayAsk {
		return nil, jsonrpc.Errorf(jsonrpc.CodeInternal, "%s must not ask the client for input", c.Method)
	}
	a, keys, err := c.pose(requests)
	if err != nil {
		return nil, err
	}
	select {
	case <-a.done:
		return a.answers, nil
	case <-ctx.Done():
		c.withdraw(keys)
		return nil, context.Cause(ctx)
	}
}

// pose enters questions into the call and sees to it that they are sent.
func (c *call) pose(requests map[string]rpc.InputRequest) (*ask, []string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if wire := checkAsks(c.peer, requests); wire != nil {
		return nil, nil, wire
	}
	switch {
	case c.gone || c.ended:
		return nil, nil, errUnattended
	case c.round >= c.p.cfg.Limits.Rounds:
		return nil, nil, errRounds
	case c.parked == nil:
		if err := c.p.lot.enter(c, c.leg.from()); err != nil {
			return nil, nil, err
		}
	}
	a := &ask{answers: make(map[string]Raw, len(requests)), missing: len(requests), done: make(chan struct{})}
	keys := make([]string, 0, len(requests))
	for name, r := range requests {
		key := name
		for n := 2; c.parked.pending[key] != nil; n++ {
			key = name + "-" + strconv.Itoa(n)
		}
		c.parked.pending[key] = &question{a, name}
		c.parked.asked[key] = r
		keys = append(keys, key)
	}
	c.sendSoon()
	return a, keys, nil
}

// sendSoon starts the merge window, if a client is there and none is open.
// c.mu is held.
func (c *call) sendSoon() {
	if c.leg == nil || c.parked.merge != nil {
		return
	}
	c.parked.merge = time.AfterFunc(mergeWindow, c.park)
}

// park answers the leg with the open questions and leaves the call without one.
func (c *call) park() {
	c.mu.Lock()
	k := c.parked
	k.merge = nil
	l := c.leg
	if l == nil || len(k.pending) == 0 {
		c.mu.Unlock()
		return
	}
	c.leg = nil
	c.round++
	round, deadline := c.round, time.Now().Add(c.p.cfg.Limits.ParkedFor)
	k.expiry = time.AfterFunc(c.p.cfg.Limits.ParkedFor, func() { c.expire(round) })
	req := l.from()
	token := c.p.token(k, round, deadline)
	buf := getBuffer()
	msg := append((*buf)[:0], `{"jsonrpc":"2.0","id":`...) //nolint:gocritic // buf gets it back
	msg = append(msg, req.in.ID.Raw()...)
	msg = append(msg, `,"result":`...)
	msg = appendInputRequired(msg, k.asked, token, c.p.serverMeta)
	*buf = oneLine(append(msg, '}'))
	c.mu.Unlock()
	l.answer(message{status: 200, data: *buf, pooled: buf})
}

// waiting is what the sealed token of a round says: where the call is, the round, and
// until when it waits. Without other nodes the address has no node.
type waiting struct {
	nodes.Address
	id       callID
	round    int
	deadline int64 // Unix seconds
}

// token seals where a call waits for the answers of a round.
func (p *Protocol) token(k *parked, round int, deadline time.Time) string {
	at := nodes.Address{Kind: kindRetry, ID: string(k.id[:])}
	if p.cfg.Nodes != nil {
		at.Node, at.Instance = p.cfg.Nodes.Self()
	}
	more := binary.BigEndian.AppendUint16(nil, uint16(round))
	more = binary.BigEndian.AppendUint64(more, uint64(deadline.Unix()))
	return string(parkedPrefix) + at.Seal(p.cfg.Ring, seal.Parked, k.binding, more...)
}

// openToken is the inverse of token, for the state of a request.
func (p *Protocol) openToken(req *request) (waiting, error) {
	at, more, err := nodes.Open(p.cfg.Ring, seal.Parked, p.binding(req), req.state[1:])
	switch {
	case err != nil:
		return waiting{}, err
	case len(more) != 2+8, len(at.ID) != len(callID{}):
		return waiting{}, seal.ErrInvalid
	}
	return waiting{
		Address: at, id: callID([]byte(at.ID)), round: int(binary.BigEndian.Uint16(more)), deadline: int64(binary.BigEndian.Uint64(more[2:])),
	}, nil
}

// withdraw removes questions whose asker no longer waits.
func (c *call) withdraw(keys []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		delete(c.parked.pending, key)
		delete(c.parked.asked, key)
	}
}

// expire gives up a call that has been without a client since the given round.
func (c *call) expire(round int) {
	c.mu.Lock()
	if c.leg != nil || c.round != round || c.gone {
		c.mu.Unlock()
		return
	}
	c.gone = true
	c.mu.Unlock()
	c.p.lot.leave(c)
	c.cancel(errUnattended)
}

// resume lets a retry take over the parked call it names.
func (p *Protocol) resume(ctx context.Context, req *request, l leg) *jsonrpc.Error {
	to, err := p.openToken(req)
	switch {
	case err != nil:
		return unopened(err)
	case time.Now().Unix() > to.deadline:
		return errParkedGone
	case p.away(&to):
		return p.relay(ctx, req, l, &to)
	}
	return p.takeOver(req, l, &to)
}

// takeOver lets a retry take over the call of this node that it names.
func (p *Protocol) takeOver(req *request, l leg, to *waiting) *jsonrpc.Error {
	c := p.lot.find(to.id)
	if c == nil {
		return errParkedGone
	}
	return c.attach(req, l, to.round)
}

// attach makes l the call's leg and delivers the answers it brought.
func (c *call) attach(req *request, l leg, round int) *jsonrpc.Error {
	c.mu.Lock()
	k := c.parked
	switch {
	case c.gone:
		c.mu.Unlock()
		return errParkedGone
	case c.leg != nil || round != c.round:
		c.mu.Unlock()
		return jsonrpc.NewError(jsonrpc.CodeInvalidParams, "params.requestState has been used by another retry")
	}
	k.expiry.Stop()
	c.peer = req.peer
	l.serve(c)
	if o := k.outcome; o != nil {
		c.gone = true
		c.mu.Unlock()
		c.p.lot.leave(c)
		c.p.answer(l, c.method, req.peer, round, *o)
		return nil
	}
	c.leg = l
	k.deliver(req.responses)
	if len(k.pending) > 0 { // the client asked too little of its user: ask again
		c.sendSoon()
	}
	c.mu.Unlock()
	return nil
}

// deliver hands answers to the asks that wait for them; other keys are ignored.
func (k *parked) deliver(responses map[string]Raw) {
	for key, response := range responses {
		q := k.pending[key]
		if q == nil {
			continue
		}
		delete(k.pending, key)
		delete(k.asked, key)
		q.ask.answers[q.name] = response
		if q.ask.missing--; q.ask.missing == 0 {
			close(q.ask.done)
		}
	}
}

// lot holds the calls that have asked, so that retries find them. Callers have shares
// of it, see package share. It is safe for concurrent use.
type lot struct {
	max int

	mu     sync.Mutex
	calls  map[callID]*call
	shares *share.Shares
	kept   int // bytes of results that wait for their clients
}

// newLot returns a lot for so many calls, of which one principal at one network
// address may have so many.
func newLot(max, perPrincipal int) *lot {
	return &lot{max: max, calls: map[callID]*call{}, shares: share.New(max, perPrincipal)}
}

// maxKept bounds the bytes of all results that wait for clients to come back.
const maxKept = 64 << 20

// keep makes room for the result of a call in the lot, of n bytes, until the call
// leaves. It reports false when there is none.
func (t *lot) keep(k *parked, n int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.calls[k.id] == nil || t.kept+n > maxKept {
		return false
	}
	k.kept = n
	t.kept += n
	return true
}

// enter gives c, begun by req, a place. c.mu is held.
func (t *lot) enter(c *call, req *request) *jsonrpc.Error {
	k := &parked{
		binding: c.p.binding(req), caller: c.Caller(),
		pending: map[string]*question{}, asked: map[string]rpc.InputRequest{},
	}
	rand.Read(k.id[:])
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.shares.Fits(k.caller) {
		own, inGroup := t.shares.Held(k.caller)
		return jsonrpc.Errorf(jsonrpc.CodeInternal, "too many calls wait for input from their clients: %d of at most %d, %d of them of this principal and address, %d of this client",
			t.shares.Used(), t.max, inGroup, own)
	}
	t.shares.Take(k.caller)
	t.calls[k.id] = c
	c.parked = k
	return nil
}

func (t *lot) find(id callID) *call {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.calls[id]
}

// leave takes c's place away; idempotent.
func (t *lot) leave(c *call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.calls[c.parked.id] != c {
		return
	}
	delete(t.calls, c.parked.id)
	t.kept -= c.parked.kept
	t.shares.Give(c.parked.caller)
}

// close gives up every call in the lot.
func (t *lot) close() {
	t.mu.Lock()
	calls := make([]*call, 0, len(t.calls))
	for _, c := range t.calls {
		calls = append(calls, c)
	}
	t.mu.Unlock()
	for _, c := range calls {
		c.giveUp()
	}
}

// giveUp ends a call that waits for a client which will find nothing any more.
func (c *call) giveUp() {
	c.mu.Lock()
	if c.leg == nil {
		c.gone = true
	}
	if c.parked.expiry != nil {
		c.parked.expiry.Stop()
	}
	c.mu.Unlock()
	c.p.lot.leave(c)
	c.cancel(errClosing)
}
