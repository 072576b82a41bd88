// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package httpsse is the HTTP+SSE transport of 2024-11-05 for clients that know
// no other: a GET opens the event stream and with it the session, its first
// event names the path for POSTs, and answers come on the stream.
//
// Each stream is one transport.Conn, served on the GET's own goroutine plus one
// reader goroutine that ends with it.
//
// spec 2024-11-05 basic/transports#http-with-sse.
package httpsse

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"mime"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/httpguard"
	"github.com/holdfast-mcp/holdfast/internal/sse"
	"github.com/holdfast-mcp/holdfast/transport"
)

// Config bounds the transport. Zero fields take the documented defaults.
type Config struct {
	Messages       string        // path that clients POST to; default "/messages"
	MaxBody        int64         // bytes of a POST; default 4 MiB
	MaxStreams     int           // open streams; default 10,000
	KeepAlive      time.Duration // a stream quiet for this long gets a comment; default 15 s
	WriteTimeout   time.Duration // a client that does not read for this long loses its stream; default 30 s
	AllowedHosts   []string
	AllowedOrigins []string
}

// Handler serves GET on the stream path and POST on Config.Messages; mount it on both.
type Handler struct {
	srv   transport.Server
	cfg   Config
	guard httpguard.Guard

	mu    sync.Mutex
	conns map[string]*conn
}

// NewHandler returns the transport in front of srv.
func NewHandler(srv transport.Server, cfg Config) *Handler {
	if cfg.Messages == "" {
		cfg.Messages = "/messages"
	}
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = 4 << 20
	}
	if cfg.MaxStreams <= 0 {
		cfg.MaxStreams = 10_000
	}
	if cfg.KeepAlive <= 0 {
		cfg.KeepAlive = 15 * time.Second
	}
	if cfg.WriteTimeout <= 0 {
		cfg.WriteTimeout = 30 * time.Second
	}
	return &Handler{srv: srv, cfg: cfg, conns: map[string]*conn{},
		guard: httpguard.Guard{Hosts: cfg.AllowedHosts, Origins: cfg.AllowedOrigins}}
}

// ServeHTTP serves one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if why := h.guard.Check(r); why != "" {
		http.Error(w, why, http.StatusForbidden)
		return
	}
	switch r.Method {
	case http.MethodGet:
		h.open(w, r)
	case http.MethodPost:
		h.post(w, r)
	default:
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "use GET to open a stream and POST to send", http.StatusMethodNotAllowed)
	}
}

// open serves one stream until either side ends it.
func (h *Handler) open(w http.ResponseWriter, r *http.Request) {
	c := &conn{w: w, rc: http.NewResponseController(w), in: make(chan []byte, 16), done: make(chan struct{}), timeout: h.cfg.WriteTimeout}
	id := rand.Text() + rand.Text()
	if !h.enter(id, c) {
		w.Header().Set("Retry-After", "10")
		http.Error(w, "too many open streams; try again later", http.StatusServiceUnavailable)
		return
	}
	defer h.leave(id)
	head := w.Header()
	head.Set("Content-Type", "text/event-stream")
	head.Set("Cache-Control", "no-cache, no-transform")
	head.Set("X-Accel-Buffering", "no")
	if err := c.event("endpoint", []byte(h.cfg.Messages+"?session="+id)); err != nil {
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	served := make(chan struct{})
	go func() { // owned by this call: ends with ctx, waited for below
		defer close(served)
		_ = h.srv.ServeConn(ctx, c) // the stream's end is the only answer a client can see
	}()
	ticker := time.NewTicker(h.cfg.KeepAlive)
	defer ticker.Stop()
	for {
		select {
		case <-served:
			return
		case <-ctx.Done():
			c.Close()
			<-served
			return
		case <-ticker.C:
			c.comment()
		}
	}
}

func (h *Handler) enter(id string, c *conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.conns) >= h.cfg.MaxStreams {
		return false
	}
	h.conns[id] = c
	return true
}

func (h *Handler) leave(id string) {
	h.mu.Lock()
	c := h.conns[id]
	delete(h.conns, id)
	h.mu.Unlock()
	c.Close()
}

// post hands one message to its stream.
func (h *Handler) post(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	c := h.conns[r.URL.Query().Get("session")]
	h.mu.Unlock()
	if c == nil {
		http.Error(w, "unknown session; open a stream with GET first", http.StatusNotFound)
		return
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		http.Error(w, "Content-Type must be application/json", http.StatusUnsupportedMediaType)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.cfg.MaxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		http.Error(w, "message is over the size limit", http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		http.Error(w, "the request body could not be read", http.StatusBadRequest)
		return
	}
	select {
	case c.in <- body:
		w.WriteHeader(http.StatusAccepted)
	case <-c.done:
		http.Error(w, "the stream has ended", http.StatusNotFound)
	case <-r.Context().Done():
	}
}

// conn is one open stream as a transport.Conn.
type conn struct {
	rc      *http.ResponseController
	in      chan []byte
	done    chan struct{}
	once    sync.Once
	timeout time.Duration

	mu sync.Mutex // guards the writer
	w  http.ResponseWriter
}

func (c *conn) Read() ([]byte, error) {
	select {
	case msg := <-c.in:
		return msg, nil
	case <-c.done:
		return nil, io.EOF
	}
}

func (c *conn) Write(msg []byte) error { return c.event("message", msg) }

func (c *conn) event(name string, data []byte) error {
	return c.send(sse.Append(nil, sse.Event{Name: name, Data: data}))
}

func (c *conn) comment() {
	_ = c.send([]byte(sse.KeepAlive)) // a failure closes the stream
}

func (c *conn) send(p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.done:
		return transport.ErrClosed
	default:
	}
	_ = c.rc.SetWriteDeadline(time.Now().Add(c.timeout)) // unsupported by some writers; then TCP's own timeout rules
	_, err := c.w.Write(p)
	if err == nil {
		err = c.rc.Flush()
	}
	if err != nil {
		c.end()
	}
	return err
}

// Close ends the stream after a write in progress.
func (c *conn) Close() error {
	c.end()
	c.mu.Lock()
	defer c.mu.Unlock() // no write may follow the GET handler's return
	return nil
}

func (c *conn) end() { c.once.Do(func() { close(c.done) }) }
