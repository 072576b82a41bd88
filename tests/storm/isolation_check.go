// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/holdfast-mcp/holdfast/tests/ledger"
	"github.com/holdfast-mcp/holdfast/tests/wire"
)

// stdioSick are the sicknesses of the storm's server.
var stdioSick = []string{"hang", "crash", "stillborn", "badjson", "wrongid", "badshape", "flood", "endless"}

// Of the sick servers that are listed, those in lost lose each connection that a
// call takes, which is an outage; those in answering answer, if badly, which is none.
// The others are up and down in turns.
var (
	lost      = []string{"http-headers", "http-noanswer", "http-reset"}
	answering = []string{"sick-badjson", "sick-wrongid", "sick-badshape", "http-badjson", "http-wrongid", "http-type", "http-status", "http-bigevent"}
)

const (
	// lateLimit is after a deadline, on a machine that floods keep busy.
	lateLimit = 3 * time.Second
	// What may be left of the sick ones' visit: some messages of the largest size
	// soon after it, and less than one when the runtime has given back to the system
	// what it holds no longer; and connections to sick servers.
	soon         = 10 * time.Second
	soonRSS      = 4 * 64 << 10 // KiB
	recoverLimit = 40 * time.Second
	recoverRSS   = 60 << 10 // KiB
	recoverFDs   = 64
	stirSize     = 512 << 10 // of the messages that make the runtime collect garbage
)

// checkIsolation shows what can be shown without a clock: with every sickness at
// once, each sick call fails by its own error in time, each healthy one
// succeeds, lists are never blank and mark those that are out, and Holdfast keeps nothing.
func checkIsolation(ctx context.Context, p programs, out io.Writer) error {
	c, err := newClinic(p)
	if err != nil {
		return err
	}
	defer c.close()
	w, err := c.open(ctx, "all", stdioSick, slices.Concat(kinds(callSick), kinds(greetSick)))
	if err != nil {
		return err
	}
	defer w.close()
	l := ledger.New("storm", out)
	v := &visit{ward: w, l: l}
	v.well(ctx, time.Second)
	start, err := usageOf(w.h.cmd.Process.Pid)
	if err != nil {
		return err
	}
	v.rounds(ctx, 3)
	v.marked(ctx)
	v.recovered(ctx, start)
	if w.h.crashed() {
		l.Breach("Holdfast ended by itself:\n%s", w.h.tail(40))
	}
	l.Table(out)
	if err := l.Verdict(); err != nil {
		return fmt.Errorf("%w\nlast of the log:\n%s", err, w.h.tail(30))
	}
	return nil
}

// visit makes calls in a ward. Its goroutines end before rounds returns.
type visit struct {
	*ward
	l *ledger.Ledger
}

// well calls healthy servers and lists tools for a while.
func (v *visit) well(ctx context.Context, length time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	v.whileWell(ctx).Wait()
}

// whileWell calls healthy servers and lists tools until ctx ends.
func (v *visit) whileWell(ctx context.Context) *sync.WaitGroup {
	var well sync.WaitGroup
	for _, server := range v.healthy {
		for _, modern := range []bool{false, true} {
			well.Go(func() { v.stayWell(ctx, server, modern) })
		}
	}
	well.Go(func() { v.keepListing(ctx) })
	return &well
}

// rounds calls every sick server in both eras, on its own endpoint and on the
// common one, all at once, while healthy ones are called.
func (v *visit) rounds(ctx context.Context, n int) {
	healthy, stop := context.WithCancel(ctx)
	well := v.whileWell(healthy)
	var sick sync.WaitGroup
	for range n {
		for _, server := range slices.Concat(v.listed, v.unknown) {
			for _, modern := range []bool{false, true} {
				sick.Go(func() { v.fallIll(ctx, server, "echo", v.caller(server, modern)) })
				if slices.Contains(v.listed, server) {
					sick.Go(func() { v.fallIll(ctx, server, server+"__echo", v.caller("", modern)) })
				}
			}
		}
		sick.Wait()
	}
	stop()
	well.Wait()
}

// recovered waits until Holdfast holds about what it did before anybody fell
// ill.
func (v *visit) recovered(ctx context.Context, start usage) {
	for began := time.Now(); ; v.stir(ctx) {
		end, err := usageOf(v.h.cmd.Process.Pid)
		if err != nil {
			v.l.Breach("measure Holdfast: %v", err)
			return
		}
		took, grown, connected := time.Since(began), end.RSS-start.RSS, end.FDs-start.FDs > recoverFDs
		switch {
		case grown <= recoverRSS && !connected:
			v.l.Say("before the sick ones %+v, after them %+v", start, end)
			return
		case took > soon && (grown > soonRSS || connected), took > recoverLimit, ctx.Err() != nil:
			v.l.Breach("Holdfast grew: %+v before the sick ones, %+v after them for %v", start, end, took.Round(time.Second))
			return
		}
	}
}

// stir sends larger messages for a second: the runtime of an idle process
// collects garbage every two minutes only.
func (v *visit) stir(ctx context.Context) {
	text := strings.Repeat("a long way ", stirSize/len("a long way "))
	c := v.caller("", true)
	for deadline := time.Now().Add(time.Second); time.Now().Before(deadline) && ctx.Err() == nil; {
		for _, server := range v.healthy {
			a, err := c.Tool(ctx, server+"__echo", fmt.Sprintf(`{"Text":%q}`, text))
			if err != nil || a.Error != nil || a.Text != text {
				v.l.Breach("%s: %v %v, %d bytes for %d", server, err, a.Error, len(a.Text), len(text))
			}
		}
	}
}

// stayWell calls a healthy server until ctx ends.
func (v *visit) stayWell(ctx context.Context, server string, modern bool) {
	c := v.caller("", modern)
	if err := c.Open(ctx); err != nil {
		v.l.Breach("open a session: %v", err)
		return
	}
	for n := 0; ctx.Err() == nil; n++ {
		text := fmt.Sprintf("%s.%t.%d", server, modern, n)
		a, err := c.Tool(ctx, server+"__echo", fmt.Sprintf(`{"Text":%q}`, text))
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			v.l.Breach("%s: %v", server, err)
		case a.Error != nil:
			v.l.Breach("%s: %d %s", server, a.Error.Code, a.Error.Message)
		case a.Text != text:
			v.l.Breach("%s says %q, not %q", server, a.Text, text)
		default:
			v.l.Count("healthy calls")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// keepListing looks at the common list: the healthy ones are always on it.
func (v *visit) keepListing(ctx context.Context) {
	c := v.caller("", true)
	for ctx.Err() == nil {
		tools, a, err := c.Tools(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil || a.Error != nil:
			v.l.Breach("list tools: %v %v", err, a.Error)
		default:
			v.l.Count("lists")
			for _, server := range v.healthy {
				if !slices.ContainsFunc(tools, func(t wire.Listed) bool { return t.Name == server+"__echo" }) {
					v.l.Breach("a list of %d tools lacks %s", len(tools), server)
				}
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// fallIll calls a sick server, which costs an error that names it, in time.
func (v *visit) fallIll(ctx context.Context, server, tool string, c *wire.Client) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	who := fmt.Sprintf("%s (modern %t, %s)", server, c.Modern, tool)
	if err := c.Open(ctx); err != nil {
		if f, ok := errors.AsType[*wire.Failure](err); !ok || !f.Names(server) { // the own endpoint of a server that never greets may refuse
			v.l.Breach("%s: open a session: %v", who, err)
		}
		v.l.Count("sick sessions refused")
		return
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	began := time.Now()
	a, err := c.Tool(ctx, tool, `{"Text":"are you well?"}`)
	took := time.Since(began)
	v.l.Most("ms of a sick call at most", int(took.Milliseconds()))
	switch {
	case err != nil:
		v.l.Breach("%s: no answer: %v", who, err)
	case a.Error == nil:
		v.l.Breach("%s: a result: %.200s", who, a.Result)
	case !a.Error.Names(server):
		v.l.Breach("%s: the error does not name server and reason: %d %q %+v", who, a.Error.Code, a.Error.Message, a.Error.Data)
	case took > sickLimit+lateLimit && slices.Contains(v.listed, server):
		v.l.Breach("%s: the error took %s: %s", who, took.Round(time.Millisecond), a.Error.Message)
	default:
		v.l.Count("sick calls: " + server + " " + a.Error.Data.Gateway.Reason)
	}
}

// marked looks for the marks of sick servers on the common list.
func (v *visit) marked(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, server := range v.listed {
		v.fallIll(ctx, server, "echo", v.caller(server, true)) // so that it is known to be sick now
	}
	tools, a, err := v.caller("", true).Tools(ctx)
	if err != nil || a.Error != nil {
		v.l.Breach("list tools: %v %v", err, a.Error)
		return
	}
	for _, server := range v.listed {
		i := slices.IndexFunc(tools, func(t wire.Listed) bool { return t.Name == server+"__echo" })
		if i < 0 {
			v.l.Breach("the tool of %s is no longer listed", server)
			continue
		}
		var meta map[string]jsontext.Value
		marked := json.Unmarshal(tools[i].Meta, &meta) == nil && meta[markUnavailable] != nil
		switch {
		case !marked && slices.Contains(lost, server), marked && slices.Contains(answering, server):
			v.l.Breach("the tool of %s is marked: %v; _meta %s", server, marked, tools[i].Meta)
		case marked:
			v.l.Count("tools marked")
		}
	}
	for _, server := range v.healthy {
		i := slices.IndexFunc(tools, func(t wire.Listed) bool { return t.Name == server+"__echo" })
		if i >= 0 && strings.Contains(string(tools[i].Meta), markUnavailable) {
			v.l.Breach("the tool of %s is marked: _meta %s", server, tools[i].Meta)
		}
	}
}
