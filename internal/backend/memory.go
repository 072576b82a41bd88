// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
)

// defaultMemory is how many bytes of large results are held at once, 256 MiB.
const defaultMemory = 256 << 20

// Memory bounds the bytes of large results that cannot be passed on while they
// arrive, such as prompts, and those of child processes: from when more than a
// megabyte of one comes until the client has it. Who finds no room waits in order.
// It is safe for concurrent use and owns no goroutine.
type Memory struct {
	size int

	mu      sync.Mutex
	free    int
	waiting []*claim
}

type claim struct {
	size    int
	granted chan struct{}
}

// NewMemory returns room for n bytes; 0 means 256 MiB.
func NewMemory(n int) *Memory {
	if n <= 0 {
		n = defaultMemory
	}
	return &Memory{size: n, free: n}
}

// hold takes n bytes, or all there are if n is more, until release is called. It
// waits for them until ctx ends.
func (m *Memory) hold(ctx context.Context, n int) (release func(), err error) {
	c := &claim{size: min(n, m.size), granted: make(chan struct{})}
	release = sync.OnceFunc(func() { m.give(c.size) })
	m.mu.Lock()
	if len(m.waiting) == 0 && c.size <= m.free {
		m.free -= c.size
		m.mu.Unlock()
		return release, nil
	}
	m.waiting = append(m.waiting, c)
	m.mu.Unlock()
	select {
	case <-c.granted:
		return release, nil
	case <-ctx.Done():
	}
	m.mu.Lock()
	i := slices.Index(m.waiting, c)
	if i >= 0 {
		m.waiting = slices.Delete(m.waiting, i, i+1)
	}
	m.mu.Unlock()
	if i < 0 { // granted just now
		release()
	} else {
		m.give(0) // those behind may fit
	}
	return nil, fmt.Errorf("%w: large results of other calls take the %d bytes there are for them: %w", errBusy, m.size, context.Cause(ctx))
}

// give returns n bytes and serves those who wait, in order.
func (m *Memory) give(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.free += n
	for len(m.waiting) > 0 && m.waiting[0].size <= m.free {
		m.free -= m.waiting[0].size
		close(m.waiting[0].granted)
		m.waiting = slices.Delete(m.waiting, 0, 1)
	}
}

// Reserve takes room for n bytes of a result, waiting for it until ctx ends. It is
// given back when the client's call is over; of a client that does not say so, with
// ctx, which is the call's.
func (r *Remote) Reserve(ctx context.Context, to rpc.Client, n int) error {
	release, err := r.cfg.Memory.hold(ctx, n)
	if err != nil {
		return r.unreachable("busy", err)
	}
	if f, ok := to.(rpc.Finisher); ok {
		f.OnFinish(release)
	} else {
		context.AfterFunc(ctx, release)
	}
	return nil
}
