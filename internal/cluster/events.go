// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/holdfast-mcp/holdfast/internal/session"
)

// Events is the replicated [session.Archive], bounded by age and bytes of all events
// together: the oldest go. It is safe for concurrent use.
type Events struct {
	c      *Cluster
	kv     *kv
	prefix string
}

// streamKey is what a stream's id may be.
var streamKey = taskKey

var _ session.Archive = (*Events)(nil)

// Flags of a stored event.
const (
	eventLast  = 1 << iota // the stream gets no more
	eventEmpty             // nil data
)

// eventLimit is the number of kept events of one stream up to which Read finds them.
const eventLimit = maxDirectBatch

func newEvents(c *Cluster) *Events {
	prefix := c.cfg.Cluster + ".event."
	return &Events{c: c, prefix: prefix, kv: &kv{
		stream: c.stream(kindEvent), prefix: prefix, leader: c.asks(), limit: c.cfg.WriteTimeout, health: c.health,
	}}
}

// Append implements [session.Archive]: it returns when a majority has the events.
// Of several some may be kept when it fails.
func (e *Events) Append(ctx context.Context, stream string, events ...session.Entry) error {
	if !streamKey.MatchString(stream) {
		return fmt.Errorf("stream id %q cannot be stored", stream)
	}
	if len(events) == 1 {
		return e.append(ctx, stream, &events[0])
	}
	var wg sync.WaitGroup
	errs := make([]error, len(events))
	slots := make(chan struct{}, 64)
	for i := range events {
		slots <- struct{}{}
		wg.Go(func() {
			errs[i] = e.append(ctx, stream, &events[i])
			<-slots
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (e *Events) append(ctx context.Context, stream string, ev *session.Entry) error {
	data := make([]byte, 1, 1+len(ev.Data))
	if ev.Last {
		data[0] |= eventLast
	}
	if ev.Data == nil {
		data[0] |= eventEmpty
	}
	_, _, err := e.kv.put(ctx, value{key: stream + "." + strconv.FormatUint(ev.Seq, 10), data: append(data, ev.Data...)}, 0)
	if err != nil && !errors.Is(err, errConflict) { // kept already
		return fmt.Errorf("log event: %w", err)
	}
	return nil
}

// Read implements [session.Archive]: it asks the leader how far a replica must
// be, and any replica for the events.
func (e *Events) Read(ctx context.Context, stream string, after uint64) (session.Tail, error) {
	if !streamKey.MatchString(stream) {
		return session.Tail{}, session.ErrUnknownStream
	}
	newest, err := e.kv.lastUnder(ctx, stream+".*")
	if errors.Is(err, errAbsent) {
		return session.Tail{}, session.ErrUnknownStream
	}
	partial := err != nil
	for tries := 0; ; tries++ {
		events, stored, err := e.read(ctx, stream)
		if err != nil {
			return session.Tail{}, fmt.Errorf("read events: %w", err)
		}
		have := !partial && stored >= newest.rev // a replica has everything before what it has
		if have || partial || tries == replicaTries {
			if len(events) == 0 {
				return session.Tail{}, session.ErrUnknownStream
			}
			t := tailOf(events, after)
			t.Partial = !have
			return t, nil
		}
		select {
		case <-time.After(replicaWait): // that replica is a little behind
		case <-ctx.Done():
			return session.Tail{}, context.Cause(ctx)
		}
	}
}

// eventNumber returns the number in an event's key.
func eventNumber(key string) (uint64, error) {
	_, number, _ := strings.Cut(key, ".")
	return strconv.ParseUint(number, 10, 64)
}

// read returns what a replica has of a stream, ascending, and how far it is.
func (e *Events) read(ctx context.Context, stream string) (events []session.Entry, stored uint64, err error) {
	query := map[string]any{"multi_last": []string{e.prefix + stream + ".*"}, "batch": eventLimit}
	_, err = directBatch(ctx, e.c.conn, e.kv.stream, query, func(m *nats.Msg) error {
		v, err := e.kv.value(m)
		if err != nil {
			return err
		}
		seq, err := eventNumber(v.key)
		if err != nil || len(v.data) == 0 {
			return errors.New("an event is damaged")
		}
		ev := session.Entry{Seq: seq, Last: v.data[0]&eventLast != 0}
		if v.data[0]&eventEmpty == 0 {
			ev.Data = v.data[1:]
		}
		events, stored = append(events, ev), max(stored, v.rev)
		return nil
	})
	slices.SortFunc(events, func(a, b session.Entry) int { return cmp.Compare(a.Seq, b.Seq) })
	return events, stored, err
}

// tailOf returns what is behind after. Where an event is missing, it and all
// before it count as lost: what is returned has no gaps.
func tailOf(kept []session.Entry, after uint64) session.Tail {
	t := session.Tail{Newest: kept[len(kept)-1].Seq, Done: kept[len(kept)-1].Last}
	from := len(kept)
	for from > 0 && kept[from-1].Seq > after && (from == len(kept) || kept[from-1].Seq+1 == kept[from].Seq) {
		from--
	}
	t.Entries = kept[from:]
	if len(t.Entries) > 0 && t.Entries[0].Seq > after+1 {
		t.Lost = t.Entries[0].Seq - after - 1
	}
	return t
}
