// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/backend/placement"
	"github.com/holdfast-mcp/holdfast/internal/cluster"
	"github.com/holdfast-mcp/holdfast/internal/loopbacktest"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
	"github.com/holdfast-mcp/holdfast/transport"
)

// BenchmarkForward makes calls of a shared server at its home and from another node,
// in a cluster of three in this process: what the second costs more is the forwarding.
func BenchmarkForward(b *testing.B) {
	backends, home := threeBackends(b)
	for _, size := range []int{100, 10 << 10} {
		for _, from := range []string{"home", "other"} {
			at := home
			if from == "other" {
				at = (home + 1) % len(backends)
			}
			b.Run(fmt.Sprintf("bytes=%d/from=%s", size, from), func(b *testing.B) {
				call, times := lengthCall(size), make([]time.Duration, 0, b.N)
				b.ReportAllocs()
				b.ResetTimer()
				for range b.N {
					began := time.Now()
					if _, err := backends[at].Handle(b.Context(), call); err != nil {
						b.Fatal(err)
					}
					times = append(times, time.Since(began))
				}
				b.StopTimer()
				slices.Sort(times)
				b.ReportMetric(float64(times[len(times)/2].Nanoseconds())/1e3, "p50-µs")
				b.ReportMetric(float64(times[len(times)*99/100].Nanoseconds())/1e3, "p99-µs")
			})
		}
	}
}

// threeBackends returns a shared server at three nodes, and which of them is its home.
func threeBackends(b *testing.B) (backends []*placement.Backend, home int) {
	log, dir := slog.New(slog.DiscardHandler), b.TempDir()
	var join []string
	for range 3 {
		address, err := loopbacktest.Free()
		if err != nil {
			b.Fatal(err)
		}
		join = append(join, address)
	}
	var nodes []*cluster.Cluster
	for i, address := range join {
		name := fmt.Sprintf("n%d", i+1)
		c, err := cluster.Open(b.Context(), cluster.Config{
			Name: name, Dir: filepath.Join(dir, name), Listen: address, Join: join, Secret: "correct horse battery staple", Version: "bench", Log: log,
		})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(c.Close)
		nodes = append(nodes, c)
	}
	started := atomic.Int32{}
	for i, c := range nodes {
		if err := c.Await(b.Context()); err != nil {
			b.Fatal(err)
		}
		x := placement.New(c.Nodes(), placement.Config{Log: log})
		b.Cleanup(x.Close)
		cfg := backend.Config{
			Name: "measure", Sharing: backend.Shared, Processes: backend.NewSlots(10), Log: log,
			Launch: func(context.Context) (*backend.Launched, error) { started.Store(int32(i)); return measure(), nil },
		}
		r := x.Backend("measure", func(e backend.Events) *backend.Remote { return backend.New(cfg, e) }, func(subscription.Event) {})
		b.Cleanup(func() { _ = r.Close() })
		backends = append(backends, r)
	}
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if _, err := backends[0].Handle(b.Context(), lengthCall(1)); err == nil {
			return backends, int(started.Load())
		} else if time.Since(began) > 10*time.Second {
			b.Fatal(err)
		}
	}
}

// measure is a server in this process that returns the length of a text.
func measure() *backend.Launched {
	s := server.New("measure", "1")
	server.AddTool(s, "length", "Return the length of a text", func(_ context.Context, _ *server.Request, in struct {
		Text string `json:"text"`
	}) (string, error) {
		return fmt.Sprint(len(in.Text)), nil
	})
	near, far := transport.Pipe()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = s.ServeConn(context.Background(), far)
		s.Close()
	}()
	return &backend.Launched{Target: client.Conn(near), Stop: func() { near.Close(); <-gone }, Gone: gone}
}

func lengthCall(size int) *rpc.Call {
	arguments := jsonrpc.Raw(`{"text":"` + strings.Repeat("x", size) + `"}`)
	return &rpc.Call{
		Method: mcp.MethodCallTool, ID: jsonrpc.IntID(1), Target: "length", Arguments: arguments,
		Params: jsonrpc.Raw(`{"name":"length","arguments":` + string(arguments) + `}`),
		Peer: &rpc.Peer{
			Features: mcp.LatestLegacy.Features(), Session: "s", Client: mcp.Implementation{Name: "bench", Version: "1"},
		},
		Principal: &rpc.Principal{ID: "ada"}, Client: mute{},
	}
}

// mute is a client that hears nothing and answers nothing.
type mute struct{}

func (mute) Notify(context.Context, string, jsonrpc.Raw) error { return nil }

func (mute) Ask(context.Context, map[string]rpc.InputRequest) (map[string]jsonrpc.Raw, error) {
	return nil, context.Canceled
}
