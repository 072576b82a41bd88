// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"slices"
	"sync"
	"time"
)

// watched are the URIs that somebody listens to.
type watched struct {
	mu   sync.Mutex
	uris map[string]struct{}
}

func (w *watched) set(uri string, active bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.uris == nil {
		w.uris = map[string]struct{}{}
	}
	if active {
		w.uris[uri] = struct{}{}
	} else {
		delete(w.uris, uri)
	}
}

func (w *watched) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	uris := make([]string, 0, len(w.uris))
	for uri := range w.uris {
		uris = append(uris, uri)
	}
	slices.Sort(uris)
	return uris
}

// Watch subscribes to a resource or unsubscribes from it: at the common
// instance, or, when callers may have other ones, at each.
func (r *Remote) Watch(ctx context.Context, uri string, active bool) error {
	r.watched.set(uri, active)
	if r.cfg.Sharing == Shared || r.stateless() {
		l, err := r.pool.acquire(ctx, r.commonKey(), nil)
		if err != nil {
			return err
		}
		defer r.pool.release(l)
		if !r.divided() {
			return l.watch(ctx, uri, active)
		}
	}
	var first error
	for _, l := range r.pool.hold() {
		if err := l.watch(ctx, uri, active); err != nil && first == nil {
			first = err
		}
		r.pool.release(l)
	}
	return first
}

// divided reports whether calls go to several instances: sessions of a legacy
// HTTP server are, by what their callers declared, even if they are shared.
func (r *Remote) divided() bool {
	return !r.stateless() && (r.cfg.Sharing != Shared || r.cfg.Processes == nil)
}

func (l *link) watch(ctx context.Context, uri string, active bool) error {
	if active {
		return l.client.Subscribe(ctx, uri)
	}
	return l.client.Unsubscribe(ctx, uri)
}

// rewatching is how many resources are asked for at once; what is asked of a
// server together costs it one request.
const rewatching = 64

// rewatch subscribes a new instance to what is listened to. That of one call has
// no listeners.
func (r *Remote) rewatch(l *link) {
	if l.key.turn != 0 || !r.divided() && l.key != r.commonKey() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	slots := make(chan struct{}, rewatching)
	for _, uri := range r.watched.all() {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := l.client.Subscribe(ctx, uri); err != nil {
				r.cfg.Log.Warn("resource not watched after reconnect", "server", r.cfg.Name, "uri", uri, "error", err)
			}
		})
	}
	wg.Wait()
}
