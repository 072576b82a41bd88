// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"

	"github.com/holdfast-mcp/holdfast/internal/throttle"
)

// embedded is a NATS server in this process.
type embedded struct {
	srv       *natsd.Server
	opts      *natsd.Options
	password  string // of the in-process connection
	routeUser *url.Userinfo
	hosts     knownHosts
	wg        sync.WaitGroup
}

// readyTimeout bounds how long a server may take until it accepts connections.
const readyTimeout = 20 * time.Second

// startServer starts a server over the store of one mode. full is called when its
// disk has no space left, perhaps often.
func startServer(cfg *Config, mode Mode, seeds []string, full func()) (*embedded, error) {
	if mode == Clustered && !cfg.DefaultTiming && !shortenElections() {
		cfg.Log.Warn("the NATS server's election timing could not be set; a lost leader stops writes for seconds")
	}
	e := &embedded{password: rand.Text()}
	e.opts = &natsd.Options{
		ServerName: cfg.Name, JetStream: true, StoreDir: storeDir(cfg.Dir, mode),
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
	srv.SetLoggerV2(&serverLog{log: cfg.Log, full: full}, false, false, false)
	e.srv = srv
	e.wg.Go(srv.Start)
	if !srv.ReadyForConnections(readyTimeout) {
		e.close()
		return nil, fmt.Errorf("the NATS server does not start: is %s free to listen on, and %s writable?", cfg.Listen, cfg.Dir)
	}
	return e, nil
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
		Username: routeUser, Password: routePassword(cfg.Secret),
		TLSConfig: routeTLS(encryption, &e.hosts), TLSTimeout: handshakeTimeout,
		Compression: natsd.CompressionOpts{Mode: string(cfg.Compression)},
		PoolSize:    3, NoAdvertise: true, // of addresses for clients, of which there are none
		PingInterval: routePing, MaxPingsOut: routePatience,
	}
	e.hosts.set(seeds)
	e.routeUser = userInfo(cfg.Secret)
	e.opts.Routes = e.routeURLs(seeds)
	return nil
}

// protocol is the number of the way nodes talk to each other. Nodes of different
// numbers refuse each other; raise it only for what an older node cannot bear.
const protocol = 2

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

// serverLog passes the server's log on. Its notices are ours to give.
type serverLog struct {
	log  *slog.Logger
	full func()
	seen throttle.Lines
}

func (l *serverLog) Noticef(format string, v ...any) { l.notice(format, v) }
func (l *serverLog) Warnf(format string, v ...any)   { l.warn(format, v) }
func (l *serverLog) Fatalf(format string, v ...any)  { l.log.Error(line(format, v)) }
func (l *serverLog) Errorf(format string, v ...any)  { l.fail(format, v) }
func (l *serverLog) Debugf(string, ...any)           {}
func (l *serverLog) Tracef(string, ...any)           {}

// fail passes an error on. That the disk is full is told nowhere else.
func (l *serverLog) fail(format string, v []any) {
	l.pass(format, v)
	for _, arg := range v {
		if err, ok := arg.(error); ok && errors.Is(err, syscall.ENOSPC) {
			l.full()
		}
	}
}

// warn passes a warning on, unless it is that nobody verifies certificates:
// secretTLS does.
func (l *serverLog) warn(format string, v []any) {
	if !strings.Contains(format, "will not be verified") {
		l.pass(format, v)
	}
}

func line(format string, v []any) string {
	text := "nats: " + strings.TrimSpace(fmt.Sprintf(format, v...))
	if len(text) > maxLine {
		text = strings.ToValidUTF8(text[:maxLine], "") + " …"
	}
	return text
}
