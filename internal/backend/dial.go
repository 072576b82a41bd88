// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/process"
	"github.com/holdfast-mcp/holdfast/transport"
	"github.com/holdfast-mcp/holdfast/transport/stdio"
)

// Launcher starts what one connection to a server needs; the greeting follows
// later. ctx bounds the start, not the life of what was started.
type Launcher func(ctx context.Context) (*Launched, error)

// Launched is a server that can be greeted.
type Launched struct {
	Target  client.Target
	Options []client.Option
	Stop    func()            // ends what was started and waits; nil for nothing
	Gone    <-chan struct{}   // closed when what was started has ended; nil for never
	Explain func(error) error // adds to a failure what is known of the end; nil for nothing
	// Activity says what it has done so far, and StderrTail gives the last lines it wrote
	// there, also after its end; nil for what is no process here.
	Activity   func() process.Activity
	StderrTail func() []string
}

func (l *Launched) stop() {
	if l.Stop != nil {
		l.Stop()
	}
}

func (l *Launched) explain(err error) error {
	if l.Explain != nil {
		return l.Explain(err)
	}
	return err
}

func (l *Launched) gone() bool {
	select {
	case <-l.Gone:
		return true
	default:
		return false
	}
}

// maxMessage bounds one message of a server, in bytes.
const maxMessage = 64 << 20

// stopTimeout bounds the end of a process: what cannot be stopped by then is the
// keeper's to report.
const stopTimeout = 20 * time.Second

// Command launches child processes with the keeper, spoken to over their
// standard streams. The error of one that did not get as far as the greeting
// holds the last lines it wrote to standard error.
func Command(keeper *process.Keeper, spec process.Spec) Launcher {
	return func(ctx context.Context) (*Launched, error) {
		p, err := keeper.Start(ctx, spec)
		if err != nil {
			return nil, err
		}
		return &Launched{
			Target:  client.Conn(stdio.New(p.Stdout(), p.Stdin(), maxMessage)),
			Options: []client.Option{client.OnOutput(p.Log)},
			Stop: func() {
				ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
				defer cancel()
				_ = p.Stop(ctx)
				_ = p.Stdout().Close() // of a process that was never greeted, nobody else does
			},
			Gone:       p.Done(),
			Explain:    func(err error) error { return startError(p, err) },
			Activity:   p.Activity,
			StderrTail: p.StderrTail,
		}, nil
	}
}

// lastWords is how long an ended connection waits to learn how its process ended.
const lastWords = 500 * time.Millisecond

// startError adds how the process ended and what it said.
func startError(p *process.Process, err error) error {
	select {
	case <-p.Done():
		if exit := p.Err(); exit != nil && !errors.Is(err, errNotReady) { // else it was stopped for that
			err = fmt.Errorf("%w: %w", err, exit)
		}
	case <-time.After(lastWords):
	}
	if tail := p.StderrTail(); len(tail) > 0 {
		return &lastWordsError{err, tail}
	}
	return err
}

// lastWordsError is a failure of a process that wrote to standard error before.
type lastWordsError struct {
	error
	lines []string
}

// Error adds the lines.
func (e *lastWordsError) Error() string {
	return e.error.Error() + "; its last words:\n\t" + strings.Join(e.lines, "\n\t")
}

func (e *lastWordsError) Unwrap() error { return e.error }

// Dial launches connections that dial makes, such as one into this process.
func Dial(dial func(ctx context.Context) (transport.Conn, error)) Launcher {
	return func(ctx context.Context) (*Launched, error) {
		conn, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		return &Launched{Target: client.Conn(conn)}, nil
	}
}

// HTTPConfig bounds the exchange with one HTTP server. There is no bound on a
// whole exchange: streams stay open.
type HTTPConfig struct {
	Headers       []string      // name, value pairs
	TLS           *tls.Config   // nil for the system's rules
	SSE           bool          // speak HTTP+SSE only, else find out
	MaxConns      int           // connections for calls; default 128
	HeaderTimeout time.Duration // longest wait for response headers; 0 means the call's deadline
	IdleTimeout   time.Duration // longest silence on a response; 0 means the call's deadline
}

// URL launches sessions of the HTTP server at url, which share its connections.
// The returned function closes those that are idle.
func URL(url string, cfg HTTPConfig) (Launcher, func()) {
	if cfg.MaxConns <= 0 {
		cfg.MaxConns = 128
	}
	rt := newLanes(cfg.MaxConns, cfg.TLS)
	options := []client.Option{
		client.RoundTripper(rt), client.HeaderTimeout(cfg.HeaderTimeout), client.IdleTimeout(cfg.IdleTimeout),
	}
	return func(context.Context) (*Launched, error) {
		target := client.HTTP(url, cfg.Headers...)
		if cfg.SSE {
			target = client.SSE(url, cfg.Headers...)
		}
		return &Launched{Target: target, Options: options, Explain: advise}, nil
	}, rt.CloseIdleConnections
}

// advise adds to an error of the start which key of the configuration may help.
func advise(err error) error {
	if e, ok := errors.AsType[*client.HTTPError](err); ok && e.Status == http.StatusUnauthorized {
		return fmt.Errorf("%w; set headers: {Authorization: …}, or put mcp-remote in between if it wants somebody to log in", err)
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return fmt.Errorf("%w; if it is to be trusted, name the file of its CA: tls: {ca: …}", err)
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Errorf("%w; if it is the right one, say whose it is: tls: {serverName: …}", err)
	}
	return err
}

// lanes keeps the streams that sessions hold open apart from calls, whose
// connections are bounded: else a hundred quiet streams would stop all calls.
type lanes struct {
	calls, streams *http.Transport
}

// idleConn is how long a connection to a server is kept for the next call. It is
// shorter than what servers keep it, which is five seconds for those on Node.js:
// a call that is sent just when its connection is closed at the other end is lost,
// and cannot be sent again, since it may have been taken.
const idleConn = 4 * time.Second

func newLanes(maxConns int, secured *tls.Config) *lanes {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	lane := func(conns int) *http.Transport {
		return &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            dialer.DialContext,
			TLSClientConfig:        secured,
			ForceAttemptHTTP2:      true,
			TLSHandshakeTimeout:    10 * time.Second,
			ExpectContinueTimeout:  time.Second,
			IdleConnTimeout:        idleConn,
			MaxIdleConns:           conns,
			MaxIdleConnsPerHost:    conns,
			MaxConnsPerHost:        conns,
			MaxResponseHeaderBytes: 64 << 10, // endless headers end here
			WriteBufferSize:        4 << 10,
			ReadBufferSize:         4 << 10,
			DisableCompression:     true, // it would hold events back
		}
	}
	streams := lane(0)
	streams.MaxIdleConns, streams.MaxIdleConnsPerHost = 16, 16
	return &lanes{calls: lane(maxConns), streams: streams}
}

// RoundTrip sends GET, which only opens streams, by a lane without a bound:
// there are as many as sessions, which have their own.
func (l *lanes) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodGet {
		return l.streams.RoundTrip(req)
	}
	return l.calls.RoundTrip(req)
}

// CloseIdleConnections closes what no request uses.
func (l *lanes) CloseIdleConnections() {
	l.calls.CloseIdleConnections()
	l.streams.CloseIdleConnections()
}
