// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// fewReplicas is by how many nodes each store is kept in a cluster: one may be lost.
	fewReplicas = 3
	// manyReplicas is by how many in a cluster of as many nodes or more: two may be.
	manyReplicas = 5
	// spreadInterval is the time between two looks whether the stores are kept by as
	// many nodes as they could be.
	spreadInterval = 5 * time.Second
	// spreadPatience is how many times [Config.Steady] all nodes must have been up
	// before the stores are spread over more of them.
	spreadPatience = 3
)

// spread keeps the stores on as many nodes as is sound. One node does it, the leader.
type spread struct {
	c     *Cluster
	since time.Time // since when all nodes have been up; zero when one is not
}

// keepReplicas spreads the stores until ctx ends.
func (c *Cluster) keepReplicas(ctx context.Context) {
	s := &spread{c: c}
	ticker := time.NewTicker(min(spreadInterval, c.cfg.Steady))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			if err := s.turn(ctx, now); err != nil && ctx.Err() == nil {
				c.lines.Log(c.log, slog.LevelWarn, "the stores are not kept by as many nodes as they should be; tried again", "error", err)
			}
		}
	}
}

// turn changes one store at most, and only when the one before has been copied.
func (s *spread) turn(ctx context.Context, now time.Time) error {
	if !s.c.server.leads() {
		s.since = time.Time{}
		return nil
	}
	voters, err := s.c.Voters()
	if err != nil {
		return nil //nolint:nilerr // there is no leader at the moment
	}
	want := s.want(voters, now)
	if want == 0 {
		return nil
	}
	for _, name := range s.c.streams() {
		info, err := s.c.streamInfo(ctx, name)
		if err != nil {
			return fmt.Errorf("store %q: %w", name, err)
		}
		if info.Config.Replicas != want {
			return s.change(ctx, info, want)
		}
		if !complete(info) {
			return nil
		}
	}
	return nil
}

// want returns by how many nodes each store is to be kept; 0 leaves it as it is. More
// only when all nodes have been up for a while, since the copies are made of what the
// others have; fewer when there are not as many nodes any more.
func (s *spread) want(voters []string, now time.Time) int {
	up, _ := s.c.members.roll()
	all := !slices.ContainsFunc(voters, func(name string) bool { return !slices.Contains(up, name) })
	switch {
	case !all:
		s.since = time.Time{}
	case s.since.IsZero():
		s.since = now
	}
	switch {
	case len(voters) < manyReplicas:
		return fewReplicas
	case all && now.Sub(s.since) >= spreadPatience*s.c.cfg.Steady:
		return manyReplicas
	}
	return 0
}

// complete reports whether every node that keeps a store has all of it.
func complete(info *jetstream.StreamInfo) bool {
	return info.Cluster != nil && info.Cluster.Leader != "" && len(info.Cluster.Replicas) == info.Config.Replicas-1 &&
		!slices.ContainsFunc(info.Cluster.Replicas, func(p *jetstream.PeerInfo) bool { return p.Offline || !p.Current })
}

func (s *spread) change(ctx context.Context, info *jetstream.StreamInfo, replicas int) error {
	js, err := jetstream.New(s.c.conn)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	cfg := info.Config
	before := cfg.Replicas
	cfg.Replicas = replicas
	if _, err := js.UpdateStream(ctx, cfg); err != nil {
		return fmt.Errorf("store %q on %d nodes: %w", cfg.Name, replicas, err)
	}
	s.c.log.Info("a store is kept by another number of nodes", "store", cfg.Name, "before", before, "nodes", replicas)
	return nil
}

// Store is one replicated table, and which nodes keep it.
type Store struct {
	Name   string
	Leader string // empty when there is none
	Keeps  []string
	// Current are those of Keeps that are there and have all of it.
	Current []string
}

// MayLose returns how many of the nodes that keep the store may still be lost before
// it takes no more writes; less than none when it takes none now.
func (s *Store) MayLose() int { return len(s.Current) - (len(s.Keeps)/2 + 1) }

// errNoStores reports that nobody can say who keeps the stores.
var errNoStores = errors.New("it is not known which nodes keep the stores: their leaders do not answer")

// Stores returns which nodes keep what is stored. It asks the leaders of the stores,
// and fails when they do not answer. A node alone keeps all by itself.
func (c *Cluster) Stores(ctx context.Context) ([]Store, error) {
	if c.mode != Clustered {
		return nil, nil
	}
	var list []Store
	for _, name := range c.streams() {
		info, err := c.streamInfo(ctx, name)
		if err != nil || info.Cluster == nil {
			return nil, errNoStores
		}
		list = append(list, c.storeOf(info))
	}
	return list, nil
}

func (c *Cluster) storeOf(info *jetstream.StreamInfo) Store {
	s := Store{Name: info.Config.Name, Leader: info.Cluster.Leader}
	if s.Leader != "" {
		s.Keeps, s.Current = append(s.Keeps, s.Leader), append(s.Current, s.Leader)
	}
	for _, p := range info.Cluster.Replicas {
		name := c.roster.name(p.Name)
		s.Keeps = append(s.Keeps, name)
		if p.Current && !p.Offline {
			s.Current = append(s.Current, name)
		}
	}
	slices.Sort(s.Keeps)
	slices.Sort(s.Current)
	return s
}

// Voters returns the names of the nodes that majorities count, up or not. It fails
// without a leader. Of a node alone there are none.
func (c *Cluster) Voters() ([]string, error) {
	if c.mode != Clustered || c.server == nil {
		return nil, nil
	}
	called, err := c.server.voters()
	if err != nil {
		return nil, err
	}
	names := make([]string, len(called))
	for i, n := range called {
		names[i] = c.roster.name(n)
	}
	slices.Sort(names)
	return names, nil
}
