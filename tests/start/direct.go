// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/client"
)

// upLimit bounds the time until all servers of a round are up.
const upLimit = 10 * time.Minute

// direct starts each server by a client of its own, all at once, and returns how long
// it took until the last had listed its tools.
func direct(ctx context.Context, servers []spec) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, upLimit)
	defer cancel()
	clients, errs := make([]*client.Client, len(servers)), make([]error, len(servers))
	began := time.Now()
	var wg sync.WaitGroup
	for i := range servers {
		wg.Go(func() { clients[i], errs[i] = servers[i].connect(ctx) })
	}
	wg.Wait()
	took := time.Since(began)
	for _, c := range clients {
		if c != nil {
			wg.Go(func() { c.Close() })
		}
	}
	wg.Wait()
	return took, errors.Join(errs...)
}

// connect starts a server and lists its tools.
func (s *spec) connect(ctx context.Context) (*client.Client, error) {
	target := client.Command(s.Command, s.Args...)
	for name, value := range s.Env {
		target.Env = append(target.Env, name+"="+value)
	}
	c, err := client.Connect(ctx, target, client.ProbeTimeout(upLimit))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	if names, err := toolNames(ctx, c); err != nil || len(names) == 0 {
		return c, fmt.Errorf("%s: %d tools, %w", s.name, len(names), err)
	}
	return c, nil
}

// toolNames lists the tools that a client sees.
func toolNames(ctx context.Context, c *client.Client) ([]string, error) {
	var names []string
	for tool, err := range c.Tools(ctx) {
		if err != nil {
			return nil, err
		}
		names = append(names, tool.Name)
	}
	return names, nil
}
