// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Command reverseproxy is the floor of the gateway benchmark in the folder
// above: httputil.ReverseProxy in front of one HTTP server. It reads no body
// and knows nothing of MCP.
//
// Settings, and why:
//   - Rewrite and SetURL: the form its documentation recommends.
//   - A transport that keeps as many idle connections as there are clients;
//     with its default of two per host it would mostly dial.
//   - A pool of copy buffers: the one that its BufferPool field is for.
//   - No compression and no access log.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// maxIdle is more connections than the benchmark opens.
const maxIdle = 16_384

// buffers lends the proxy's copy buffers.
type buffers struct{ pool sync.Pool }

// Get returns a buffer of the size that ReverseProxy makes itself.
func (b *buffers) Get() []byte {
	if buf, ok := b.pool.Get().(*[]byte); ok {
		return *buf
	}
	return make([]byte, 32<<10)
}

// Put takes a buffer back.
func (b *buffers) Put(buf []byte) { b.pool.Put(&buf) }

func newProxy(upstream *url.URL) *httputil.ReverseProxy {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = maxIdle, maxIdle
	transport.DisableCompression = true
	return &httputil.ReverseProxy{
		Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(upstream) },
		Transport:  transport,
		BufferPool: &buffers{},
	}
}

func run() error {
	listen := flag.String("listen", "127.0.0.1:8080", "address to listen on")
	upstream := flag.String("upstream", "", "URL of the server, without a path")
	flag.Parse()
	target, err := url.Parse(*upstream)
	if err != nil || target.Host == "" {
		return fmt.Errorf("-upstream %q is not a URL with a host", *upstream)
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	hs := &http.Server{Addr: *listen, Handler: newProxy(target)}
	context.AfterFunc(ctx, func() { hs.Close() })
	if err := hs.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "reverseproxy:", err)
		os.Exit(1)
	}
}
