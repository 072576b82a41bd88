// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/seal"
	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/internal/task"
	"github.com/holdfast-mcp/holdfast/internal/throttle"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Raw is a JSON value kept as received.
type Raw = jsonrpc.Raw

// Config says what to serve and with what. Handler is required.
type Config struct {
	Handler rpc.Handler
	// Info names the server when the handler's server/discover does not.
	Info     mcp.Implementation
	Ring     *seal.Ring        // seals tickets; nil means keys that live as long as the process
	Sessions *session.Registry // nil means a registry of its own
	Hub      *subscription.Hub // changes to announce; nil means none
	Tasks    *task.Set         // nil means no tasks
	// Endpoint is the name under which [task.Config.Handler] knows Handler, for tasks
	// that are restarted elsewhere. Empty means that none are.
	Endpoint string
	// Nodes are the nodes that serve the endpoint; the sessions' store must then be
	// a [session.Feed]. Nil means that there are no others.
	Nodes nodes.Nodes
	// Ended is told that a session is over for good: deleted, on whatever node, or
	// its connection gone. It must not block; nil means nobody.
	Ended func(session string)
	// RootsChanged is told that a session's client has other roots now. It must not
	// block; nil means nobody.
	RootsChanged func(session string)
	// Shares bounds calls and subscriptions of all endpoints of a node; nil means
	// bounds of this Protocol alone.
	Shares *engine.Shares
	Limits Limits
	Log    *slog.Logger // nil means discard
}

// Limits bound sessions and waits. Zero fields mean the default. They hold on
// each node by itself, except that a session's subscriptions are counted in all.
// The bounds of the event log belong to the session registry.
type Limits struct {
	InFlight      int           // calls at once per session or connection; default 128
	Subscriptions int           // resources per session or connection; default 1000, see also engine.MaxSubscribed
	Capabilities  int           // bytes of a client's declared capabilities; default 16 KiB
	Quiet         time.Duration // a JSON answer this late becomes a stream, for its keep-alives; default 15 s
	Ask           time.Duration // how long a client may take to answer a question; default 10 minutes
	Ticket        time.Duration // life of a session; default 30 days
	Reconnect     time.Duration // when clients of drained streams shall come back; default 1 s
	DrainGrace    time.Duration // for cancelled calls to end after a drain's deadline; default 5 s
}

// maxRounds bounds how often one call may ask for input by returning.
const maxRounds = 10

func (l Limits) withDefaults() Limits {
	l.InFlight = cmp.Or(l.InFlight, 128)
	l.Subscriptions = cmp.Or(l.Subscriptions, 1000)
	l.Capabilities = cmp.Or(l.Capabilities, 16<<10)
	l.Quiet = cmp.Or(l.Quiet, 15*time.Second)
	l.Ask = cmp.Or(l.Ask, 10*time.Minute)
	l.Ticket = cmp.Or(l.Ticket, session.TicketLife)
	l.Reconnect = cmp.Or(l.Reconnect, time.Second)
	l.DrainGrace = cmp.Or(l.DrainGrace, 5*time.Second)
	return l
}

// defaultLevel is the log level of a session that has set none.
//
// spec 2025-11-25 server/utilities/logging: "the server MAY decide which
// messages to send automatically".
const defaultLevel mcp.LogLevel = "info"

// Protocol is the legacy era. It is safe for concurrent use.
type Protocol struct {
	cfg    Config
	store  session.Store
	opened openedCache
	peers  *peering     // nil without peers
	lastID atomic.Int64 // of questions to clients
	parted atomic.Bool  // GET streams are for other nodes to open

	confirming confirming // records
	links      links

	calls, streams atomic.Int64 // in flight and open, of HTTP
	crew           engine.Crew  // runs calls

	lines throttle.Lines // of the log that would repeat
}

var _ engine.Protocol = (*Protocol)(nil)

// New returns the legacy era over cfg.
func New(cfg Config) *Protocol {
	if cfg.Handler == nil {
		panic("legacy: no handler")
	}
	if cfg.Ring == nil {
		cfg.Ring = seal.NewRing()
	}
	if cfg.Sessions == nil {
		cfg.Sessions = session.NewRegistry(session.Config{})
	}
	if cfg.Hub == nil {
		cfg.Hub = &subscription.Hub{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Ended == nil {
		cfg.Ended = func(string) {}
	}
	if cfg.RootsChanged == nil {
		cfg.RootsChanged = func(string) {}
	}
	if cfg.Shares == nil {
		cfg.Shares = engine.NewShares(0, engine.DefaultShare)
	}
	cfg.Limits = cfg.Limits.withDefaults()
	p := &Protocol{cfg: cfg, store: cfg.Sessions.Store(), opened: newOpenedCache()}
	// A session may meet several processes in its life, and the ids of all their
	// questions must differ. All stay exact as a double.
	p.lastID.Store(rand.Int64N(1 << 52))
	p.peers = p.joinPeers()
	p.peers.start()
	return p
}

// Era returns [mcp.Legacy].
func (p *Protocol) Era() mcp.Era { return mcp.Legacy }

// errDrained is the cause of a call's context when a drain ran out of time.
var errDrained = jsonrpc.NewError(jsonrpc.CodeInternal, "the server is shutting down")

// Part tells the clients of open GET streams, and of streams that live on other
// nodes, to reconnect and closes these; a GET is refused from now on. Calls go
// on, and new ones are taken. It is idempotent.
func (p *Protocol) Part() {
	p.parted.Store(true)
	p.cfg.Sessions.Each(func(l *session.Live) { homeOf(p, l).leave(p.cfg.Limits.Reconnect) })
}

// Drain refuses new requests, parts from the clients of streams as Part does, and
// waits for the calls in flight. When ctx ends first, they are cancelled and
// given a short grace. Connections are not touched: their transport ends them.
func (p *Protocol) Drain(ctx context.Context) error {
	p.cfg.Sessions.StopAcquiring()
	p.Part()
	defer p.crew.Close()
	defer p.confirming.close()
	defer p.peers.close() // until then answers and cancellations come in
	err := p.cfg.Sessions.Drain(ctx)
	if err == nil {
		return nil
	}
	p.peers.hurry()
	p.cfg.Sessions.Each(func(l *session.Live) { homeOf(p, l).flights.Stop(errDrained) })
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.cfg.Limits.DrainGrace)
	defer cancel()
	return p.cfg.Sessions.Drain(grace)
}

// Load returns how many sessions have something live here, and how many calls in
// flight and streams without a call. Connections are not counted.
func (p *Protocol) Load() (sessions, calls, streams int) {
	return p.cfg.Sessions.Len(), int(p.calls.Load()), int(p.streams.Load())
}

// discover asks the handler what it offers to this peer.
func (p *Protocol) discover(ctx context.Context, peer *rpc.Peer, principal *rpc.Principal) (*mcp.Discovery, *jsonrpc.Error) {
	call := &rpc.Call{Method: mcp.MethodDiscover, Peer: peer, Principal: principal, Client: mute{}}
	res, wire := engine.Invoke(ctx, p.cfg.Log, p.cfg.Handler, call)
	if wire != nil {
		return nil, wire
	}
	return p.readDiscovery(call, res)
}

// mute is the client of a call that no client made.
type mute struct{}

func (mute) Notify(context.Context, string, Raw) error { return nil }

func (mute) Ask(context.Context, map[string]rpc.InputRequest) (map[string]Raw, error) {
	return nil, jsonrpc.NewError(jsonrpc.CodeInternal, "this call has no client to ask")
}
