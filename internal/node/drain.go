// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/cluster"
	"github.com/holdfast-mcp/holdfast/internal/config"
)

// farewell bounds how long the answers of calls that were cut off may take to be
// written.
const farewell = time.Second

// clusterNotice is how long a node of several goes on accepting by default: enough
// for two health checks, which is what it takes a load balancer as those in deploy.
const clusterNotice = 2 * time.Second

// notice returns how long this node goes on accepting when it says that it is
// not ready. Alone there is nobody else to send requests to.
func (n *Node) notice() time.Duration {
	switch set := n.cfg.File.Drain.Notice; {
	case set != config.NoticeDefault:
		return set
	case !n.alone():
		return clusterNotice
	}
	return 0
}

// alone reports whether no other node could serve this one's clients.
func (n *Node) alone() bool { return n.cluster == nil || n.cluster.Mode() == cluster.Alone }

// drain ends serving so that no request is lost. In this order: a load balancer
// is told and given time to notice, while all goes on; nothing new is accepted;
// streams are told to reconnect, which now leads elsewhere; calls finish, those
// of other nodes too. Calls over the limit are cut off with an error. over is
// closed when srv no longer accepts.
//
// A balancer that asks for /readyz takes a refused connection for a node that has
// died, and ends the calls in flight. It has stopped sending new ones, so for its
// sake the node listens until its calls are finished. One that asks for nothing has
// only a refused connection to go by.
//
// A node that is alone listens until its calls are finished, since nobody else
// could take what their clients are asked for. New calls are told to come again.
func (n *Node) drain(srv *http.Server, l *Listener, over <-chan struct{}) {
	notice, calls := n.notice(), n.cfg.File.Drain.Calls
	n.cfg.Log.Info("leaving", "accepting_for", notice, "calls_may_take", calls)
	n.leave()
	select {
	case <-time.After(notice):
	case <-over:
	}
	limit, cancel := context.WithTimeout(context.Background(), calls)
	defer cancel()
	var wg sync.WaitGroup
	checked := n.checks.Load() >= enoughChecks
	if !n.alone() && !checked {
		n.deafen(l, over)
	}
	n.part(limit, &wg)
	switch {
	case n.alone():
		n.finish(limit)
		wg.Wait()
		n.deafen(l, over)
	case checked:
		n.awaitCalls(limit)
		n.deafen(l, over)
	}
	cut := srv.Shutdown(limit) != nil // requests on their way are still answered
	if !n.alone() {
		n.finish(limit)
	}
	wg.Wait()
	if cut {
		n.cutOff(srv)
	}
}

// enoughChecks is how often /readyz must have been asked for while this node gave
// notice for there to be somebody who watches it.
const enoughChecks = 2

// lookAgain is the time between two looks at what is in flight.
const lookAgain = 20 * time.Millisecond

// awaitCalls waits until no call is in flight at any endpoint. New ones are taken:
// who sends them has not noticed yet.
func (n *Node) awaitCalls(limit context.Context) {
	for {
		calls := 0
		for _, e := range n.endpoints() {
			_, c, _ := e.Load()
			calls += c
		}
		if calls == 0 {
			return
		}
		select {
		case <-time.After(lookAgain):
		case <-limit.Done():
			return
		}
	}
}

// deafen ends accepting connections, after those that clients hold for made, and
// returns when their requests are there.
func (n *Node) deafen(l *Listener, over <-chan struct{}) {
	if err := settle(l.Listener); err != nil && !errors.Is(err, errors.ErrUnsupported) { // as by a listener that is not ours
		n.cfg.Log.Warn("connections that are made just now may be reset", "error", err)
	}
	_ = l.Close() // the server closes it too
	<-over
	l.attend()
}

// leave makes this node not ready, and tells the others so. From now on each
// response closes its connection, so that no idle one is left which could be
// closed just when a request is sent on it.
func (n *Node) leave() {
	n.leaving.Store(true)
	if n.cluster != nil {
		n.cluster.Drain()
	}
}

// part ends what would last for ever: streams, connections that are sessions, and
// calls of other nodes, which find other homes.
func (n *Node) part(limit context.Context, wg *sync.WaitGroup) {
	for _, e := range n.endpoints() {
		e.Part()
	}
	for _, h := range n.streams {
		wg.Go(func() { n.cutShort("HTTP+SSE streams", h.Drain(limit)) })
	}
	for _, h := range n.sockets {
		wg.Go(func() { n.cutShort("WebSocket connections", h.Drain(limit)) })
	}
	if n.exchange != nil {
		wg.Go(func() { n.cutShort("calls of other nodes", n.exchange.Drain(limit)) })
		return
	}
	for _, b := range n.backends {
		if asks, ok := b.(interface{ AwaitAnswers(context.Context) error }); ok {
			wg.Go(func() { n.cutShort("questions of server "+b.Name(), asks.AwaitAnswers(limit)) })
		}
	}
}

// finish waits for calls whose client is not there at the moment.
func (n *Node) finish(limit context.Context) {
	var wg sync.WaitGroup
	for _, e := range n.endpoints() {
		wg.Go(func() { n.cutShort("calls", e.Drain(limit)) })
	}
	wg.Wait()
}

func (n *Node) cutShort(what string, err error) {
	if err != nil {
		n.cfg.Log.Warn("cut off at the end of the drain", "what", what, "error", err)
	}
}

// cutOff ends the calls that are left and lets their clients be told.
func (n *Node) cutOff(srv *http.Server) {
	var wg sync.WaitGroup
	for _, e := range n.endpoints() {
		wg.Go(e.Close)
	}
	wg.Wait()
	short, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	if srv.Shutdown(short) != nil {
		_ = srv.Close() // what is left does not read
	}
}
