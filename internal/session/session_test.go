// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/holdfast-mcp/holdfast/internal/seal"
	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/internal/session/sessiontest"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemory(t *testing.T) {
	sessiontest.Run(t, func(*testing.T) session.Store { return session.NewMemory(0) })
}

// TestMemoryBound drives a store over its limit: the records unused for longest go.
func TestMemoryBound(t *testing.T) {
	ctx := context.Background()
	s := session.NewMemory(64) // one per shard
	used, unused, third := session.ID{0: 1, 1: 1}, session.ID{0: 1, 1: 2}, session.ID{0: 1, 1: 3}
	for _, id := range []session.ID{unused, used} {
		if _, err := s.Put(ctx, id, session.Record{Expires: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Get(ctx, unused); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("the unused record: %v, want ErrNotFound", err)
	}
	if _, err := s.Get(ctx, used); err != nil {
		t.Errorf("the used record: %v", err)
	}
	if _, err := s.Put(ctx, third, session.Record{Expires: time.Now().Add(time.Hour)}); err != nil || s.Len() != 1 {
		t.Errorf("%d records, want 1 (%v)", s.Len(), err)
	}
}

// TestMemoryKeepsTombstones holds that tombstones go last, and that records are
// bounded in bytes too.
func TestMemoryKeepsTombstones(t *testing.T) {
	ctx := context.Background()
	s := session.NewMemory(4 * 64) // four per shard
	put := func(n byte, r session.Record) session.ID {
		id := session.ID{0: 1, 1: n}
		r.Expires = time.Now().Add(time.Hour)
		if _, err := s.Put(ctx, id, r); err != nil {
			t.Fatal(err)
		}
		return id
	}
	tombstone := put(0, session.Record{Ended: true})
	for n := byte(1); n < 20; n++ {
		put(n, session.Record{})
	}
	if r, err := s.Get(ctx, tombstone); err != nil || !r.Ended {
		t.Errorf("the tombstone went before records: %v", err)
	}
	for n := byte(20); n < 40; n++ {
		put(n, session.Record{Ended: true})
	}
	if _, err := s.Get(ctx, tombstone); !errors.Is(err, session.ErrNotFound) || s.Len() != 4 {
		t.Errorf("of tombstones alone %d are kept, %v", s.Len(), err)
	}
	last := put(50, session.Record{Subscriptions: []string{strings.Repeat("a", 2<<20)}})
	if _, err := s.Get(ctx, last); err != nil || s.Len() != 1 {
		t.Errorf("%d records beside one of 2 MiB, %v", s.Len(), err)
	}
}

func newTicket() session.Ticket {
	now := time.Now().Truncate(time.Second)
	bits, _ := session.PackCapabilities(jsonrpc.Raw(`{"roots":{},"sampling":{}}`))
	return session.Ticket{
		ID: session.NewID(), Issued: now, Expires: now.Add(time.Hour), Version: mcp.LatestLegacy,
		Capabilities: bits, ClientName: "claude-code", ClientVersion: "2.0.14",
	}
}

func TestTicket(t *testing.T) {
	ring, now := seal.NewRing(), time.Now()
	want := newTicket()
	token := want.Seal(ring, "alice")
	if len(token) > 208 {
		t.Errorf("ticket has %d characters, want at most 208", len(token))
	}
	for _, c := range token {
		if c < 0x21 || c > 0x7e {
			t.Fatalf("ticket %q has characters that a session id must not have", token)
		}
	}
	got, err := session.OpenTicket(ring, "alice", token, now)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Errorf("ticket (-want +got):\n%s", diff)
	}
	refused := map[string]func() (*session.Ticket, error){
		"another principal": func() (*session.Ticket, error) { return session.OpenTicket(ring, "bob", token, now) },
		"another ring":      func() (*session.Ticket, error) { return session.OpenTicket(seal.NewRing(), "alice", token, now) },
		"expired":           func() (*session.Ticket, error) { return session.OpenTicket(ring, "alice", token, want.Expires) },
		"cut":               func() (*session.Ticket, error) { return session.OpenTicket(ring, "alice", token[1:], now) },
		"empty":             func() (*session.Ticket, error) { return session.OpenTicket(ring, "alice", "", now) },
		"another token": func() (*session.Ticket, error) {
			return session.OpenTicket(ring, "alice", ring.Seal(seal.State, "alice", make([]byte, 64)), now)
		},
		"short": func() (*session.Ticket, error) {
			return session.OpenTicket(ring, "alice", ring.Seal(seal.Session, "alice", []byte{1}), now)
		},
	}
	for name, open := range refused {
		if _, err := open(); !errors.Is(err, session.ErrInvalidTicket) {
			t.Errorf("%s: %v, want ErrInvalidTicket", name, err)
		}
	}
}

func TestTicketCutsNames(t *testing.T) {
	ring := seal.NewRing()
	ticket := newTicket()
	ticket.ClientName, ticket.ClientVersion = strings.Repeat("ä", 200), strings.Repeat("9", 200)
	got, err := session.OpenTicket(ring, "", ticket.Seal(ring, ""), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if got.ClientName != strings.Repeat("ä", 32) || got.ClientVersion != strings.Repeat("9", 32) {
		t.Errorf("names %q %q", got.ClientName, got.ClientVersion)
	}
}

// TestCapabilities checks every combination of bits against its own JSON.
func TestCapabilities(t *testing.T) {
	for bits := session.Capabilities(0); bits < session.InRecord; bits++ {
		raw := bits.Raw()
		packed, whole := session.PackCapabilities(raw)
		if !whole || !bytes.Equal(packed.Raw(), raw) {
			t.Fatalf("bits %b are %s, which packs to %b (%s), whole %t", bits, raw, packed, packed.Raw(), whole)
		}
	}
	c := func(raw string) (mcp.ClientCapabilities, bool) {
		bits, whole := session.PackCapabilities(jsonrpc.Raw(raw))
		return bits.Unpack(), whole
	}
	for raw, want := range map[string]bool{
		`{}`: true, `{"experimental":{}}`: true, `{"roots":{"listChanged":false}}`: true,
		`{"experimental":{"x":{}}}`: false, `{"extensions":{"a/b":{}}}`: false, `{"roots":null}`: false,
		`{"elicitation":{"form":{"applyDefaults":true}}}`: false, `{"other":{}}`: false, `{"sampling":{"tools":{},"x":1}}`: false,
	} {
		if _, whole := c(raw); whole != want {
			t.Errorf("%s: whole %t, want %t", raw, whole, want)
		}
	}
	got, _ := c(`{"sampling":{"tools":{}},"elicitation":{"url":{}},"tasks":{"requests":{"elicitation":{"create":{}}}}}`)
	if got.Roots != nil || got.Sampling.Tools == nil || got.Elicitation.Forms() || !got.Elicitation.URLs() ||
		string(got.Tasks) != `{"requests":{"elicitation":{"create":{}}}}` {
		t.Errorf("unpacked %+v", got)
	}
}

func BenchmarkOpenTicket(b *testing.B) {
	ring, now := seal.NewRing(), time.Now()
	ticket := newTicket()
	token := ticket.Seal(ring, "alice")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := session.OpenTicket(ring, "alice", token, now); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAcquire(b *testing.B) {
	r := session.NewRegistry(session.Config{})
	id := session.NewID()
	b.ReportAllocs()
	for b.Loop() {
		l, err := r.Acquire(id)
		if err != nil {
			b.Fatal(err)
		}
		r.Release(l)
	}
	_ = r.Drain(context.Background())
}

func TestArchiveID(t *testing.T) {
	r := session.NewRegistry(session.Config{})
	defer func() { _ = r.Drain(t.Context()) }()
	l := acquire(t, r, session.NewID())
	defer r.Release(l)
	plain, labeled := l.Log.Open('c'), l.Log.OpenLabeled('c', ".Nw@HOME")
	for _, s := range []*session.Stream{plain, labeled} {
		key, ok := session.ArchiveID(l.ID, s.ID())
		if !ok || len(key) > 64 || key != l.ID.String()+"_"+s.ID()[:session.StreamIDBytes] {
			t.Errorf("ArchiveID(%q) = %q, %t", s.ID(), key, ok)
		}
		stream, seq, ok := session.SplitEventID(s.Append([]byte("x")))
		if !ok || stream != s.ID() || seq != 1 {
			t.Errorf("the event's id splits into %q and %d", stream, seq)
		}
	}
	for _, stream := range []string{"", "c", "cAAAAAAAAAAA", "cAAAA.AAAAAAAA", "c*AAAAAAAAAAAA"} {
		if key, ok := session.ArchiveID(l.ID, stream); ok {
			t.Errorf("%q is archived as %q", stream, key)
		}
	}
}
