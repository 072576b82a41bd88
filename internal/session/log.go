// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ErrUnknownStream reports an event id whose stream is not, or no longer, in the log.
var ErrUnknownStream = errors.New("the events of this stream are no longer kept")

// Event is one logged event. Data is nil for an event that only carries its id.
type Event struct {
	ID   string
	Seq  uint64 // its number in the stream, from 1
	Data []byte // not to be modified
}

// LogBudget bounds the bytes of all event logs of a node, whatever registry they
// belong to. When nothing is left, a log makes room by dropping its own oldest
// events. It is safe for concurrent use.
type LogBudget struct {
	max  int64
	used atomic.Int64
}

const defaultLogBudget = 256 << 20

// NewLogBudget returns a budget of so many bytes, 0 for 256 MiB.
func NewLogBudget(max int64) *LogBudget {
	if max <= 0 {
		max = defaultLogBudget
	}
	return &LogBudget{max: max}
}

// Used returns how many bytes all logs have.
func (b *LogBudget) Used() int64 { return b.used.Load() }

// take takes bytes, if there are so many.
func (b *LogBudget) take(size int64) bool {
	if b.used.Add(size) > b.max {
		b.used.Add(-size)
		return false
	}
	return true
}

func (b *LogBudget) give(size int64) { b.used.Add(-size) }

// Log keeps the latest events of a session's streams, so that a client that
// lost its connection can have them again. It is bounded by number, bytes and
// age; the oldest events go first, and that some are gone is known afterwards.
// It is safe for concurrent use.
type Log struct {
	limits *Config

	mu      sync.Mutex
	streams map[string]*Stream
	events  []logged // in order of arrival; a queue from head on
	head    int
	bytes   int
}

type logged struct {
	stream *Stream
	seq    uint64
	data   []byte
	at     time.Time
}

// Stream is one stream of events in a [Log].
type Stream struct {
	log *Log
	id  string

	// Guarded by log.mu.
	last, dropped uint64 // the newest sequence number, and the newest that is gone
	kept          int    // events in the log
	done          bool
}

// eventOverhead is what a kept event costs beside its data.
const eventOverhead = 64

// StreamIDBytes is the length of a stream's id without its label.
const StreamIDBytes = 1 + 12

// Open begins a stream. The kind is a letter that its id begins with.
func (l *Log) Open(kind byte) *Stream { return l.OpenLabeled(kind, "") }

// OpenLabeled is Open of a stream whose id ends with a label, which must not
// contain '-'.
func (l *Log) OpenLabeled(kind byte, label string) *Stream {
	s := &Stream{log: l, id: string(kind) + rand.Text()[:StreamIDBytes-1] + label}
	l.mu.Lock()
	if l.streams == nil {
		l.streams = map[string]*Stream{}
	}
	l.streams[s.id] = s
	l.mu.Unlock()
	return s
}

// ID returns the stream's id.
func (s *Stream) ID() string { return s.id }

// Append logs an event and returns its id. It copies data.
func (s *Stream) Append(data []byte) string {
	l := s.log
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	s.last++
	id := EventID(s.id, s.last)
	l.expire(now)
	size := len(data) + eventOverhead
	if !l.makeRoom(size) {
		l.skip(s)
		return id
	}
	var copied []byte
	if data != nil {
		copied = append(make([]byte, 0, len(data)), data...)
	}
	l.events = append(l.events, logged{s, s.last, copied, now})
	l.bytes += size
	s.kept++
	return id
}

// makeRoom drops the oldest events until one of the given size fits, and takes
// its bytes from the budget of all logs. It reports false when there is no way.
func (l *Log) makeRoom(size int) bool {
	all := l.limits.Logs
	if size > l.limits.LogBytes || int64(size) > all.max {
		return false
	}
	for l.head < len(l.events) && (len(l.events)-l.head >= l.limits.LogEvents || l.bytes+size > l.limits.LogBytes ||
		all.Used()+int64(size) > all.max) {
		l.dropOldest()
	}
	return all.take(int64(size))
}

// skip gives up the newest event of s, and with it the older ones: what is kept
// of a stream is always its unbroken tail.
func (l *Log) skip(s *Stream) {
	kept := l.events[:0]
	for _, e := range l.events[l.head:] {
		if e.stream != s {
			kept = append(kept, e)
			continue
		}
		l.bytes -= len(e.data) + eventOverhead
		l.limits.Logs.give(int64(len(e.data) + eventOverhead))
	}
	clear(l.events[len(kept):])
	l.events, l.head = kept, 0
	s.dropped, s.kept = s.last, 0
}

func (l *Log) expire(now time.Time) {
	for l.head < len(l.events) && now.Sub(l.events[l.head].at) >= l.limits.LogAge {
		l.dropOldest()
	}
}

func (l *Log) dropOldest() {
	e := &l.events[l.head]
	s := e.stream
	s.dropped = e.seq
	if s.kept--; s.kept == 0 && s.done {
		delete(l.streams, s.id)
	}
	l.bytes -= len(e.data) + eventOverhead
	l.limits.Logs.give(int64(len(e.data) + eventOverhead))
	*e = logged{}
	l.head++
	if l.head == len(l.events) {
		l.events, l.head = l.events[:0], 0
	} else if l.head >= 64 && l.head*2 >= len(l.events) {
		n := copy(l.events, l.events[l.head:])
		clear(l.events[n:])
		l.events, l.head = l.events[:n], 0
	}
}

// Finish says that the stream gets no more events.
func (s *Stream) Finish() {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	s.done = true
	if s.kept == 0 {
		delete(s.log.streams, s.id)
	}
}

// EventID returns the id of a stream's event of number seq.
func EventID(stream string, seq uint64) string { return stream + "-" + strconv.FormatUint(seq, 10) }

// SplitEventID splits an event id into its stream's id and its number in it.
func SplitEventID(eventID string) (stream string, seq uint64, ok bool) {
	stream, number, found := strings.Cut(eventID, "-")
	seq, err := strconv.ParseUint(number, 10, 64)
	return stream, seq, found && err == nil && stream != ""
}

// Find returns the stream with the given id if it has had an event of number
// seq, or else [ErrUnknownStream].
func (l *Log) Find(stream string, seq uint64) (*Stream, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(time.Now())
	s := l.streams[stream]
	if s == nil || seq > s.last {
		return nil, ErrUnknownStream
	}
	return s, nil
}

// After returns the kept events of this stream behind number seq, how many in
// between are lost, and whether the stream is finished.
func (s *Stream) After(seq uint64) (events []Event, lost uint64, done bool) {
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events[l.head:] {
		if e.stream == s && e.seq > seq {
			events = append(events, Event{EventID(s.id, e.seq), e.seq, e.data})
		}
	}
	if s.dropped > seq {
		lost = s.dropped - seq
	}
	return events, lost, s.done
}

// clear drops everything and gives the bytes back to the budget.
func (l *Log) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limits.Logs.give(int64(l.bytes))
	l.streams, l.events, l.head, l.bytes = nil, nil, 0, 0
}
