// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/tests/wire"
)

const (
	otherClients = 8
	callEvery    = 20 * time.Millisecond // of each of them
	callTimeout  = 10 * time.Second
	otherAddr    = "127.0.0.3"
)

// others are clients that use the node as usual, half of them of either era.
type others struct {
	clients []*wire.Client
	rt      *http.Transport
}

func newOthers(ctx context.Context, addr string) (*others, error) {
	o := &others{rt: transportFrom(otherAddr)}
	for n := range otherClients {
		c := &wire.Client{URL: "http://" + addr + "/servers/s/mcp", Modern: n%2 == 0, HTTP: &http.Client{Transport: o.rt}}
		if err := c.Open(ctx); err != nil {
			return nil, fmt.Errorf("open a session: %w", err)
		}
		o.clients = append(o.clients, c)
	}
	return o, nil
}

func (o *others) close() { o.rt.CloseIdleConnections() }

// transportFrom makes connections from a local address.
func transportFrom(addr string) *http.Transport {
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}, Timeout: callTimeout}
	return &http.Transport{DialContext: d.DialContext, MaxIdleConnsPerHost: otherClients, IdleConnTimeout: time.Minute}
}

// during calls for a while and returns how long 99 of 100 calls took at most, in
// microseconds, how many there were, and how many of them failed. A call begins
// when its time has come, whatever became of the one before.
func (o *others) during(ctx context.Context, last time.Duration) (p99, calls, failed int) {
	ctx, cancel := context.WithTimeout(ctx, last)
	defer cancel()
	var mu sync.Mutex
	var took []int
	var wg sync.WaitGroup
	for n, c := range o.clients {
		wg.Go(func() {
			due := time.Now().Add(callEvery * time.Duration(n) / otherClients)
			for {
				select {
				case <-time.After(time.Until(due)):
				case <-ctx.Done():
					return
				}
				ok := call(ctx, c)
				if ctx.Err() != nil { // cut off by the end
					return
				}
				mu.Lock()
				took = append(took, int(time.Since(due).Microseconds()))
				if !ok {
					failed++
				}
				mu.Unlock()
				due = due.Add(callEvery)
				if late := time.Since(due); late > callTimeout {
					due = time.Now()
				}
			}
		})
	}
	wg.Wait()
	if len(took) == 0 {
		return 0, 0, failed
	}
	slices.Sort(took)
	return took[len(took)*99/100], len(took), failed
}

// call calls the tool echo and reports whether that went as it should.
func call(ctx context.Context, c *wire.Client) bool {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	a, err := c.Tool(ctx, "echo", `{"text":"hello"}`)
	return err == nil && a.Error == nil && !a.Failed && strings.Contains(a.Text, "hello")
}
