// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package streamable is the Streamable HTTP transport of every revision on one
// path: it turns HTTP requests into Exchanges. It checks what HTTP alone can
// check — Origin, Host, verb, media types, size — and leaves every protocol
// decision to the engine behind it.
//
// Each request is served on net/http's goroutine; open event streams hold it
// until they end. Nothing is started by New.
package streamable

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/httpguard"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/transport"
)

// Config bounds the transport. Zero fields take the documented defaults.
type Config struct {
	MaxBody        int64         // bytes of a request body; default 4 MiB
	KeepAlive      time.Duration // a stream quiet for this long gets a comment; default 15 s
	WriteTimeout   time.Duration // a client that does not read for this long loses its stream, or the large answer it gets; default 30 s
	AllowedHosts   []string      // Host names besides loopback and the listening address; "*" for any
	AllowedOrigins []string      // Origins besides loopback; "*" for any
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
	return &handler{srv: srv, cfg: cfg, guard: httpguard.Guard{Hosts: cfg.AllowedHosts, Origins: cfg.AllowedOrigins}}
}

type handler struct {
	srv   transport.Server
	cfg   Config
	guard httpguard.Guard
}

// ServeHTTP serves one request.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if why := h.guard.Check(r); why != "" {
		refuse(w, http.StatusForbidden, why)
		return
	}
	x := &exchange{w: w, r: r, cfg: &h.cfg}
	switch r.Method {
	case http.MethodPost:
		if !h.accept(w, r, x) {
			return
		}
	case http.MethodGet, http.MethodDelete:
	default:
		w.Header().Set("Allow", "POST, GET, DELETE")
		refuse(w, http.StatusMethodNotAllowed, "method "+display.Quote(r.Method)+" is not supported; use POST")
		return
	}
	h.srv.ServeExchange(x)
	x.wait()
}

// accept checks a POST's media types and reads its body.
func (h *handler) accept(w http.ResponseWriter, r *http.Request, x *exchange) bool {
	if ct := r.Header.Get("Content-Type"); !isJSON(ct) {
		refuse(w, http.StatusUnsupportedMediaType, "Content-Type must be application/json")
		return false
	}
	if accepts := r.Header.Values("Accept"); !takes(accepts, "application/json") {
		refuse(w, http.StatusNotAcceptable, "Accept must list application/json and text/event-stream")
		return false
	}
	if r.ContentLength > h.cfg.MaxBody {
		h.tooLarge(w)
		return false
	}
	body, err := readBody(w, r, h.cfg.MaxBody)
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			h.tooLarge(w)
		} else {
			refuse(w, http.StatusBadRequest, "the request body could not be read")
		}
		return false
	}
	x.body = body
	return true
}

func readBody(w http.ResponseWriter, r *http.Request, max int64) ([]byte, error) {
	limited := http.MaxBytesReader(w, r.Body, max)
	if n := r.ContentLength; n >= 0 {
		body := make([]byte, n)
		_, err := io.ReadFull(limited, body)
		return body, err
	}
	return io.ReadAll(limited)
}

func (h *handler) tooLarge(w http.ResponseWriter) {
	wire := jsonrpc.Errorf(jsonrpc.CodeInvalidRequest, "message is over the limit of %d bytes", h.cfg.MaxBody)
	writeError(w, http.StatusRequestEntityTooLarge, wire)
}

// refuse answers with an error that concerns HTTP; its body is a JSON-RPC error
// without id so that MCP clients can show the reason.
func refuse(w http.ResponseWriter, status int, why string) {
	writeError(w, status, jsonrpc.NewError(jsonrpc.CodeInvalidRequest, why))
}

func writeError(w http.ResponseWriter, status int, wire *jsonrpc.Error) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(jsonrpc.AppendError(nil, jsonrpc.ID{}, wire)) // a client that left needs no reason
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
