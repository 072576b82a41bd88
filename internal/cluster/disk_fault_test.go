// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package cluster

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
)

// faults are limits of the system under which every write of a process fails, and
// the words for it. A disk without space or one that fails cannot be had without
// privileges.
var faults = map[string]struct {
	limit uint64
	words string
}{
	"descriptors": {4, "too many open files"},
	"filesize":    {0, "file too large"},
}

// TestWriteFaultAlone takes from a node without others what it needs to write. It
// says so, does not say otherwise until it can write again, and then goes on with
// everything it had acknowledged.
func TestWriteFaultAlone(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			c := startChild(t, Config{Dir: t.TempDir()})
			c.expect(t, "ready")
			c.do(t, "write", 100)
			c.expect(t, "written 100")
			c.do(t, name, fault.limit)
			if said := c.expect(t, "unready: "); !strings.Contains(said, fault.words) {
				t.Errorf("it says %q, want a word about %q", said, fault.words)
			}
			c.never = "ready"
			for range 4 { // longer than it takes to open the store again
				<-time.After(diskInterval)
				c.do(t, "write", 1)
				if said := c.expect(t, "written "); said != "written 0" {
					t.Errorf("%s under the fault", said)
				}
			}
			c.never = ""
			c.do(t, name, math.MaxInt64)
			c.expect(t, "ready")
			c.do(t, "write", 100)
			c.expect(t, "written 100")
			c.do(t, "count", 0)
			c.expect(t, "records 200")
		})
	}
}

// TestWriteFaultAmongOthers does so with one node of three. The others know it,
// writes go on, and when it is well again it counts: one of the others may be lost.
func TestWriteFaultAmongOthers(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			here, _, third := twoAndChild(t)
			w := write(t, here[1])
			eventually(t, 10*time.Second, func() error { return atLeast(w, 200) })
			third.do(t, name, fault.limit)
			if said := third.expect(t, "unready: "); !strings.Contains(said, fault.words) {
				t.Errorf("it says %q, want a word about %q", said, fault.words)
			}
			eventually(t, 5*time.Second, func() error { return saysOf(here, "n3", fault.words) })
			third.never = "ready"
			at := w.count()
			eventually(t, 15*time.Second, func() error { return atLeast(w, at+200) })
			third.do(t, "count", 0)
			third.expect(t, "records ")
			third.never = ""
			third.do(t, name, math.MaxInt64)
			third.expect(t, "ready")
			eventually(t, 5*time.Second, func() error { return saysOf(here, "n3", "") })
			crash(here[0])
			at = w.count()
			eventually(t, 15*time.Second, func() error { return atLeast(w, at+200) })
			w.finish(t, here[1])
			eventually(t, 10*time.Second, func() error { return third.has(t, len(w.acked)) })
		})
	}
}

// TestNoSpaceAmongOthers starts a cluster whose third node cannot write a byte. Each
// node says so, and all go on when it can.
func TestNoSpaceAmongOthers(t *testing.T) {
	configs := threeConfigs(t, t.TempDir())
	third := configs[2].withDefaults()
	d, err := openDir(&third) // which marks it
	if err := errors.Join(err, d.close()); err != nil {
		t.Fatal(err)
	}
	n3 := startChild(t, configs[2], func(c *childConfig) { c.NoWrites = true })
	n3.expect(t, "unready: the store in "+storeDir(third.Dir, Clustered)+" cannot be written: file too large")
	ctx := bounded(t)
	for _, cfg := range configs[:2] {
		c, err := Open(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		eventually(t, 15*time.Second, func() error {
			err := c.Ready()
			if err == nil || !strings.Contains(err.Error(), "node n3: the store in ") {
				return fmt.Errorf("%s says %w", cfg.Name, err)
			}
			return nil
		})
		defer func() {
			if err := c.Await(ctx); err != nil {
				t.Error(err)
			}
		}()
	}
	n3.do(t, "filesize", math.MaxInt64)
	n3.expect(t, "ready")
}

// has holds that the child has at least so many records.
func (c *child) has(t *testing.T, want int) error {
	c.do(t, "count", 0)
	said := c.expect(t, "records ")
	if have, err := strconv.Atoi(strings.TrimPrefix(said, "records ")); err != nil || have < want {
		return fmt.Errorf("the child has %s, and %d were acknowledged", said, want)
	}
	return nil
}

// saysOf holds that nodes know the fault of one of them, "" for none.
func saysOf(nodes []*Cluster, name, words string) error {
	for _, n := range nodes {
		for _, m := range n.Members() {
			if m.Name == name && (m.Fault == "" != (words == "") || !strings.Contains(m.Fault, words)) {
				return fmt.Errorf("%s knows %q of %s, want %q", n.Name(), m.Fault, name, words)
			}
		}
	}
	return nil
}
