// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package task

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/pause"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// turnTime is how long the node whose turn it is has to take a task over before
// the next may.
const turnTime = 2 * time.Second

// restarted is the message of a task that was begun again.
const restarted = "restarted after its node was lost"

// errMoved reports that a task does not run where it was looked for, or not yet:
// look again.
var errMoved = errors.New("task: moved")

// revive sees to a task whose home is lost. It fails with errMoved when the work
// is begun again, here or soon elsewhere; else it returns the task, failed.
func (s *Set) revive(ctx context.Context, t Task) (Task, error) {
	why := s.hopeless(&t)
	if why == nil {
		mine, last := s.turn(&t)
		if !mine {
			return t, errMoved
		}
		call, work, err := s.again(&t)
		switch {
		case err == nil:
			s.take(t, call, work)
			return t, errMoved
		case errors.Is(err, ErrNotYet), !last: // another node may be able to
			return t, errMoved
		}
		why = err
	}
	return s.fail(ctx, t, why)
}

// errOnce says that a task's work may be done only once.
var errOnce = errors.New("it may not be done twice")

// hopeless returns why no node may begin a task's work again, nil when one may.
func (s *Set) hopeless(t *Task) error {
	switch {
	case t.Call == nil, s.cfg.Handler == nil, s.cfg.Nodes == nil:
		return errOnce
	case t.Call.Oversized:
		return errors.New("its params are too large to be kept")
	case t.Restarts >= s.cfg.Restarts:
		return fmt.Errorf("it has been restarted %d times already", t.Restarts)
	}
	return nil
}

// again returns a task's call made anew and its work, or why this node cannot:
// [ErrNotYet], or an error that clients may read.
func (s *Set) again(t *Task) (*rpc.Call, *rpc.Deferred, error) {
	if err := s.hopeless(t); err != nil {
		return nil, nil, err
	}
	h, err := s.cfg.Handler(t.Call.Endpoint)
	if err != nil {
		return nil, nil, err
	}
	call, err := t.remake()
	if err != nil {
		return nil, nil, err
	}
	return call, rerun(h, call), nil
}

// orphan is one loss of a task's home.
type orphan struct {
	id       string
	restarts int
}

// turn reports whether it is this node's turn to take a lost task over, and
// whether every node has had its turn. Rendezvous hashing gives the order, so
// that not all try at once; that only one succeeds is the store's doing.
func (s *Set) turn(t *Task) (mine, last bool) {
	key := orphan{t.ID, t.Restarts}
	s.mu.Lock()
	since, ok := s.orphans[key]
	if !ok {
		since = time.Now()
		s.orphans[key] = since
	}
	s.mu.Unlock()
	waited := time.Since(since)
	before, all := s.place(t.ID)
	return waited >= time.Duration(before)*turnTime, waited >= time.Duration(all)*turnTime
}

// place returns how many nodes come before this one in the order of a task, and
// after how many others everybody has had a turn.
func (s *Set) place(id string) (before, all int) {
	if s.cfg.Members == nil {
		return 0, 0
	}
	self, _ := s.cfg.Nodes.Self()
	members := s.cfg.Members()
	own := weight(id, self)
	for _, node := range members {
		if node != self && weight(id, node) > own {
			before++
		}
	}
	if !slices.Contains(members, self) { // it is not to be given anything new, unless nobody else is there
		return len(members), len(members)
	}
	return before, len(members) - 1
}

func weight(id, node string) uint64 {
	sum := sha256.Sum256([]byte(id + "\x00" + node))
	return binary.BigEndian.Uint64(sum[:])
}

// take begins to run a lost task here: it claims the task in the store, beside
// others that may try, and runs it if it is the one that got it.
func (s *Set) take(t Task, call *rpc.Call, work *rpc.Deferred) {
	if l := s.local(t.ID); l != nil {
		l.check(s.base) // what ran here before others took it over gives way
	}
	l, ctx := s.newLive(rpc.WithPrincipal(context.Background(), call.Principal), t, Spec{Method: t.Method, Target: t.Target, Peer: call.Peer})
	l.task.Home, l.task.Instance = s.cfg.Nodes.Self()
	for key := range t.Questions {
		l.used[key] = struct{}{}
	}
	l.begin()
	if !s.elsewhere(&t) { // the claim is stored already, which this node had not learned
		l.task.Restarts = t.Restarts
	}
	s.mu.Lock()
	if s.closed || s.live[t.ID] != nil { // it is being taken
		s.mu.Unlock()
		l.cancel(nil)
		return
	}
	s.live[t.ID] = l
	s.wg.Add(1) // under the lock, so that Close waits for it
	s.mu.Unlock()
	s.launch(l, func() {
		if l.claim(&t) {
			s.cfg.Log.Warn("task restarted, as its node was lost", "task", short(t.ID), "node", t.Home, "restarts", l.snapshot().Restarts)
			l.run(ctx, work)
		}
	})
}

// begin makes the task one that begins again. l.mu is held, or nobody else has l.
func (l *live) begin() {
	l.task.Restarts++
	l.task.Message, l.task.Questions, l.waiting = restarted, nil, nil
	l.touch()
}

// claim stores that the task, which lost is the last that is known of, runs here,
// and reports whether it does. It gives up when nothing can be written and the
// home turns out to be there: then not that was lost, but this node.
func (l *live) claim(lost *Task) bool {
	err := l.flush()
	for err != nil && time.Now().Before(l.expires) && l.set.lost(lost) {
		if pause.For(l.set.base, retryAfter) != nil {
			break
		}
		err = l.flush()
	}
	l.mu.Lock()
	over := l.moved || l.task.Status.Terminal()
	mine := !over && l.shown.Restarts == l.task.Restarts
	l.ended = !mine
	if !mine && !over { // given up
		l.moved, l.task = true, l.shown // nothing is to be written any more
		l.show(l.shown)                 // who waits is to look again
	}
	l.mu.Unlock()
	switch {
	case mine:
		return true
	case !over:
		l.leave()
	default:
		_ = l.flush() // it says so in the log; a sweep tries again
	}
	l.cancel(nil)
	return false
}

// anew returns the work of a task, begun again after it was lost with a node that
// is not its home, or nil when that may not be.
func (l *live) anew() *rpc.Deferred {
	l.mu.Lock()
	t := l.task
	l.mu.Unlock()
	if t.Status.Terminal() || l.gone() {
		return nil
	}
	_, work, err := l.set.again(&t)
	if err != nil {
		return nil
	}
	l.mu.Lock()
	if l.moved || l.task.Status.Terminal() {
		l.mu.Unlock()
		return nil
	}
	l.begin()
	l.mu.Unlock()
	if l.persist(l.set.base) != nil || l.gone() {
		return nil
	}
	l.set.cfg.Log.Warn("task restarted, as the node of its server's instance was lost", "task", short(l.id), "restarts", t.Restarts+1)
	return work
}

// lostElsewhere reports whether an error says that the work was lost with another
// node, on which a part of it ran.
func lostElsewhere(wire *jsonrpc.Error) bool {
	if wire.FromPeer() {
		return false
	}
	gateway, _ := jsonrpc.Get(wire.Data, "gateway")
	reason, _ := jsonrpc.Get(gateway, "reason")
	text, _ := jsonrpc.Unquote(reason)
	return text == "node_lost"
}

// short is as much of a task's id as logs show.
func short(id string) string { return id[:min(len(id), 6)] }
