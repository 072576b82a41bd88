// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package clustertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Node is one node and, while it runs, its process.
type Node struct {
	Name string
	Addr string // of its HTTP listener, host:port

	cluster *Cluster
	peers   string // its address for the other nodes
	data    string
	log     *os.File

	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has been awaited
}

// URL returns where the node serves a path.
func (n *Node) URL(path string) string { return "http://" + n.Addr + path }

func (n *Node) host() string {
	host, _, _ := net.SplitHostPort(n.Addr)
	return host
}

// PID returns the id of the process that runs or ran last, 0 if none did.
func (n *Node) PID() int {
	if n.cmd == nil {
		return 0
	}
	return n.cmd.Process.Pid
}

// Start starts the node's process. The data of its last run is there.
func (n *Node) Start() error {
	args := append([]string{"serve", "--listen", n.Addr, "--data", n.data}, n.cluster.cfg.Args...)
	if len(n.cluster.Nodes) > 1 {
		args = append(args, n.clusterArgs()...)
	}
	cmd := exec.Command(n.cluster.cfg.Binary, args...)
	cmd.Env = append(append(os.Environ(), secret), n.cluster.cfg.Env...)
	cmd.Stdout, cmd.Stderr = n.log, n.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // nothing outlives the test
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", n.Name, err)
	}
	n.cmd, n.ended = cmd, make(chan struct{})
	go func(ended chan struct{}) { // ends with the process, which Kill and Leave await
		_ = cmd.Wait()
		close(ended)
	}(n.ended)
	return nil
}

func (n *Node) clusterArgs() []string {
	var join []string
	links := n.cluster.Links
	for i, other := range n.cluster.Nodes {
		switch {
		case n.cluster.cfg.Seeds > 0 && i >= n.cluster.cfg.Seeds:
		case links == nil:
			join = append(join, other.peers)
		case other != n:
			join = append(join, links.Addr(n.Name, other.Name))
		}
	}
	args := []string{"--node", n.Name, "--cluster", n.peers}
	if links != nil {
		// What a node tells others of itself must not lead around the proxies.
		args = append(args, "--advertise", nowhere(n))
	}
	return append(args, "--join", strings.Join(join, ","))
}

// nowhere is an address of the node at which nobody listens.
func nowhere(n *Node) string { return net.JoinHostPort(n.host(), "9") }

// readyInterval is the time between two looks at a node that is not ready.
const readyInterval = 25 * time.Millisecond

// Ready waits until the node takes traffic, or its process ends.
func (n *Node) Ready(ctx context.Context) error {
	for {
		if status, _ := n.Probe(ctx, "/readyz"); status == http.StatusOK {
			return nil
		}
		select {
		case <-n.ended:
			return fmt.Errorf("%s ended: %s", n.Name, n.Log(20))
		case <-ctx.Done():
			_, why := n.Probe(context.WithoutCancel(ctx), "/readyz")
			return fmt.Errorf("%s is not ready: %s: %w\n%s", n.Name, why, context.Cause(ctx), n.Log(20))
		case <-time.After(readyInterval):
		}
	}
}

// probeTimeout bounds one look.
const probeTimeout = time.Second

var probes = &http.Client{Timeout: probeTimeout, Transport: &http.Transport{DisableKeepAlives: true}}

// Probe asks for a path and returns the status and the body, without its last line
// break; 0 and the reason when nobody answers.
func (n *Node) Probe(ctx context.Context, path string) (status int, body string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.URL(path), nil)
	if err != nil {
		return 0, err.Error()
	}
	res, err := probes.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	data, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	return res.StatusCode, strings.TrimSuffix(string(data), "\n")
}

// Running reports whether the node has a process.
func (n *Node) Running() bool {
	if n.cmd == nil {
		return false
	}
	select {
	case <-n.ended:
		return false
	default:
		return true
	}
}

// Kill ends the node as a crash does, and waits until it is gone.
func (n *Node) Kill() {
	if n.Running() {
		_ = n.cmd.Process.Kill()
		<-n.ended
	}
}

// Leave asks the node to end in order and waits for it until ctx ends. It fails
// when the process ends with another status than success.
func (n *Node) Leave(ctx context.Context) error {
	if !n.Running() {
		return errors.New(n.Name + " does not run")
	}
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop %s: %w", n.Name, err)
	}
	select {
	case <-n.ended:
	case <-ctx.Done():
		return fmt.Errorf("%s does not leave: %w\n%s", n.Name, context.Cause(ctx), n.Log(20))
	}
	if state := n.cmd.ProcessState; !state.Success() {
		return fmt.Errorf("%s left with %s\n%s", n.Name, state, n.Log(20))
	}
	return nil
}

// Pause stops the node's process without ending it: a hang.
func (n *Node) Pause() error { return n.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (n *Node) Resume() error { return n.cmd.Process.Signal(syscall.SIGCONT) }

// Data is the node's data directory.
func (n *Node) Data() string { return n.data }

// Log returns the last lines of what the node has logged, over all its runs.
func (n *Node) Log(lines int) string {
	data, err := os.ReadFile(n.log.Name())
	if err != nil {
		return err.Error()
	}
	all := strings.SplitAfter(string(data), "\n")
	return strings.Join(all[max(len(all)-lines-1, 0):], "")
}
