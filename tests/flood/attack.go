// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-mcp/holdfast/tests/wire"
)

const (
	attackWord   = "attack" // the first argument of the process that attacks
	attackerAddr = "127.0.0.2"
	lowest       = 19                     // priority
	tinyBuffer   = 4 << 10                // of a connection that reads nothing
	pause        = 100 * time.Millisecond // before what was cut off begins again
)

// floods are what one client can do, by name, each until ctx ends.
var floods = map[string]func(ctx context.Context, a *attacker){
	"readers":       readers,
	"windows":       windows,
	"bodies":        bodies,
	"subscriptions": subscriptions,
	"notifications": notifications,
	"capabilities":  capabilities,
	"calls":         calls,
}

func names() []string { return slices.Sorted(maps.Keys(floods)) }

// attacker is the one client that floods a node.
type attacker struct {
	addr string // of the node
	dial net.Dialer
	rt   *http.Transport
}

// attack floods a node until ctx ends; it returns the exit status.
func attack(ctx context.Context, flood, addr string) int {
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, lowest); err != nil {
		fmt.Fprintln(os.Stderr, "flood: priority:", err)
	}
	a := &attacker{addr: addr, rt: transportFrom(attackerAddr)}
	a.dial.LocalAddr = &net.TCPAddr{IP: net.ParseIP(attackerAddr)}
	floods[flood](ctx, a)
	return 0
}

// each does something in so many goroutines, again and again until ctx ends, and
// awaits them. One that fails is tried again after a pause.
func each(ctx context.Context, n int, do func(n int) error) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			for ctx.Err() == nil {
				if do(i) == nil {
					continue
				}
				select {
				case <-time.After(pause):
				case <-ctx.Done():
				}
			}
		})
	}
	wg.Wait()
}

// connect opens a connection that is closed when ctx ends.
func (a *attacker) connect(ctx context.Context) (*net.TCPConn, error) {
	c, err := a.dial.DialContext(ctx, "tcp", a.addr)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { c.Close() })
	return c.(*net.TCPConn), nil
}

// hold reads nothing and returns when the node has closed the connection.
func hold(ctx context.Context, c net.Conn) {
	for ctx.Err() == nil {
		time.Sleep(pause)
		if _, err := c.Write(nil); err != nil || gone(c.(*net.TCPConn)) {
			break
		}
	}
	c.Close()
}

// gone reports whether the other end has closed a connection that is not read.
func gone(c *net.TCPConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	closed := false
	err = raw.Control(func(fd uintptr) { closed = tcpState(int(fd)) != tcpEstablished })
	return err != nil || closed
}

// head is a POST's header with a body of so many bytes.
func head(path, session string, length int) string {
	h := "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
	if session != "" {
		h += "Mcp-Session-Id: " + session + "\r\n"
	}
	return h + fmt.Sprintf("Content-Length: %d\r\n\r\n", length)
}

// client opens a session at a path.
func (a *attacker) client(ctx context.Context, path string) (*wire.Client, error) {
	c := &wire.Client{URL: "http://" + a.addr + path, HTTP: &http.Client{Transport: a.rt}}
	return c, c.Open(ctx)
}

// request is a JSON-RPC request.
func request(id int, method, params string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, id, method, params)
}

// unread sends a request in a session of its own and does not read the answer. It
// returns when the node has given it up.
func (a *attacker) unread(ctx context.Context, path, method, params string) error {
	s, err := a.client(ctx, path)
	if err != nil {
		return err
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetReadBuffer(tinyBuffer); err != nil {
		return err
	}
	body := request(1, method, params)
	if _, err := io.WriteString(c, head(path, s.Session, len(body))+body); err != nil {
		return err
	}
	hold(ctx, c)
	return nil
}

// readers ask for a list of 12 MB and do not read it.
func readers(ctx context.Context, a *attacker) {
	each(ctx, 40, func(int) error { return a.unread(ctx, "/servers/long/mcp", "tools/list", "{}") })
}

// bodies send 4 MiB each but for the last bytes.
func bodies(ctx context.Context, a *attacker) {
	text := strings.Repeat(" ", 4<<20-300)
	each(ctx, 150, func(int) error {
		c, err := a.connect(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := io.WriteString(c, head("/mcp", "", 4<<20)+text); err != nil {
			return err
		}
		hold(ctx, c)
		return nil
	})
}

// notifications call a tool that says much before its result, and do not read.
func notifications(ctx context.Context, a *attacker) {
	each(ctx, 4, func(int) error {
		return a.unread(ctx, "/servers/s/mcp", "tools/call",
			`{"name":"progress","arguments":{"times":150,"bytes":4000000},"_meta":{"progressToken":"t"}}`)
	})
}

// capabilities open sessions with much to remember.
func capabilities(ctx context.Context, a *attacker) {
	params := `{"protocolVersion":"2025-11-25","capabilities":{"experimental":{"x":"` + strings.Repeat("A", 16_000) +
		`"}},"clientInfo":{"name":"c","version":"1"}}`
	each(ctx, 8, func(int) error { return a.post(ctx, "/mcp", "", request(1, "initialize", params)) })
}

// calls are long ones whose clients leave at once.
func calls(ctx context.Context, a *attacker) {
	each(ctx, 11, func(int) error {
		s, err := a.client(ctx, "/servers/s/mcp")
		if err != nil {
			return err
		}
		for id := range 120 {
			c, err := a.connect(ctx)
			if err != nil {
				return err
			}
			body := request(id, "tools/call", `{"name":"sleep","arguments":{"seconds":60}}`)
			if _, err := io.WriteString(c, head("/servers/s/mcp", s.Session, len(body))+body); err != nil {
				return err
			}
			time.Sleep(time.Millisecond) // so that it is read before the connection ends
			c.Close()
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
		return nil
	})
}

// post sends one request and reads its answer.
func (a *attacker) post(ctx context.Context, path, session, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+a.addr+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if session != "" {
		req.Header.Set("Mcp-Session-Id", session)
	}
	res, err := a.rt.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	return nil
}
