// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/clustertest"
	contract "github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/session"
)

// linked opens n nodes that reach each other through links.
func linked(t *testing.T, n int, change func(*Config)) ([]*Cluster, *clustertest.Links) {
	t.Helper()
	addresses, dir := freePorts(t, n), t.TempDir()
	var ends []clustertest.End
	for i, a := range addresses {
		ends = append(ends, clustertest.End{Name: fmt.Sprintf("n%d", i+1), Addr: a})
	}
	links, err := clustertest.NewLinks(ends, func(int, int) string { return "127.0.0.1:0" })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(links.Close)
	var configs []Config
	for i, end := range ends {
		cfg := Config{
			Name: end.Name, Dir: filepath.Join(dir, end.Name), Listen: end.Addr, Advertise: fmt.Sprintf("127.0.0.1:%d", i+1), // nobody is there
			Secret: testSecret, Version: "test", Log: testLog().With("at", end.Name), Encrypt: true,
		}
		for _, other := range ends {
			if other.Name != end.Name {
				cfg.Join = append(cfg.Join, links.Addr(end.Name, other.Name))
			}
		}
		if change != nil {
			change(&cfg)
		}
		configs = append(configs, cfg)
	}
	return openAll(t, configs), links
}

// sees waits until a node says something of another.
func seesNode(t *testing.T, at *Cluster, name, what string, within time.Duration, is func(m *Member) bool) time.Duration {
	t.Helper()
	began := time.Now()
	eventually(t, within, func() error {
		for _, m := range at.Members() {
			if m.Name == name {
				if is(&m) {
					return nil
				}
				return fmt.Errorf("%s sees %+v, want %s", at.Name(), m, what)
			}
		}
		return fmt.Errorf("%s does not see %s, want it %s", at.Name(), name, what)
	})
	return time.Since(began)
}

// TestCutLink cuts the link between two of three nodes, both ways and each way. They
// reach each other by way of the third, and directly again when the link is whole.
func TestCutLink(t *testing.T) {
	for name, cut := range map[string]func(l *clustertest.Links){
		"both ways": func(l *clustertest.Links) { l.Cut("n1", "n2") },
		"to n2":     func(l *clustertest.Links) { l.CutWay("n1", "n2") },
		"to n1":     func(l *clustertest.Links) { l.CutWay("n2", "n1") },
	} {
		t.Run(name, func(t *testing.T) {
			nodes, links := linked(t, 3, func(c *Config) { c.Steady = time.Second })
			nodes[1].Serve("echo", func(_ context.Context, _ string, p []byte) ([]byte, error) { return p, nil })
			ctx := bounded(t)
			w := write(t, nodes...)
			eventually(t, 10*time.Second, func() error { return atLeast(w, 200) })
			cut(links)
			took := seesNode(t, nodes[0], "n2", "detour", 15*time.Second, func(m *Member) bool { return m.Via == "n3" && m.Up() })
			t.Logf("a detour after %v", took.Round(time.Millisecond))
			seesNode(t, nodes[1], "n1", "detour", 5*time.Second, func(m *Member) bool { return m.Via == "n3" && m.Up() })
			if got, err := nodes[0].Request(ctx, "n2", "echo", []byte("x")); err != nil || string(got) != "x" {
				t.Errorf("request over the detour: %q, %v", got, err)
			}
			have := w.count()
			eventually(t, 10*time.Second, func() error { return atLeast(w, have+200) })
			w.finish(t, nodes...)
			links.Heal()
			took = seesNode(t, nodes[0], "n2", "direct", 30*time.Second, func(m *Member) bool { return m.Via == "" && m.Up() })
			t.Logf("direct after %v", took.Round(time.Millisecond))
			seesNode(t, nodes[1], "n1", "direct", 5*time.Second, func(m *Member) bool { return m.Via == "" && m.Up() })
			if _, err := nodes[0].Sessions().Put(ctx, session.NewID(), testRecord("a")); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRoutesChange changes the addresses that are dialled again and again: nobody
// notices, neither writers nor who waits for an answer.
func TestRoutesChange(t *testing.T) {
	nodes := openAll(t, threeConfigs(t, t.TempDir()))
	release := make(chan struct{})
	nodes[1].Serve("wait", func(context.Context, string, []byte) ([]byte, error) {
		<-release
		return []byte("done"), nil
	})
	ctx, asked := bounded(t), make(chan error, 1)
	go func() {
		_, err := nodes[0].Request(ctx, "n2", "wait", nil)
		asked <- err
	}()
	w := write(t, nodes...)
	eventually(t, 10*time.Second, func() error { return atLeast(w, 100) })
	nowhere := freePorts(t, 1)
	for i := range 20 {
		for _, n := range nodes {
			if err := n.server.setRoutes(append(nowhere[:i%2:i%2], n.cfg.Join...)); err != nil {
				t.Fatal(err)
			}
		}
		have := w.count()
		eventually(t, 10*time.Second, func() error { return atLeast(w, have+20) })
	}
	close(release)
	if err := <-asked; err != nil {
		t.Errorf("a request under way: %v", err)
	}
	w.finish(t, nodes...)
	for _, n := range nodes {
		if reconnects := n.conn.Stats().Reconnects; reconnects > 0 {
			t.Errorf("%s: the connection to the server was made anew %d times", n.Name(), reconnects)
		}
	}
}

// ownAddress returns the configuration of a node with a loopback address of its own. The
// others see its connections come from another one.
func ownAddress(t *testing.T, dir string, host int, join ...string) Config {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("127.71.%d.%d:0", os.Getpid()%250, host))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	name := fmt.Sprintf("n%d", host)
	return Config{
		Name: name, Dir: filepath.Join(dir, name), Listen: l.Addr().String(), Join: join, Secret: testSecret, Encrypt: true, Version: "test", Log: testLog().With("at", name),
	}
}

// allSeeAll waits until every node sees every other as up, and directly.
func allSeeAll(t *testing.T, nodes []*Cluster) {
	t.Helper()
	eventually(t, 10*time.Second, func() error {
		for _, n := range nodes {
			members := n.Members()
			for _, m := range members {
				if !m.Up() || m.Via != "" {
					return fmt.Errorf("%s sees %+v", n.Name(), m)
				}
			}
			if len(members) != len(nodes) {
				return fmt.Errorf("%s sees %d nodes of %d", n.Name(), len(members), len(nodes))
			}
		}
		return nil
	})
}

// TestThreeSeeds: nodes that are all told of the same three are one cluster.
func TestThreeSeeds(t *testing.T) {
	for _, n := range []int{5, 7} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			dir := t.TempDir()
			var configs []Config
			var seeds []string
			for i := range n {
				configs = append(configs, ownAddress(t, dir, i+1))
				if i < 3 {
					seeds = append(seeds, configs[i].Listen)
				}
			}
			for i := range configs {
				configs[i].Join = seeds
			}
			nodes := append(openAll(t, configs[:3]), openAll(t, configs[3:])...)
			allSeeAll(t, nodes)
			last := nodes[n-1]
			last.Serve("echo", func(_ context.Context, from string, _ []byte) ([]byte, error) { return []byte(from), nil })
			for _, node := range nodes {
				if got, err := node.Request(bounded(t), last.Name(), "echo", nil); err != nil || string(got) != node.Name() {
					t.Errorf("%s asks the last: %q, %v", node.Name(), got, err)
				}
			}
		})
	}
}

// TestOneSeedEach: nodes that join one after the other are each told of one, by
// address or by name, and start again when that is not there.
func TestOneSeedEach(t *testing.T) {
	dir := t.TempDir()
	configs := []Config{ownAddress(t, dir, 1), ownAddress(t, dir, 2), ownAddress(t, dir, 3)}
	for i := range configs {
		configs[i].Join = []string{configs[0].Listen, configs[1].Listen, configs[2].Listen}
	}
	nodes := openAll(t, configs)
	for i := 4; i <= 6; i++ {
		before := configs[i-2] // the one that came last
		next := ownAddress(t, dir, i, before.Listen)
		if i == 6 {
			host, port, _ := net.SplitHostPort(before.Listen)
			next.Join = []string{"dns:last.example:" + port}
			next.Resolve = func(context.Context, string) ([]string, error) { return []string{host}, nil }
		}
		configs = append(configs, next)
		nodes = append(nodes, openAll(t, []Config{next})...)
	}
	allSeeAll(t, nodes)
	nodes[3].Close()
	nodes[4].Close()
	nodes[4] = openAll(t, configs[4:5])[0] // it was told of the fourth only
	nodes = append(nodes[:3], nodes[4:]...)
	allSeeAll(t, nodes)
}

// TestMoved: a node comes back at another address, which only some of the others
// are told of.
func TestMoved(t *testing.T) {
	dir := t.TempDir()
	configs := []Config{ownAddress(t, dir, 1), ownAddress(t, dir, 2), ownAddress(t, dir, 3)}
	for i := range configs {
		configs[i].Join = []string{configs[0].Listen, configs[1].Listen, configs[2].Listen}
	}
	nodes := openAll(t, configs)
	nodes[2].Close()
	moved := configs[2]
	moved.Listen = ownAddress(t, dir, 33).Listen
	moved.Join = []string{configs[0].Listen}
	nodes[2] = openAll(t, []Config{moved})[0]
	allSeeAll(t, nodes)
}

// TestStreamsOverCutLink: a stream between two nodes whose link is cut goes on by way
// of the third, whichever end speaks when; one that a message was sent on while nobody
// knew of the cut ends with an error, and so does a request.
func TestStreamsOverCutLink(t *testing.T) {
	nodes, links := linked(t, 3, nil)
	ctx := bounded(t)
	speak := make(chan struct{})
	nodes[1].ServeStream("quiet", func(ctx context.Context, s *Stream) {
		<-speak
		_ = s.Send(ctx, []byte("late"))
		<-ctx.Done()
	})
	nodes[1].ServeStream("hasty", func(ctx context.Context, s *Stream) { <-ctx.Done() })
	nodes[1].Serve("hang", func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	})
	open := func(kind string) *Stream {
		s, err := nodes[0].Open(ctx, at("n2", kind), nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	quiet, early, hasty := open("quiet"), open("quiet"), open("hasty")
	asked := make(chan error, 1)
	go func() {
		_, err := nodes[0].Request(ctx, "n2", "hang", nil)
		asked <- err
	}()
	links.Cut("n1", "n2")
	if err := hasty.Send(ctx, []byte("lost")); err != nil {
		t.Fatal(err)
	}
	if err := <-asked; !errors.Is(err, contract.ErrLost) {
		t.Errorf("the request: %v", err)
	}
	seesNode(t, nodes[1], "n1", "suspected", 5*time.Second, func(m *Member) bool { return m.Suspected })
	close(speak) // it waits for the detour
	for name, s := range map[string]*Stream{"quiet": quiet, "early": early} {
		if m, err := s.Receive(ctx); err != nil || string(m) != "late" {
			t.Errorf("the %s stream: %q, %v", name, m, err)
		}
	}
	if _, err := hasty.Receive(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("the stream that lost a message: %v", err)
	}
	if _, err := nodes[0].Open(ctx, at("n2", "quiet"), nil); err != nil {
		t.Errorf("a new stream: %v", err)
	}
}
