// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"net"
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

// scoutPatience is how long a node that is named fewer than three looks for a
// cluster that one of them belongs to.
const scoutPatience = 3 * time.Second

// awaitSeeds resolves until at least three nodes are known: the number of nodes
// a cluster begins with is fixed when its first ones start. Who joins a cluster
// that runs may name fewer, and is told of the others; known are those of its last run.
func (c *Config) awaitSeeds(ctx context.Context, known []string) ([]string, error) {
	began := time.Now()
	for first := true; ; first = false {
		seeds, err := c.seeds(ctx)
		if err == nil {
			if seeds, err = c.enough(ctx, seeds, known); err == nil {
				return seeds, nil
			}
		}
		if !c.dynamic() && (!isFewNodes(err) || time.Since(began) > scoutPatience) {
			return nil, err
		}
		if first && c.dynamic() {
			c.Log.Warn("waiting for the names of the cluster's nodes", "join", c.Join, "error", err)
		}
		select {
		case <-time.After(resolveRetry):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w; %w", err, context.Cause(ctx))
		}
	}
}

// enough returns the addresses of at least three nodes, of which some are named.
func (c *Config) enough(ctx context.Context, seeds, known []string) ([]string, error) {
	if all := c.nodes(slices.Concat(seeds, known)); enoughNodes(all) == nil {
		return all, nil
	}
	if err := preflight(ctx, c, seeds); err != nil {
		return nil, err
	}
	found, err := c.scout(ctx, seeds)
	if err != nil {
		return nil, err
	}
	if all := c.nodes(found); enoughNodes(all) == nil {
		return all, nil
	}
	return nil, enoughNodes(c.nodes(seeds))
}

// followNames has the addresses dialled that appear under the names in Join,
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
		c.mesh.name(seeds)
		known = seeds
	}
}
