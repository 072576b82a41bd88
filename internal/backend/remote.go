// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Dialer connects to a server. The returned function ends what was started for
// the connection beyond the client itself.
type Dialer func(ctx context.Context, opts ...client.Option) (*client.Client, func(), error)

// Remote is a server reached through a client: connected when first needed,
// connected anew after it went away, with a growing pause between failures.
type Remote struct {
	cfg    Config
	events Events

	// dialing is held while connecting, so that callers share one attempt.
	dialing chan struct{}

	mu      sync.Mutex
	link    *link // nil while not connected
	closed  bool
	watched map[string]struct{} // URIs to watch again after a reconnect
	failure error               // of the last attempt
	fails   int                 // attempts failed in a row
	next    time.Time           // no attempt before
}

// link is one connection.
type link struct {
	client *client.Client
	stop   func()
}

// New returns a Remote that is not yet connected. Changes go to events.
func New(cfg Config, events Events) *Remote {
	return &Remote{cfg: cfg, events: events, dialing: make(chan struct{}, 1), watched: map[string]struct{}{}}
}

var _ Backend = (*Remote)(nil)

// Name returns the server's name.
func (r *Remote) Name() string { return r.cfg.Name }

// Status reports the last attempt to connect.
func (r *Remote) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.link == nil && r.failure != nil {
		return Status{Reason: r.failure.Error()}
	}
	return Status{Up: true}
}

// Release does nothing: the connection is everybody's.
func (r *Remote) Release(string) {}

// Start connects.
func (r *Remote) Start(ctx context.Context) error {
	_, err := r.connect(ctx)
	return err
}

// Close ends the connection and what was started for it.
func (r *Remote) Close() error {
	r.mu.Lock()
	l := r.link
	r.link, r.closed = nil, true
	r.mu.Unlock()
	if l != nil {
		l.close()
	}
	return nil
}

func (l *link) close() {
	l.client.Close()
	l.stop()
}

var errClosed = errors.New("server is being stopped")

// connect returns the live connection, making one if there is none.
func (r *Remote) connect(ctx context.Context) (*link, error) {
	if l, err := r.current(); l != nil || err != nil {
		return l, err
	}
	select {
	case r.dialing <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the server to start: %w", context.Cause(ctx))
	}
	defer func() { <-r.dialing }()
	if l, err := r.current(); l != nil || err != nil {
		return l, err
	}
	c, stop, err := r.cfg.Dial(ctx, r.options()...)
	if err != nil {
		return nil, r.failed(err)
	}
	return r.connected(&link{c, stop})
}

// current returns the live connection, or the reason not to try one now.
func (r *Remote) current() (*link, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return nil, errClosed
	case r.link != nil:
		return r.link, nil
	case time.Now().Before(r.next):
		return nil, fmt.Errorf("%w (next attempt in %s)", r.failure, time.Until(r.next).Round(100*time.Millisecond))
	}
	return nil, nil
}

const (
	firstPause = 200 * time.Millisecond
	maxPause   = 30 * time.Second
)

// failed notes a failed attempt and sets the pause before the next.
func (r *Remote) failed(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	pause := min(firstPause<<min(r.fails, 10), maxPause)
	r.fails++
	r.failure, r.next = err, time.Now().Add(pause)
	return err
}

// connected makes l the live connection and restores what was watched.
func (r *Remote) connected(l *link) (*link, error) {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		l.close()
		return nil, errClosed
	}
	again := r.fails > 0
	r.link, r.fails, r.failure = l, 0, nil
	uris := make([]string, 0, len(r.watched))
	for uri := range r.watched {
		uris = append(uris, uri)
	}
	r.mu.Unlock()
	info := l.client.ServerInfo()
	r.cfg.Log.Info("server connected", "server", r.cfg.Name, "version", l.client.Version(), "implementation", info.Name, "release", info.Version)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, uri := range uris {
		if err := l.client.Subscribe(ctx, uri); err != nil {
			r.cfg.Log.Warn("resource not watched after reconnect", "server", r.cfg.Name, "uri", uri, "error", err)
		}
	}
	if again || len(uris) > 0 {
		r.listsChanged()
	}
	return l, nil
}

// drop forgets a connection that broke. Its lists may come back different.
func (r *Remote) drop(l *link) {
	r.mu.Lock()
	live := r.link == l
	if live {
		r.link = nil
	}
	r.mu.Unlock()
	if live {
		r.cfg.Log.Warn("connection to server lost", "server", r.cfg.Name)
		go l.close() // owned by nobody else: Close of a broken client only waits for its own goroutines
		r.listsChanged()
	}
}

func (r *Remote) listsChanged() {
	for _, k := range []subscription.Kind{subscription.Tools, subscription.Prompts, subscription.Resources} {
		r.events(subscription.Event{Topic: subscription.Topic{Kind: k}})
	}
}

// options are the client's: what it declares, and where changes go. The
// declared capabilities are everything some client may answer; a question that
// this call's client cannot answer is refused at that moment.
func (r *Remote) options() []client.Option {
	list := func(k subscription.Kind) func() {
		return func() { r.events(subscription.Event{Topic: subscription.Topic{Kind: k}}) }
	}
	return []client.Option{
		client.Logger(r.cfg.Log.With("server", r.cfg.Name)),
		client.Capabilities(Raw(`{"elicitation":{"form":{},"url":{}},"sampling":{"tools":{},"context":{}},"roots":{}}`)),
		client.OnToolsChanged(list(subscription.Tools)),
		client.OnPromptsChanged(list(subscription.Prompts)),
		client.OnResourcesChanged(list(subscription.Resources)),
		client.OnResourceUpdated(r.updated),
		client.Reinitialize(),
	}
}

// updated publishes a change of a watched resource.
func (r *Remote) updated(uri string) {
	r.events(subscription.Event{
		Topic:  subscription.Topic{Kind: subscription.Resource, Key: uri},
		Params: updatedParams(uri),
	})
}

// Watch subscribes to a resource or unsubscribes from it.
func (r *Remote) Watch(ctx context.Context, uri string, active bool) error {
	r.mu.Lock()
	if active {
		r.watched[uri] = struct{}{}
	} else {
		delete(r.watched, uri)
	}
	r.mu.Unlock()
	l, err := r.connect(ctx)
	if err != nil {
		return err
	}
	if active {
		return l.client.Subscribe(ctx, uri)
	}
	return l.client.Unsubscribe(ctx, uri)
}

// features returns what the connected server's version has.
func (l *link) features() *mcp.Features { return l.client.Version().Features() }

func updatedParams(uri string) Raw {
	return append(jsonrpc.AppendString(Raw(`{"uri":`), uri), '}')
}
