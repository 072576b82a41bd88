// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// The tables, by the token in their names.
const (
	kindSession = "sessions"
	kindTask    = "task"
	kindSetting = "setting"
	kindEvent   = "event"
)

// settingID is the key of the cluster's random id.
const settingID = "id"

// stream returns the name of a table's stream.
func (c *Cluster) stream(kind string) string { return c.cfg.Cluster + "_" + kind }

func (c *Cluster) streams() []string {
	return []string{c.stream(kindSetting), c.stream(kindSession), c.stream(kindTask), c.stream(kindEvent)}
}

// layout is every stream there is. More streams would be slower: each is a raft
// group that batches for itself.
func (c *Cluster) layout() []jetstream.StreamConfig {
	replicas := 1
	switch c.mode {
	case Clustered:
		replicas = fewReplicas // keepReplicas makes it more
	case External:
		replicas = c.cfg.Replicas
	}
	base := func(kind, subjects string) jetstream.StreamConfig {
		return jetstream.StreamConfig{
			Name: c.stream(kind), Subjects: []string{subjects}, Storage: jetstream.FileStorage, Replicas: replicas,
			MaxMsgsPerSubject: 1, Discard: jetstream.DiscardOld, AllowDirect: true,
			MaxMsgSize: maxPayload, Duplicates: 100 * time.Millisecond, // nothing is deduplicated by id
			MaxMsgs: -1, MaxBytes: -1, MaxConsumers: -1,
		}
	}
	table := func(t *kv, kind string, max int64) jetstream.StreamConfig {
		s := base(kind, t.prefix+">")
		s.AllowMsgTTL, s.MaxMsgs = true, max
		return s
	}
	events := base(kindEvent, c.events.prefix+">")
	events.MaxAge, events.MaxBytes = c.cfg.EventAge, c.eventBytes()
	journal := base(kindSession, c.sessions.journal.subject)
	journal.MaxMsgsPerSubject = -1
	return []jetstream.StreamConfig{
		table(c.settings, kindSetting, 1000),
		journal,
		table(c.tasks.kv, kindTask, int64(c.cfg.MaxTasks)),
		events,
	}
}

// Bounds of what an event log takes when nobody has said how much it may.
const (
	maxEventBytes = 512 << 20
	minEventBytes = needSpace / 4
)

// eventBytes returns the bound of the event log. The server reserves it, so it must
// leave room at the node that has least.
func (c *Cluster) eventBytes() int64 {
	if c.cfg.EventBytes > 0 {
		return c.cfg.EventBytes
	}
	if least := c.members.leastFree(); least > 0 {
		return min(max(least/4, minEventBytes), maxEventBytes)
	}
	return maxEventBytes
}

// prepareRetry is the pause between looks at what readiness waits for, and
// refusedRetry that after the server has refused something.
const (
	prepareRetry = 50 * time.Millisecond
	refusedRetry = time.Second
)

// prepare makes the node ready: store, streams, replicas, identity, caches. It
// tries for as long as it takes; Await says what is missing.
func (c *Cluster) prepare() {
	steps := []func(context.Context) error{c.awaitStore, c.createStreams, c.awaitReplicas, c.identify, c.startFeeds}
	for _, step := range steps {
		for {
			err := step(c.base)
			if err == nil {
				break
			}
			pause := prepareRetry
			if _, ok := errors.AsType[refusedError](err); ok {
				pause = refusedRetry
			}
			c.waitFor(err.Error() + c.members.faults())
			select {
			case <-c.base.Done():
				return
			case <-c.failed:
				return
			case <-time.After(pause):
			}
		}
	}
	c.wg.Go(func() { c.watchQuorum(c.base) })
	c.wg.Go(func() { c.sweepCaches(c.base) })
	c.wg.Go(func() { c.keepClean(c.base) })
	if c.mode == Clustered {
		c.wg.Go(func() { c.keepReplicas(c.base) })
		c.wg.Go(func() { c.watchVoters(c.base) })
		c.wg.Go(func() { c.enrol(c.base) })
	}
	c.members.setReady()
	close(c.ready)
}

func (c *Cluster) awaitStore(context.Context) error {
	if c.server == nil {
		return nil
	}
	return c.server.current()
}

// apiTimeout bounds one change of a stream, and askTimeout one question about it,
// which nobody answers while it has no leader.
const (
	apiTimeout = 2 * time.Second
	askTimeout = 300 * time.Millisecond
	// creationTurn is how long a node leaves the creation of the streams to the
	// leader: of several who try at once, some get no answer.
	creationTurn = 5 * time.Second
)

// createStreams makes the streams that are missing and brings the limits of the
// others up to date. One node does it, the leader.
func (c *Cluster) createStreams(ctx context.Context) error {
	if c.turn.IsZero() {
		c.turn = time.Now().Add(creationTurn)
	}
	mine := c.server == nil || c.server.leads() || time.Now().After(c.turn)
	for _, cfg := range c.layout() {
		if err := c.createStream(ctx, cfg, mine); err != nil {
			return fmt.Errorf("waiting for the store %q: %w%s", cfg.Name, err, c.tooMuch(&cfg))
		}
	}
	return nil
}

// tooMuch says so when a store cannot be created for want of the space it reserves.
func (c *Cluster) tooMuch(s *jetstream.StreamConfig) string {
	least := c.members.leastFree()
	if least == 0 || s.MaxBytes <= least/4*3 { // of which the server takes no more
		return ""
	}
	return fmt.Sprintf("; it reserves %d MiB (cluster.events.bytes), and the node with the least space has %d MiB free: ask for less, or free some", s.MaxBytes>>20, least>>20)
}

func (c *Cluster) createStream(ctx context.Context, cfg jetstream.StreamConfig, mine bool) error {
	js, err := jetstream.New(c.conn)
	if err != nil {
		return err
	}
	info, err := c.streamInfo(ctx, cfg.Name)
	if err == nil && cfg.Name == c.stream(kindEvent) && c.cfg.EventBytes <= 0 {
		cfg.MaxBytes = info.Config.MaxBytes // as whoever created it found room for
	}
	if err == nil && c.mode == Clustered {
		cfg.Replicas = info.Config.Replicas
	}
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound) && mine:
		_, err = js.CreateStream(ctx, cfg)
		err = refused(err)
	case err == nil && mine && !sameLimits(&info.Config, &cfg):
		_, err = js.UpdateStream(ctx, cfg)
		err = refused(err)
	}
	return err
}

// refusedError is an answer that will be the same for a while. Each asking leaves a
// line in the leader's log.
type refusedError struct{ error }

func (e refusedError) Unwrap() error { return e.error }

// refused marks an answer of the server's, other than that there was none.
func refused(err error) error {
	if _, ok := errors.AsType[*jetstream.APIError](err); ok {
		return refusedError{err}
	}
	return err
}

func sameLimits(a, b *jetstream.StreamConfig) bool {
	return a.MaxMsgs == b.MaxMsgs && a.MaxBytes == b.MaxBytes && a.MaxAge == b.MaxAge && a.MaxMsgSize == b.MaxMsgSize && a.Replicas == b.Replicas
}

func (c *Cluster) streamInfo(ctx context.Context, name string) (*jetstream.StreamInfo, error) {
	js, err := jetstream.New(c.conn)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	s, err := js.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.CachedInfo(), nil
}

// awaitReplicas waits until the streams have leaders, and those replicated here
// have everything. Who counts as started before that loses data when nodes are
// restarted one after the other.
func (c *Cluster) awaitReplicas(ctx context.Context) error {
	for _, name := range c.streams() {
		leader, here, err := c.placement(ctx, name)
		switch {
		case err != nil:
			return fmt.Errorf("waiting for the store %q: %w", name, err)
		case leader == "" && c.mode != Alone:
			return fmt.Errorf("waiting for the store %q to have a leader", name)
		case here && !c.server.streamCurrent(name):
			return fmt.Errorf("copying the store %q to this node", name)
		}
	}
	return nil
}

// placement returns the leader of a stream and whether it is replicated here.
func (c *Cluster) placement(ctx context.Context, name string) (leader string, here bool, err error) {
	info, err := c.streamInfo(ctx, name)
	if err != nil {
		return "", false, err
	}
	if c.server == nil || info.Cluster == nil {
		return "external", false, nil
	}
	here = info.Cluster.Leader == c.cfg.Name || slices.ContainsFunc(info.Cluster.Replicas, func(p *jetstream.PeerInfo) bool { return p.Name == c.cfg.Name })
	return info.Cluster.Leader, here, nil
}

func (c *Cluster) leader(ctx context.Context, name string) string {
	leader, _, _ := c.placement(ctx, name) // nobody is a leader too
	return leader
}

// identify learns the cluster's id, or gives it one, and holds the directory to it.
func (c *Cluster) identify(ctx context.Context) error {
	v, err := c.settings.last(ctx, settingID)
	if errors.Is(err, errAbsent) {
		_, _, err = c.settings.put(ctx, value{key: settingID, data: []byte(rand.Text())}, 0)
		if errors.Is(err, errConflict) || err == nil {
			v, err = c.settings.last(ctx, settingID)
		}
	}
	if err != nil {
		return fmt.Errorf("reading the cluster's id: %w", err)
	}
	if c.dir != nil {
		if err := c.dir.adopt(string(v.data)); err != nil {
			c.fail(err)
			return err
		}
	}
	return nil
}

// startFeeds fills the caches and keeps them fresh.
func (c *Cluster) startFeeds(ctx context.Context) error {
	for _, f := range c.feeds {
		if err := f.start(ctx); err != nil {
			return fmt.Errorf("reading what is stored: %w", err)
		}
	}
	for _, f := range c.feeds {
		c.wg.Go(func() {
			f.work(c.base, func(err error) { c.log.Debug("changes not read; tried again", "stream", f.stream(), "error", err) })
		})
	}
	return nil
}

// sweepInterval is the time between two sweeps of the caches.
const sweepInterval = 30 * time.Second

// sweepCaches forgets what has expired until ctx ends.
func (c *Cluster) sweepCaches(ctx context.Context) {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			c.sessions.sweep(now)
		}
	}
}
