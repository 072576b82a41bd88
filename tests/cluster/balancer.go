// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-mcp/holdfast/tests/debian"
)

// balancer is a load balancer in front of three nodes, run from the files that
// users are given. Its process is awaited by close.
type balancer struct {
	addr string // host:port
	cmd  *exec.Cmd
	log  *os.File
}

// startBalancer starts haproxy or nginx and waits until requests get through.
func startBalancer(ctx context.Context, kind, root, dir, addr string, nodes []string) (*balancer, error) {
	path, err := debian.Program(ctx, kind, packages[kind])
	if err != nil {
		return nil, err
	}
	b := &balancer{addr: addr}
	if b.log, err = os.Create(filepath.Join(dir, kind+".log")); err != nil {
		return nil, err
	}
	switch kind {
	case "haproxy":
		b.cmd = exec.Command(path, "-db", "-f", filepath.Join(root, "deploy/haproxy/haproxy.cfg"))
		b.cmd.Env = append(os.Environ(), "HOLDFAST_BIND="+addr)
		for i, n := range nodes {
			b.cmd.Env = append(b.cmd.Env, fmt.Sprintf("HOLDFAST_%d=%s", i+1, n))
		}
	case "nginx":
		config, err := nginxConfig(root, dir, addr, nodes)
		if err != nil {
			return nil, err
		}
		b.cmd = exec.Command(path, "-p", dir, "-c", config, "-g", "daemon off;")
	}
	b.cmd.Dir, b.cmd.Stdout, b.cmd.Stderr = dir, b.log, b.log
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := b.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", kind, err)
	}
	if err := b.await(ctx); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

// nginxConfig writes nginx's file with other addresses in it.
func nginxConfig(root, dir, addr string, nodes []string) (string, error) {
	data, err := os.ReadFile(filepath.Join(root, "deploy/nginx/nginx.conf"))
	if err != nil {
		return "", err
	}
	edits := []string{"0.0.0.0:8080", addr, "pid nginx.pid", "pid " + filepath.Join(dir, "nginx.pid")}
	for i, n := range nodes {
		edits = append(edits, fmt.Sprintf("10.0.0.%d:8080", i+1), n)
	}
	text := string(data)
	for i := 0; i < len(edits); i += 2 {
		if strings.Count(text, edits[i]) != 1 {
			return "", fmt.Errorf("nginx.conf does not have %q once", edits[i])
		}
		text = strings.Replace(text, edits[i], edits[i+1], 1)
	}
	path := filepath.Join(dir, "nginx.conf")
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// await waits until a request comes through.
func (b *balancer) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.addr+"/readyz", nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(res.Status)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			text, _ := os.ReadFile(b.log.Name())
			return fmt.Errorf("the balancer does not pass requests on: %w\n%s", err, text)
		}
	}
}

func (b *balancer) close() {
	_ = b.cmd.Process.Signal(syscall.SIGTERM) // nginx ends its workers
	done := make(chan struct{})
	go func() { _ = b.cmd.Wait(); close(done) }() // ends with the process
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		_ = b.cmd.Process.Kill()
		<-done
	}
	b.log.Close()
}

// packages are the Debian packages of the balancers.
var packages = map[string]string{"haproxy": "haproxy", "nginx": "nginx-light"}
