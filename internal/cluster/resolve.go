// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

// dnsPrefix begins an entry of Join that stands for all addresses of a name.
const dnsPrefix = "dns:"

const (
	resolveRetry   = time.Second      // while too few addresses are known
	resolveRefresh = 30 * time.Second // afterwards
)

// seeds returns the addresses of Join, names behind "dns:" resolved.
func (c *Config) seeds(ctx context.Context) ([]string, error) {
	var all []string
	for _, entry := range c.Join {
		name, isName := strings.CutPrefix(entry, dnsPrefix)
		if !isName {
			all = append(all, entry)
			continue
		}
		host, port, err := net.SplitHostPort(name)
		if err != nil {
			return nil, fmt.Errorf("address %q: %w", entry, err)
		}
		addresses, err := c.Resolve(ctx, host)
		if err != nil {
			return nil, fmt.Errorf("resolve %q: %w", host, err)
		}
		for _, a := range addresses {
			all = append(all, net.JoinHostPort(a, port))
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

func (c *Config) dynamic() bool {
	return slices.ContainsFunc(c.Join, func(a string) bool { return strings.HasPrefix(a, dnsPrefix) })
}

// awaitSeeds resolves until at least three nodes are known: the number of nodes
// a cluster begins with is fixed when its first ones start.
func (c *Config) awaitSeeds(ctx context.Context) ([]string, error) {
	for first := true; ; first = false {
		seeds, err := c.seeds(ctx)
		if err == nil {
			seeds = c.nodes(seeds)
			if err = enoughNodes(seeds); err == nil {
				return seeds, nil
			}
		}
		if !c.dynamic() {
			return nil, err
		}
		if first {
			c.Log.Warn("waiting for the names of the cluster's nodes", "join", c.Join, "error", err)
		}
		select {
		case <-time.After(resolveRetry):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w; %w", err, context.Cause(ctx))
		}
	}
}

func routeURLs(addresses []string) []*url.URL {
	urls := make([]*url.URL, len(addresses))
	for i, a := range addresses {
		urls[i] = &url.URL{Scheme: "nats", Host: a}
	}
	return urls
}

// followNames gives the server the routes that appear under the names in Join,
// until ctx ends. Routes whose address is gone are given up.
func (c *Cluster) followNames(ctx context.Context, known []string) {
	ticker := time.NewTicker(resolveRefresh)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		seeds, err := c.cfg.seeds(ctx)
		seeds = c.cfg.nodes(seeds)
		if err != nil || len(seeds) < 3 || slices.Equal(seeds, known) {
			continue // what is known stays
		}
		if err := c.server.setRoutes(seeds); err != nil {
			c.log.Warn("routes not changed", "error", err)
			continue
		}
		known = seeds
	}
}
