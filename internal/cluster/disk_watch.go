// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// diskInterval is the time between two looks at a store that cannot be written.
	diskInterval = time.Second
	// probeEvery is how often a file is written where the store is, so that a disk
	// that has failed shows while nobody writes. The server's own writes show at once.
	probeEvery = 5 * time.Second
	// probeFile is its name, beside the server's own directory.
	probeFile = "probe"
	// probeDescriptors is how many descriptors must be free for a store to be opened
	// again: about what its streams and their logs need at once.
	probeDescriptors = 32
	// reopenPause is the least time between two reopenings; it doubles up to
	// maxReopenPause while errors come back within that time.
	reopenPause    = time.Second
	maxReopenPause = 30 * time.Second
)

// disk is what this node knows of the disk under its store. It is safe for
// concurrent use.
type disk struct {
	dir  string                         // of the server of one mode
	free func(dir string) (int64, bool) // space; false when nobody knows
	log  *slog.Logger
	news chan struct{} // capacity 1: there is an error

	left atomic.Int64 // bytes of free space when that was last looked at

	mu     sync.Mutex
	fault  *DiskError // nil while the store can be written
	broken bool       // the store has to be opened again to be written
}

func newDisk(cfg *Config, mode Mode) *disk {
	return &disk{dir: storeDir(cfg.Dir, mode), free: freeSpace, log: cfg.Log, news: make(chan struct{}, 1)}
}

// err returns why the store cannot be written, or nil. A nil disk is of a store
// that is elsewhere.
func (d *disk) err() *DiskError {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fault
}

// said returns what other nodes are told: the fault, in words, and the free space
// as it was seen last.
func (d *disk) said() (fault string, free int64) {
	if d == nil {
		return "", 0
	}
	if err := d.err(); err != nil {
		fault = err.Error()
	}
	return fault, d.left.Load()
}

// report takes a write error. The server keeps its first one for good: it writes
// nothing more until the store is opened again. The first is the one that is told,
// unless a worse one follows. It never blocks for long: the server calls it.
func (d *disk) report(cause error) {
	if cause == nil {
		return
	}
	fault := &DiskError{d.dir, cause}
	d.mu.Lock()
	known := d.fault
	d.broken = true
	if known == nil || known.Passes() && !fault.Passes() {
		d.fault = fault
	}
	d.mu.Unlock()
	if known == nil && fault.Passes() { // else the node ends, and says so
		d.log.Error("this node takes no more traffic", "error", fault, "cause", cause)
	}
	select {
	case d.news <- struct{}{}:
	default:
	}
}

// reopened notes that the store was opened again; what is reported from now on
// breaks it anew.
func (d *disk) reopened() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = false
}

// isBroken reports whether the store has to be opened again.
func (d *disk) isBroken() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.broken
}

// mend forgets the fault, unless there is another error since the reopening.
func (d *disk) mend() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken {
		return false
	}
	d.fault = nil
	return true
}

// start makes the directory and tries the disk. It reports too little space, which
// an operator can mend while this node waits, and returns any other error.
func (d *disk) start() error {
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return &DiskError{d.dir, err}
	}
	switch err := d.usable(); {
	case err == nil:
	case (&DiskError{d.dir, err}).kind().space:
		d.report(err)
	default:
		return &DiskError{d.dir, err}
	}
	return nil
}

// usable returns why a store on this disk could not be opened.
func (d *disk) usable() error {
	if free, known := d.space(); known && free < needSpace {
		return &shortError{free}
	}
	for range probeDescriptors {
		f, err := os.Open(d.dir)
		if err != nil {
			return err
		}
		defer f.Close()
	}
	return d.probe()
}

// space looks at how much is free.
func (d *disk) space() (free int64, known bool) {
	free, known = d.free(d.dir)
	d.left.Store(free)
	return free, known
}

// probe writes a file to the disk. It is a new one each time: the space of the last
// one is not free meanwhile.
func (d *disk) probe() error {
	d.space()
	path := filepath.Join(d.dir, probeFile)
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 4<<10))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(f.Name()) // the next one finds no more space for it
		return err
	}
	return os.Rename(f.Name(), path)
}

// errShutDown is a store that the server has shut down without a word that says why.
var errShutDown = errors.New("the NATS server has shut it down")

// tryDisk returns what is wrong with this node's store, as far as the disk and the
// server say.
func (c *Cluster) tryDisk() error {
	if err := c.disk.probe(); err != nil {
		return err
	}
	return c.server.storeError()
}

// watchDisk keeps [Cluster.Ready] true to whether this node's store can be written,
// until ctx ends: it tries the disk now and then, opens the store again once what
// was wrong has passed, and ends this node's part when that would not be sound.
func (c *Cluster) watchDisk(ctx context.Context) {
	ticker := time.NewTicker(diskInterval)
	defer ticker.Stop()
	var probed, opened time.Time
	told := map[string]string{}
	pause := reopenPause
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-c.disk.news:
		}
		told = c.tellFaults(told)
		now := time.Now()
		switch fault := c.disk.err(); {
		case fault == nil:
			if now.Sub(probed) >= probeEvery {
				probed = now
				c.disk.report(c.tryDisk())
			}
		case !fault.Passes():
			c.fail(fault)
			return
		case !c.disk.isBroken():
			c.mendStore(ctx)
		case now.Sub(opened) >= pause && c.disk.usable() == nil:
			pause = min(2*pause, maxReopenPause)
			if now.Sub(opened) > 2*maxReopenPause {
				pause = reopenPause
			}
			opened = now
			c.reopenStore()
		}
	}
}

// tellFaults logs what has changed in what other nodes say of their stores, and
// returns that, by node.
func (c *Cluster) tellFaults(told map[string]string) map[string]string {
	now := map[string]string{}
	for _, m := range c.Members() {
		if m.Self {
			continue
		}
		now[m.Name] = m.Fault
		switch before := told[m.Name]; {
		case m.Fault == before:
		case m.Fault == "":
			c.log.Info("another node's store can be written again", "node", m.Name)
		default:
			c.log.Warn("another node takes no more traffic", "node", m.Name, "error", m.Fault)
		}
	}
	return now
}

// reopenStore opens the store of this node again. Those of other nodes go on, and
// so do the connections to them.
func (c *Cluster) reopenStore() {
	c.disk.reopened() // first: an error meanwhile breaks it anew
	if err := c.server.reopen(); err != nil {
		c.disk.report(err)
		return
	}
	c.nudgeFeeds()
}

// mendStore ends the fault once a store that was opened again is whole.
func (c *Cluster) mendStore(ctx context.Context) {
	if err := c.tryDisk(); err != nil {
		c.disk.report(err)
		return
	}
	if isClosed(c.ready) {
		if c.awaitReplicas(ctx) != nil {
			return // looked at again soon
		}
		if err := c.nothingLost(ctx); err != nil {
			c.fail(err)
			return
		}
	}
	if c.disk.mend() {
		c.log.Info("this node's store can be written again")
	}
}

// nothingLost holds a store that was opened again to what this node has read of it.
// Fewer messages than that mean that some were acknowledged and are gone; numbers
// would be given twice, so that nodes could not follow.
func (c *Cluster) nothingLost(ctx context.Context) error {
	for _, f := range c.feeds {
		have := f.position() // first, as the store goes on
		info, err := c.streamInfo(ctx, f.stream())
		if err != nil {
			return nil //nolint:nilerr // it has no leader at the moment, which readiness is about
		}
		if info.State.LastSeq < have {
			return fmt.Errorf("the store in %s lost what it had acknowledged: %q ends at message %d, and %d was there; start this node again",
				c.disk.dir, f.stream(), info.State.LastSeq, have)
		}
	}
	return nil
}
