// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/holdfast-mcp/holdfast/internal/throttle"
)

// Cluster is this node's part in the cluster. It is safe for concurrent use.
//
// It owns its goroutines; Close stops them and waits.
type Cluster struct {
	cfg    Config
	mode   Mode
	log    *slog.Logger
	dir    *directory
	disk   *disk      // nil when external
	server *embedded  // nil when external
	conn   *nats.Conn // in process, or to the external cluster

	health   *health
	sessions *Sessions
	tasks    *Tasks
	events   *Events
	keys     *Keys
	settings *kv
	roster   roster
	feeds    []follower

	lines throttle.Lines // of the log that would repeat

	members *members
	mesh    *mesh // nil unless clustered
	rpc     *exchange
	bus     *bus

	base context.Context // ends with Close
	stop context.CancelCauseFunc
	wg   sync.WaitGroup

	ready  chan struct{} // closed when the stores are there and caches whole
	failed chan struct{} // closed when this node cannot be part of the cluster
	fault  atomic.Pointer[error]
	waits  atomic.Pointer[string] // what the node is doing until it is ready

	turn    time.Time // when this node may create streams without leading; of prepare
	closing sync.Once
	failing sync.Once
}

// Open checks the configuration and the directory, asks the other nodes whether
// this one may join, and starts. It returns before the stores are ready, since
// that may take other nodes: see [Cluster.Await]. Close what it returns.
func Open(ctx context.Context, cfg Config) (*Cluster, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	c := &Cluster{
		cfg: cfg, mode: cfg.Mode(), log: cfg.Log, health: &health{alone: cfg.Mode() == Alone},
		ready: make(chan struct{}), failed: make(chan struct{}),
	}
	c.base, c.stop = context.WithCancelCause(context.Background())
	c.waitFor("starting")
	if err := c.open(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) open(ctx context.Context) error {
	var seeds []string
	var err error
	if c.mode != External {
		if c.dir, err = openDir(&c.cfg); err != nil {
			return err
		}
	}
	if c.mode == Clustered {
		if err := canListen(c.cfg.Listen); err != nil {
			return err
		}
		if seeds, err = c.cfg.awaitSeeds(ctx, c.dir.remembered()); err != nil {
			return err
		}
		if err := preflight(ctx, &c.cfg, seeds); err != nil {
			return err
		}
		c.cfg.findAddress(ctx, seeds)
	}
	if c.mode != External {
		c.disk = newDisk(&c.cfg, c.mode)
		if err := c.disk.start(); err != nil {
			return err
		}
		if c.mode == Alone {
			c.health.own = c.disk
		}
		if c.server, err = startServer(&c.cfg, c.mode, seeds, c.disk); err != nil {
			return err
		}
	}
	if c.conn, err = c.connect(); err != nil {
		return err
	}
	if err := c.build(); err != nil {
		return err
	}
	if c.mode == Clustered {
		if err := c.startMesh(seeds); err != nil {
			return err
		}
	}
	if c.disk != nil {
		c.wg.Go(func() { c.watchDisk(c.base) })
	}
	c.wg.Go(c.prepare)
	return nil
}

// canListen says early and clearly what the server would only log.
func canListen(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("cannot listen for the other nodes: %w", err)
	}
	return l.Close()
}

// connect opens the connection all parts share.
func (c *Cluster) connect() (*nats.Conn, error) {
	opts := []nats.Option{
		nats.Name("holdfast " + c.cfg.Name), nats.MaxReconnects(-1), nats.ReconnectWait(100 * time.Millisecond),
		nats.NoCallbacksAfterClientClose(), nats.ErrorHandler(c.connError), nats.ReconnectHandler(c.reconnected),
		nats.IgnoreAuthErrorAbort(), nats.ReconnectBufSize(-1), // what cannot be sent now fails now
		nats.SyncQueueLen(maxDirectBatch + 1), // made anew for each batch that is read; the end of it is a message too
	}
	address := c.cfg.External
	if c.server != nil {
		address = ""
		opts = append(opts, nats.InProcessServer(c.server.srv), nats.Token(c.server.password))
	}
	if c.cfg.Credentials != "" {
		opts = append(opts, nats.UserCredentials(c.cfg.Credentials))
	}
	conn, err := nats.Connect(address, opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	return conn, nil
}

func (c *Cluster) connError(_ *nats.Conn, sub *nats.Subscription, err error) {
	subject := ""
	if sub != nil {
		subject = sub.Subject
	}
	c.log.Warn("connection to NATS", "error", err, "subject", subject)
	c.nudgeFeeds()
}

func (c *Cluster) reconnected(*nats.Conn) { c.nudgeFeeds() }

func (c *Cluster) nudgeFeeds() {
	for _, f := range c.feeds {
		f.nudge()
	}
}

// build makes the parts and subscribes to what is addressed to this node.
func (c *Cluster) build() error {
	table := func(kind string) *kv {
		return &kv{
			stream: c.stream(kind), prefix: c.cfg.Cluster + ".kv." + kind + ".", feed: c.cfg.Cluster + ".feed." + kind,
			leader: c.asks(), limit: c.cfg.WriteTimeout, health: c.health,
		}
	}
	follow := func(t *kv, apply func(value)) {
		c.feeds = append(c.feeds, newFeed(c.base.Done(), t, c.conn, c.members.self.Instance, apply))
	}
	var err error
	c.members = newMembers(c)
	c.settings = table(kindSetting)
	if c.keys, err = newKeys(c.settings, c.cfg.Secret); err != nil {
		return err
	}
	c.sessions = newSessions(c.newJournal(c.members.self.Instance), c.cfg.recordLimits())
	c.tasks = newTasks(table(kindTask))
	c.events = newEvents(c)
	c.sessions.archive = c.events
	follow(c.settings, func(v value) { c.keys.apply(v); c.roster.apply(v) })
	c.feeds = append(c.feeds, c.sessions.journal)
	follow(c.tasks.kv, c.tasks.apply)
	c.bus = newBus(c)
	c.rpc = newExchange(c)
	for _, start := range []func() error{c.rpc.start, c.bus.start, c.members.start} {
		if err := start(); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
	}
	return nil
}

func (c *Cluster) asks() leader { return leader{natsAsker{c.conn}, new(atomic.Uint64)} }

// newJournal makes a node's view of the journal of sessions.
func (c *Cluster) newJournal(self string) *journal {
	j := newJournal(c.base.Done(), c.conn, self)
	j.name, j.subject, j.feed = c.stream(kindSession), c.cfg.Cluster+".journal."+kindSession, c.cfg.Cluster+".feed."+kindSession
	j.leader, j.limit, j.health, j.stale = c.asks(), c.cfg.WriteTimeout, c.health, c.members.stale
	return j
}

// Sessions returns the replicated store of session records.
func (c *Cluster) Sessions() *Sessions { return c.sessions }

// Tasks returns the replicated store of tasks.
func (c *Cluster) Tasks() *Tasks { return c.tasks }

// Events returns the replicated event log.
func (c *Cluster) Events() *Events { return c.events }

// Keys returns the replicated key ring.
func (c *Cluster) Keys() *Keys { return c.keys }

// Name returns this node's name.
func (c *Cluster) Name() string { return c.cfg.Name }

// Mode returns how this node keeps its stores.
func (c *Cluster) Mode() Mode { return c.mode }

// Await waits until this node is ready: its stores are whole and its caches have
// caught up. It fails with the reason when the node cannot be part of the
// cluster, or with what is still missing when ctx ends.
func (c *Cluster) Await(ctx context.Context) error {
	select {
	case <-c.ready:
		return nil
	default:
	}
	select {
	case <-c.ready:
		return nil
	case <-c.failed:
		return c.Err()
	case <-ctx.Done():
		return fmt.Errorf("the cluster is not ready: %s: %w", *c.waits.Load(), context.Cause(ctx))
	}
}

// Ready returns nil when this node may take traffic that writes, else the reason
// why not: failed, a [DiskError], not started, leaving, stopped until just now, no
// majority for some seconds, or no space.
func (c *Cluster) Ready() error {
	if err := c.Able(); err != nil {
		return err
	}
	switch {
	case c.health.forlorn():
		return c.health.missing()
	case c.health.full.Load():
		return ErrStorage
	}
	return nil
}

// Able is Ready for what needs no write: it does not ask for a majority.
func (c *Cluster) Able() error {
	select {
	case <-c.failed:
		return c.Err()
	default:
	}
	if fault := c.disk.err(); fault != nil {
		return fault
	}
	select {
	case <-c.ready:
	default:
		return errors.New(*c.waits.Load())
	}
	switch {
	case c.base.Err() != nil:
		return ErrClosed
	case c.members.state() == Draining:
		return errors.New("leaving the cluster")
	case c.members.stale(time.Now()):
		return errStale
	}
	return nil
}

// Majority reports whether a majority of the cluster is there, as far as is known.
// Without one, what this node decides may be decided otherwise elsewhere.
func (c *Cluster) Majority() bool { return !c.health.lost.Load() }

// Failed is closed when this node turns out unable to be part of the cluster;
// Err then says why. It serves reads until it is closed.
func (c *Cluster) Failed() <-chan struct{} { return c.failed }

// Err returns why the node failed, or nil.
func (c *Cluster) Err() error {
	if e := c.fault.Load(); e != nil {
		return *e
	}
	return nil
}

// fail ends this node's part in the cluster.
func (c *Cluster) fail(err error) {
	c.failing.Do(func() {
		c.fault.Store(&err)
		close(c.failed)
		c.log.Error("this node cannot go on", "error", err)
	})
}

// waitFor notes what the node waits for, in words such as "waiting for …".
func (c *Cluster) waitFor(what string) { c.waits.Store(&what) }

// Drain tells the others that this node is about to leave: they send it nothing
// new. It goes on serving.
func (c *Cluster) Drain() {
	c.members.setState(Draining)
}

// leaveWait bounds how long Leave waits for others to take over what it led.
const leaveWait = 2 * time.Second

// Leave hands over what this node leads, tells the others, and closes. It is the
// planned end; after Close alone the others find out by themselves.
func (c *Cluster) Leave(ctx context.Context) {
	c.Drain()
	if c.mode == Clustered {
		ctx, cancel := context.WithTimeout(ctx, leaveWait)
		defer cancel()
		c.handOver(ctx)
	}
	c.Close()
}

// handOver steps down and waits until the stores have leaders again.
func (c *Cluster) handOver(ctx context.Context) {
	c.server.stepDown(c.streams())
	for _, s := range c.streams() {
		for ctx.Err() == nil && c.leader(ctx, s) == c.cfg.Name {
			select {
			case <-time.After(retryWait):
			case <-ctx.Done():
			}
		}
	}
}

// Close ends everything and waits. It is idempotent.
func (c *Cluster) Close() {
	c.closing.Do(func() {
		if c.members != nil {
			c.members.leave()
		}
		c.stop(ErrClosed)
		if c.rpc != nil {
			c.rpc.close()
		}
		c.wg.Wait()
		if c.conn != nil {
			c.conn.Close()
		}
		c.server.close()
		_ = c.dir.close() // the lock ends with the process anyway
	})
}
