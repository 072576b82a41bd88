// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/internal/nettest"
)

func TestLimitDefaults(t *testing.T) {
	const mib = 1 << 20
	for _, tc := range []struct {
		name     string
		in, want Limits
	}{
		{"none", Limits{}, Limits{MaxBody: 4 * mib, MessageMemory: 64 * mib, Share: 75}},
		{"large messages", Limits{MaxBody: 100 * mib}, Limits{MaxBody: 100 * mib, MessageMemory: 400 * mib, Share: 75}},
		{"little memory", Limits{MessageMemory: mib, Share: 50}, Limits{MaxBody: 4 * mib, MessageMemory: 8 * mib, Share: 50}},
		{"nonsense", Limits{MaxBody: -1, MessageMemory: -1, Share: 200}, Limits{MaxBody: 4 * mib, MessageMemory: 64 * mib, Share: 100}},
	} {
		if diff := cmp.Diff(tc.want, tc.in.withDefaults()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

// TestLimits holds that a server's limits reach what serves HTTP.
func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New("test", "1", Limit(Limits{MaxBody: 10_000, MessageMemory: 20_000, Connections: 4, Share: 100}))
		AddTool(s, "wait", "Waits", func(ctx context.Context, _ *Request, _ None) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		})
		l := nettest.Listen()
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- s.Serve(ctx, l) }() // ends with stop
		var open []net.Conn
		dial := func() net.Conn {
			c, err := l.Dial("192.0.2.1")
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, c)
			return c
		}
		post := func(size int, arrived bool) (net.Conn, *bufio.Reader) {
			c := dial()
			body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"wait",` + modernMeta + `,"x":"`
			body += strings.Repeat("x", size-len(body)-3) + `"}}`
			head := fmt.Sprintf("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json\r\n"+
				"Mcp-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: wait\r\nContent-Length: %d\r\n\r\n", size)
			if !arrived {
				body = body[:1]
			}
			go func() { _, _ = io.WriteString(c, head+body) }() // a failure shows in the answer
			return c, bufio.NewReader(c)
		}
		status := func(r *bufio.Reader) int {
			res, err := http.ReadResponse(r, nil) //nolint:bodyclose // the connection is the test's
			if err != nil {
				t.Fatal(err)
			}
			return res.StatusCode
		}
		_, r := post(10_001, true)
		if got := status(r); got != http.StatusRequestEntityTooLarge {
			t.Errorf("over MaxBody: %d", got)
		}
		began := time.Now()
		if _, r := post(1000, false); status(r) != http.StatusRequestTimeout || time.Since(began) > time.Minute {
			t.Errorf("a body that does not come: refused after %v", time.Since(began))
		}
		time.Sleep(time.Second) // until both connections are closed
		for range 3 {           // each counts 4 KiB less
			post(10_000, true)
		}
		synctest.Wait()
		if _, r := post(10_000, true); status(r) != http.StatusServiceUnavailable {
			t.Error("over MessageMemory: not refused")
		}
		time.Sleep(time.Second)
		idle := dial()
		go func() { _, _ = io.WriteString(idle, "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n") }()
		if got := status(bufio.NewReader(idle)); got != 404 {
			t.Errorf("within Connections: %d", got)
		}
		synctest.Wait()
		dial() // takes the idle one's place
		if n, err := idle.Read(make([]byte, 1)); err == nil {
			t.Errorf("%d bytes read from a connection that had to give way", n)
		}
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		for _, c := range open {
			c.Close()
		}
		time.Sleep(time.Second)
	})
}
