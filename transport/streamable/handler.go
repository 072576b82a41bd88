// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package streamable is the Streamable HTTP transport of every revision on one
// path: it turns HTTP requests into Exchanges. It checks what HTTP alone can
// check — Origin, Host, verb, media types, size — and leaves every protocol
// decision to the engine behind it. A body that does not arrive in time is
// answered 408, one that there is no memory for 503.
//
// Each request is served on net/http's goroutine; open event streams hold it
// until they end. Nothing is started by New.
package streamable

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/httpguard"
	"github.com/holdfast-mcp/holdfast/internal/httpio"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/transport"
)

// Config bounds the transport. Zero fields take the documented defaults.
type Config struct {
	MaxBody        int64             // bytes of a request body; default 4 MiB
	Budget         *transport.Budget // of the bytes of all bodies; nil means no bound but MaxBody for each
	Unread         *transport.Budget // of the bytes of all answers being sent; over it WriteTimeout is a second; nil means no bound
	KeepAlive      time.Duration     // a stream quiet for this long gets a comment; default 15 s
	WriteTimeout   time.Duration     // a client that does not take 64 KiB of an answer in this time loses it, and its stream; default 30 s
	AllowedHosts   []string          // Host names besides loopback and the listening address; "*" for any
	AllowedOrigins []string          // Origins besides loopback; "*" for any

	// Context returns the context of what a request brings, which is the request's or
	// made of it; nil means the request's.
	Context func(*http.Request) context.Context
}

const (
	defaultMaxBody      = 4 << 20
	defaultKeepAlive    = 15 * time.Second
	defaultWriteTimeout = 30 * time.Second
)

// NewHandler returns the transport in front of srv.
func NewHandler(srv transport.Server, cfg Config) http.Handler {
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = defaultMaxBody
	}
	if cfg.KeepAlive <= 0 {
		cfg.KeepAlive = defaultKeepAlive
	}
	if cfg.WriteTimeout <= 0 {
		cfg.WriteTimeout = defaultWriteTimeout
	}
	if cfg.Context == nil {
		cfg.Context = (*http.Request).Context
	}
	return &handler{srv: srv, cfg: cfg, guard: httpguard.Guard{Hosts: cfg.AllowedHosts, Origins: cfg.AllowedOrigins}}
}

type handler struct {
	srv    transport.Server
	cfg    Config
	guard  httpguard.Guard
	packed deflated
}

// ServeHTTP serves one request.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.guard.Share(w, r) {
		return
	}
	if why := h.guard.Check(r); why != "" {
		h.refuse(w, http.StatusForbidden, why)
		return
	}
	x := &exchange{w: w, r: r, ctx: h.cfg.Context(r), cfg: &h.cfg, packed: &h.packed}
	x.hold.Begin(h.cfg.Budget, r.RemoteAddr)
	defer x.hold.Release()
	switch r.Method {
	case http.MethodPost:
		if !h.accept(w, r, x) {
			return
		}
	case http.MethodGet, http.MethodDelete:
	default:
		w.Header().Set("Allow", "POST, GET, DELETE")
		h.refuse(w, http.StatusMethodNotAllowed, "method "+display.Quote(r.Method)+" is not supported; use POST")
		return
	}
	x.hold.Work()
	h.srv.ServeExchange(x)
	x.wait()
}

// accept checks a POST's media types and reads its body.
func (h *handler) accept(w http.ResponseWriter, r *http.Request, x *exchange) bool {
	if ct := r.Header.Get("Content-Type"); !isJSON(ct) {
		h.refuse(w, http.StatusUnsupportedMediaType, "Content-Type must be application/json")
		return false
	}
	if accepts := r.Header.Values("Accept"); !takes(accepts, "application/json") {
		h.refuse(w, http.StatusNotAcceptable, "Accept must list application/json and text/event-stream")
		return false
	}
	body, err := httpio.ReadBody(w, r, h.cfg.MaxBody, &x.hold)
	if err != nil {
		h.unread(w, err)
		return false
	}
	x.body = body
	return true
}

// unread says why a body has not been read.
func (h *handler) unread(w http.ResponseWriter, err error) {
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	switch {
	case tooLarge:
		h.refuse(w, http.StatusRequestEntityTooLarge, "message is over the limit of "+strconv.FormatInt(h.cfg.MaxBody, 10)+" bytes")
	case errors.Is(err, transport.ErrBusy):
		w.Header().Set("Retry-After", "1")
		h.refuse(w, http.StatusServiceUnavailable, err.Error()+"; send the message again in a while")
	case errors.Is(err, httpio.ErrSlow):
		h.refuse(w, http.StatusRequestTimeout, err.Error())
	default:
		h.refuse(w, http.StatusBadRequest, "the request body could not be read")
	}
}

// refuse answers with an error that concerns HTTP; its body is a JSON-RPC error
// without id so that MCP clients can show the reason.
func (h *handler) refuse(w http.ResponseWriter, status int, why string) {
	to := httpio.Writer{W: w, Timeout: h.cfg.WriteTimeout}
	to.Refuse()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	wire := jsonrpc.NewError(jsonrpc.CodeInvalidRequest, why)
	_, _ = to.Write(jsonrpc.AppendError(nil, jsonrpc.ID{}, wire)) // a client that left needs no reason
}

func isJSON(contentType string) bool {
	if contentType == "application/json" {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && media == "application/json"
}

// takes reports whether an Accept header admits the media type. A missing
// header admits nothing: the protocol requires clients to send it.
func takes(accept []string, media string) bool {
	kind, _, _ := strings.Cut(media, "/")
	for _, value := range accept {
		for part := range strings.SplitSeq(value, ",") {
			name, _, _ := strings.Cut(part, ";")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case media, "*/*", kind + "/*":
				return true
			}
		}
	}
	return false
}
