// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/httpserver"
	"github.com/holdfast-mcp/holdfast/internal/quota"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
)

// Listener is a bound address that is not yet served.
type Listener struct {
	net.Listener
	URL    string   // of the common endpoint, for clients on this machine
	Others []string // its URLs for other machines, if it is bound to all addresses

	conns  *httpserver.Conns // bounds them; nil until the listener is served
	silent atomic.Int64      // connections accepted that have not had a request yet
}

// Bind takes the listening address, so that a taken port is known before
// anything starts.
func Bind(addr string) (*Listener, error) {
	var cfg net.ListenConfig
	cfg.SetMultipathTCP(false) // such a listener cannot be settled before it is closed
	l, err := cfg.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w; free it, or choose another with --listen", addr, cause(err))
	}
	bound := &Listener{Listener: l}
	interfaces, _ := net.InterfaceAddrs() // without them there is less to show
	hostname, _ := os.Hostname()
	bound.URL, bound.Others = urlsOf(l.Addr(), interfaces, hostname)
	return bound, nil
}

// cause strips the address that net's errors repeat.
func cause(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

// Accept implements [net.Listener].
func (l *Listener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c, ok := l.conns.Admit(nc)
		if !ok {
			continue
		}
		a := &arrival{Conn: c, of: l}
		a.silent.Store(true)
		l.silent.Add(1)
		return a, nil
	}
}

// arrival is a connection that was accepted.
type arrival struct {
	*httpserver.Conn
	of     *Listener
	silent atomic.Bool // it has not had a request
}

type arrivalKey struct{}

// introduce puts a connection, and where it comes from, into the context of its requests.
func introduce(ctx context.Context, c net.Conn) context.Context {
	return rpc.WithAddress(context.WithValue(ctx, arrivalKey{}, c), address(c.RemoteAddr()))
}

// address is what of a client's network address tells it from others: of IPv6 the
// network, as one client has all addresses in it; nothing where there is no network.
func address(a net.Addr) string {
	c := quota.Remote(a.String())
	if c == (quota.Client{}) {
		return ""
	}
	return c.String()
}

// heard notes that a request has come by its connection.
func heard(r *http.Request) {
	if a, ok := r.Context().Value(arrivalKey{}).(*arrival); ok {
		a.counted()
	}
}

func (a *arrival) counted() {
	if a.silent.Load() && a.silent.Swap(false) {
		a.of.silent.Add(-1)
	}
}

// Close implements [net.Conn].
func (a *arrival) Close() error {
	a.counted()
	return a.Conn.Close()
}

const (
	// silence bounds the wait for the first request of a connection.
	silence = time.Second
	// silenceWait is the time between two looks.
	silenceWait = time.Millisecond
)

// attend waits until all connections have had a request: net/http closes one
// whose first request it is reading when it is told to shut down, and does not
// answer that. Who connects to be quick later is not waited for.
func (l *Listener) attend() {
	for began := time.Now(); l.silent.Load() > 0 && time.Since(began) < silence; {
		time.Sleep(silenceWait)
	}
}
