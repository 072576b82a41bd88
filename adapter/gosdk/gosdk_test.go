// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gosdk_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/holdfast-mcp/holdfast"
	"github.com/holdfast-mcp/holdfast/adapter/gosdk"
)

// TestHandlers runs every kind of handler for clients of every make and era.
func TestHandlers(t *testing.T) {
	for _, p := range peers {
		t.Run(p.name, func(t *testing.T) {
			c := p.connect(t, newHosted().serve(t))
			for _, test := range []struct{ tool, want string }{
				{"elicit", "accept Ada"},
				{"sample", "hello by parrot"},
				{"roots", "1 file:///here"},
				{"return", "accept Ada kept"},
				{"progress", "done"},
			} {
				if got, err := c.call(t.Context(), test.tool); err != nil || got != test.want {
					t.Errorf("%s = %q, %v; want %q", test.tool, got, err, test.want)
				}
			}
			eventually(t, "three reports of progress", func() bool { return c.heard().count("progress") == 3 })
			if got, err := c.read(t.Context(), docURI); err != nil || got != "a document" {
				t.Errorf("read = %q, %v", got, err)
			}
			if got, err := c.prompt(t.Context(), "greet", "Ada"); err != nil || got != "Greet Ada" {
				t.Errorf("prompt = %q, %v", got, err)
			}
			if got, err := c.complete(t.Context(), "greet", "A"); err != nil || got != "Ada" {
				t.Errorf("complete = %q, %v", got, err)
			}
		})
	}
}

func TestLogMessages(t *testing.T) {
	for _, p := range peers {
		t.Run(p.name, func(t *testing.T) {
			c := p.connect(t, newHosted().serve(t))
			if err := c.logFrom(t.Context(), "debug"); err != nil {
				t.Fatal(err)
			}
			if _, err := c.call(t.Context(), "log"); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the warning", func() bool { return c.heard().count("log warning") == 1 })
		})
	}
}

func TestSubscriptions(t *testing.T) {
	for _, p := range peers {
		t.Run(p.name, func(t *testing.T) {
			h := newHosted()
			c := p.connect(t, h.serve(t))
			if _, err := c.call(t.Context(), "session"); err != nil {
				t.Fatal(err)
			}
			if err := c.watch(t.Context(), docURI); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the server's subscription", func() bool { return h.subscribed.Load() > 0 })
			if _, err := c.call(t.Context(), "touch"); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the update", func() bool { return c.heard().count("updated "+docURI) > 0 })
			if err := c.unwatch(t.Context(), docURI); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the end of the subscription", func() bool { return h.unsubscribed.Load() > 0 })
		})
	}
}

func TestListChanges(t *testing.T) {
	for _, p := range peers {
		t.Run(p.name, func(t *testing.T) {
			h := newHosted()
			c := p.connect(t, h.serve(t))
			h.AddPrompt(&sdk.Prompt{Name: "other"}, nil) // of no interest
			h.RemoveTools("hang")
			eventually(t, "the change", func() bool { return c.heard().count("tools") > 0 })
		})
	}
}

// TestSessions holds that one client has one ServerSession from call to call,
// that two clients have two, and that a session ends with its client's.
func TestSessions(t *testing.T) {
	for _, p := range peers {
		if !p.session {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			h := newHosted()
			url := h.serve(t)
			a, b := p.connect(t, url), p.connect(t, url)
			id := func(c peer) string {
				t.Helper()
				got, err := c.call(t.Context(), "session")
				if err != nil || got == "" {
					t.Fatalf("session = %q, %v", got, err)
				}
				return got
			}
			if first, again, other := id(a), id(a), id(b); first != again || first == other {
				t.Errorf("sessions %s, %s of one client and %s of another", first, again, other)
			}
			before := h.sessions()
			if err := a.leave(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the session's end", func() bool { return h.sessions() == before-1 })
			id(b)
		})
	}
}

// TestClientsWithoutSessions holds what they get: a ServerSession for each call, or
// one for their principal where the mount says so.
func TestClientsWithoutSessions(t *testing.T) {
	for _, p := range peers {
		if p.session {
			continue
		}
		for _, sharing := range []holdfast.Sharing{holdfast.PerSession, holdfast.PerPrincipal} {
			t.Run(p.name+"/"+string(sharing), func(t *testing.T) {
				h := newHosted()
				url := h.serve(t, holdfast.Share(sharing))
				c := p.connect(t, url)
				var ids []string
				for _, c := range []peer{c, c, p.connect(t, url)} {
					id, err := c.call(t.Context(), "session")
					if err != nil {
						t.Fatal(err)
					}
					ids = append(ids, id)
				}
				slices.Sort(ids)
				want := 3
				if sharing == holdfast.PerPrincipal {
					want = 1
				}
				if got := slices.Compact(ids); len(got) != want {
					t.Errorf("the calls have sessions %q, want %d of them", got, want)
				}
			})
		}
	}
}

func TestSharing(t *testing.T) {
	url := newHosted().serve(t, holdfast.Share(holdfast.Shared))
	p := peers[0]
	first, err := p.connect(t, url).call(t.Context(), "session")
	if err != nil {
		t.Fatal(err)
	}
	if other, err := p.connect(t, url).call(t.Context(), "session"); err != nil || other != first {
		t.Errorf("two clients of a shared server have sessions %q and %q, %v", first, other, err)
	}
}

// TestQuestionsAtOnce asks by several calls of one session at the same time.
func TestQuestionsAtOnce(t *testing.T) {
	const calls = 8
	for _, p := range peers {
		t.Run(p.name, func(t *testing.T) {
			h := newHosted()
			h.together.Add(calls)
			c := p.connect(t, h.serve(t))
			var wg sync.WaitGroup
			for range calls {
				wg.Go(func() {
					if got, err := c.call(t.Context(), "meet"); err != nil || got != "accept Ada" {
						t.Errorf("meet = %q, %v", got, err)
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestCancellation(t *testing.T) {
	for _, p := range peers {
		t.Run(p.name, func(t *testing.T) {
			h := newHosted()
			c := p.connect(t, h.serve(t))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			go func() { // ends with cancel
				_, err := c.call(ctx, "hang")
				ended <- err
			}()
			eventually(t, "progress", func() bool { return c.heard().count("progress") > 0 })
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("call = %v", err)
			}
			<-h.cancelled
		})
	}
}

func TestMountErrors(t *testing.T) {
	node, err := holdfast.Open(t.Context(), holdfast.Config{DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	if err := gosdk.Mount(node, "x", nil); err == nil {
		t.Error("a nil server was mounted")
	}
	s := newHosted().Server
	if err := gosdk.Mount(node, "x", s); err != nil {
		t.Error(err)
	}
	if err := gosdk.Mount(node, "x", s); !errors.Is(err, holdfast.ErrNameTaken) {
		t.Errorf("a second x: %v", err)
	}
}
