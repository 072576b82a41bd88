// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// settings are the sizes of a run, as given by flags.
type settings struct {
	Calls    int `json:"callsPerRound"`
	Clients  int `json:"clients"`
	Rounds   int `json:"rounds"`
	Sessions int `json:"sessions"`
	Streams  int `json:"streams"`
}

// rowFigures is one measured row. A nil figure was not measured, or the server
// has no such thing; Error says what failed, and then no figure of the row
// counts.
type rowFigures struct {
	Name         string         `json:"name"`
	Version      string         `json:"version,omitempty"`
	Legacy       *callFigures   `json:"legacy,omitempty"`
	Modern       *callFigures   `json:"modern,omitempty"`
	IdleSession  *memoryFigures `json:"idleSession,omitempty"`
	LegacyStream *memoryFigures `json:"legacyStream,omitempty"`
	ModernStream *memoryFigures `json:"modernStream,omitempty"`
	Notes        []string       `json:"notes,omitempty"`
	Error        string         `json:"error,omitempty"`
}

// harness is one run of the benchmark over some rows.
type harness struct {
	settings
	rows     []row
	figures  []*rowFigures // by row
	binaries []string      // by row
	progress io.Writer
	began    time.Time
}

func newHarness(s settings, rows []row, progress io.Writer) *harness {
	h := &harness{settings: s, rows: rows, binaries: make([]string, len(rows)), progress: progress, began: time.Now()}
	for _, r := range rows {
		h.figures = append(h.figures, &rowFigures{Name: r.name})
	}
	return h
}

// fail notes that row i failed. A cancelled run is nobody's failure.
func (h *harness) fail(ctx context.Context, i int, err error) {
	if ctx.Err() == nil && h.figures[i].Error == "" {
		h.figures[i].Error = err.Error()
		h.say("%s failed: %v", h.rows[i].name, err)
	}
}

func (h *harness) failed(i int) bool { return h.figures[i].Error != "" }

func (h *harness) say(format string, args ...any) {
	fmt.Fprintf(h.progress, "bench %3.0fs: %s\n", time.Since(h.began).Seconds(), fmt.Sprintf(format, args...))
}

// build compiles every row's server into folder into.
func (h *harness) build(ctx context.Context, root, into string) {
	for i, r := range h.rows {
		h.say("building %s", r.name)
		binary, err := r.build(ctx, root, into)
		if err != nil {
			h.fail(ctx, i, err)
			continue
		}
		h.binaries[i], h.figures[i].Version = binary, r.version(binary)
	}
}

// calls measures tools/call of all rows and eras, one round of each in turn,
// so that a change of the machine's mood meets all of them alike.
func (h *harness) calls(ctx context.Context) {
	type entry struct {
		row int
		*lane
	}
	var lanes []entry
	defer func() {
		for _, l := range lanes {
			l.close()
		}
	}()
	for i, r := range h.rows {
		for _, e := range []era{legacy, modern} {
			if h.failed(i) {
				continue
			}
			l, err := openLane(ctx, r, h.binaries[i], e, h.Clients)
			lanes = append(lanes, entry{i, l})
			l.size = max(h.Calls/r.divisor, h.Clients)
			if err == nil {
				err = l.run(max(l.size/4, h.Clients)) // warm-up, not counted
			}
			if err != nil {
				h.fail(ctx, i, err)
			}
		}
	}
	for n := range h.Rounds {
		h.say("round %d of %d", n+1, h.Rounds)
		for at := range lanes {
			// Each round starts with another lane.
			l := lanes[(at+n)%len(lanes)]
			if h.failed(l.row) || ctx.Err() != nil {
				continue
			}
			if err := l.round(); err != nil {
				h.fail(ctx, l.row, err)
			}
		}
	}
	for _, l := range lanes {
		if l.era == legacy {
			h.figures[l.row].Legacy = l.figures()
		} else {
			h.figures[l.row].Modern = l.figures()
		}
	}
}

// memory measures idle sessions and open streams of all rows, each in a fresh
// server.
func (h *harness) memory(ctx context.Context) {
	for i, r := range h.rows {
		f, binary := h.figures[i], h.binaries[i]
		steps := []struct {
			what    string
			count   int
			into    **memoryFigures
			measure func() (*memoryFigures, error)
		}{
			{"idle sessions", h.Sessions, &f.IdleSession, func() (*memoryFigures, error) {
				if !r.sessions {
					return nil, nil
				}
				return measureSessions(ctx, r, binary, h.Sessions)
			}},
			{"legacy streams", h.Streams, &f.LegacyStream, func() (*memoryFigures, error) {
				return measureStreams(ctx, r, binary, legacy, h.Streams)
			}},
			{"modern streams", h.Streams, &f.ModernStream, func() (*memoryFigures, error) {
				return measureStreams(ctx, r, binary, modern, h.Streams)
			}},
		}
		for _, step := range steps {
			if h.failed(i) || ctx.Err() != nil || step.count == 0 {
				continue
			}
			h.say("%s: %s", r.name, step.what)
			var err error
			if *step.into, err = step.measure(); errors.Is(err, errUnsupported) {
				f.Notes = append(f.Notes, step.what+": "+err.Error())
			} else if err != nil {
				h.fail(ctx, i, err)
			}
		}
	}
}
