// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package websocket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	ws "github.com/coder/websocket"

	"github.com/holdfast-mcp/holdfast/internal/httpguard"
	"github.com/holdfast-mcp/holdfast/internal/httpio"
	"github.com/holdfast-mcp/holdfast/transport"
)

// Config bounds a Handler. Zero fields take the documented defaults.
type Config struct {
	MaxMessage     int64             // bytes of a message; default 4 MiB
	Budget         *transport.Budget // of the bytes of all messages; nil means no bound but MaxMessage for each
	Unread         *transport.Budget // of the bytes of all messages being sent; over it WriteTimeout is a second; nil means no bound
	MaxConns       int               // open connections; default 10,000
	Queue          int               // writes that may wait for a slow reader, per connection; default 1,024
	QueueBytes     int64             // and their bytes, unless it is a single one; default 16 MiB
	Arrival        time.Duration     // how long a message may take, and one second more for each 64 KiB of it; default 10 s
	Ping           time.Duration     // between pings; default 20 s
	PongTimeout    time.Duration     // a client that answers no ping for this long is closed; default 20 s
	WriteTimeout   time.Duration     // a client that takes nothing for this long is closed; default 30 s
	IdleTimeout    time.Duration     // a connection without a message either way for this long is closed; default 1 h, negative for never
	AllowedHosts   []string          // Host names besides loopback and the listening address; "*" for any
	AllowedOrigins []string          // Origins besides that of the request's own Host; "*" for any
	Log            *slog.Logger      // gets irregular ends at debug level; nil means slog.Default
}

func (c *Config) limits() limits {
	return limits{
		maxMessage: cmp.Or(max(c.MaxMessage, 0), 4<<20),
		budget:     c.Budget,
		unread:     c.Unread,
		queue:      int64(cmp.Or(max(c.Queue, 0), 1024)),
		queueBytes: cmp.Or(max(c.QueueBytes, 0), 16<<20),
		arrival:    cmp.Or(max(c.Arrival, 0), 10*time.Second),
		ping:       cmp.Or(max(c.Ping, 0), 20*time.Second),
		pong:       cmp.Or(max(c.PongTimeout, 0), 20*time.Second),
		write:      cmp.Or(max(c.WriteTimeout, 0), 30*time.Second),
		idle:       max(cmp.Or(c.IdleTimeout, time.Hour), 0),
		bye:        ws.StatusGoingAway, why: "the server is going away",
	}
}

// Why the context of a connection ends.
var (
	errClosing = errors.New("the server is closing")
	errGone    = errors.New("the connection has ended")
)

// ConnServer serves connections as [transport.Server] says; every one of those is
// a ConnServer, and so is a server of the SDK.
type ConnServer interface {
	ServeConn(ctx context.Context, c transport.Conn) error
}

// Handler serves WebSocket connections; mount it on any path. It is safe for
// concurrent use.
type Handler struct {
	srv   ConnServer
	lim   limits
	max   int
	guard httpguard.Guard
	log   *slog.Logger
	empty chan struct{} // closed when closing and nothing is open

	mu      sync.Mutex
	open    int // connections, those in the handshake included
	conns   map[*conn]context.CancelCauseFunc
	closing bool
}

// NewHandler returns the transport in front of srv.
func NewHandler(srv ConnServer, cfg Config) *Handler {
	h := &Handler{
		srv: srv, lim: cfg.limits(), max: cmp.Or(max(cfg.MaxConns, 0), 10_000), log: cfg.Log,
		guard: httpguard.Guard{Hosts: cfg.AllowedHosts, Origins: cfg.AllowedOrigins, OwnOrigin: true},
		empty: make(chan struct{}), conns: map[*conn]context.CancelCauseFunc{},
	}
	if h.log == nil {
		h.log = slog.Default()
	}
	return h
}

// ServeHTTP upgrades one request and serves its connection until either side
// ends it. The context of the request, with its principal, is the connection's.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if status, why := h.check(w, r); status != 0 {
		h.fail(w, status, why)
		return
	}
	hijacker := hijackerOf(w)
	if hijacker == nil {
		h.fail(w, http.StatusNotImplemented, "this HTTP server cannot give a connection away")
		return
	}
	if !h.enter() {
		w.Header().Set("Retry-After", "10")
		h.fail(w, http.StatusServiceUnavailable, "too many open connections; try again later")
		return
	}
	defer h.leave()
	up := &upgrader{ResponseWriter: w, hijacker: hijacker, timeout: h.lim.write}
	accepted, err := ws.Accept(up, r, &ws.AcceptOptions{
		Subprotocols:       []string{subprotocol},
		InsecureSkipVerify: true, // the guard has verified the Origin
	})
	if err != nil {
		h.log.DebugContext(r.Context(), "WebSocket handshake failed", "error", err) // Accept has answered
		return
	}
	h.serve(r.Context(), accepted, up.wire, r.RemoteAddr)
}

// fail answers a request that is not upgraded.
func (h *Handler) fail(w http.ResponseWriter, status int, why string) {
	httpio.Writer{W: w, Timeout: h.lim.write}.Refuse()
	http.Error(w, why, status)
}

// check returns the status that the request is refused with, and why, or 0.
func (h *Handler) check(w http.ResponseWriter, r *http.Request) (int, string) {
	if why := h.guard.Check(r); why != "" {
		return http.StatusForbidden, why
	}
	switch {
	case r.ProtoMajor > 1:
		return http.StatusHTTPVersionNotSupported, "WebSocket needs HTTP/1.1, not " + r.Proto
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		return http.StatusMethodNotAllowed, "use GET to open a WebSocket"
	case !lists(r.Header["Connection"], "upgrade"), !lists(r.Header["Upgrade"], "websocket"), !r.ProtoAtLeast(1, 1):
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		return http.StatusUpgradeRequired, "this is a WebSocket endpoint; upgrade to websocket over HTTP/1.1"
	}
	offered := r.Header[http.CanonicalHeaderKey("Sec-WebSocket-Protocol")]
	if strings.Trim(strings.Join(offered, ""), " ,\t") != "" && !lists(offered, subprotocol) {
		return http.StatusBadRequest, "none of the offered sub-protocols is supported; offer " + subprotocol
	}
	return 0, ""
}

// lists reports whether a header of comma-separated tokens holds this one, given in lower case.
func lists(values []string, token string) bool {
	for _, value := range values {
		for t := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}

// serve runs a connection to its end. Its context ends with it: unlike on a
// pipe, nothing can be answered to a peer that has left.
func (h *Handler) serve(ctx context.Context, accepted *ws.Conn, below *wire, remote string) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := newConn(accepted, below, h.lim, remote, func() { cancel(errGone) })
	defer c.finish() // should the server panic
	h.attach(c, cancel)
	defer h.detach(c)
	err := h.srv.ServeConn(ctx, c)
	c.finish()
	if err == nil && !errors.Is(c.err, io.EOF) && !errors.Is(c.err, transport.ErrClosed) {
		err = c.err
	}
	if err != nil {
		h.log.DebugContext(ctx, "WebSocket connection ended", "error", err)
	}
}

func (h *Handler) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing || h.open >= h.max {
		return false
	}
	h.open++
	return true
}

func (h *Handler) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open--
	if h.closing && h.open == 0 {
		close(h.empty)
	}
}

// attach makes c known to Drain, or drains it when that has begun.
func (h *Handler) attach(c *conn, cancel context.CancelCauseFunc) {
	h.mu.Lock()
	h.conns[c] = cancel
	late := h.closing
	h.mu.Unlock()
	if late {
		c.drain()
	}
}

func (h *Handler) detach(c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, c)
}

// Drain refuses new connections and reads nothing more from the open ones; each
// is closed with status 1001 when its engine has answered the calls in flight.
// When ctx ends first, Drain
// cuts the remaining calls off and returns the cause. Connections do not end by
// the HTTP server's Shutdown: call Drain beside it.
func (h *Handler) Drain(ctx context.Context) error {
	h.mu.Lock()
	if !h.closing && h.open == 0 {
		close(h.empty)
	}
	h.closing = true
	open := maps.Clone(h.conns)
	h.mu.Unlock()
	for c := range open {
		c.drain()
	}
	select {
	case <-h.empty:
		return nil
	case <-ctx.Done():
	}
	h.mu.Lock()
	open = maps.Clone(h.conns)
	h.mu.Unlock()
	for _, cancel := range open {
		cancel(errClosing)
	}
	return fmt.Errorf("drain WebSocket connections: %w", context.Cause(ctx))
}

// Close ends all connections at once, with status 1001, and waits for the
// goroutines that serve them.
func (h *Handler) Close() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = h.Drain(ctx) // ends at once: ctx is over
	<-h.empty
}
