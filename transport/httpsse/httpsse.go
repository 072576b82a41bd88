// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package httpsse is the HTTP+SSE transport of 2024-11-05 for clients that know
// no other: a GET opens the event stream and with it the session, its first
// event names the path for POSTs, and answers come on the stream.
//
// A stream stays at the node where it was opened, its home. With other nodes
// (Config.Nodes) the session id names the home, and a POST that arrives elsewhere
// is brought there (peers.go).
//
// Each stream is one transport.Conn, served on the GET's own goroutine plus one
// reader goroutine that ends with it. NewHandler starts nothing.
//
// spec 2024-11-05 basic/transports#http-with-sse.
package httpsse

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/httpguard"
	"github.com/holdfast-mcp/holdfast/internal/httpio"
	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/seal"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// Config bounds the transport. Zero fields take the documented defaults.
type Config struct {
	Messages       string            // URL that clients POST to, seen from that of the stream; default "messages", beside it, whatever stands before both
	MaxBody        int64             // bytes of a POST; default 4 MiB
	Budget         *transport.Budget // of the bytes of all messages; nil means no bound but MaxBody for each
	Unread         *transport.Budget // of the bytes of all messages being sent; over it WriteTimeout is a second; nil means no bound
	MaxStreams     int               // open streams; default 10,000
	KeepAlive      time.Duration     // a stream quiet for this long gets a comment; default 15 s
	WriteTimeout   time.Duration     // a client that does not take 64 KiB in this time loses its stream; default 30 s
	AllowedHosts   []string          // Host names besides loopback and the listening address; "*" for any
	AllowedOrigins []string          // Origins besides that of the request's own Host; "*" for any

	// Context returns the context of a stream, and of what is sent for it, from the request
	// that opens it; nil means the request's.
	Context func(*http.Request) context.Context

	// Nodes are the nodes that serve the same endpoint, with the same bounds; nil means
	// no others. Ring seals session ids; all nodes need the same.
	Nodes       nodes.Nodes
	Ring        *seal.Ring
	MaxForwards int          // POSTs on their way to other nodes, and as many from them; default 256
	Log         *slog.Logger // gets what goes wrong between nodes; nil means discard
}

// Handler serves GET on the stream path and POST on Config.Messages; mount it on
// both. It is safe for concurrent use. With Config.Nodes, call Close.
type Handler struct {
	srv   transport.Server
	cfg   Config
	guard httpguard.Guard
	peers *peering      // nil without other nodes
	empty chan struct{} // closed when closing and no stream is open

	mu      sync.Mutex
	conns   map[string]*conn // by session id
	closing bool
}

// NewHandler returns the transport in front of srv. It panics when cfg has
// Nodes without Ring.
func NewHandler(srv transport.Server, cfg Config) *Handler {
	cfg.Messages = cmp.Or(cfg.Messages, "messages")
	cfg.MaxBody = cmp.Or(max(cfg.MaxBody, 0), 4<<20)
	cfg.MaxStreams = cmp.Or(max(cfg.MaxStreams, 0), 10_000)
	cfg.KeepAlive = cmp.Or(max(cfg.KeepAlive, 0), 15*time.Second)
	cfg.WriteTimeout = cmp.Or(max(cfg.WriteTimeout, 0), 30*time.Second)
	cfg.MaxForwards = cmp.Or(max(cfg.MaxForwards, 0), 256)
	if cfg.Context == nil {
		cfg.Context = (*http.Request).Context
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	h := &Handler{
		srv: srv, cfg: cfg, conns: map[string]*conn{}, empty: make(chan struct{}),
		guard: httpguard.Guard{Hosts: cfg.AllowedHosts, Origins: cfg.AllowedOrigins, OwnOrigin: true},
	}
	if cfg.Nodes != nil {
		h.peers = newPeering(&h.cfg, h.find)
	}
	return h
}

// ServeHTTP serves one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.guard.Share(w, r) {
		return
	}
	if why := h.guard.Check(r); why != "" {
		h.fail(w, http.StatusForbidden, why)
		return
	}
	switch r.Method {
	case http.MethodGet:
		h.open(w, r)
	case http.MethodPost:
		h.post(w, r)
	default:
		w.Header().Set("Allow", "GET, POST")
		h.fail(w, http.StatusMethodNotAllowed, "use GET to open a stream and POST to send")
	}
}

// Why a stream's serving ends.
var errClosing = errors.New("the server is closing")

// open serves one stream until either side ends it.
func (h *Handler) open(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancelCause(h.cfg.Context(r))
	defer cancel(nil)
	c := newConn(w, r, &h.cfg, cancel)
	id := h.newID()
	if why, retry := h.enter(id, c); why != "" {
		if !Later(w, r, retry) {
			w.Header().Set("Retry-After", "10")
			h.fail(w, http.StatusServiceUnavailable, why)
		}
		return
	}
	defer h.leave(id, c)
	head := w.Header()
	head.Set("Content-Type", "text/event-stream")
	head.Set("Cache-Control", "no-cache, no-transform")
	head.Set("X-Accel-Buffering", "no")
	if err := c.event("endpoint", []byte(h.messages(r)+"?session="+id)); err != nil {
		return
	}
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

// laterTimeout bounds the writing of what Later says.
const laterTimeout = 5 * time.Second

// Later tells a client that opens its stream again to do so once more in a while, and
// reports whether the request is one of such a client. Any status but 200 would tell an
// EventSource never to come again, and the program behind it may not notice.
//
// WHATWG HTML, Server-sent events: reestablish the connection.
func Later(w http.ResponseWriter, r *http.Request, retry time.Duration) bool {
	back := r.Header.Get(mcp.HeaderLastEventID) != "" || r.Header.Get(mcp.HeaderProtocolVersion) != ""
	if r.Method != http.MethodGet || !back || !strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		return false
	}
	httpio.Writer{W: w, Timeout: laterTimeout}.Begin()
	head := w.Header()
	head.Set("Content-Type", "text/event-stream")
	head.Set("Cache-Control", "no-cache, no-transform")
	fmt.Fprintf(w, "retry: %d\n\n", retry.Milliseconds())
	return true
}

// messages is the URL of messages, seen from the request's own. A proxy may have taken
// a prefix off the path, so only what is relative leads back through it.
func (h *Handler) messages(r *http.Request) string {
	relative := !strings.HasPrefix(h.cfg.Messages, "/") && !strings.Contains(h.cfg.Messages, "://")
	if relative && strings.HasSuffix(r.URL.Path, "/") { // seen from /sse/, it is one level up
		return "../" + h.cfg.Messages
	}
	return h.cfg.Messages
}

// newID returns an id that nobody can guess.
func (h *Handler) newID() string {
	if h.peers != nil {
		return h.peers.newID()
	}
	return rand.Text() + rand.Text()
}

// enter makes a stream known, or returns why it must not be, and when to try again.
func (h *Handler) enter(id string, c *conn) (why string, retry time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closing:
		return "the server is going away; open the stream again", time.Second
	case len(h.conns) >= h.cfg.MaxStreams:
		return "too many open streams; try again later", 10 * time.Second
	}
	h.conns[id] = c
	return "", 0
}

func (h *Handler) leave(id string, c *conn) {
	c.Close()
	c.drop()
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, id)
	if h.closing && len(h.conns) == 0 {
		close(h.empty)
	}
}

func (h *Handler) find(id string) *conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.conns[id]
}

// Why a message was not taken, in words for the client.
var (
	errUnknown   = errors.New("unknown session; open a stream with GET first")
	errEnded     = errors.New("the stream has ended; open a stream again with GET")
	errGone      = errors.New("the node that held the stream is gone; open a stream again with GET")
	errBusy      = errors.New("too many messages wait for the stream; send the message again")
	errUnreached = errors.New("the node that holds the stream cannot be asked at the moment; send the message again")
	errBehind    = errors.New("this node may not know the session's key yet; send the message again")
	errUnsure    = errors.New("the node that holds the stream did not say whether it has taken the message")
)

// refuse tells the client why its message was not taken. Only what has not been
// taken for certain may be sent again.
func (h *Handler) refuse(w http.ResponseWriter, err error) {
	status := http.StatusGatewayTimeout
	switch {
	case errors.Is(err, errUnknown), errors.Is(err, errEnded), errors.Is(err, errGone):
		status = http.StatusNotFound
	case errors.Is(err, errBusy), errors.Is(err, errUnreached), errors.Is(err, errBehind):
		w.Header().Set("Retry-After", "1")
		status = http.StatusServiceUnavailable
	}
	h.fail(w, status, err.Error())
}

// post hands one message to its stream. It answers 202 once the stream has it,
// so that messages sent one after the other are read in this order, whatever
// nodes they met.
func (h *Handler) post(w http.ResponseWriter, r *http.Request) {
	if !r.URL.Query().Has("session") { // a client of a later revision tries the stream's URL first
		w.Header().Set("Allow", "GET")
		h.fail(w, http.StatusMethodNotAllowed, "open a stream with GET, and POST to the URL that its first event names")
		return
	}
	to, err := h.recipient(r.URL.Query().Get("session"))
	if err != nil {
		h.refuse(w, err)
		return
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		h.fail(w, http.StatusUnsupportedMediaType, "Content-Type must be application/json")
		return
	}
	m := message{hold: &transport.Hold{}}
	m.hold.Begin(h.cfg.Budget, r.RemoteAddr)
	defer m.hold.Release()
	if m.data, err = httpio.ReadBody(w, r, h.cfg.MaxBody, m.hold); err != nil {
		h.unread(w, err)
		return
	}
	switch err := to.put(r.Context(), m); {
	case err == nil:
		h.writer(w).Begin()
		w.WriteHeader(http.StatusAccepted)
	case r.Context().Err() == nil: // else nobody is there to be told
		h.refuse(w, err)
	}
}

// unread says why a body has not been read.
func (h *Handler) unread(w http.ResponseWriter, err error) {
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	switch {
	case tooLarge:
		h.fail(w, http.StatusRequestEntityTooLarge, "message is over the size limit")
	case errors.Is(err, transport.ErrBusy):
		w.Header().Set("Retry-After", "1")
		h.fail(w, http.StatusServiceUnavailable, err.Error()+"; send the message again in a while")
	case errors.Is(err, httpio.ErrSlow):
		h.fail(w, http.StatusRequestTimeout, err.Error())
	default:
		h.fail(w, http.StatusBadRequest, "the request body could not be read")
	}
}

func (h *Handler) writer(w http.ResponseWriter) httpio.Writer {
	return httpio.Writer{W: w, Timeout: h.cfg.WriteTimeout}
}

// fail answers a request that is not served.
func (h *Handler) fail(w http.ResponseWriter, status int, why string) {
	h.writer(w).Refuse()
	http.Error(w, why, status)
}

// recipient returns who takes messages for a session, here or at another node.
func (h *Handler) recipient(id string) (recipient, error) {
	if c := h.find(id); c != nil {
		return c, nil
	}
	if h.peers == nil {
		return nil, errUnknown
	}
	return h.peers.recipient(id)
}

// Drain refuses new streams and ends the open ones, each when its calls in flight
// have been answered, so that clients open theirs elsewhere; until then messages
// are taken, as calls may wait for some. When ctx ends first, Drain cuts the
// remaining calls off and returns the cause. Streams do not end by the HTTP
// server's Shutdown: call Drain beside it.
func (h *Handler) Drain(ctx context.Context) error {
	h.mu.Lock()
	if !h.closing && len(h.conns) == 0 {
		close(h.empty)
	}
	h.closing = true
	open := maps.Clone(h.conns)
	h.mu.Unlock()
	for _, c := range open {
		c.drain()
	}
	select {
	case <-h.empty:
		return nil
	case <-ctx.Done():
	}
	for _, c := range open { // nothing was opened since
		c.cancel(errClosing)
	}
	return fmt.Errorf("drain HTTP+SSE streams: %w", context.Cause(ctx))
}

// Close ends all streams at once, takes nothing from other nodes any more, and
// waits for the goroutines that serve them. It is idempotent.
func (h *Handler) Close() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = h.Drain(ctx) // ends at once: ctx is over
	<-h.empty
	if h.peers != nil {
		h.peers.close()
	}
}
