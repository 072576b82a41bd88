// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/loopbacktest"
	"github.com/holdfast-mcp/holdfast/tests/wire"
)

// sickLimit is the timeout that sick servers have in the configuration.
const sickLimit = time.Second

// markUnavailable is the member of a listed tool's _meta that says why it cannot be called.
const markUnavailable = "dev.holdfast/unavailable"

// ward is one Holdfast with healthy servers and perhaps sick ones.
type ward struct {
	h       *holdfast
	rt      *http.Transport
	healthy []string
	listed  []string // sick ones whose tools get known
	unknown []string // sick ones that never tell
}

// clinic is what wards share: a healthy HTTP server and the sick ones.
type clinic struct {
	programs
	mark    string
	sick    *hospital
	healthy *exec.Cmd
	addr    string
}

func newClinic(p programs) (*clinic, error) {
	c := &clinic{programs: p, mark: fmt.Sprintf("ward%d", time.Now().UnixNano())}
	var err error
	if c.sick, err = newHospital(); err != nil {
		return nil, err
	}
	if c.addr, err = loopbacktest.Free(); err != nil {
		c.sick.close()
		return nil, err
	}
	c.healthy = exec.Command(p.server, "-listen", c.addr)
	c.healthy.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := c.healthy.Start(); err != nil {
		c.sick.close()
		return nil, fmt.Errorf("start healthy server: %w", err)
	}
	return c, c.awaitHealthy()
}

func (c *clinic) awaitHealthy() error {
	for deadline := time.Now().Add(readyLimit); ; {
		conn, err := net.Dial("tcp", c.addr)
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("healthy server does not answer: %w", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (c *clinic) close() {
	c.sick.close()
	_ = c.healthy.Process.Kill()
	_ = c.healthy.Wait()
	for _, p := range carrying(markVar, c.mark+"-*") {
		killProc(p)
	}
}

// open starts a ward. stdio and remote are sick ones by their sickness.
func (c *clinic) open(ctx context.Context, name string, stdio, remote []string) (*ward, error) {
	w := &ward{
		healthy: []string{"well-both", "well-legacy", "well-http"},
		rt:      &http.Transport{MaxIdleConns: 1024, MaxIdleConnsPerHost: 1024, DisableCompression: true},
	}
	env := map[string]string{markVar: c.mark + "-" + name}
	servers := map[string]any{
		"well-both":   map[string]any{"command": c.server, "env": env},
		"well-legacy": map[string]any{"command": c.server, "args": []string{"-era", "legacy"}, "env": env},
		"well-http":   map[string]any{"url": "http://" + c.addr + "/mcp"},
	}
	for _, s := range stdio {
		servers["sick-"+s] = map[string]any{
			"command": c.server, "args": []string{"-sick", s}, "env": env, "timeout": sickLimit.String(), "startTimeout": "3s",
		}
		w.admit("sick-"+s, s != "stillborn")
	}
	for _, s := range remote {
		servers["http-"+s] = map[string]any{"url": c.sick.url + s, "timeout": sickLimit.String(), "startTimeout": "3s"}
		w.admit("http-"+s, greetSick[s] == nil)
	}
	config, err := json.Marshal(map[string]any{"mcpServers": servers})
	if err != nil {
		return nil, fmt.Errorf("make configuration: %w", err)
	}
	if w.h, err = newHoldfast(c.holdfast, filepath.Join(c.dir, c.mark, name), config, c.mark); err != nil {
		return nil, err
	}
	if err := w.h.start(ctx); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *ward) admit(name string, lists bool) {
	if lists {
		w.listed = append(w.listed, name)
	} else {
		w.unknown = append(w.unknown, name)
	}
}

func (w *ward) close() {
	w.rt.CloseIdleConnections()
	_ = w.h.end(syscall.SIGKILL)
	w.h.log.Close()
}

// caller returns a client of a server's own endpoint, or of the common one when
// server is empty.
func (w *ward) caller(server string, modern bool) *wire.Client {
	path := "/mcp"
	if server != "" {
		path = "/servers/" + server + "/mcp"
	}
	return &wire.Client{URL: "http://" + w.h.addr + path, Modern: modern, Name: "storm", HTTP: &http.Client{Transport: w.rt}}
}

// kinds returns the names of sicknesses in order.
func kinds[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
