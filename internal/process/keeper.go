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

// Config describes a [Keeper].
type Config struct {
	// Journal is the directory in which the Keeper notes what its own successor has to know, made if need be; empty for none.
	Journal string
	// Adopt makes this process, on Linux, the parent of what is left when a keeper is killed, so that all of it is found and ended. It
	// is for a program that starts processes through Keepers only: what else is below it then is taken for left over.
	Adopt bool
	// Private are absolute paths of files and directories that servers of this process's own user are kept from, where that is possible
	// at no cost to what else they do; the package documentation says where. What is not is logged once.
	Private []string
	// Log is where the Keeper logs; nil discards.
	Log *slog.Logger
}

// Keeper starts processes and answers for them. All methods are safe for concurrent use.
//
// It owns the goroutine of its link to the keeper process, which ends with that process, and those of the
// processes; Close stops them all and waits.
type Keeper struct {
	cfg        Config
	log        *slog.Logger
	ceilings   ceilings
	privacy    privacy
	shares     logShares // of what servers write to standard error
	table      procTable
	goroutines sync.WaitGroup
	release    func() // ends adopting; does nothing the second time

	mu     sync.Mutex // also held while the keeper process is launched, so that there is only one
	closed bool
	link   *link // nil until the first Start
}

// OpenKeeper ends what Holdfasts that were killed left behind, as [Reap] does with the journals in cfg.Journal, and returns a
// Keeper. What could not be ended is logged. The error says that the directory cannot be used. The Keeper's process is launched by
// the first Start.
func OpenKeeper(ctx context.Context, cfg Config) (*Keeper, error) {
	k := &Keeper{cfg: cfg, log: cfg.Log, release: func() {}}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	if cfg.Adopt {
		stop, err := adopt()
		if err != nil {
			return nil, err
		}
		k.release = sync.OnceFunc(stop)
	}
	if cfg.Journal == "" {
		return k, nil
	}
	if err := os.MkdirAll(cfg.Journal, 0o700); err != nil {
		return nil, errors.Join(fmt.Errorf("open process journal: %w", err), k.Close())
	}
	if _, err := Reap(ctx, cfg.Journal, k.log); err != nil {
		k.log.Error("not all that an earlier run left behind could be ended", "error", err)
	}
	return k, nil
}

// NewKeeper returns a Keeper without a journal. A nil log discards.
func NewKeeper(log *slog.Logger) *Keeper {
	k, _ := OpenKeeper(context.Background(), Config{Log: log}) // only a journal can fail
	return k
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
		p, child, err := newProcess(k, spec)
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

// Holds tells whether a process is a server or was started by one, as far as its parents tell or the mark in its environment. In a
// program that adopts ([Config]), everything below the program is. Elsewhere than on Linux it is never told.
func (k *Keeper) Holds(pid int) bool { return k.holds(pid) }

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
	k.release()
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
