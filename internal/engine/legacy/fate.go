// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/session"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/transport"
)

// errLost is the outcome of a call whose node was lost.
var errLost = jsonrpc.NewError(jsonrpc.CodeInternal, "the node that ran this call was lost; what the call did until then is not known").
	WithData(Raw(`{"gateway":{"reason":"node_lost","started":true}}`))

// errUndecided says that the archive cannot be asked at the moment.
var errUndecided = jsonrpc.NewError(jsonrpc.CodeInternal, "what became of the call cannot be known at the moment")

// fate returns what follows an event of a stream whose home does not have it any
// more. A call that was lost with its home gets an error for its outcome. That is
// written down before anybody hears of it, and the first outcome stays: nobody
// ever learns of two, even if the home was only away.
func (g *peering) fate(ctx context.Context, id session.ID, stream string, seq uint64, gone bool) ([]session.Event, uint64, *jsonrpc.Error) {
	key, ok := session.ArchiveID(id, stream)
	if !ok {
		return nil, 0, errUnknownStream
	}
	ctx, cancel := context.WithTimeout(ctx, readWait)
	defer cancel()
	tail, err := g.readTail(ctx, key, seq)
	switch {
	case errors.Is(err, session.ErrUnknownStream):
		if !gone {
			return nil, 0, errUnknownStream
		}
	case err != nil:
		g.p.lines.Log(g.p.cfg.Log, slog.LevelWarn, "events not read", "session", id.String(), "error", err)
		return nil, 0, errUndecided
	case tail.Partial && !tail.Done:
		return nil, 0, errUndecided
	}
	if gone && !tail.Done {
		request := requestIn(stream)
		if request.IsZero() {
			return nil, 0, errLost
		}
		tail = g.lose(ctx, key, seq, tail, jsonrpc.AppendError(nil, request, errLost))
	}
	events := make([]session.Event, 0, len(tail.Entries))
	for _, e := range tail.Entries {
		events = append(events, session.Event{ID: session.EventID(stream, e.Seq), Seq: e.Seq, Data: e.Data})
	}
	return events, tail.Lost, nil
}

// lose writes down the outcome of a lost call and returns what there is then.
func (g *peering) lose(ctx context.Context, key string, seq uint64, tail session.Tail, outcome []byte) session.Tail {
	last := session.Entry{Seq: max(seq, tail.Newest) + 1, Data: outcome, Last: true}
	if err := g.feed.Archive().Append(ctx, key, last); err != nil {
		g.p.cfg.Log.Warn("outcome of a lost call not logged", "error", err)
	} else if now, err := g.readTail(ctx, key, seq); err == nil && now.Done {
		return now
	}
	tail.Entries = append(tail.Entries, last)
	return tail
}

// readTail reads what is archived of a stream behind an event, up to its first
// last event: what a home wrote that was taken for lost before does not count.
func (g *peering) readTail(ctx context.Context, key string, after uint64) (session.Tail, error) {
	tail, err := g.feed.Archive().Read(ctx, key, 0)
	if err != nil {
		return tail, err
	}
	if i := slices.IndexFunc(tail.Entries, func(e session.Entry) bool { return e.Last }); i >= 0 {
		tail.Entries = tail.Entries[:i+1]
		tail.Newest, tail.Done = tail.Entries[i].Seq, true
	}
	tail.Entries = slices.DeleteFunc(tail.Entries, func(e session.Entry) bool { return e.Seq <= after })
	tail.Lost = 0
	if len(tail.Entries) > 0 {
		tail.Lost = tail.Entries[0].Seq - after - 1
	}
	return tail, nil
}

var errUnknownStream = jsonrpc.NewError(jsonrpc.CodeInvalidRequest, session.ErrUnknownStream.Error())

// refuseResume answers a GET that cannot be continued.
func refuseResume(x transport.Exchange, wire *jsonrpc.Error) {
	if wire == errUndecided {
		unavailable(x, jsonrpc.ID{}, wire.Message)
		return
	}
	engine.ReplyError(x, 400, jsonrpc.ID{}, wire)
}

// archiver copies the events of a reply whose client is away to where another
// node can read them. Its fields are guarded by the reply's lock.
type archiver struct {
	copied  uint64 // the newest event copied
	copying bool
	sealed  bool // the last event has been copied
}

// archiveLocked sees to it that what the client has not taken is copied.
func (r *reply) archiveLocked() {
	if r.peers == nil || r.log == nil || r.archive.copying || r.archive.sealed {
		return
	}
	l := r.peers.p.cfg.Sessions.Find(r.live.ID) // so that a drain waits for the copy
	if l == nil {
		return
	}
	r.archive.copying = r.peers.run(func() {
		defer r.peers.p.cfg.Sessions.Release(l)
		r.copy(r.peers)
	})
	if !r.archive.copying {
		r.peers.p.cfg.Sessions.Release(l)
	}
}

// copyTries bounds the attempts to copy the end of a stream, a second apart.
const copyTries = 10

// copy copies until there is nothing more. What could not be copied is tried
// again with the next event, and the end of the stream by itself.
func (r *reply) copy(g *peering) {
	key, _ := session.ArchiveID(r.live.ID, r.log.ID())
	tries := 0
	for entries := r.uncopied(); entries != nil; entries = r.uncopied() {
		err := r.copyEntries(g, key, entries)
		if err == nil {
			tries = 0
			r.copied(entries)
			continue
		}
		if tries++; tries == 1 {
			g.p.lines.Log(g.p.cfg.Log, slog.LevelWarn, "events not copied for other nodes", "session", r.live.ID.String(), "error", err)
		}
		timer := time.NewTimer(time.Second)
		select {
		case <-timer.C:
		case <-g.late:
			tries = copyTries
		}
		timer.Stop()
		if r.giveUpCopying(tries) {
			return
		}
	}
}

func (r *reply) copyEntries(g *peering, key string, entries []session.Entry) error {
	ctx, cancel := context.WithTimeout(g.ctx, readWait)
	defer cancel()
	err := g.feed.Archive().Append(ctx, key, entries...)
	if last := entries[len(entries)-1]; err != nil && last.Last && len(last.Data) > tooLarge && !r.id.IsZero() {
		// That it came is worth keeping.
		last.Data = jsonrpc.AppendError(nil, r.id, errUnlogged)
		err = g.feed.Archive().Append(ctx, key, last)
	}
	return err
}

// tooLarge is what an archive may refuse to keep, in bytes.
const tooLarge = 512 << 10

// uncopied returns the events to be copied next, or nil, which ends the copying.
func (r *reply) uncopied() []session.Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	final := r.finished || r.closing
	events, _, _ := r.log.After(r.archive.copied)
	if len(events) == 0 && final && !r.archive.sealed {
		r.log.Append(nil) // carries that the stream has ended
		events, _, _ = r.log.After(r.archive.copied)
	}
	if len(events) == 0 || r.archive.sealed {
		r.archive.copying = false
		return nil
	}
	entries := make([]session.Entry, len(events))
	for i, e := range events {
		entries[i] = session.Entry{Seq: e.Seq, Data: e.Data}
	}
	entries[len(entries)-1].Last = final
	return entries
}

func (r *reply) copied(entries []session.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := entries[len(entries)-1]
	r.archive.copied, r.archive.sealed = last.Seq, last.Last
}

// giveUpCopying ends the copying after a failed attempt, for now or for good.
func (r *reply) giveUpCopying(tries int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if (r.finished || r.closing) && tries < copyTries {
		return false
	}
	r.archive.copying = false
	return true
}
