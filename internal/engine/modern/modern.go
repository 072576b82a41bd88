// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package modern

import (
	"cmp"
	"context"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/gate"
	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/seal"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/internal/task"
	"github.com/holdfast-mcp/holdfast/internal/throttle"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// Raw is a JSON value kept as received.
type Raw = jsonrpc.Raw

// version is the revision this engine speaks.
const version = mcp.V20260728

// Config configures a Protocol. Handler is required; other zero fields have the
// defaults named.
type Config struct {
	Handler rpc.Handler
	// Info names this server in the _meta of every result whose body does not.
	Info mcp.Implementation
	// Ring seals request state and addresses of parked calls; all nodes that
	// serve the same clients need the same. Default: a ring of this process.
	Ring *seal.Ring
	// Hub is where changes are published. Default: a hub that stays silent.
	Hub *subscription.Hub
	// Tasks keeps the tasks. Nil turns the tasks extension off. The Protocol
	// watches it but does not close it.
	Tasks *task.Set
	// Endpoint is the name under which [task.Config.Handler] knows Handler, for tasks
	// that are restarted elsewhere. Empty means that none are.
	Endpoint string
	// Extensions are offered beside the tasks extension.
	Extensions []mcp.Extension
	// Legacy are the versions that the same endpoint serves in the other era.
	Legacy []mcp.Version
	// ToolHeaders returns which arguments of a tool Mcp-Param headers mirror; nil
	// for a tool that is unknown or not the caller's to see. Nil: none do.
	ToolHeaders func(ctx context.Context, tool string) []mcp.HeaderParam
	// Nodes are the nodes that serve the same endpoint over the same Ring.
	// The Protocol then serves the streams of kind "retry": a parked call stays at
	// its home, where retries that reach another node are forwarded. Nil means no others.
	Nodes nodes.Nodes
	// Shares bounds calls, listens and subscriptions of all endpoints of a node.
	// Default: bounds of this Protocol alone.
	Shares *engine.Shares
	Limits Limits
	Log    *slog.Logger // default: discard
}

// Limits bound what a Protocol holds. Zero fields have the defaults named.
type Limits struct {
	CallsPerConn       int           // in flight on one Conn; default 1000
	ListensPerConn     int           // open on one Conn; default 100
	Subscriptions      int           // resources, and tasks, in one listen; default 1000
	Parked             int           // calls waiting for their client; default 10000
	ParkedPerPrincipal int           // of them, of one principal at one network address; default 1000
	ParkedFor          time.Duration // before a parked call is given up; default 10 minutes
	StateTTL           time.Duration // life of a returned requestState; default 1 hour
	Rounds             int           // of input per call; default 32
	Quiet              time.Duration // before a pending answer becomes a stream that can carry keep-alives; default 15 seconds
}

func (l Limits) withDefaults() Limits {
	l.CallsPerConn = cmp.Or(l.CallsPerConn, 1000)
	l.ListensPerConn = cmp.Or(l.ListensPerConn, 100)
	l.Subscriptions = cmp.Or(l.Subscriptions, 1000)
	l.Parked = cmp.Or(l.Parked, 10_000)
	l.ParkedPerPrincipal = cmp.Or(l.ParkedPerPrincipal, 1000)
	l.ParkedFor = cmp.Or(l.ParkedFor, 10*time.Minute)
	l.StateTTL = cmp.Or(l.StateTTL, time.Hour)
	l.Rounds = cmp.Or(l.Rounds, 32)
	l.Quiet = cmp.Or(l.Quiet, 15*time.Second)
	return l
}

// Protocol is the modern era. It is safe for concurrent use.
type Protocol struct {
	cfg        Config
	methods    map[string]*method
	results    map[string]*mcp.Extension // by result type
	extensions []mcp.Extension
	supported  []mcp.Version
	serverMeta Raw // {"io.modelcontextprotocol/serverInfo": …}
	peers      peers
	lot        *lot
	calls      *gate.Gate // until they are answered; Shares bounds them
	listens    *gate.Gate
	timers     sync.Pool      // of *time.Timer
	crew       engine.Crew    // runs calls
	lines      throttle.Lines // of the log that would repeat
	unwatch    func()         // stops hearing of tasks
	unwire     func()         // stops serving other nodes
	visits     *gate.Gate     // retries that other nodes forwarded here

	ctx      context.Context // ends at Close
	cancel   context.CancelFunc
	draining context.Context // ends at Drain or Close
	drain    context.CancelFunc
}

var _ engine.Protocol = (*Protocol)(nil)

// method is what the engine knows about a request method.
type method struct {
	name      string
	nameParam string
	mayAsk    bool
	cacheable bool
	extension *mcp.Extension // nil for the core
	open      bool           // of an extension, yet usable by everybody
}

// New returns a Protocol. Close it. It panics when cfg has no handler.
func New(cfg Config) *Protocol {
	if cfg.Handler == nil {
		panic("modern: no handler")
	}
	if cfg.Ring == nil {
		cfg.Ring = seal.NewRing()
	}
	if cfg.Hub == nil {
		cfg.Hub = &subscription.Hub{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Shares == nil {
		cfg.Shares = engine.NewShares(0, engine.DefaultShare)
	}
	cfg.Limits = cfg.Limits.withDefaults()
	p := &Protocol{
		cfg: cfg, unwatch: func() {}, unwire: func() {}, supported: append([]mcp.Version{version}, cfg.Legacy...),
		serverMeta: serverMeta(cfg.Info), extensions: cfg.Extensions,
		calls: gate.New(math.MaxInt), listens: gate.New(math.MaxInt),
		lot:    newLot(cfg.Limits.Parked, cfg.Limits.ParkedPerPrincipal),
		visits: gate.New(cfg.Limits.Parked),
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.draining, p.drain = context.WithCancel(p.ctx)
	if cfg.Tasks != nil {
		p.extensions = append([]mcp.Extension{mcp.TasksExtension()}, cfg.Extensions...)
		p.unwatch = cfg.Tasks.Watch(mcp.Modern, p.publishTask)
	}
	p.buildMethods()
	if cfg.Nodes != nil {
		p.unwire = cfg.Nodes.Serve(kindRetry, p.acceptRetry)
	}
	return p
}

// coreMethods are the request methods this package was written for; the feature
// table says which of them the version has.
var coreMethods = []string{
	mcp.MethodDiscover, mcp.MethodListen, mcp.MethodListTools, mcp.MethodCallTool, mcp.MethodListPrompts,
	mcp.MethodGetPrompt, mcp.MethodListResources, mcp.MethodListResourceTemplates, mcp.MethodReadResource, mcp.MethodComplete,
}

func (p *Protocol) buildMethods() {
	p.methods, p.results = map[string]*method{}, map[string]*mcp.Extension{}
	for _, name := range coreMethods {
		if !version.Features().Request(name) {
			continue
		}
		p.methods[name] = &method{
			name: name, nameParam: mcp.NameParam(name),
			mayAsk: mcp.MayAskInput(name), cacheable: mcp.Cacheable(name),
		}
	}
	for i := range p.extensions {
		e := &p.extensions[i]
		for _, m := range e.Methods {
			p.methods[m.Name] = &method{
				name: m.Name, nameParam: m.NameParam, cacheable: mcp.Cacheable(m.Name), extension: e, open: m.Open,
			}
		}
		for _, t := range e.ResultTypes {
			p.results[t] = e
		}
	}
}

func serverMeta(info mcp.Implementation) Raw {
	return jsonrpc.Set(nil, mcp.MetaServerInfo, mustMarshal(info))
}

// mustMarshal encodes values of this package's and package mcp's own types,
// which always can be.
func mustMarshal(v any) Raw {
	data, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		panic("modern: " + err.Error())
	}
	return data
}

// Era implements [engine.Protocol].
func (p *Protocol) Era() mcp.Era { return mcp.Modern }

// PostBatch implements [engine.Protocol]: the revision has no batches.
func (p *Protocol) PostBatch(x transport.Exchange, _ []jsonrpc.Element) {
	engine.ReplyError(x, 400, jsonrpc.ID{}, errBatch)
}

var errBatch = jsonrpc.NewError(jsonrpc.CodeInvalidRequest, "batches are not part of this protocol version")

// Other implements [engine.Protocol]: the revision has POST only.
//
// spec 2026-07-28 basic/transports: GET and DELETE are answered 405.
func (p *Protocol) Other(x transport.Exchange) {
	x.Reply(405, nil, "Allow", "POST", "Cache-Control", "no-store")
}

// Load returns how many calls are in flight, parked ones included, and how many
// listens are open.
func (p *Protocol) Load() (calls, listens int) { return p.calls.Count(), p.listens.Count() }

// Part ends every listen gracefully and refuses new ones. Calls go on, and new
// ones are taken. It is idempotent.
func (p *Protocol) Part() { p.drain() }

// Drain refuses new requests, ends every listen gracefully, and waits for the
// calls in flight. It fails with ctx's cause when ctx ends first.
func (p *Protocol) Drain(ctx context.Context) error {
	p.drain()
	defer p.crew.Close()
	for _, idle := range []<-chan struct{}{p.listens.Close(), p.calls.Close()} {
		select {
		case <-idle:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// Close cancels what is in flight, parked calls too, and waits. It is idempotent.
func (p *Protocol) Close() {
	p.unwatch()
	p.unwire()
	p.cancel()
	p.crew.Close()
	p.lot.close()
	<-p.listens.Shut()
	<-p.calls.Shut()
	<-p.visits.Shut()
}
