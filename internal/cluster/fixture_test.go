// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-mcp/holdfast/internal/loopbacktest"
	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/session"
)

const testSecret = "correct horse battery staple"

// common is a cluster of three for the tests that leave it whole. It is started
// by the first of them and closed after the last.
var common struct {
	once  sync.Once
	nodes []*Cluster
	dir   string
	err   error
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		os.Exit(runChild(text))
	}
	code := m.Run()
	for _, n := range common.nodes {
		n.Close()
	}
	os.RemoveAll(common.dir)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func testLog() *slog.Logger {
	if os.Getenv("CLUSTER_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// freePorts returns addresses nobody listens on.
func freePorts(t testing.TB, n int) []string {
	t.Helper()
	addresses := make([]string, n)
	for i := range addresses {
		var err error
		if addresses[i], err = loopbacktest.Free(); err != nil {
			t.Fatal(err)
		}
	}
	return addresses
}

func threeConfigs(t testing.TB, dir string) []Config {
	t.Helper()
	addresses := freePorts(t, 3)
	var configs []Config
	for i, a := range addresses {
		name := fmt.Sprintf("n%d", i+1)
		configs = append(configs, Config{
			Name: name, Dir: filepath.Join(dir, name), Listen: a, Join: addresses, Secret: testSecret, Version: "test", Log: testLog(),
			DefaultTiming: os.Getenv("CLUSTER_DEFAULT_TIMING") != "", // to measure the difference
		})
	}
	return configs
}

// openAll opens nodes at once and waits until all are ready.
func openAll(t testing.TB, configs []Config) []*Cluster {
	t.Helper()
	if testing.Short() && len(configs) > 1 {
		t.Skip("starts a cluster of its own")
	}
	nodes, err := tryOpenAll(configs)
	for _, n := range nodes {
		t.Cleanup(n.Close)
	}
	if err != nil {
		t.Fatal(err)
	}
	return nodes
}

func tryOpenAll(configs []Config) ([]*Cluster, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var nodes []*Cluster
	for _, cfg := range configs {
		n, err := Open(ctx, cfg)
		if err != nil {
			return nodes, err
		}
		nodes = append(nodes, n)
	}
	for _, n := range nodes {
		if err := n.Await(ctx); err != nil {
			return nodes, fmt.Errorf("node %s: %w", n.Name(), err)
		}
	}
	return nodes, nil
}

// three returns the common cluster.
func three(t testing.TB) []*Cluster {
	t.Helper()
	common.once.Do(func() {
		common.dir, common.err = os.MkdirTemp("", "holdfast-cluster") //nolint:usetesting // it outlives the test
		if common.err == nil {
			common.nodes, common.err = tryOpenAll(threeConfigs(t, common.dir))
		}
	})
	if common.err != nil {
		t.Fatal(common.err)
	}
	return common.nodes
}

func openAlone(t testing.TB, dir string) *Cluster {
	t.Helper()
	return openAll(t, []Config{{Dir: dir, Log: testLog()}})[0]
}

// eventually polls until check returns nil.
func eventually(t testing.TB, within time.Duration, check func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %v", within, err)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func testRecord(subscriptions ...string) session.Record {
	return session.Record{Expires: time.Now().Add(time.Hour).Truncate(time.Second).UTC(), LogLevel: "info", Subscriptions: subscriptions}
}

// at is what serves a kind at a node, whatever its instance.
func at(node, kind string) nodes.Address { return nodes.Address{Node: node, Kind: kind} }

// Serve answers a kind of question with what answer returns.
func (c *Cluster) Serve(kind string, answer func(ctx context.Context, from string, question []byte) ([]byte, error)) {
	c.ServeStream(kind, func(ctx context.Context, s *Stream) {
		question, err := s.Receive(ctx)
		if err == nil {
			question, err = answer(ctx, s.Node(), question)
		}
		if err == nil {
			err = s.Send(ctx, question)
		}
		if err != nil {
			s.Close(err)
		}
	})
}

// Request asks what Serve answers.
func (c *Cluster) Request(ctx context.Context, node, kind string, question []byte) ([]byte, error) {
	return c.Ask(ctx, at(node, kind), question)
}
