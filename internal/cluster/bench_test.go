// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-mcp/holdfast/internal/session"
)

// The benchmarks share one process and its cores among all nodes and the client.
// ballast is what the program has in each node: see internal/cli.
var ballast = make([]byte, 3*16<<20)

func BenchmarkSessionPut(b *testing.B) {
	alone := openAlone(b, b.TempDir())
	for _, nodes := range [][]*Cluster{{alone}, three(b)} {
		for _, writers := range []int{1, 16, 256, 1024} {
			b.Run(fmt.Sprintf("nodes=%d/writers=%d", len(nodes), writers), func(b *testing.B) {
				b.ReportAllocs()
				inParallel(b, writers, func(ctx context.Context, i int) error {
					_, err := nodes[i%len(nodes)].Sessions().Put(ctx, session.NewID(), benchRecord)
					return err
				})
			})
		}
	}
}

// BenchmarkCompression is what the choice of Config.Compression costs in
// processors and saves in bytes between nodes, for session changes. The bytes are
// counted in runs of their own, since the counting costs time too.
func BenchmarkCompression(b *testing.B) {
	for _, compression := range []Compression{CompressOff, CompressAuto, CompressFast} {
		for _, counted := range []bool{false, true} {
			b.Run(fmt.Sprintf("compression=%s/counted=%t", compression, counted), func(b *testing.B) {
				configs, counter := threeConfigs(b, b.TempDir()), &atomic.Int64{}
				for i := range configs {
					configs[i].Compression = compression
				}
				if counted {
					through(b, configs, wire{}, counter)
				}
				nodes := openAll(b, configs)
				before := counter.Load()
				inParallel(b, 256, func(ctx context.Context, i int) error {
					_, err := nodes[i%len(nodes)].Sessions().Put(ctx, session.NewID(), benchRecord)
					return err
				})
				if counted {
					b.ReportMetric(float64(counter.Load()-before)/float64(b.N), "wire-B/op")
				}
			})
		}
	}
}

var benchRecord = session.Record{
	Expires: time.Now().Add(time.Hour), LogLevel: "info",
	Subscriptions: []string{"file:///srv/data/reports/2026/november.md", "file:///srv/data/reports/2026/december.md"},
}

// inParallel does b.N things on so many goroutines and reports how many a second.
func inParallel(b *testing.B, goroutines int, do func(ctx context.Context, i int) error) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	defer runtime.KeepAlive(ballast)
	before := cpuTime()
	for g := range goroutines {
		wg.Go(func() {
			for next.Add(1) <= int64(b.N) {
				if err := do(b.Context(), g); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
	b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

// cpuTime is what this process, that is all nodes in it, has used of processors.
func cpuTime() time.Duration {
	var usage unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &usage) // it does not fail for oneself
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func BenchmarkSessionGet(b *testing.B) {
	c := three(b)[0]
	id := session.NewID()
	if _, err := c.Sessions().Put(b.Context(), id, benchRecord); err != nil {
		b.Fatal(err)
	}
	for name, id := range map[string]session.ID{"record": id, "no-record": session.NewID()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = c.Sessions().Get(b.Context(), id) // absence is an error by design
			}
		})
	}
}

// BenchmarkFeedLag writes at a pace and measures from the acknowledgement at one
// node until the Get of both others has the record, on every hundredth.
func BenchmarkFeedLag(b *testing.B) {
	nodes := openAll(b, threeConfigs(b, b.TempDir())) // its own: what other benchmarks have left behind costs the collector time
	defer runtime.KeepAlive(ballast)
	for _, rate := range []int{1000, 10_000, 20_000, 40_000} {
		b.Run(fmt.Sprintf("rate=%d", rate), func(b *testing.B) {
			lags, refused := &samples{}, atomic.Int64{}
			var wg sync.WaitGroup
			slots := make(chan struct{}, 2048)
			began, used := time.Now(), cpuTime()
			for i := 0; b.Loop(); i++ {
				if ahead := time.Duration(i)*time.Second/time.Duration(rate) - time.Since(began); ahead > time.Millisecond {
					<-time.After(ahead)
				}
				slots <- struct{}{}
				wg.Go(func() {
					defer func() { <-slots }()
					id := session.NewID()
					if _, err := nodes[0].Sessions().Put(b.Context(), id, benchRecord); err != nil {
						refused.Add(1) // the rate is more than there are processors for
						return
					}
					acked := time.Now()
					if i%100 == 0 {
						for _, n := range nodes[1:] {
							for {
								if _, err := n.Sessions().Get(b.Context(), id); err == nil {
									break
								}
								<-time.After(50 * time.Microsecond)
							}
						}
						lags.add(time.Since(acked))
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "op/s")
			b.ReportMetric(float64((cpuTime()-used).Microseconds())/float64(b.N), "cpu-µs/op")
			b.ReportMetric(float64(refused.Load()), "refused")
			lags.report(b)
		})
	}
}

// samples are durations, of which quantiles are reported.
type samples struct {
	mu   sync.Mutex
	list []time.Duration
}

func (s *samples) add(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, d)
}

func (s *samples) report(b *testing.B) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.list) == 0 {
		return
	}
	slices.Sort(s.list)
	for name, q := range map[string]float64{"p50-µs": 0.5, "p99-µs": 0.99} {
		b.ReportMetric(float64(s.list[int(q*float64(len(s.list)-1))].Microseconds()), name)
	}
}

func BenchmarkRequest(b *testing.B) {
	nodes, kind := three(b), fmt.Sprintf("bench-%d", kinds.Add(1))
	nodes[1].Serve(kind, func(_ context.Context, _ string, p []byte) ([]byte, error) { return p, nil })
	payload := bytes.Repeat([]byte("x"), 500)
	for i, where := range []string{"cross-node", "same-node"} {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d", where, callers), func(b *testing.B) {
				b.ReportAllocs()
				times := &samples{}
				inParallel(b, callers, func(ctx context.Context, _ int) error {
					start := time.Now()
					_, err := nodes[i].Request(ctx, "n2", kind, payload)
					times.add(time.Since(start))
					return err
				})
				times.report(b)
			})
		}
	}
}

func BenchmarkStream(b *testing.B) {
	nodes, kind := three(b), fmt.Sprintf("bench-%d", kinds.Add(1))
	nodes[1].ServeStream(kind, func(ctx context.Context, s *Stream) {
		for {
			if _, err := s.Receive(ctx); err != nil {
				return
			}
		}
	})
	s, err := nodes[0].Open(b.Context(), at("n2", kind), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close(nil)
	payload := bytes.Repeat([]byte("x"), 500)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Send(b.Context(), payload); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBus(b *testing.B) {
	nodes := three(b)
	var heard atomic.Int64
	for _, n := range nodes {
		defer n.Subscribe("bench", func([]byte) { heard.Add(1) })()
	}
	payload := bytes.Repeat([]byte("x"), 200)
	sent := int64(0)
	for b.Loop() {
		if err := nodes[0].Publish("bench", payload); err != nil {
			b.Fatal(err)
		}
		if sent++; sent%1000 == 0 {
			for heard.Load() < 3*(sent-2000) {
				<-time.After(100 * time.Microsecond)
			}
		}
	}
}

// BenchmarkWire counts the bytes between nodes for messages of 10 KB, of text as
// tools return it, and what they cost in time.
func BenchmarkWire(b *testing.B) {
	for _, compression := range []Compression{CompressOff, CompressFast} {
		for _, encrypt := range []bool{false, true} {
			b.Run(fmt.Sprintf("compression=%s/tls=%t", compression, encrypt), func(b *testing.B) {
				configs := threeConfigs(b, b.TempDir())
				counter := &atomic.Int64{}
				for i := range configs {
					configs[i].Compression, configs[i].Encrypt = compression, encrypt
				}
				through(b, configs, wire{}, counter)
				nodes := openAll(b, configs)
				nodes[1].Serve("bench", func(context.Context, string, []byte) ([]byte, error) { return nil, nil })
				payload := prose(10 << 10)
				before := counter.Load()
				times := &samples{}
				inParallel(b, 8, func(ctx context.Context, _ int) error {
					start := time.Now()
					_, err := nodes[0].Request(ctx, "n2", "bench", payload)
					times.add(time.Since(start))
					return err
				})
				b.ReportMetric(float64(counter.Load()-before)/float64(b.N), "wire-B/op")
				times.report(b)
			})
		}
	}
}

// prose is JSON text with about the redundancy of what tools return.
func prose(n int) []byte {
	words := []string{"result", "the", "file", "contains", "value", "name", "error", "of", "path", "line", "with", "status", "and", "item"}
	r := rand.New(rand.NewPCG(1, 2))
	buf := []byte(`{"content":[{"type":"text","text":"`)
	for len(buf) < n-4 {
		buf = fmt.Appendf(buf, "%s %s%d ", words[r.IntN(len(words))], words[r.IntN(len(words))], r.IntN(10000))
	}
	return append(buf[:n-4], `"}]}`...)
}
