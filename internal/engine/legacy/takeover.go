// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/transport"
)

// maxHandedOver bounds the bytes of missed events that go from node to node.
const maxHandedOver = 512 << 10

// handover is what a node gives with a GET stream that goes elsewhere.
type handover struct {
	Had     bool     `json:"had"`             // there was one, or its remains
	Whole   bool     `json:"whole"`           // it is the one asked for, and Missed is all that was missed of it
	Missed  []missed `json:"missed,omitzero"` // behind the event asked for
	Pending []Raw    `json:"pending,omitzero"`
}

type missed struct {
	ID   string `json:"id"`
	Data Raw    `json:"data"`
}

// handOver ends the GET stream here in favour of one on another node.
func (h *home) handOver(l *session.Live, after string) ([]byte, error) {
	h.mu.Lock()
	s := h.standing
	h.standing = nil
	h.mu.Unlock()
	var given handover
	var latest *session.Stream
	if s != nil {
		given.Had = true
		latest = s.giveWay()
		for e, ok := s.sub.Take(); ok; e, ok = s.sub.Take() {
			if msg := changed(s.v.peer.Features, e); msg != nil {
				given.Pending = append(given.Pending, msg)
			}
		}
		s.sub.Close()
	}
	given.miss(l, latest, after)
	if latest != nil {
		latest.Finish()
	}
	text, err := json.Marshal(&given)
	if err != nil {
		return nil, fmt.Errorf("encode what a GET stream leaves: %w", err)
	}
	return text, nil
}

// miss adds what the client has missed of the stream it names.
func (g *handover) miss(l *session.Live, latest *session.Stream, after string) {
	stream, seq, ok := session.SplitEventID(after)
	if !ok {
		return
	}
	log := latest
	if latest == nil || latest.ID() != stream {
		found, err := l.Log.Find(stream, seq)
		if err != nil {
			return
		}
		log = found
	}
	events, lost, _ := log.After(seq)
	g.Whole = lost == 0 && log == latest
	size := 0
	for _, e := range events {
		if size += len(e.Data); size > maxHandedOver {
			g.Whole, g.Missed = false, nil
			return
		}
		if e.Data != nil {
			g.Missed = append(g.Missed, missed{e.ID, e.Data})
		}
	}
}

// takenOver is what all other nodes had of a session's GET stream.
type takenOver struct {
	handover
	foreign bool // the client's place is on another node
}

// takeOver asks the other nodes to give way to a GET stream here.
//
// spec 2025-11-25 basic/transports#multiple-connections: a message goes on one of
// the streams, never on several.
func (g *peering) takeOver(ctx context.Context, id session.ID, from *cursor) *takenOver {
	taken, after, home := &takenOver{}, "", ""
	if from != nil {
		after = session.EventID(from.stream, from.seq)
		if address := addressIn(from.stream); address != "" && address != g.address {
			taken.foreign, home = true, g.node(address)
		}
	}
	elsewhere := false
	g.tellAll(ctx, takeOverWait, message(tellGiveWay, id, []byte(after)), func(node string, answer []byte) {
		var given handover
		if len(answer) <= len(no) || json.Unmarshal(answer, &given) != nil {
			return
		}
		taken.Had = taken.Had || given.Had
		taken.Pending = append(taken.Pending, given.Pending...)
		if node == home {
			taken.Whole, taken.Missed = given.Whole, given.Missed
		} else {
			elsewhere = elsewhere || given.Had
		}
	})
	taken.Whole = taken.Whole && !elsewhere
	return taken
}

// join adds what has happened since s listens, unless it came from another node too.
func (t *takenOver) join(s *standing) {
	for e, ok := s.sub.Take(); ok; e, ok = s.sub.Take() {
		msg := changed(s.v.peer.Features, e)
		if msg != nil && !slices.ContainsFunc(t.Pending, func(p Raw) bool { return bytes.Equal(p, msg) }) {
			t.Pending = append(t.Pending, msg)
		}
	}
}

// replay sends what the client has missed of a stream of another node, and
// reports whether that is everything it has missed.
func (t *takenOver) replay(to transport.Stream) bool {
	for _, m := range t.Missed {
		_ = to.Send(transport.Event{ID: m.ID, Data: m.Data}) // the end of the stream shows in run
	}
	return t.Whole
}
