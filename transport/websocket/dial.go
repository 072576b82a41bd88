// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package websocket

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	ws "github.com/coder/websocket"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/transport"
)

// ErrSubprotocol reports a server that upgrades but does not agree to the
// sub-protocol mcp.
var ErrSubprotocol = errors.New("the server does not speak the WebSocket sub-protocol mcp")

// HandshakeError is an HTTP answer other than the upgrade.
type HandshakeError struct {
	URL    string // without query and credentials
	Status int
	Header http.Header // of the response: WWW-Authenticate, Retry-After, …
	Body   []byte      // its beginning, at most 1 KiB
}

// Error names URL, status, and what the server said or where it redirects to.
func (e *HandshakeError) Error() string {
	text := fmt.Sprintf("dial %s: HTTP status %d instead of a WebSocket", e.URL, e.Status)
	if to, err := url.Parse(e.Header.Get("Location")); err == nil && to.Path+to.Host != "" && e.Status >= 300 && e.Status < 400 {
		to.User, to.RawQuery, to.Fragment = nil, "", ""
		return fmt.Sprintf("%s: redirected to %s: set the URL to it if it is to be trusted", text, display.Quote(to.String()))
	}
	said, _, _ := bytes.Cut(bytes.TrimSpace(e.Body), []byte("\n"))
	if len(said) > 200 {
		said = said[:200]
	}
	if len(said) == 0 {
		return text
	}
	return fmt.Sprintf("%s: %q", text, said)
}

// DialConfig bounds a dialled connection. Zero fields take the documented defaults.
type DialConfig struct {
	MaxMessage   int64         // bytes of a message; default 64 MiB
	Queue        int           // writes that may wait for a slow server; default 1,024
	QueueBytes   int64         // and their bytes, unless it is a single one; default 64 MiB
	DialTimeout  time.Duration // for connecting and the handshake; default 30 s
	Ping         time.Duration // between pings; default 20 s
	PongTimeout  time.Duration // a server that answers no ping for this long is given up; default 20 s
	WriteTimeout time.Duration // a server that takes nothing for this long is given up; default 30 s
	IdleTimeout  time.Duration // a connection without a message either way for this long is closed; default never
	// RoundTripper sends the handshake, and may add credentials; its upgraded
	// response's body must be an io.ReadWriteCloser, as that of http.Transport is.
	// The default is a new http.Transport with the environment's proxy.
	RoundTripper http.RoundTripper
}

func (c *DialConfig) limits() limits {
	return limits{
		maxMessage: cmp.Or(max(c.MaxMessage, 0), 64<<20),
		queue:      int64(cmp.Or(max(c.Queue, 0), 1024)),
		queueBytes: cmp.Or(max(c.QueueBytes, 0), 64<<20),
		ping:       cmp.Or(max(c.Ping, 0), 20*time.Second),
		pong:       cmp.Or(max(c.PongTimeout, 0), 20*time.Second),
		write:      cmp.Or(max(c.WriteTimeout, 0), 30*time.Second),
		idle:       max(c.IdleTimeout, 0),
		bye:        ws.StatusNormalClosure,
	}
}

// Dial opens a WebSocket to a server at a ws or wss URL. The headers go with the
// handshake. ctx bounds only Dial; the connection lives until it is closed. An
// HTTP answer that is no upgrade, redirects included, is a [*HandshakeError].
func Dial(ctx context.Context, target string, headers http.Header, cfg DialConfig) (transport.Conn, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("WebSocket URL: %w", withoutURL(err))
	}
	name := u.Scheme + "://" + u.Host + u.EscapedPath()
	if (u.Scheme != "ws" && u.Scheme != "wss") || u.Host == "" {
		return nil, fmt.Errorf("%q: not a ws or wss URL", name)
	}
	lim := cfg.limits()
	trip := &wiring{RoundTripper: cfg.RoundTripper, timeout: lim.write}
	if trip.RoundTripper == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.DisableKeepAlives = true // nobody would use the connection of a refusal again
		trip.RoundTripper = t
	}
	timeout := cmp.Or(max(cfg.DialTimeout, 0), 30*time.Second)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %v", timeout))
	defer cancel()
	dialled, res, err := ws.Dial(ctx, target, &ws.DialOptions{ //nolint:bodyclose // the body is in memory, or is the connection
		HTTPClient: &http.Client{Transport: trip, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // credentials must not follow
		}},
		HTTPHeader:   withoutHandshake(headers),
		Subprotocols: []string{subprotocol},
	})
	if err != nil {
		return nil, dialFailed(ctx, name, res, err)
	}
	return newConn(dialled, trip.wire, lim, name, func() {}), nil
}

// withoutHandshake drops what the handshake itself sets.
func withoutHandshake(headers http.Header) http.Header {
	h := http.Header{}
	for name, values := range headers {
		if !strings.HasPrefix(strings.ToLower(name), "sec-websocket-") {
			h[name] = values
		}
	}
	return h
}

// dialFailed explains an error of the handshake.
func dialFailed(ctx context.Context, name string, res *http.Response, err error) error {
	switch {
	case res == nil && ctx.Err() != nil:
		return fmt.Errorf("dial %s: %w", name, context.Cause(ctx))
	case res == nil:
		return fmt.Errorf("dial %s: %w", name, withoutURL(err))
	case res.StatusCode != http.StatusSwitchingProtocols:
		body, _ := io.ReadAll(res.Body) // in memory, cut at 1 KiB
		return &HandshakeError{URL: name, Status: res.StatusCode, Header: res.Header, Body: body}
	case !agreed(res):
		return fmt.Errorf("dial %s: %w: it chose %q", name, ErrSubprotocol, res.Header.Get("Sec-WebSocket-Protocol"))
	}
	return fmt.Errorf("dial %s: %w", name, err)
}

// withoutURL drops the URL from an error: its query may hold a secret.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
