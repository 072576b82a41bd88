// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestIdleConnections holds that a call does not use a connection which a server
// that closes idle ones after five seconds is about to close.
func TestIdleConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	var conns atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	l := newLanes(8, nil)
	defer l.calls.CloseIdleConnections()
	call := func() {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		res, err := l.calls.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Fatal(err)
		}
	}
	call()
	call()
	if n := conns.Load(); n != 1 {
		t.Fatalf("%d connections for calls that follow each other", n)
	}
	time.Sleep(4500 * time.Millisecond)
	call()
	if n := conns.Load(); n != 2 {
		t.Errorf("%d connections; that of before was used again", n)
	}
}
