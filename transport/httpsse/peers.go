// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package httpsse

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/seal"
	"github.com/holdfast-mcp/holdfast/transport"
)

// kindMessage is the kind of the streams between nodes that bring one message each to
// the home of its event stream: the length of the session id in two bytes, the id, the
// message. The home answers with one byte.
const kindMessage = "sse"

const (
	verdictTaken = "t"
	verdictEnded = "e" // the event stream is no more
	verdictBusy  = "b" // not taken now
)

const (
	// forwardTimeout bounds a message's way to its home and the answer's back.
	forwardTimeout = 10 * time.Second
	// takeTimeout bounds how long a message may wait until its stream takes it, and
	// the home's part of the way, so that a home which is alive says in time that it
	// has not taken the message.
	takeTimeout = 5 * time.Second
	// noticeLoss is how long it may take until all agree that a node which could
	// not be reached is lost.
	noticeLoss = 3 * time.Second
	// farewell bounds the answer to a node that may not be listening any more.
	farewell = time.Second
	// maxID bounds a session id, in bytes.
	maxID = 1 << 10
)

// recipient takes messages for one event stream.
type recipient interface {
	// put returns nil when the stream has taken the message.
	put(ctx context.Context, m message) error
}

// peering is a Handler's part in a cluster: it names the streams of this node,
// brings messages to those of others, and takes what they bring. It starts no
// goroutine: who posts waits for the forwarding, and visits run on the cluster's;
// close ends and awaits both.
type peering struct {
	nodes nodes.Nodes
	ring  *seal.Ring
	max   int // bytes of a message
	room  *transport.Budget
	find  func(id string) *conn
	log   *slog.Logger

	ctx              context.Context // ends at close
	cancel           context.CancelFunc
	unserve          func()
	forwards, visits slots
}

func newPeering(cfg *Config, find func(id string) *conn) *peering {
	if cfg.Ring == nil {
		panic("httpsse: other nodes without a ring")
	}
	p := &peering{
		nodes: cfg.Nodes, ring: cfg.Ring, max: int(cfg.MaxBody), room: cfg.Budget, find: find, log: cfg.Log,
		forwards: slots{max: cfg.MaxForwards}, visits: slots{max: cfg.MaxForwards},
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.unserve = p.nodes.Serve(kindMessage, p.visit)
	return p
}

// close takes nothing any more and waits for what is under way. It is idempotent.
func (p *peering) close() {
	p.unserve()
	p.cancel()
	p.forwards.close()
	p.visits.close()
}

// newID names a new stream of this node. The id is sealed, so that nobody can
// make up one and with it send this node asking around, and opens only at the
// same endpoint.
func (p *peering) newID() string {
	address := nodes.Here(p.nodes, kindMessage, rand.Text())
	return address.Seal(p.ring, seal.Stream, p.nodes.Scope())
}

// recipient returns who takes messages for a stream that is not open here.
func (p *peering) recipient(id string) (recipient, error) {
	if len(id) > maxID {
		return nil, errUnknown
	}
	to, _, err := nodes.Open(p.ring, seal.Stream, p.nodes.Scope(), id)
	switch {
	case errors.Is(err, seal.ErrBehind):
		return nil, errBehind
	case err != nil:
		return nil, errUnknown
	case to.At(p.nodes):
		return nil, errEnded
	case to.LostTo(p.nodes):
		return nil, errGone
	}
	return &remote{p: p, id: id, to: to}, nil
}

// remote is a stream whose home is another node.
type remote struct {
	p  *peering
	id string
	to nodes.Address
}

// put brings a message to the stream's home. It fails with [errEnded], [errGone],
// [errBusy] or [errUnreached] when the message has not been taken, with
// [errUnsure] when that is not known.
func (r *remote) put(ctx context.Context, m message) error {
	if !r.p.forwards.enter() {
		return errBusy
	}
	defer r.p.forwards.leave()
	ctx, cancel := context.WithTimeout(ctx, forwardTimeout)
	defer cancel()
	defer context.AfterFunc(r.p.ctx, cancel)()
	frame := make([]byte, 0, 2+len(r.id)+len(m.data))
	frame = binary.BigEndian.AppendUint16(frame, uint16(len(r.id))) // recipient bounds it
	frame = append(append(frame, r.id...), m.data...)
	stream, err := r.p.nodes.Open(ctx, r.to, frame)
	switch {
	case err != nil && nodes.MayHaveArrived(err):
		return r.failed(ctx, err, errUnsure)
	case err != nil:
		return r.failed(ctx, err, errUnreached)
	}
	answer, err := stream.Receive(ctx)
	stream.Close(err)
	if err != nil {
		return r.failed(ctx, err, errUnsure)
	}
	switch string(answer) {
	case verdictTaken:
		return nil
	case verdictEnded:
		return errEnded
	}
	return errBusy
}

// failed says what an error on the way means: otherwise, unless the home is lost,
// and with it the event stream.
func (r *remote) failed(ctx context.Context, err, otherwise error) error {
	if errors.Is(err, nodes.ErrLost) && nodes.AwaitLoss(ctx, r.p.nodes, r.to.Node, r.to.Instance, noticeLoss) {
		return errGone
	}
	if !errors.Is(ctx.Err(), context.Canceled) { // else the client has gone, or this node is closing
		r.p.log.Warn("message not brought to its stream", "node", r.to.Node, "error", err)
	}
	return otherwise
}

// visit takes a message that another node has brought.
func (p *peering) visit(ctx context.Context, s nodes.Stream) {
	verdict := verdictBusy
	if p.visits.enter() {
		defer p.visits.leave()
		verdict = p.take(ctx, s)
	}
	// Whatever ended ctx, the other node should not have to guess.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	_ = s.Send(ctx, []byte(verdict)) // a failure means that nobody waits for it
}

// take hands a message to its stream and returns the verdict.
func (p *peering) take(ctx context.Context, s nodes.Stream) string {
	ctx, cancel := context.WithTimeout(ctx, takeTimeout)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	s.Limit(2 + maxID + p.max)
	frame, err := s.Receive(ctx)
	if err != nil {
		p.log.Debug("message of another node not received", "error", err)
		return verdictBusy
	}
	id, msg, ok := split(frame)
	c := p.find(id)
	if !ok || c == nil {
		return verdictEnded
	}
	m := message{data: msg, hold: &transport.Hold{}}
	m.hold.Begin(p.room, "")
	defer m.hold.Release()
	if err := m.hold.Grow(len(frame)); err != nil {
		return verdictBusy
	}
	switch err := c.put(ctx, m); {
	case err == nil:
		return verdictTaken
	case errors.Is(err, errEnded):
		return verdictEnded
	}
	return verdictBusy
}

func split(frame []byte) (id string, msg []byte, ok bool) {
	if len(frame) < 2 {
		return "", nil, false
	}
	n := 2 + int(binary.BigEndian.Uint16(frame))
	if len(frame) < n {
		return "", nil, false
	}
	return string(frame[2:n]), frame[n:], true
}

// slots counts what is inside, up to a maximum, until it is closed for good. It
// is safe for concurrent use.
type slots struct {
	max int

	mu     sync.Mutex
	inside int
	closed bool
	wg     sync.WaitGroup
}

// enter reports whether one more may come in. Each success needs a leave.
func (s *slots) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.inside >= s.max {
		return false
	}
	s.inside++
	s.wg.Add(1)
	return true
}

func (s *slots) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inside--
	s.wg.Done()
}

// close lets nothing in any more and waits until nothing is inside.
func (s *slots) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.wg.Wait()
}
