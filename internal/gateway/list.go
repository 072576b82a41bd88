// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/pause"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// shelf is what a server answered for one part. It is immutable.
type shelf struct {
	entries []entry
	hidden  map[string]struct{} // own names that must not be called: renamed or invalid
	hint    *mcp.CacheHint      // nil when the server does not have the list
	digest  digest              // of the entries as received
	digests digestSet           // of each of them
	made    []*cleaned          // that the entries were made of
	names   *naming             // of the entries
	faults  []Fault             // what was repaired or dropped, at most maxLines

	body    Raw // of discovery
	offered mcp.Discovery
}

// known is what is known of one part of one server. Two equal values mean the same.
type known struct {
	tried bool   // it has answered or failed, or its time is over
	shelf *shelf // what it answered last; nil before
	down  string // why it is unavailable; empty when it is not
	late  bool   // that is all there is: it has not answered yet
}

// asking is one part of one server and the question for it.
type asking struct {
	known
	running bool      // somebody asks
	again   bool      // and has to ask again, for the answer may be old
	attempt int       // number of the question
	open    bool      // whose answer has not come
	next    time.Time // no question before
	failing time.Time // since when questions fail; zero when the last did not
	failed  time.Time // when the last did
	failure error     // of it
	retry   *time.Timer
	retryAt time.Time     // when it runs out
	ended   chan struct{} // closed when it has been asked once more; nil while no call waits for that
	history history
	faults  faultLog
	cleaned *recall // the last answer; nil before
}

// Why a server is unavailable that takes longer than the first view waits.
var (
	errLate     = errors.New("no answer in time")
	errStarting = errors.New("it is still starting")
)

// demand asks the servers that have never been asked for p.
func (c *Catalog) demand(sources []*source, p part) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range sources {
		if !s.parts[p].tried {
			c.askLocked(s, p)
		}
	}
}

// asked returns when the servers that have not answered were asked for p.
func (c *Catalog) asked(sources []*source, p part) time.Time {
	var last int64
	for _, s := range sources {
		last = max(last, s.asked[p].Load())
	}
	if last == 0 {
		return time.Now() // they are being asked
	}
	return time.Unix(0, last)
}

// touch asks again for what is older than it may be. It does not wait.
func (c *Catalog) touch(sources []*source, p part) {
	oldest := time.Now().Add(-c.cfg.Fresh).UnixNano()
	for _, s := range sources {
		if s.asked[p].Load() > oldest {
			continue
		}
		c.mu.Lock()
		c.askLocked(s, p)
		c.mu.Unlock()
	}
}

// changed asks again because the answer has changed.
func (c *Catalog) changed(s *source, p part) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a := &s.parts[p]; a.running {
		a.again = true
	}
	c.askLocked(s, p)
	if s.parts[discovery].down != "" {
		c.askLocked(s, discovery) // something moves at a server that was silent
	}
	for _, g := range c.views {
		if !g.shows(s) {
			continue
		}
		if !g.promise(p) { // else listeners are told when there is a list
			if !g.seen[p].Load() { // nor may the one there is say anything new
				g.announce(lists[p].topic)
			}
			continue
		}
		for _, other := range g.sources {
			if !other.parts[p].tried {
				c.askLocked(other, p)
			}
		}
	}
}

// askLocked asks a server for p unless that is being done. It is called with
// the lock held and does not wait.
func (c *Catalog) askLocked(s *source, p part) {
	a := &s.parts[p]
	if c.closed || a.running {
		return
	}
	a.stopRetry()
	a.running = true
	c.wg.Go(func() { c.ask(s, p) })
}

// ask asks until the answer is not known to be old, no more often than once in
// the window.
func (c *Catalog) ask(s *source, p part) {
	for c.pause(s, p) {
		number := c.begin(s, p)
		late := time.AfterFunc(c.cfg.ListTimeout, func() {
			c.end(s, p, number, nil, errLate)
			c.report(s)
		})
		got, err := c.question(s, p)
		for was := c.awaited(s, p); errors.Is(err, context.DeadlineExceeded) && c.ctx.Err() == nil; {
			starting := s.backend.Status().Starting
			if !starting && !was { // else its start took the time
				break
			}
			was = starting
			got, err = c.question(s, p)
		}
		for wait := firstPause; errors.Is(err, backend.ErrUnready) && !c.tried(s, p) && pause.For(c.ctx, wait) == nil; wait = min(2*wait, maxPause) {
			got, err = c.question(s, p)
		}
		late.Stop()
		c.end(s, p, number, got, err)
		again := c.onceMore(s, p)
		c.report(s)
		if !again {
			return
		}
	}
}

// How soon a server's first question is asked again while no node of the cluster is ready
// to take it: until it has taken so long that lists do not wait for the server any more.
const (
	firstPause = 100 * time.Millisecond // and then twice as long each time
	maxPause   = 250 * time.Millisecond
)

// tried reports whether the server has answered p or failed, or its time is over.
func (c *Catalog) tried(s *source, p part) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return s.parts[p].tried
}

// awaited reports whether the start of a server was seen to hold up its answer.
func (c *Catalog) awaited(s *source, p part) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &s.parts[p]
	return a.late && a.down == errStarting.Error()
}

// pause waits until the next question may be asked. It reports false when the
// catalog is closed.
func (c *Catalog) pause(s *source, p part) bool {
	c.mu.Lock()
	wait := time.Until(s.parts[p].next)
	c.mu.Unlock()
	if wait <= 0 {
		return c.ctx.Err() == nil
	}
	return pause.For(c.ctx, wait) == nil
}

// begin notes that a question is asked. A server that says that it is not up is
// marked before it had time to fail.
func (c *Catalog) begin(s *source, p part) int {
	status := s.backend.Status()
	s.asked[p].Store(time.Now().UnixNano())
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &s.parts[p]
	was := a.known
	a.attempt++
	a.open, a.again = true, false // whatever has changed is in the answer to come
	a.next = time.Now().Add(c.cfg.Window)
	if !status.Up && a.shelf != nil {
		a.mark(status.Reason, false)
	}
	if a.known != was {
		c.mergeLocked()
	}
	return a.attempt
}

// end takes the answer to a question, or its failure. What comes after the
// answer is dropped.
func (c *Catalog) end(s *source, p part, number int, got *shelf, err error) {
	status := s.backend.Status()
	s.asked[p].Store(time.Now().UnixNano())
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &s.parts[p]
	if a.attempt != number || !a.open || c.closed {
		return
	}
	was := a.known
	a.tried, a.open = true, errors.Is(err, errLate)
	switch {
	case a.open && status.Starting:
		a.mark(errStarting.Error(), true)
	case a.open:
		a.mark(errLate.Error(), true)
	case err != nil:
		a.fail(err)
		a.mark(reason(err), false)
	case status.Up:
		a.shelf, a.down, a.late = got, "", false
		a.failing, a.failure = time.Time{}, nil
	default:
		a.shelf = got
		if a.failure == nil { // which says more
			a.fail(errors.New(status.Reason))
		}
		a.mark(status.Reason, false)
	}
	if a.known != was {
		c.mergeLocked()
	}
}

// mark notes why the server is unavailable. The first reason stays, lest every
// further failure be a change; that it was only late does not.
func (a *asking) mark(why string, late bool) {
	if a.down == "" || a.late {
		a.down, a.late = cmp.Or(display.Short(why), "unavailable"), late
	}
}

// question asks a server for one part and makes a shelf of the answer, the same
// as before when the answer says the same.
func (c *Catalog) question(s *source, p part) (*shelf, error) {
	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.AnswerTimeout)
	defer cancel()
	if p == discovery {
		return c.discovered(ctx, s)
	}
	all, err := c.pages(ctx, s, p)
	if err != nil && !notOffered(err) {
		return nil, err
	}
	c.mu.Lock()
	last := s.parts[p].shelf
	c.mu.Unlock()
	if last != nil && sameHint(last.hint, all.hint) && saysAgain(s.parts[p].cleaned, all.items) {
		return last, nil
	}
	return c.shelve(s, p, last, &all), nil
}

// shelve makes a shelf of an answer unless the last one says the same.
func (c *Catalog) shelve(s *source, p part, last *shelf, all *answer) *shelf {
	log := c.cfg.Log.With("server", s.name)
	a := &s.parts[p] // what is used of it here only who asks uses
	clean := cleaner{part: p, pick: s.pick.of(p), filter: &s.filters[p], log: log, said: &a.faults, known: a.cleaned}
	items := clean.each(all.items)
	a.cleaned = newRecall(items)
	got := &shelf{made: items, hint: all.hint}
	entries, same := clean.again(last, items, func(before, now *entry) { a.history.change(p, before, now, log) })
	if same {
		got.digests = last.digests.replaced(unlike(last.made, items))
	} else {
		digests := make([]digest, len(items))
		for i, made := range items {
			digests[i] = made.digest
		}
		got.digests = newDigestSet(digests)
	}
	if got.digest = got.digests.sum(); last != nil && last.digest == got.digest {
		if sameHint(last.hint, got.hint) {
			return last
		}
		hint := got.hint
		*got = *last
		got.hint = hint
		return got
	}
	if all.cut != "" {
		log.Warn("list cut off", "list", partName(p), "entries", len(all.items), "offered", all.cut)
	}
	if !same {
		entries = clean.list(items)
		a.history.update(p, entries, c.cfg.MaxEntries, log)
	}
	got.entries, got.hidden, got.names, got.faults = entries, clean.hidden, clean.names, clean.faults
	return got
}

func sameHint(a, b *mcp.CacheHint) bool { return a == b || a != nil && b != nil && *a == *b }

// discovered asks what a server offers at all.
func (c *Catalog) discovered(ctx context.Context, s *source) (*shelf, error) {
	res, err := s.backend.Handle(ctx, c.call(mcp.MethodDiscover, nil))
	if err != nil {
		return nil, err
	}
	body, cut, err := bounded(res.Body)
	if err != nil {
		return nil, err
	}
	got := &shelf{body: body}
	if err := json.Unmarshal(body, &got.offered); err != nil {
		return nil, fmt.Errorf("read what the server offers: %w", err)
	}
	c.mu.Lock()
	last := s.parts[discovery].shelf
	c.mu.Unlock()
	if last != nil && string(last.body) == string(body) {
		return last, nil
	}
	if cut != "" {
		c.cfg.Log.Warn("what the server says of itself was cut", "server", s.name, "what", cut, "bytes", len(res.Body))
	}
	if last != nil && last.offered.Instructions != got.offered.Instructions {
		reportInstructions(last.offered.Instructions, got.offered.Instructions, c.cfg.Log.With("server", s.name))
	}
	return got, nil
}

func notOffered(err error) bool {
	wire, ok := jsonrpc.AsError(err)
	return ok && wire.Code == jsonrpc.CodeMethodNotFound
}

// reason is what clients are told of an error.
func reason(err error) string {
	if wire, ok := jsonrpc.AsError(err); ok {
		return wire.Message
	}
	return err.Error()
}

func partName(p part) string {
	if p == discovery {
		return "discovery"
	}
	return lists[p].member
}
