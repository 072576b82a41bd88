// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/control"
	"github.com/holdfast-mcp/holdfast/internal/display"
)

// servers shows the servers of the node running on this host.
func servers(ctx context.Context, env *Env, args []string) error {
	o := operating("servers")
	if err := parse(o.fs, args, 0, 0); err != nil {
		return err
	}
	c, err := o.client()
	if err != nil {
		return err
	}
	all, err := c.Servers(ctx)
	if err != nil {
		return told(err)
	}
	if o.json {
		return printJSON(env.Out, all)
	}
	return printServers(env.Out, all, time.Now())
}

// printServers prints how servers are, and below what those wrote last that are not up.
func printServers(w io.Writer, all []control.MCPServer, now time.Time) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "no servers are configured; name a file that has some under mcpServers with holdfast serve --config")
		return err
	}
	t := newTable(w, "SERVER", "STATE", "FOR", "TOOLS", "NEXT TRY", "REASON")
	for i := range all {
		s := &all[i]
		t.row(s.Name, s.State, since(s.Since, now), s.Tools, until(s.Next, now), s.Reason)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for i := range all {
		printFaults(w, &all[i])
	}
	for i := range all {
		s := &all[i]
		if s.State == "up" || len(s.Stderr) == 0 {
			continue
		}
		printf(w, "\n%s wrote last:\n", line(s.Name))
		for _, l := range s.Stderr {
			printf(w, "  %s\n", line(l))
		}
	}
	return nil
}

// Bounds on the faults that are printed of one server; --json has more.
const (
	maxFaults    = 10
	maxFaultLine = 200 // bytes
)

// printFaults prints what is wrong with a server's lists, a line for each fault.
func printFaults(w io.Writer, s *control.MCPServer) {
	for i, f := range s.Faults {
		if i == 0 {
			printf(w, "\n%s lists what is not right, which was repaired or left out:\n", line(s.Name))
		}
		if i == maxFaults {
			printf(w, "  and %d more; --json has them\n", len(s.Faults)-i)
			return
		}
		text := f.List + ": " + f.What
		if f.Entry != "" {
			text = f.List + ": " + f.Entry + ": " + f.What
		}
		short := display.Cut(text, maxFaultLine)
		if short != text {
			short += "…"
		}
		printf(w, "  %s\n", line(short))
	}
}

// until is how long a moment is ahead; a dash when it is not known.
func until(t, now time.Time) string {
	switch {
	case t.IsZero():
		return "-"
	case !t.After(now):
		return "now"
	}
	return "in " + age(t.Sub(now)+time.Second-1) // no second early
}
