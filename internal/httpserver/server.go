// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package httpserver

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/quota"
)

// Bounds of a server.
const (
	headerTimeout = 10 * time.Second // for a request's header, and for its body unless who reads it allows more
	idleTimeout   = 2 * time.Minute  // between two requests; longer than most clients and balancers keep a connection
	headerBytes   = 64 << 10
	streams       = 32               // requests at once on one HTTP/2 connection
	streamBuffer  = 256 << 10        // bytes of a body that are received before it is read, of one HTTP/2 request
	connBuffer    = 512 << 10        // and of all requests of a connection
	pingAfter     = 30 * time.Second // an HTTP/2 connection that brings nothing for so long is pinged
	pingTimeout   = 15 * time.Second // and closed when that is not answered
	// streamsPerConn is how many HTTP/2 requests there may be at once, for each
	// connection that may be open: few clients need more than one.
	streamsPerConn = 4
)

// New returns a server of h over HTTP/1.1 and cleartext HTTP/2 whose connections
// come from conns, with Conns.Listener or Conns.Admit. What net/http has to say
// goes to log at debug level.
func New(h http.Handler, conns *Conns, log *slog.Logger) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	requests := int64(conns.max) * streamsPerConn
	return &http.Server{
		Handler:           &handler{next: h, requests: quota.New(requests, quota.Share(requests, conns.share))},
		ConnState:         conns.state,
		Protocols:         protocols,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       headerTimeout, // of a body that nobody reads, too
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytes,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          streams,
			MaxReceiveBufferPerStream:     streamBuffer,
			MaxReceiveBufferPerConnection: connBuffer,
			SendPingTimeout:               pingAfter,
			PingTimeout:                   pingTimeout,
			WriteByteTimeout:              writeTimeout,
		},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// handler bounds requests that are not bounded by connections.
type handler struct {
	next     http.Handler
	requests *quota.Quota // of HTTP/2
}

// ServeHTTP implements [http.Handler].
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor < 2 {
		h.next.ServeHTTP(w, r)
		return
	}
	// What is written after the handler has returned has no deadline yet. A client
	// may leave it no room in its window, on a connection that is well.
	defer func() { _ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout)) }()
	client := quota.Remote(r.RemoteAddr)
	if err := h.requests.Take(client, 1); err != nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many requests at once: "+err.Error()+"; try again in a while", http.StatusServiceUnavailable)
		return
	}
	defer h.requests.Give(client, 1)
	h.next.ServeHTTP(w, r)
}
