// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package gateway

import (
	"bufio"
	"context"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport/stdio"
)

// BenchmarkChangeOverWire is the change of one tool among 5,000 of one server, from its
// word that its list has changed until the new list is in the views: that of all servers,
// the server's own and the searching one. The server is another process. cpu-ms is what
// the gateway's process uses of its processors for one change.
func BenchmarkChangeOverWire(b *testing.B) {
	for _, how := range []string{"stdio 5000 5000", "stdio 5000 100", "http 5000 5000", "sse 5000 5000"} {
		b.Run(strings.ReplaceAll(how, " ", "_"), func(b *testing.B) {
			hub := &subscription.Hub{}
			remote := backend.New(backend.Config{Name: "big", Launch: launchBig(b, how), Era: mcp.Legacy}, func(subscription.Event) {})
			b.Cleanup(func() { remote.Close() })
			c := NewCatalog(CatalogConfig{Window: time.Millisecond, Log: slog.New(slog.DiscardHandler)}, []backend.Backend{remote})
			b.Cleanup(c.Close)
			New(Config{}, hub, c)
			New(Config{Search: true}, hub, c)
			New(Config{Own: "big"}, hub, c)
			c.Warm(b.Context())
			if n := len(c.revision.Load().lists[toolList].items); n != 5000 {
				b.Fatal(n, "tools", c.Health())
			}
			var used time.Duration
			for b.Loop() {
				old := c.revision.Load()
				before := processorTime(b)
				c.changed(c.sources[0], toolList)
				<-old.superseded
				used += processorTime(b) - before
				if r := c.revision.Load(); len(r.lists[toolList].items) != 5000 || r.digest == old.digest {
					b.Fatal("the list has not changed")
				}
			}
			b.ReportMetric(float64(used.Microseconds())/1e3/float64(b.N), "cpu-ms")
		})
	}
}

// launchBig starts this program as a big server.
func launchBig(b *testing.B, how string) backend.Launcher {
	return func(context.Context) (*backend.Launched, error) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), bigServerEnv+"="+how)
		in, err := cmd.StdinPipe()
		if err != nil {
			return nil, err
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		l := &backend.Launched{Target: client.Conn(stdio.New(out, in, bigServerLine)), Stop: func() { in.Close(); _ = cmd.Wait() }}
		if !strings.HasPrefix(how, "stdio") {
			address, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				return nil, err
			}
			l.Target = client.HTTP("http://" + strings.TrimSpace(address))
		}
		return l, nil
	}
}

func processorTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
