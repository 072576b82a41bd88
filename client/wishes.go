// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"fmt"
	"sync"
)

// wishes are the changes of the filter that callers wait for. Those that come
// while one is under way are made together: a request to the server says all that
// is wanted, so a thousand subscriptions need not be a thousand requests. The
// goroutine that makes them is of the client's group, and runs while there are any.
type wishes struct {
	mu      sync.Mutex
	waiting []*wish
	running bool

	filter Filter // as the server has agreed to; of the goroutine
}

// wish is one change that one caller waits for.
type wish struct {
	change func(*Filter)
	done   chan error // capacity 1
}

// relisten changes the filter and waits until the server has agreed. When ctx
// ends before, the change may be made all the same.
func (c *Client) relisten(ctx context.Context, change func(*Filter)) error {
	ctx, done := c.core.group.bind(ctx)
	defer done(nil)
	w := &wish{change, make(chan error, 1)}
	c.wishes.mu.Lock()
	c.wishes.waiting = append(c.wishes.waiting, w)
	start := !c.wishes.running
	c.wishes.running = true
	c.wishes.mu.Unlock()
	if start && !c.core.group.start(c.fulfil) {
		return fmt.Errorf("listen: %w", ErrClosed)
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("listen: %w", context.Cause(ctx))
	}
}

// fulfil makes changes until there are none.
func (c *Client) fulfil(ctx context.Context) {
	for {
		c.wishes.mu.Lock()
		batch := c.wishes.waiting
		c.wishes.waiting = nil
		c.wishes.running = len(batch) > 0
		c.wishes.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		if err := c.wishAll(ctx, batch); err == nil || len(batch) == 1 {
			for _, w := range batch {
				w.done <- err
			}
			continue
		}
		for _, w := range batch { // one of them may be what the server refuses
			w.done <- c.wishAll(ctx, []*wish{w})
		}
	}
}

func (c *Client) wishAll(ctx context.Context, batch []*wish) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.core.cfg.callTimeout, fmt.Errorf("listen: %w", ErrTimeout))
	defer cancel()
	next := c.wishes.filter.clone()
	for _, w := range batch {
		w.change(&next)
	}
	if err := c.link.listen(ctx, next); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	c.wishes.filter = next
	return nil
}
