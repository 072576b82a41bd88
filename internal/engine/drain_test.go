// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// scripted is a Conn whose Read returns what the test says.
type scripted struct {
	reads chan any // string or error
	done  chan struct{}
	once  sync.Once

	mu      sync.Mutex
	written []string
}

func (s *scripted) Read() ([]byte, error) {
	select {
	case next := <-s.reads:
		if err, ok := next.(error); ok {
			return nil, err
		}
		return []byte(next.(string)), nil
	case <-s.done:
		return nil, io.EOF
	}
}

func (s *scripted) Write(msg []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written = append(s.written, string(msg))
	return nil
}

func (s *scripted) Close() error {
	s.once.Do(func() { close(s.done) })
	return nil
}

// busy is a protocol with a call in flight until answered is closed.
type busy struct {
	named
	answered chan struct{}
}

func (b busy) Attach(context.Context, transport.Conn) Link { return b }
func (b busy) Finish(ctx context.Context) {
	select {
	case <-b.answered:
	case <-ctx.Done():
	}
}

// TestDraining: no new request is begun, what calls in flight wait for arrives,
// and the Conn is closed once they are answered, or served no longer.
func TestDraining(t *testing.T) {
	for _, end := range []string{"answered", "cancelled"} {
		t.Run(end, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen []string
				p := busy{named{mcp.Legacy, &seen}, make(chan struct{})}
				e := New(jsonrpc.DefaultLimits(), slog.New(slog.DiscardHandler), p)
				c := &scripted{reads: make(chan any), done: make(chan struct{})}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				served := make(chan error)
				go func() { served <- e.ServeConn(ctx, c) }() // ends with the Conn
				for _, next := range []any{
					`{"jsonrpc":"2.0","id":1,"method":"tools/call"}`, transport.ErrDraining,
					`{"jsonrpc":"2.0","id":2,"method":"tools/list"}`, `[{"jsonrpc":"2.0","id":3,"method":"tools/list"}]`,
					`{"jsonrpc":"2.0","method":"notifications/initialized"}`,
				} {
					c.reads <- next
				}
				synctest.Wait()
				if got := strings.Join(seen, ","); got != "legacy tools/call,legacy notifications/initialized" {
					t.Errorf("the era was given %q", got)
				}
				if len(c.written) != 2 || !strings.Contains(c.written[0], `"id":2,"error"`) || !strings.Contains(c.written[1], "shutting down") {
					t.Errorf("refusals: %q", c.written)
				}
				select {
				case <-c.done:
					t.Fatal("closed with a call in flight")
				default:
				}
				if end == "answered" {
					close(p.answered)
				} else {
					cancel()
				}
				if err := <-served; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// holding is a Conn each of whose messages has a hold.
type holding struct {
	*scripted
	budget *transport.Budget
	hold   *transport.Hold
}

func (h *holding) Read() ([]byte, error) {
	msg, err := h.scripted.Read()
	h.hold = &transport.Hold{}
	h.hold.Begin(h.budget, "192.0.2.1:1")
	if err == nil {
		err = h.hold.Grow(len(msg))
	}
	return msg, err
}

func (h *holding) Hold() *transport.Hold { return h.hold }

// keeping is a protocol that goes on using the first message it gets.
type keeping struct {
	named
	kept *transport.Hold
}

func (k *keeping) Attach(context.Context, transport.Conn) Link { return k }

func (k *keeping) Receive(in *Inbound) {
	if k.kept == nil {
		k.kept = in.Hold
		k.kept.Keep()
	}
}

// TestConnHolds holds that a message of a Conn counts as long as its era uses it,
// whatever kind of message it is.
func TestConnHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pad := `,"x":"` + strings.Repeat("x", 10_000) + `"`
		c := &holding{scripted: &scripted{reads: make(chan any), done: make(chan struct{})}, budget: transport.NewBudget(1<<20, 100)}
		k := &keeping{named: named{mcp.Legacy, &[]string{}}}
		served := make(chan error, 1)
		go func() { // ends with Close
			served <- New(jsonrpc.DefaultLimits(), slog.New(slog.DiscardHandler), k).ServeConn(t.Context(), c)
		}()
		for i, msg := range []string{
			`{"jsonrpc":"2.0","id":1,"method":"a","params":{"y":1` + pad + `}}`,
			`{"jsonrpc":"2.0","id":2,"method":"b","params":{"y":1` + pad + `}}`,
			`[{"jsonrpc":"2.0","id":3,"method":"c","params":{"y":1` + pad + `}}]`,
			`{"jsonrpc":"2.0","id":4,"nonsense":1` + pad + `}`,
		} {
			c.reads <- msg
			synctest.Wait()
			if used := c.budget.Used(); used < 5000 || used > 10_000 {
				t.Errorf("%d bytes count after message %d, want those of the first", used, i+1)
			}
		}
		k.kept.Release()
		if used := c.budget.Used(); used != 0 {
			t.Errorf("%d bytes count when nothing is used any more", used)
		}
		c.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}
