// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"context"
	"net/http"

	"github.com/holdfast-mcp/holdfast/internal/httpserver"
)

// Serve serves HTTP on l until ctx ends, which also cuts a start short. Probes are
// answered at once; then the node starts, unless it has, and ready, if not nil, is
// called. At the end it drains: it tells load balancers and accepts a little
// longer, streams are ended so that their clients reconnect elsewhere, and calls
// finish within bounds. It returns nil when ctx was the reason. Close is next.
func (n *Node) Serve(ctx context.Context, l *Listener, ready func()) error {
	l.conns = n.conns()
	srv := httpserver.New(n.Handler(), l.conns, n.cfg.Log)
	srv.ConnContext = introduce
	up, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	over := make(chan struct{})
	go func() { // owned by Serve, which waits for it
		defer close(over)
		stop(cmp.Or(srv.Serve(l), http.ErrServerClosed))
	}()
	if err := n.Start(up); err != nil {
		_ = srv.Close() // nothing is in work
		<-over
		return n.unstarted(ctx, err)
	}
	if ready != nil {
		ready()
	}
	var failure error
	select {
	case <-up.Done():
		if ctx.Err() == nil {
			return context.Cause(up)
		}
	case <-n.failed():
		failure = n.cluster.Err()
	}
	n.drain(srv, l, over)
	return failure
}

// unstarted is the error of a node that did not start: none when that was wanted.
func (n *Node) unstarted(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	n.cfg.Log.Info("ended before it had started", "reason", err)
	return nil
}
