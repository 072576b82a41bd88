// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"sync"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
)

// embedded is a NATS server in this process.
type embedded struct {
	srv       *natsd.Server
	password  string // of the in-process connection
	routeUser *url.Userinfo
	hosts     knownHosts
	log       *serverLog
	wg        sync.WaitGroup

	changing sync.Mutex // one change of the options at a time
	opts     *natsd.Options
}

// readyTimeout bounds how long a server may take until it accepts connections;
// readyStep is the time between two looks at whether it has given up.
const (
	readyTimeout = 20 * time.Second
	readyStep    = 100 * time.Millisecond
)

// startServer starts a server over the store of one mode, whose disk is d. Where d
// has an error already, the store stays closed until it is opened again.
func startServer(cfg *Config, mode Mode, seeds []string, d *disk) (*embedded, error) {
	if mode == Clustered && !cfg.DefaultTiming && !shortenElections() {
		cfg.Log.Warn("the NATS server's election timing could not be set; a lost leader stops writes for seconds")
	}
	e := &embedded{password: rand.Text(), log: &serverLog{log: cfg.Log, disk: d}}
	e.opts = &natsd.Options{
		ServerName: cfg.Name, JetStream: true, StoreDir: d.dir,
		SyncAlways: cfg.SyncAlways, SyncInterval: cfg.SyncInterval,
		MaxPayload: maxPayload, NoSigs: true, NoLog: true, DisableJetStreamBanner: true,
		DontListen:                 true,
		CustomClientAuthentication: &doorman{e.password, func() *natsd.Account { return e.srv.SystemAccount() }},
	}
	if mode == Clustered {
		if err := e.cluster(cfg, seeds); err != nil {
			return nil, err
		}
	}
	srv, err := natsd.NewServer(e.opts)
	if err != nil {
		return nil, fmt.Errorf("configure the NATS server: %w", err)
	}
	// A server that is made without a store never gets one that works among others;
	// one that is made with it and started without does.
	e.opts.JetStream = d.err() == nil
	srv.SetLoggerV2(e.log, false, false, false)
	e.srv = srv
	e.wg.Go(srv.Start)
	if err := e.awaitStart(cfg); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

// awaitStart waits until the server accepts connections, or says why it never will.
func (e *embedded) awaitStart(cfg *Config) error {
	for began := time.Now(); time.Since(began) < readyTimeout; {
		if e.srv.ReadyForConnections(readyStep) {
			return nil
		}
		if why := e.log.fatal.Load(); why != nil {
			return fmt.Errorf("the NATS server does not start: %s", *why)
		}
	}
	return fmt.Errorf("the NATS server does not start: is %s free to listen on, and %s writable?", cfg.Listen, cfg.Dir)
}

// cluster adds the routes. They do not start without a listener for clients, so
// there is one, on loopback, with a password nobody else knows.
func (e *embedded) cluster(cfg *Config, seeds []string) error {
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return fmt.Errorf("address %q: %w", cfg.Listen, err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return fmt.Errorf("address %q: the port is not a number", cfg.Listen)
	}
	if host == "" {
		host = "0.0.0.0"
	}
	encryption, err := cfg.encryption()
	if err != nil {
		return err
	}
	e.opts.DontListen, e.opts.Host, e.opts.Port = false, "127.0.0.1", natsd.RANDOM_PORT
	e.opts.Cluster = natsd.ClusterOpts{
		Name: wireName(cfg.Cluster), Host: host, Port: number, Advertise: cfg.address(),
		Username: routeUser, Password: stretch(cfg.Secret).routePassword(),
		TLSConfig: routeTLS(encryption, &e.hosts), TLSTimeout: handshakeTimeout,
		Compression: natsd.CompressionOpts{Mode: string(cfg.Compression)},
		PoolSize:    3, NoAdvertise: true, // of addresses for clients, of which there are none
		PingInterval: routePing, MaxPingsOut: routePatience,
	}
	e.hosts.set(seeds)
	e.routeUser = stretch(cfg.Secret).user()
	e.opts.Routes = e.routeURLs(seeds)
	return nil
}

// protocol is the number of the way nodes talk to each other. Nodes of different
// numbers refuse each other; raise it only for what an older node cannot bear.
const protocol = 4

// wireName is the cluster's name among servers; it keeps protocols apart.
func wireName(cluster string) string { return cluster + "." + strconv.Itoa(protocol) }

// stepDown gives up the leadership of streams, so that others need not find out.
func (e *embedded) stepDown(streams []string) {
	for _, s := range streams {
		if e.srv.JetStreamIsStreamLeader(natsd.DEFAULT_GLOBAL_ACCOUNT, s) {
			_ = e.srv.JetStreamStepdownStream(natsd.DEFAULT_GLOBAL_ACCOUNT, s) // Shutdown does it otherwise
		}
	}
}

// current reports what is missing until the store is whole on this node.
func (e *embedded) current() error {
	if !e.srv.JetStreamEnabled() {
		return errors.New("waiting for the store to start")
	}
	if !e.srv.JetStreamIsCurrent() {
		if e.srv.JetStreamIsClustered() && e.srv.NumRoutes() == 0 {
			return errors.New("waiting for another node of the cluster to answer")
		}
		return errors.New("waiting for the cluster to elect a leader")
	}
	return nil
}

// leads reports whether this node manages the store.
func (e *embedded) leads() bool { return !e.srv.JetStreamIsClustered() || e.srv.JetStreamIsLeader() }

func (e *embedded) streamCurrent(stream string) bool {
	return e.srv.JetStreamIsStreamCurrent(natsd.DEFAULT_GLOBAL_ACCOUNT, stream)
}

// close stops the server and waits for it.
func (e *embedded) close() {
	if e == nil {
		return
	}
	e.srv.Shutdown()
	e.srv.WaitForShutdown()
	e.wg.Wait()
}
