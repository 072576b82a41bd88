// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Package clustertest runs clusters of real Holdfast processes on loopback, kills,
// stops and restarts them, and cuts, delays and slows the links between them. It
// knows processes and bytes, nothing of what they say.
//
// Every cluster has loopback addresses of its own, with fixed ports: a node comes
// back where it was, and no outgoing connection takes its port meanwhile.
//
// A [Cluster] owns its processes, one goroutine per process that awaits its end,
// and those of the links; Close ends them and waits.
package clustertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Config describes a cluster. Binary and Dir are required.
type Config struct {
	Binary string   // the holdfast command
	Dir    string   // for data directories and logs
	Nodes  int      // default 3; 1 is a node alone
	Args   []string // further arguments of serve
	Env    []string // further variables, NAME=value
	// Links puts a proxy between each two nodes, so that [Links] can disturb them.
	Links bool
	Seeds int // how many of the nodes each is told of; default all
	First int // how many of the nodes Start starts; default all
}

// Cluster is so many nodes, each a process when it runs. Methods of one node must
// not be called at once; those of different nodes may.
type Cluster struct {
	Nodes []*Node
	Links *Links // nil without Config.Links

	cfg Config
}

// The ports of a node. They are below the range of outgoing connections.
const (
	portHTTP    = 8080
	portCluster = 8222
	portLink    = 8223
)

const secret = "HOLDFAST_CLUSTER_SECRET=mud lantern orbit swan velvet"

// New reserves addresses and describes nodes named n1, n2, …; nothing runs yet.
func New(cfg Config) (*Cluster, error) {
	if cfg.Nodes == 0 {
		cfg.Nodes = 3
	}
	c := &Cluster{cfg: cfg}
	net, err := reserve()
	if err != nil {
		return nil, err
	}
	for i := range cfg.Nodes {
		n := &Node{
			Name: fmt.Sprintf("n%d", i+1), Addr: net.address(i+1, portHTTP), peers: net.address(i+1, portCluster),
			cluster: c, data: filepath.Join(cfg.Dir, fmt.Sprintf("n%d", i+1)),
		}
		if n.log, err = os.Create(n.data + ".log"); err != nil {
			return nil, fmt.Errorf("create a log: %w", err)
		}
		c.Nodes = append(c.Nodes, n)
	}
	if cfg.Links && cfg.Nodes > 1 {
		var ends []End
		for _, n := range c.Nodes {
			ends = append(ends, End{n.Name, n.peers})
		}
		if c.Links, err = NewLinks(ends, func(i, j int) string { return net.address(100+10*i+j, portLink) }); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// Grow makes a node alone the first of n nodes. It must not run.
func (c *Cluster) Grow(n int) error {
	if len(c.Nodes) != 1 {
		return errors.New("only a node alone can grow")
	}
	ip := loopback(strings.TrimSuffix(c.Nodes[0].host(), ".1"))
	for i := 1; i < n; i++ {
		node := &Node{
			Name: fmt.Sprintf("n%d", i+1), Addr: ip.address(i+1, portHTTP), peers: ip.address(i+1, portCluster),
			cluster: c, data: filepath.Join(c.cfg.Dir, fmt.Sprintf("n%d", i+1)),
		}
		var err error
		if node.log, err = os.Create(node.data + ".log"); err != nil {
			return fmt.Errorf("create a log: %w", err)
		}
		c.Nodes = append(c.Nodes, node)
	}
	return nil
}

// Start starts the nodes that come first and waits until they take traffic.
func (c *Cluster) Start(ctx context.Context) error {
	first := c.Nodes
	if c.cfg.First > 0 {
		first = first[:c.cfg.First]
	}
	for _, n := range first {
		if err := n.Start(); err != nil {
			return err
		}
	}
	return ready(ctx, first)
}

// Ready waits until all nodes take traffic.
func (c *Cluster) Ready(ctx context.Context) error { return ready(ctx, c.Nodes) }

func ready(ctx context.Context, nodes []*Node) error {
	for _, n := range nodes {
		if err := n.Ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Node returns the node of that name, nil if there is none.
func (c *Cluster) Node(name string) *Node {
	for _, n := range c.Nodes {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// Close kills what runs and ends the links.
func (c *Cluster) Close() {
	var wg sync.WaitGroup
	for _, n := range c.Nodes {
		wg.Go(func() {
			n.Kill()
			n.log.Close()
		})
	}
	wg.Wait()
	if c.Links != nil {
		c.Links.Close()
	}
}

// loopback is the first three numbers of addresses that one cluster has.
type loopback string

func (l loopback) address(host, port int) string { return fmt.Sprintf("%s.%d:%d", l, host, port) }

var reserved struct {
	mu   sync.Mutex
	next int
}

// reserve chooses addresses by this process's id, and passes over those in use.
func reserve() (loopback, error) {
	reserved.mu.Lock()
	defer reserved.mu.Unlock()
	var last error
	for range 200 {
		n := os.Getpid()*31 + reserved.next*7919
		reserved.next++
		l := loopback(fmt.Sprintf("127.%d.%d", 64+n>>8&127, n&255))
		if last = l.free(); last == nil {
			return l, nil
		}
	}
	return "", fmt.Errorf("no loopback addresses are free: %w", last)
}

// free reports whether nobody listens where the first node would.
func (l loopback) free() error {
	for _, port := range []int{portHTTP, portCluster} {
		s, err := net.Listen("tcp", l.address(1, port))
		if err != nil {
			return err
		}
		s.Close()
	}
	return nil
}
