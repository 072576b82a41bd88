// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"sync/atomic"
	"time"
)

// Activity is what a process and all below it have done up to a moment. Of a system other than Linux only Stderr is known.
type Activity struct {
	CPU    time.Duration // used by those that run, and by those of their children that have ended
	Newest uint64        // start time of the youngest process, in ticks since the boot
	Stderr int64         // bytes written to standard error
	Busy   bool          // one of them runs, or waits for a core or a disk; true where that is not known
}

// Progress reports whether anything was done since an earlier moment.
func (a Activity) Progress(since Activity) bool {
	return a.CPU != since.CPU || a.Newest != since.Newest || a.Stderr != since.Stderr
}

// Activity looks at what the process has done so far. It reads /proc, at most ten times a second for all processes of a [Keeper].
func (p *Process) Activity() Activity {
	a := p.activity(p.pid)
	a.Stderr = p.stderr.received.Load()
	return a
}

// byteCounter counts the bytes written to it. Safe for concurrent use.
type byteCounter struct{ atomic.Int64 }

// Write never fails.
func (c *byteCounter) Write(b []byte) (int, error) {
	c.Add(int64(len(b)))
	return len(b), nil
}
