// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxIdle = 64               // goroutines that wait for the next call
	restful = 10 * time.Second // for so long
)

// Crew runs calls on goroutines that stay for the next one. A fresh goroutine
// grows its stack several times on the way to a backend, which is a tenth of what
// a proxied call costs. The zero Crew is ready; it is safe for concurrent use.
//
// It owns the goroutines that wait, which end after some idle seconds or with Close; one that runs a call
// ends with it after Close.
type Crew struct {
	init  sync.Once
	jobs  chan func()
	stop  chan struct{}
	ended sync.Once
	idle  atomic.Int32
}

func (c *Crew) ready() {
	c.init.Do(func() { c.jobs, c.stop = make(chan func()), make(chan struct{}) })
}

// Go runs f on a waiting goroutine, or on a new one.
func (c *Crew) Go(f func()) {
	c.ready()
	select {
	case c.jobs <- f:
	default:
		go c.work(f)
	}
}

func (c *Crew) work(f func()) {
	wait := time.NewTimer(restful)
	defer wait.Stop()
	for {
		f()
		if c.idle.Add(1) > maxIdle {
			c.idle.Add(-1)
			return
		}
		wait.Reset(restful)
		select {
		case f = <-c.jobs:
			c.idle.Add(-1)
		case <-wait.C:
			c.idle.Add(-1)
			return
		case <-c.stop:
			return
		}
	}
}

// Close lets the waiting goroutines end. It is idempotent; Go works on.
func (c *Crew) Close() {
	c.ready()
	c.ended.Do(func() { close(c.stop) })
}
