// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var binary string

// scratch is the directory of all programs.
var scratch string

func TestMain(m *testing.M) {
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

// node is one process.
type node struct {
	name, listen, peers, data string
	log                       lines

	cmd  *exec.Cmd
	done chan struct{}
}

// lines is a process's standard error; safe for concurrent use.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// nodes is a cluster.
type nodes struct {
	t    *testing.T
	all  []*node
	args []string
}

// freeAddr returns an address that nobody listened on a moment ago.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// startNodes starts n nodes that are ready; they end with the test.
func startNodes(t *testing.T, n int, args ...string) *nodes {
	t.Helper()
	c := &nodes{t: t, args: args}
	for i := range n {
		c.all = append(c.all, &node{name: fmt.Sprint("n", i+1), listen: freeAddr(t), peers: freeAddr(t), data: t.TempDir()})
	}
	t.Cleanup(func() {
		for _, n := range c.all {
			n.kill()
			if t.Failed() {
				t.Logf("%s: %s", n.name, n.log.String())
			}
		}
	})
	for _, n := range c.all {
		c.start(n)
	}
	for _, n := range c.all {
		c.ready(n)
	}
	return c
}

// start starts a node's process.
func (c *nodes) start(n *node) {
	c.t.Helper()
	args := append([]string{"serve", "--listen", n.listen, "--data", n.data}, c.args...)
	if len(c.all) > 1 {
		var join []string
		for _, other := range c.all {
			join = append(join, other.peers)
		}
		args = append(args, "--node", n.name, "--cluster", n.peers, "--join", strings.Join(join, ","))
	}
	n.cmd = exec.Command(binary, args...)
	n.cmd.Env = append(os.Environ(), "HOLDFAST_CLUSTER_SECRET=a secret of these tests")
	n.cmd.Stderr = &n.log
	n.cmd.SysProcAttr = &syscall.SysProcAttr{}
	if err := n.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	n.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) { _ = cmd.Wait(); close(done) }(n.cmd, n.done) // ends with the process
}

// ready waits until a node takes traffic.
func (c *nodes) ready(n *node) {
	c.t.Helper()
	for range 600 {
		resp, err := http.Get("http://" + n.listen + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-n.done:
			c.t.Fatalf("%s ended: %s", n.name, n.log.String())
		case <-time.After(100 * time.Millisecond):
		}
	}
	c.t.Fatalf("%s is not ready: %s", n.name, n.log.String())
}

// kill ends a node as a crash does.
func (n *node) kill() {
	if n.cmd == nil || n.cmd.Process == nil {
		return
	}
	_ = n.cmd.Process.Kill()
	<-n.done
}

// leave ends a node in order.
func (n *node) leave() {
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	<-n.done
}

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
	for tried := range r.c.all {
		n := r.c.all[int(r.turn.Add(1))%len(r.c.all)]
		next := req.Clone(req.Context())
		next.URL.Host, next.Host = n.listen, n.listen
		if req.GetBody != nil {
			if next.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
		resp, err = http.DefaultTransport.RoundTrip(next)
		switch {
		case err == nil && resp.StatusCode == http.StatusServiceUnavailable && tried < len(r.c.all)-1:
			resp.Body.Close()
		case err == nil || !strings.Contains(err.Error(), "connection refused"):
			return resp, err
		}
	}
	return resp, err
}
