// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Imported says what an import did.
type Imported struct {
	Sessions, Tasks, Keys int // taken over
	Existing              int // were there already; the cluster's own stay as they are
	Expired               int
}

// Growing reports whether this node's directory holds a single node's store that
// has yet to be imported: [Config.Grow] was given, and ImportAlone has not been
// completed, be it before a restart.
func (c *Cluster) Growing() bool { return c.dir != nil && c.dir.mark.Growing }

// ImportAlone takes key ring, sessions and tasks over from what a single node has
// stored in dir, which may be this node's own directory. The cluster must be
// ready. It may be repeated, and continues what was interrupted: what the cluster
// has stays. Events are not taken over; they live for minutes.
func (c *Cluster) ImportAlone(ctx context.Context, dir string) (Imported, error) {
	if c.mode == Alone {
		return Imported{}, errors.New("a single node has nothing to import into")
	}
	if err := c.Await(ctx); err != nil {
		return Imported{}, err
	}
	if _, err := os.Stat(storeDir(dir, Alone)); err != nil {
		return Imported{}, fmt.Errorf("%s holds no store of a single node: %w", dir, err)
	}
	source, err := c.openSource(ctx, dir)
	if err != nil {
		return Imported{}, fmt.Errorf("open the single node's store: %w", err)
	}
	defer source.Close()
	done, err := c.importFrom(ctx, source)
	if err != nil {
		return done, fmt.Errorf("import: %w", err)
	}
	if c.dir != nil && c.dir.path == dir {
		if err := c.dir.imported(); err != nil {
			return done, err
		}
	}
	return done, nil
}

// openSource opens a single node's store as a part of its own, silent and for
// reading only. The directory's lock is this node's when the directory is.
func (c *Cluster) openSource(ctx context.Context, dir string) (*Cluster, error) {
	s := &Cluster{
		cfg: Config{Dir: dir, Log: c.log}.withDefaults(), mode: Alone, log: c.log,
		health: &health{alone: true}, ready: make(chan struct{}), failed: make(chan struct{}),
	}
	s.base, s.stop = context.WithCancelCause(context.Background())
	s.waitFor("starting")
	if err := s.openImported(c.dir); err != nil {
		s.Close()
		return nil, err
	}
	if err := s.Await(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (c *Cluster) openImported(held *directory) (err error) {
	if held == nil || held.path != c.cfg.Dir {
		if c.dir, err = openDir(&c.cfg); err != nil {
			return err
		}
	}
	c.disk = newDisk(&c.cfg, Alone) // not watched: what it has is copied, and it is closed
	if c.server, err = startServer(&c.cfg, Alone, nil, c.disk); err != nil {
		return err
	}
	if c.conn, err = c.connect(); err != nil {
		return err
	}
	if err := c.build(); err != nil {
		return err
	}
	c.wg.Go(c.prepare)
	return nil
}

// importFrom copies tables, the key ring first: without it no session opens.
func (c *Cluster) importFrom(ctx context.Context, source *Cluster) (Imported, error) {
	var done Imported
	var err error
	if done.Keys, err = c.keys.adopt(ctx, source.keys.All()); err != nil {
		return done, err
	}
	if err := copySessions(ctx, source.sessions.journal, c.sessions.journal, &done); err != nil {
		return done, fmt.Errorf("sessions: %w", err)
	}
	if err := copyTable(ctx, source, source.tasks.kv, c.tasks.kv, &done, &done.Tasks); err != nil {
		return done, fmt.Errorf("tasks: %w", err)
	}
	return done, nil
}

// importers is how many values are written at once.
const importers = 64

// copyTable copies what the target does not have and what has not expired.
func copyTable(ctx context.Context, source *Cluster, from, to *kv, done *Imported, copied *int) error {
	next := uint64(1)
	for more := true; more; {
		var batch []value
		var err error
		query := map[string]any{"seq": next, "batch": catchUpBatch}
		more, err = directBatch(ctx, source.conn, from.stream, query, func(m *nats.Msg) error {
			v, err := from.value(m)
			batch = append(batch, v)
			next = v.rev + 1
			return err
		})
		if err == nil {
			err = copyBatch(ctx, batch, to, done, copied)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// copySessions copies the valid records of a journal to another.
func copySessions(ctx context.Context, from, to *journal, done *Imported) error {
	next := uint64(1)
	for more := true; more; {
		var batch []change
		var err error
		more, err = from.frames(ctx, next, func(number uint64, body []byte) error {
			next = number + 1
			f, err := parseFrame(body)
			if err != nil {
				return nil //nolint:nilerr // it has changed nothing
			}
			return f.each(func(r *change) bool {
				if from.table.revision(r.id) == number {
					batch = append(batch, change{id: r.id, expires: r.expires, body: r.body})
				}
				return true
			})
		})
		if err == nil {
			err = copyAll(batch, done, &done.Sessions, func(r change) error {
				if !time.UnixMilli(r.expires).After(time.Now()) {
					return errExpired
				}
				_, err := to.put(ctx, r)
				return err
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// copyBatch writes values.
func copyBatch(ctx context.Context, batch []value, to *kv, done *Imported, copied *int) error {
	return copyAll(batch, done, copied, func(v value) error {
		expires, _, ok := splitHead(v.data)
		if !ok || !expires.After(time.Now()) {
			return errExpired
		}
		_, _, err := to.put(ctx, value{key: v.key, data: v.data}, ttlOf(expires))
		return err
	})
}

// copyAll copies things, several at once, and counts what became of them.
func copyAll[T any](batch []T, done *Imported, copied *int, one func(T) error) error {
	for _, err := range atOnce(importers, batch, one) {
		switch {
		case err == nil:
			*copied++
		case errors.Is(err, errExpired):
			done.Expired++
		case errors.Is(err, errConflict):
			done.Existing++
		default:
			return err
		}
	}
	return nil
}

// atOnce does something with each of a list, so many at once, and returns the errors.
func atOnce[T any](limit int, list []T, do func(T) error) []error {
	var wg sync.WaitGroup
	errs := make([]error, len(list))
	slots := make(chan struct{}, limit)
	for i, v := range list {
		slots <- struct{}{}
		wg.Go(func() {
			errs[i] = do(v)
			<-slots
		})
	}
	wg.Wait()
	return errs
}

var errExpired = errors.New("expired")
