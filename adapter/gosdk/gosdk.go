// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package gosdk hosts servers made with the official Go SDK
// (github.com/modelcontextprotocol/go-sdk/mcp) in a [holdfast.Node], unchanged:
//
//	s := mcp.NewServer(&mcp.Implementation{Name: "weather", Version: "1.0.0"}, nil)
//	mcp.AddTool(s, …)
//	err := gosdk.Mount(node, "weather", s)
//
// The server's handlers see what they see anywhere: a ServerSession for each
// session of a client, with an id of its own, and through it elicitation,
// sampling, roots, progress, log messages and resource subscriptions. It makes no
// difference which revision the client speaks: the node speaks the legacy era
// with the server, where handlers may ask within a call, and carries their
// questions to clients of the newest revision as input-required results. A
// handler that returns InputRequests works as well.
//
// A client of the newest revision has no session: each of its calls has a
// ServerSession of its own. Mounted with holdfast.Share(holdfast.PerPrincipal), all
// calls of a principal have one, those of its other clients included.
//
// Each session owns one goroutine of this package and those of the SDK. They
// end with the session, which ends with the client's.
package gosdk

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/holdfast-mcp/holdfast"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// Mount adds s to the node under name. It must come before the node's Start or
// Run. The options are those of [holdfast.Node.MountConn]; with
// [holdfast.Share] other than holdfast.PerSession, several clients meet in one
// ServerSession.
func Mount(n *holdfast.Node, name string, s *sdk.Server, opts ...holdfast.MountOption) error {
	if s == nil {
		return fmt.Errorf("mount %q: %w", name, errNoServer)
	}
	opts = append([]holdfast.MountOption{holdfast.ForceEra(mcp.Legacy)}, opts...)
	return n.MountConn(name, Dialer(s), opts...)
}

var errNoServer = errors.New("the server is nil")

// Dialer returns a function that connects to s: each call begins a ServerSession
// and returns the client's end of it, whose Close ends the session and waits for
// its handlers, at most five seconds. It suits client.Conn and
// [holdfast.Node.MountConn].
func Dialer(s *sdk.Server) func(context.Context) (transport.Conn, error) {
	return func(ctx context.Context) (transport.Conn, error) {
		near, far := transport.Pipe()
		link := &connection{conn: far, id: rand.Text()}
		// The session outlives the call that began it.
		session, err := s.Connect(context.WithoutCancel(ctx), link, nil)
		if err != nil {
			near.Close()
			far.Close()
			return nil, fmt.Errorf("connect to the server: %w", err)
		}
		i := &instance{Conn: near, ended: make(chan struct{})}
		go i.wait(session)
		return i, nil
	}
}

// endTimeout bounds the wait for handlers that do not heed their context.
const endTimeout = 5 * time.Second

// instance is the client's end of one session. It owns the goroutine that waits
// for the session's end.
type instance struct {
	transport.Conn
	ended chan struct{} // closed when the session and its handlers have ended
}

func (i *instance) wait(session *sdk.ServerSession) {
	defer close(i.ended)
	_ = session.Wait()  // how it ended shows at the client's end
	_ = session.Close() // ends its pings
	i.Conn.Close()
}

// Close ends the session and waits for its handlers.
func (i *instance) Close() error {
	i.Conn.Close()
	timer := time.NewTimer(endTimeout)
	defer timer.Stop()
	select {
	case <-i.ended:
		return nil
	case <-timer.C:
		return errors.New("a handler of the server goes on after its session's end")
	}
}
