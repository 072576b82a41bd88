// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/config"
)

// served serves a node with few connections until the test ends and returns its address.
func served(t *testing.T, connections int) string {
	t.Helper()
	cfg := Config{File: config.Default(), Data: t.TempDir(), Memory: true, Demo: true, Log: slog.New(slog.DiscardHandler)}
	cfg.File.Limits.Connections = connections
	l, err := Bind("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	n, ready, ended := New(cfg), make(chan struct{}), make(chan error, 1)
	go func() { ended <- n.Serve(ctx, l, func() { close(ready) }) }() // ends with stop, received below
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	<-ready
	return l.Addr().String()
}

// ask sends a request from a local address over a new connection, which stays
// open, and returns it with the status of the answer, 0 for none.
func ask(t *testing.T, from, to, path string) (net.Conn, int) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 5 * time.Second}
	c, err := d.DialContext(t.Context(), "tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"); err != nil {
		return c, 0
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil) //nolint:bodyclose // the stream stays open with its connection
	if err != nil {
		return c, 0
	}
	return c, res.StatusCode
}

// TestConnectionsAreBounded holds that a client with idle connections, however
// many it opens, keeps nobody out, nor does one whose connections are all in use.
func TestConnectionsAreBounded(t *testing.T) {
	const attacker, other = "127.75.1.1", "127.75.1.2"
	t.Run("idle", func(t *testing.T) {
		addr := served(t, 16)
		var held []net.Conn
		for i := range 100 {
			c, status := ask(t, attacker, addr, "/livez")
			if status != 200 {
				t.Fatalf("connection %d: status %d", i, status)
			}
			held = append(held, c)
		}
		if _, status := ask(t, other, addr, "/livez"); status != 200 {
			t.Errorf("another client beside idle connections: status %d", status)
		}
		open := 0
		for _, c := range held {
			_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond)) // a failure shows below
			if _, err := c.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
				open++
			}
		}
		if open > 12 {
			t.Errorf("%d connections of one address are open, want at most its share, 12", open)
		}
	})
	t.Run("streams", func(t *testing.T) {
		addr := served(t, 16)
		open := 0
		for range 16 {
			if _, status := ask(t, attacker, addr, "/sse"); status == 200 {
				open++
			}
		}
		if open != 12 {
			t.Errorf("one address has %d of 16 connections in use, want its share, 12", open)
		}
		if _, status := ask(t, other, addr, "/livez"); status != 200 {
			t.Errorf("another client beside them: status %d", status)
		}
	})
}
