// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
)

// errLinkDown is returned by a link's start when nothing was started because the link has ended.
var errLinkDown = errors.New("the keeper is gone")

// Keeper starts processes and answers for them. All methods are safe for concurrent use.
//
// It owns the goroutine of its link to the keeper process, which ends with that process, and those of the
// processes; Close stops them all and waits.
type Keeper struct {
	log        *slog.Logger
	journal    string // directory; empty for none
	ceilings   ceilings
	goroutines sync.WaitGroup

	mu     sync.Mutex // also held while the keeper process is launched, so that there is only one
	closed bool
	link   *link // nil until the first Start
}

// OpenKeeper ends what Holdfasts that were killed left behind, as [Reap] does, and returns a Keeper that notes in the directory
// journal, which is made if need be, what its own successor has to know. What could not be ended is logged. The error says that the
// directory cannot be used; [NewKeeper] returns a Keeper that does without.
func OpenKeeper(ctx context.Context, log *slog.Logger, journal string) (*Keeper, error) {
	k := NewKeeper(log)
	if err := os.MkdirAll(journal, 0o700); err != nil {
		return nil, fmt.Errorf("open process journal: %w", err)
	}
	k.journal = journal
	if _, err := Reap(ctx, journal, k.log); err != nil {
		k.log.Error("not all that an earlier run left behind could be ended", "error", err)
	}
	return k, nil
}

// NewKeeper returns a Keeper without a journal; its keeper process is launched by the first Start. A nil log discards.
func NewKeeper(log *slog.Logger) *Keeper {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Keeper{log: log}
}

// Start starts a process and returns when the kernel has accepted it. The error names the server, the command and the cause;
// [exec.ErrNotFound], [io/fs.ErrNotExist] and [io/fs.ErrPermission] can be told apart by [errors.Is]. The end of ctx
// gives up on the start, and ends the process if it comes to be after all; it has no effect later.
func (k *Keeper) Start(ctx context.Context, spec Spec) (*Process, error) {
	p, err := k.start(ctx, &spec)
	if err != nil {
		return nil, fmt.Errorf("start server %q: %w", spec.Name, err)
	}
	return p, nil
}

func (k *Keeper) start(ctx context.Context, spec *Spec) (*Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	c, err := resolve(spec)
	if err != nil {
		return nil, err
	}
	for {
		l, err := k.connect()
		if err != nil {
			return nil, err
		}
		p, child, err := newProcess(spec, k.log)
		if err != nil {
			return nil, err
		}
		p.ctl = l
		err = l.start(ctx, k, p, c, child)
		if err == nil {
			return p, nil
		}
		_ = p.stdout.Close()
		if !errors.Is(err, errLinkDown) || ctx.Err() != nil {
			return nil, err
		}
	}
}

// connect returns the link in use, or a new one.
func (k *Keeper) connect() (*link, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, ErrClosed
	}
	if k.link == nil || k.link.isDown() {
		l, err := openLink(k)
		if err != nil {
			return nil, err
		}
		k.link = l
		k.goroutines.Go(l.run)
	}
	return k.link, nil
}

// Close stops all processes at the same time, each as [Process.Stop] does, ends the keeper process and returns when nothing is left. Start
// fails from then on. The error says what could not be ended.
func (k *Keeper) Close() error {
	k.mu.Lock()
	k.closed = true
	l := k.link
	k.mu.Unlock()
	var err error
	if l != nil {
		err = l.close()
	}
	k.goroutines.Wait()
	return err
}

// stopAll stops the processes at the same time.
func stopAll(list []*Process) error {
	errs := make([]error, len(list))
	var all sync.WaitGroup
	for i, p := range list {
		all.Go(func() { errs[i] = p.Stop(context.Background()) })
	}
	all.Wait()
	return errors.Join(errs...)
}
