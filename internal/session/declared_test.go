// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/internal/seal"
	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// TestTicketDeclares holds that a ticket carries capabilities of any kind, within
// bounds, and that those in bits cost it nothing.
func TestTicketDeclares(t *testing.T) {
	ring := seal.NewRing()
	plain := len((&session.Ticket{Expires: time.Now().Add(time.Hour), Version: mcp.LatestLegacy}).Seal(ring, ""))
	for raw, most := range map[string]int{
		`{"roots":{},"sampling":{}}`:                                     plain,
		`{"experimental":{"x":{}}}`:                                      plain + 60,
		`{"experimental":{"x":"` + strings.Repeat("A", 60_000) + `"}}`:   plain + 200,
		`{"extensions":{"a/b":{"c":[1,2,3]}},"roots":{"other":"thing"}}`: plain + 120,
	} {
		want := session.Ticket{ID: session.NewID(), Issued: time.Unix(1, 0), Expires: time.Now().Add(time.Hour).Truncate(time.Second), Version: mcp.LatestLegacy}
		if err := want.Declare(jsonrpc.Raw(raw)); err != nil {
			t.Fatal(err)
		}
		token := want.Seal(ring, "alice")
		if len(token) > most {
			t.Errorf("%.40s: %d characters, want at most %d", raw, len(token), most)
		}
		got, err := session.OpenTicket(ring, "alice", token, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("%.40s (-want +got):\n%s", raw, diff)
		}
	}
	noise := make([]byte, 4<<10)
	rand.Read(noise)
	for words, raw := range map[string]string{
		"deflated":  `{"experimental":{"x":"` + base64.StdEncoding.EncodeToString(noise) + `"}}`,
		"at most 6": `{"experimental":{"x":"` + strings.Repeat("A", 70_000) + `"}}`,
	} {
		if err := new(session.Ticket).Declare(jsonrpc.Raw(raw)); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%d bytes: %v, want a word about %q", len(raw), err, words)
		}
	}
}

// FuzzTicket holds that whatever was sealed as a ticket opens to one that seals to the
// same again, or not at all.
func FuzzTicket(f *testing.F) {
	ring := seal.NewRing()
	plain := func(t session.Ticket) []byte {
		raw, err := ring.Open(seal.Session, "", t.Seal(ring, ""))
		if err != nil {
			f.Fatal(err)
		}
		return raw
	}
	odd := newTicket()
	if err := odd.Declare(jsonrpc.Raw(`{"experimental":{"x":{}}}`)); err != nil {
		f.Fatal(err)
	}
	f.Add(plain(newTicket()))
	f.Add(plain(odd))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := session.OpenTicket(ring, "", ring.Seal(seal.Session, "", b), time.Time{})
		if err != nil || len(got.ClientName) > 64 || len(got.ClientVersion) > 32 { // longer ones are cut when sealed
			return
		}
		again, err := session.OpenTicket(ring, "", got.Seal(ring, ""), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, again); diff != "" {
			t.Errorf("(-first +again):\n%s", diff)
		}
	})
}
