// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package websocket

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-mcp/holdfast/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what the tests wait for; nothing takes that long.
const patience = 20 * time.Second

// conns serves connections by a function.
type conns func(context.Context, transport.Conn) error

func (f conns) ServeConn(ctx context.Context, c transport.Conn) error { return f(ctx, c) }

// echo answers each message with itself, as an engine would serve: it stops
// when ctx ends.
func echo(ctx context.Context, c transport.Conn) error {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	for {
		msg, err := c.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := c.Write(msg); err != nil {
			return err
		}
	}
}

// serve starts a server and returns it with its handler.
func serve(t *testing.T, cfg Config, f conns) (*httptest.Server, *Handler) {
	t.Helper()
	h := NewHandler(f, cfg)
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	t.Cleanup(h.Close)
	return s, h
}

func wsURL(s *httptest.Server) string { return "ws" + strings.TrimPrefix(s.URL, "http") }

// dial opens a connection that the test closes.
func dial(t *testing.T, s *httptest.Server, cfg DialConfig) transport.Conn {
	t.Helper()
	c, err := Dial(t.Context(), wsURL(s), nil, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// within waits for a value.
func within[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing happened")
		panic("unreachable")
	}
}

// lockedBuffer is a bytes.Buffer for several goroutines.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// until waits for a condition.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(patience); !ok(); runtime.Gosched() {
		if time.Now().After(limit) {
			t.Fatal("nothing happened")
		}
	}
}

const (
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
)

// peer is a WebSocket client that does only what it is told to: it answers
// neither pings nor closes.
type peer struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

// rawPeer makes the handshake by hand.
func rawPeer(t *testing.T, s *httptest.Server) *peer {
	t.Helper()
	c, res := handshake(t, s, "Sec-WebSocket-Protocol: mcp\r\n")
	if res != http.StatusSwitchingProtocols {
		t.Fatalf("handshake: status %d", res)
	}
	return c
}

func handshake(t *testing.T, s *httptest.Server, headers string) (*peer, int) {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return shake(t, c, headers)
}

// shake makes the handshake by hand on a connection, with some headers.
func shake(t *testing.T, c net.Conn, headers string) (*peer, int) {
	t.Helper()
	_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"+headers+"\r\n")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, Conn: c, r: bufio.NewReader(c)}
	res, err := http.ReadResponse(p.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		return p, res.StatusCode
	}
	res.Body.Close()
	return p, res.StatusCode
}

// send writes one whole frame under the mask 0.
func (p *peer) send(op byte, payload []byte) {
	p.t.Helper()
	if _, err := p.Write(append(frameHead(op, len(payload)), payload...)); err != nil {
		p.t.Fatal(err)
	}
}

// frameHead is the head of a final frame under the mask 0.
func frameHead(op byte, n int) []byte {
	head := []byte{0x80 | op, 0x80 | 127}
	head = binary.BigEndian.AppendUint64(head, uint64(n))
	return append(head, 0, 0, 0, 0)
}

// frame reads one frame.
func (p *peer) frame() (op byte, payload []byte, err error) {
	head := make([]byte, 2, 8)
	if _, err := io.ReadFull(p.r, head); err != nil {
		return 0, nil, err
	}
	n := uint64(head[1] & 0x7f)
	switch n {
	case 126:
		ext := make([]byte, 2)
		_, err = io.ReadFull(p.r, ext)
		n = uint64(binary.BigEndian.Uint16(ext))
	case 127:
		ext := make([]byte, 8)
		_, err = io.ReadFull(p.r, ext)
		n = binary.BigEndian.Uint64(ext)
	}
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(p.r, payload)
	return head[0] & 0x0f, payload, err
}

// closeStatus reads frames up to a close and returns its status and reason.
func (p *peer) closeStatus() (int, string) {
	p.t.Helper()
	for {
		op, payload, err := p.frame()
		if err != nil {
			p.t.Fatalf("no close frame: %v", err)
		}
		if op == opClose {
			return int(binary.BigEndian.Uint16(payload)), string(payload[2:])
		}
	}
}

// ends reads until the server has closed the connection.
func (p *peer) ends() {
	p.t.Helper()
	for {
		_, err := p.r.Discard(1 << 16)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			p.t.Fatal("the connection was not closed")
		}
		if err != nil {
			return
		}
	}
}

func benchServer(b *testing.B) (*httptest.Server, *Handler) {
	b.Helper()
	h := NewHandler(conns(echo), Config{})
	return httptest.NewServer(h), h
}
