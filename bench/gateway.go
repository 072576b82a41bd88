// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/loopbacktest"
)

// proxyFigures is one measured row of the gateway table. Error says what
// failed, and then no figure counts.
type proxyFigures struct {
	Proxy    string       `json:"proxy"`
	Version  string       `json:"version,omitempty"`
	Client   era          `json:"clientEra"`
	Server   era          `json:"serverEra"`
	Upstream string       `json:"upstream"` // "http" or "stdio"
	Ratio    *float64     `json:"ratioToReverseProxy,omitempty"`
	Calls    *callFigures `json:"calls,omitempty"`
	Error    string       `json:"error,omitempty"`
}

// gatewayHarness is one run of the gateway benchmark: every row has a proxy
// process of its own, with a server of its own behind it.
type gatewayHarness struct {
	gatewaySettings
	rows     []proxyRow
	figures  []*proxyFigures   // by row
	lanes    []*lane           // by row, nil where it failed
	binaries map[string]string // by folder of the sources
	folder   string
	progress io.Writer
	began    time.Time
}

// gatewaySettings are the sizes of a run, as given by flags.
type gatewaySettings struct {
	Calls   int `json:"callsPerRound"`
	Clients int `json:"clients"`
	Rounds  int `json:"rounds"`
}

// newGatewayHarness keeps binaries and data in folder.
func newGatewayHarness(s settings, rows []proxyRow, folder string, progress io.Writer) *gatewayHarness {
	h := &gatewayHarness{
		gatewaySettings: gatewaySettings{Calls: s.Calls, Clients: s.Clients, Rounds: s.Rounds},
		rows:            rows, lanes: make([]*lane, len(rows)), binaries: map[string]string{},
		folder: folder, progress: progress, began: time.Now(),
	}
	for _, r := range rows {
		f := &proxyFigures{Proxy: r.name, Client: r.client, Server: r.server, Upstream: "http"}
		if r.stdio {
			f.Upstream = "stdio"
		}
		h.figures = append(h.figures, f)
	}
	return h
}

func (h *gatewayHarness) say(format string, args ...any) {
	fmt.Fprintf(h.progress, "bench %3.0fs: %s\n", time.Since(h.began).Seconds(), fmt.Sprintf(format, args...))
}

// fail notes that row i failed and stops its processes. A cancelled run is
// nobody's failure.
func (h *gatewayHarness) fail(ctx context.Context, i int, err error) {
	if ctx.Err() == nil {
		f := h.figures[i]
		f.Error = err.Error()
		h.say("%s, %s client, %s %s server failed: %v", f.Proxy, f.Client, f.Server, f.Upstream, err)
	}
	if h.lanes[i] != nil {
		h.lanes[i].close()
		h.lanes[i] = nil
	}
}

// run builds, measures and stops everything.
func (h *gatewayHarness) run(ctx context.Context, root string) error {
	if err := h.build(ctx, root); err != nil {
		return err
	}
	defer func() {
		for _, l := range h.lanes {
			if l != nil {
				l.close()
			}
		}
	}()
	h.say("starting %d proxies", len(h.rows))
	for i := range h.rows {
		if err := h.open(ctx, i); err != nil {
			h.fail(ctx, i, err)
		}
	}
	h.measure(ctx)
	return ctx.Err()
}

// build compiles the server and every proxy. A proxy that does not build costs
// its rows; without the server there is nothing to measure.
func (h *gatewayHarness) build(ctx context.Context, root string) error {
	var err error
	if h.binaries[upstreamDir], err = (row{dir: upstreamDir}).build(ctx, root, h.folder); err != nil {
		return err
	}
	for i, r := range h.rows {
		if _, known := h.binaries[r.dir]; !known {
			h.say("building %s", r.dir)
			if h.binaries[r.dir], err = (row{dir: r.dir}).build(ctx, root, h.folder); err != nil {
				h.fail(ctx, i, err)
			}
		}
		if binary := h.binaries[r.dir]; binary != "" {
			h.figures[i].Version = row{module: r.module}.version(binary)
		} else if h.figures[i].Error == "" {
			h.figures[i].Error = "not built"
		}
	}
	return nil
}

// open starts row i's server and proxy, connects clients and warms all up.
func (h *gatewayHarness) open(ctx context.Context, i int) error {
	if h.figures[i].Error != "" {
		return nil
	}
	r := h.rows[i]
	l := &lane{era: r.client, sessions: r.sessions, size: h.Calls}
	h.lanes[i] = l
	s := site{folder: filepath.Join(h.folder, fmt.Sprintf("row%d", i))}
	if err := os.Mkdir(s.folder, 0o700); err != nil {
		return fmt.Errorf("make a folder for the proxy: %w", err)
	}
	var err error
	if r.stdio {
		s.command = []string{h.binaries[upstreamDir], "-stdio", "-era", string(r.server)}
	} else {
		if l.upstream, err = startServer(ctx, h.binaries[upstreamDir], "-era", string(r.server)); err != nil {
			return fmt.Errorf("server behind the proxy: %w", err)
		}
		s.url = "http://" + l.upstream.addr
	}
	if s.addr, err = loopbacktest.Free(); err != nil {
		return err
	}
	args, err := r.arguments(s)
	if err != nil {
		return err
	}
	if l.server, err = startProcess(ctx, h.binaries[r.dir], s.addr, args...); err != nil {
		return err
	}
	l.to = place{addr: s.addr, path: r.path, tool: r.tool}
	if err := l.connect(ctx, h.Clients); err != nil {
		return err
	}
	return l.run(max(l.size/4, h.Clients)) // not counted
}

// measure runs the rounds, one of each row in turn.
func (h *gatewayHarness) measure(ctx context.Context) {
	for n := range h.Rounds {
		h.say("round %d of %d", n+1, h.Rounds)
		for at := range h.rows {
			i := (at + n) % len(h.rows) // each round starts with another row
			if h.lanes[i] == nil || ctx.Err() != nil {
				continue
			}
			if err := h.lanes[i].round(); err != nil {
				h.fail(ctx, i, err)
			}
		}
	}
	for i, l := range h.lanes {
		if l != nil {
			h.figures[i].Calls = l.figures()
		}
	}
}
