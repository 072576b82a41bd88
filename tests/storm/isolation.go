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
	"syscall"
	"time"
)

// The load that latencies are measured under.
const (
	healthyRate = 200             // calls a second, of all healthy servers together
	sickRate    = 10              // calls a second to each sick one
	visitLength = 2 * time.Second // short, so that what else the machine does meets both alike
	visitPairs  = 24
	bar         = 1.2 // of the p99 without sick ones
)

var errBar = errors.New("the healthy servers' p99 is over the bar")

// measureIsolation prints p50 and p99 of healthy calls with and without sick
// servers beside them. Two Holdfasts take turns, and sleep meanwhile.
func measureIsolation(ctx context.Context, p programs, sick string, pairs int, out io.Writer) error {
	stdio, remote, err := sicknesses(sick)
	if err != nil {
		return err
	}
	if pairs == 0 {
		pairs = visitPairs
	}
	c, err := newClinic(p)
	if err != nil {
		return err
	}
	defer c.close()
	alone, err := c.open(ctx, "without", nil, nil)
	if err != nil {
		return err
	}
	defer alone.close()
	beside, err := c.open(ctx, "with", stdio, remote)
	if err != nil {
		return err
	}
	defer beside.close()
	wards := []*ward{alone, beside}
	for _, w := range wards { // warm up
		if _, err := w.turn(ctx, time.Second); err != nil {
			return err
		}
	}
	var p50, p99 [2][]time.Duration
	for n := range pairs {
		for k := range wards {
			k = (k + n) % 2 // neither is always the first
			lat, err := wards[k].turn(ctx, visitLength)
			if err != nil {
				return err
			}
			p50[k] = append(p50[k], quantile(lat, 0.50))
			p99[k] = append(p99[k], quantile(lat, 0.99))
		}
		fmt.Fprintf(out, "pair %2d: p50 %7s without, %7s with; p99 %7s without, %7s with\n", n+1,
			short(p50[0][n]), short(p50[1][n]), short(p99[0][n]), short(p99[1][n]))
	}
	for k, w := range wards {
		if u, err := usageOf(w.h.cmd.Process.Pid); err == nil {
			fmt.Fprintf(out, "Holdfast %s sick servers: %.1f MiB resident, %d descriptors, %.1f s of CPU\n",
				[]string{"without", "with"}[k], float64(u.RSS)/1024, u.FDs, u.CPU.Seconds())
		}
	}
	return tell(out, p50, p99)
}

// defaultSick are one that hangs, one that keeps crashing and one that returns
// every kind of garbage in turns.
const defaultSick = "hang,crash,http:mixed"

// sicknesses reads a list such as defaultSick.
func sicknesses(list string) (stdio, remote []string, err error) {
	for s := range strings.SplitSeq(list, ",") {
		name, atURL := strings.CutPrefix(s, "http:")
		switch {
		case atURL && (name == "mixed" || callSick[name] != nil):
			remote = append(remote, name)
		case !atURL && slices.Contains(stdioSick, name):
			stdio = append(stdio, name)
		default:
			return nil, nil, fmt.Errorf("sickness %q: want some of %s; or, after http:, of mixed, %s",
				s, strings.Join(stdioSick, ", "), strings.Join(kinds(callSick), ", "))
		}
	}
	return stdio, remote, nil
}

// tell prints the medians of all rounds and holds them against the bar.
func tell(out io.Writer, p50, p99 [2][]time.Duration) error {
	row := func(name string, of [2][]time.Duration) float64 {
		without, with := quantile(of[0], 0.5), quantile(of[1], 0.5)
		ratio := float64(with) / float64(without)
		fmt.Fprintf(out, "%s: %s without sick servers (quartiles %s and %s), %s with (%s and %s): %.2f times\n", name,
			short(without), short(quantile(of[0], 0.25)), short(quantile(of[0], 0.75)),
			short(with), short(quantile(of[1], 0.25)), short(quantile(of[1], 0.75)), ratio)
		return ratio
	}
	row("median p50", p50)
	if ratio := row("median p99", p99); ratio > bar {
		return fmt.Errorf("%w: %.2f times, allowed are %.1f", errBar, ratio, bar)
	}
	return nil
}

func short(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }

// quantile of a list, which it sorts a copy of.
func quantile(list []time.Duration, q float64) time.Duration {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// turn measures healthy calls at a fixed rate while the sick ones are called
// too. The Holdfast sleeps before and after it.
func (w *ward) turn(ctx context.Context, length time.Duration) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	_ = w.h.cmd.Process.Signal(syscall.SIGCONT) // which the first time does nothing
	defer func() { _ = w.h.cmd.Process.Signal(syscall.SIGSTOP) }()
	var sick sync.WaitGroup
	for _, server := range w.listed {
		sick.Go(func() { w.bother(ctx, server) })
	}
	defer sick.Wait()
	lanes := len(w.healthy) * 4
	var mu sync.Mutex
	var all []time.Duration
	var first error
	var well sync.WaitGroup
	for i := range lanes {
		well.Go(func() {
			lat, err := w.lane(ctx, i, lanes)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, lat...)
			if first == nil {
				first = err
			}
		})
	}
	well.Wait()
	return all, first
}

// lane is one of many clients of healthy servers that together call at the
// rate. A call counts from when it was due, so that a late one delays none.
func (w *ward) lane(ctx context.Context, i, lanes int) ([]time.Duration, error) {
	server, modern, own := w.healthy[i%len(w.healthy)], i/len(w.healthy)%2 == 0, i/len(w.healthy)/2 == 0
	c, tool := w.caller("", modern), server+"__echo"
	if own {
		c, tool = w.caller(server, modern), "echo"
	}
	calls := context.WithoutCancel(ctx)
	if err := c.Open(calls); err != nil {
		return nil, err
	}
	defer func() { _ = c.Close(calls) }()
	period := time.Second * time.Duration(lanes) / healthyRate
	due := time.Now().Add(period * time.Duration(i) / time.Duration(lanes))
	var all []time.Duration
	for n := 0; ; n++ {
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			return all, nil
		}
		text := fmt.Sprintf("%d.%d", i, n)
		began := max(0, time.Since(due)-time.Millisecond) // a timer may be that late by itself
		sent := time.Now()
		a, err := c.Tool(calls, tool, fmt.Sprintf(`{"Text":%q}`, text))
		if err != nil || a.Text != text {
			return all, fmt.Errorf("healthy %s: %q, %v, %+v", server, a.Text, err, a.Error)
		}
		all = append(all, began+time.Since(sent))
		due = due.Add(period)
	}
}

// bother calls a sick server at a fixed rate, whatever comes of it.
func (w *ward) bother(ctx context.Context, server string) {
	var wg sync.WaitGroup
	defer wg.Wait()
	tick := time.NewTicker(time.Second / sickRate)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		wg.Go(func() {
			c := w.caller(server, n%2 == 0)
			if c.Open(ctx) == nil {
				_, _ = c.Tool(ctx, "echo", `{"Text":"?"}`)
			}
		})
	}
}
