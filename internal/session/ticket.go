// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/holdfast-mcp/holdfast/internal/seal"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// ErrInvalidTicket reports a ticket that this ring did not seal for this
// principal, or that has expired. It says no more, so that guessing teaches
// nothing.
var ErrInvalidTicket = errors.New("session ticket is not valid")

// ID is the random name of a session. Unlike the ticket it may be logged.
type ID [16]byte

// NewID returns a random id.
func NewID() ID {
	var id ID
	rand.Read(id[:])
	return id
}

// String returns the id in hexadecimal.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Ticket is everything about a session that never changes. Sealed, it is the
// value of the Mcp-Session-Id header.
type Ticket struct {
	ID           ID
	Issued       time.Time // whole seconds
	Expires      time.Time // whole seconds
	Version      mcp.Version
	Capabilities Capabilities
	// Declared are the capabilities as received, where the bits do not say all about
	// them; else nil. See [Ticket.Declare].
	Declared Raw
	// ClientName and ClientVersion are cut to 64 and 32 bytes when sealed.
	ClientName    string
	ClientVersion string
}

// TicketLife is how long a ticket is valid, unless its issuer says otherwise. A
// key that sealed one must open for as long.
const TicketLife = 30 * 24 * time.Hour

const (
	ticketFormat   = 1
	ticketDeclared = 2 // with Declared, deflated, at the end
	ticketFixed    = 1 + 16 + 4 + 4 + 4 + 2
	maxNameBytes   = 64
	maxClientBytes = 32
)

// Seal returns t as the ticket of one principal. The binding names that
// principal; without it the ticket does not open.
func (t *Ticket) Seal(ring *seal.Ring, binding string) string {
	name, version := cut(t.ClientName, maxNameBytes), cut(t.ClientVersion, maxClientBytes)
	buf := make([]byte, 0, ticketFixed+2+len(name)+len(version))
	format := byte(ticketFormat)
	if t.Declared != nil {
		format = ticketDeclared
	}
	buf = append(buf, format)
	buf = append(buf, t.ID[:]...)
	buf = binary.BigEndian.AppendUint32(buf, seconds(t.Issued))
	buf = binary.BigEndian.AppendUint32(buf, seconds(t.Expires))
	buf = binary.BigEndian.AppendUint32(buf, packVersion(t.Version))
	buf = binary.BigEndian.AppendUint16(buf, uint16(t.Capabilities))
	buf = append(buf, byte(len(name)))
	buf = append(buf, name...)
	buf = append(buf, byte(len(version)))
	buf = append(buf, version...)
	if t.Declared != nil {
		buf = deflate(buf, t.Declared)
	}
	return ring.Seal(seal.Session, binding, buf)
}

// OpenTicket opens a sealed ticket that is valid at the given moment for the
// principal that binding names. It creates nothing but the Ticket. It fails with
// [ErrInvalidTicket], or [seal.ErrBehind] when another node may know better.
func OpenTicket(ring *seal.Ring, binding, token string, now time.Time) (*Ticket, error) {
	plain, err := ring.Open(seal.Session, binding, token)
	if errors.Is(err, seal.ErrBehind) {
		return nil, err
	}
	if err != nil || len(plain) < ticketFixed+2 || plain[0] != ticketFormat && plain[0] != ticketDeclared {
		return nil, ErrInvalidTicket
	}
	t := &Ticket{
		Issued:       time.Unix(int64(binary.BigEndian.Uint32(plain[17:])), 0),
		Expires:      time.Unix(int64(binary.BigEndian.Uint32(plain[21:])), 0),
		Version:      unpackVersion(binary.BigEndian.Uint32(plain[25:])),
		Capabilities: Capabilities(binary.BigEndian.Uint16(plain[29:])),
	}
	copy(t.ID[:], plain[1:17])
	names := string(plain[ticketFixed:])
	var ok1, ok2 bool
	t.ClientName, names, ok1 = prefixed(names)
	t.ClientVersion, names, ok2 = prefixed(names)
	if !ok1 || !ok2 || !now.Before(t.Expires) || (plain[0] == ticketDeclared) != (names != "") {
		return nil, ErrInvalidTicket
	}
	if names != "" {
		if t.Declared, err = inflate([]byte(names)); err != nil {
			return nil, ErrInvalidTicket
		}
	}
	return t, nil
}

// prefixed splits a string that begins with its length in one byte.
func prefixed(s string) (head, rest string, ok bool) {
	if s == "" || len(s) < 1+int(s[0]) {
		return "", "", false
	}
	n := 1 + int(s[0])
	return s[1:n], s[n:], true
}

// cut shortens s to at most max bytes of whole characters.
func cut(s string, max int) string {
	if len(s) <= max {
		return s
	}
	for max > 0 && !utf8.RuneStart(s[max]) {
		max--
	}
	return s[:max]
}

func seconds(t time.Time) uint32 {
	return uint32(min(max(t.Unix(), 0), 1<<32-1)) // bounded on the line itself
}

// packVersion writes a revision, which is a date, as the number YYYYMMDD.
func packVersion(v mcp.Version) uint32 {
	if len(v) != len("2006-01-02") {
		return 0
	}
	n, err := strconv.ParseUint(string(v[:4]+v[5:7]+v[8:]), 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// unpackVersion is the inverse. It returns the known revision's own string, so
// that opening a ticket allocates none.
func unpackVersion(n uint32) mcp.Version {
	for _, v := range versions {
		if v.packed == n {
			return v.version
		}
	}
	return ""
}

type packedVersion struct {
	packed  uint32
	version mcp.Version
}

var versions = func() (list []packedVersion) {
	for _, v := range mcp.Versions() {
		list = append(list, packedVersion{packVersion(v), v})
	}
	return list
}()
