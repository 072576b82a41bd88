// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-mcp/holdfast/internal/clustertest"
)

var binary string

// scratch is the directory of all programs.
var scratch string

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() { // every test here starts nodes as processes
		fmt.Println("tests/cluster: nothing is run with -short")
		os.Exit(0)
	}
	var err error
	if scratch, err = os.MkdirTemp("", "holdfast-nodes-*"); err != nil {
		panic(err)
	}
	code := 1
	if p, err := built(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		binary = p.holdfast
		code = m.Run()
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.RemoveAll(scratch)
	os.Exit(code)
}

// node is one of a cluster's.
type node struct {
	*clustertest.Node
	listen string
}

// nodes is a cluster as tests with Holdfast's own client use it. What goes wrong
// with a process fails the test.
type nodes struct {
	t *testing.T
	c *clustertest.Cluster

	mu  sync.Mutex
	all []*node
}

// startNodes starts n nodes that are ready; they end with the test.
func startNodes(t *testing.T, n int, args ...string) *nodes {
	t.Helper()
	cluster, err := clustertest.New(clustertest.Config{Binary: binary, Dir: t.TempDir(), Nodes: n, Args: args})
	if err != nil {
		t.Fatal(err)
	}
	c := &nodes{t: t, c: cluster}
	t.Cleanup(func() {
		if t.Failed() {
			for _, n := range cluster.Nodes {
				t.Logf("%s: %s", n.Name, n.Log(50))
			}
		}
		cluster.Close()
	})
	c.started()
	return c
}

// grow makes three nodes of one that does not run, and starts them.
func (c *nodes) grow() {
	c.t.Helper()
	if err := c.c.Grow(3); err != nil {
		c.t.Fatal(err)
	}
	c.started()
}

func (c *nodes) started() {
	c.t.Helper()
	if err := c.c.Start(bounded(c.t)); err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = nil
	for _, n := range c.c.Nodes {
		c.all = append(c.all, &node{n, n.Addr})
	}
}

// list returns the nodes; clients look at them while a test makes them more.
func (c *nodes) list() []*node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all
}

// bounded is the context of what must be done soon.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	t.Cleanup(cancel)
	return ctx
}

// start starts a node's process.
func (c *nodes) start(n *node) {
	c.t.Helper()
	if err := n.Start(); err != nil {
		c.t.Fatal(err)
	}
}

// ready waits until a node takes traffic.
func (c *nodes) ready(n *node) {
	c.t.Helper()
	if err := n.Ready(bounded(c.t)); err != nil {
		c.t.Fatal(err)
	}
}

// kill ends a node as a crash does.
func (n *node) kill() { n.Kill() }

// leave ends a node in order.
func (n *node) leave() { _ = n.Leave(context.Background()) } // what it leaves behind shows

// rotating sends each request to the next node that takes it: what a load
// balancer without stickiness does. A node that refuses the connection, or says
// that it is not ready, is passed over.
type rotating struct {
	c    *nodes
	turn atomic.Int64
}

func (r *rotating) RoundTrip(req *http.Request) (*http.Response, error) {
	var resp *http.Response
	var err error
	all := r.c.list()
	for tried := range all {
		n := all[int(r.turn.Add(1))%len(all)]
		next := req.Clone(req.Context())
		next.URL.Host, next.Host = n.listen, n.listen
		if req.GetBody != nil {
			if next.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
		resp, err = http.DefaultTransport.RoundTrip(next)
		switch {
		case err == nil && resp.StatusCode == http.StatusServiceUnavailable && tried < len(all)-1:
			resp.Body.Close()
		case err == nil || !strings.Contains(err.Error(), "connection refused"):
			return resp, err
		}
	}
	return resp, err
}
