// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/session"
)

// wire is the way to a node: how much it carries and how long it takes. The zero wire
// is as fast as the machine.
type wire struct {
	rate  int64 // bytes a second into a node
	delay time.Duration
}

func (l wire) String() string {
	if l.rate == 0 {
		return "loopback"
	}
	return fmt.Sprintf("%dMbit,%v", l.rate*8/1_000_000, l.delay)
}

var links = []wire{{}, {1_000_000_000 / 8, 250 * time.Microsecond}, {100_000_000 / 8, time.Millisecond}, {20_000_000 / 8, 10 * time.Millisecond}}

// BenchmarkLink is what the choice of Config.Compression means for session changes and
// for requests with text, over links of several kinds.
func BenchmarkLink(b *testing.B) {
	for _, l := range links {
		for _, compression := range []Compression{CompressOff, CompressAuto, CompressFast} {
			run := func(load string, do func(b *testing.B, nodes []*Cluster, times *samples)) {
				b.Run(fmt.Sprintf("link=%s/%s/compression=%s", l, load, compression), func(b *testing.B) {
					configs, counter, times := threeConfigs(b, b.TempDir()), &atomic.Int64{}, &samples{}
					for i := range configs {
						configs[i].Compression, configs[i].Encrypt = compression, true
					}
					through(b, configs, l, counter)
					nodes := openAll(b, configs)
					before := counter.Load()
					do(b, nodes, times)
					b.ReportMetric(float64(counter.Load()-before)/float64(b.N), "wire-B/op")
					times.report(b)
				})
			}
			run("changes", func(b *testing.B, nodes []*Cluster, times *samples) {
				inParallel(b, 256, func(ctx context.Context, i int) error {
					start := time.Now()
					_, err := nodes[i%len(nodes)].Sessions().Put(ctx, session.NewID(), benchRecord)
					times.add(time.Since(start))
					return err
				})
			})
			run("requests", func(b *testing.B, nodes []*Cluster, times *samples) {
				nodes[1].Serve("bench", func(context.Context, string, []byte) ([]byte, error) { return nil, nil })
				payload := prose(10 << 10)
				inParallel(b, 32, func(ctx context.Context, _ int) error {
					start := time.Now()
					_, err := nodes[0].Request(ctx, "n2", "bench", payload)
					times.add(time.Since(start))
					return err
				})
			})
		}
	}
}

// through puts a counting proxy before each node, with a link behind it.
func through(b *testing.B, configs []Config, l wire, counter *atomic.Int64) {
	b.Helper()
	var public []string
	for i := range configs {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		public = append(public, listener.Addr().String())
		configs[i].Advertise = listener.Addr().String()
		proxy(b, listener, configs[i].Listen, &way{wire: l, counter: counter})
	}
	for i := range configs {
		configs[i].Join = public
	}
}

// way is a link in use: what goes over it takes turns.
type way struct {
	wire
	counter *atomic.Int64

	mu   sync.Mutex
	free time.Time // when what was sent last is through
}

// sent returns when n bytes that are sent now arrive.
func (w *way) sent(n int) time.Time {
	w.counter.Add(int64(n))
	if w.rate == 0 {
		return time.Time{}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := time.Now(); w.free.Before(now) {
		w.free = now
	}
	w.free = w.free.Add(time.Duration(int64(n) * int64(time.Second) / w.rate))
	return w.free.Add(w.delay)
}

// carry copies from one connection to another as the way does. It ends with either.
func (w *way) carry(dst, src net.Conn) {
	type part struct {
		data []byte
		at   time.Time
	}
	parts := make(chan part, 64)
	var wg sync.WaitGroup
	wg.Go(func() {
		for p := range parts {
			if wait := time.Until(p.at); wait > 0 {
				time.Sleep(wait)
			}
			if _, err := dst.Write(p.data); err != nil {
				src.Close()
			}
		}
		dst.Close()
	})
	for {
		buf := make([]byte, 16<<10)
		n, err := src.Read(buf)
		if n > 0 {
			parts <- part{buf[:n], w.sent(n)}
		}
		if err != nil {
			break
		}
	}
	close(parts)
	wg.Wait()
}

func proxy(b *testing.B, l net.Listener, to string, w *way) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	b.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			mu.Lock()
			open = append(open, in, out)
			mu.Unlock()
			wg.Go(func() { w.carry(in, out) })
			wg.Go(func() { w.carry(out, in) })
		}
	})
}
