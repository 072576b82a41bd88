// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"sync"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// flights is the table of requests on their way, by id, together with what the
// server may still be working on for requests that have ended here. It decides
// which call a message belongs to that names none. It is safe for concurrent use.
type flights struct {
	mu   sync.Mutex
	all  map[jsonrpc.ID]*flight
	last uint64 // the number of the newest flight
	err  error  // why no more can be added

	unanswered unanswered
	// logsLate is set for servers that may log about calls they have answered, and
	// loggers is whose calls there have been.
	logsLate bool
	loggers  owners
}

// add enters f, unless the table was failed before.
func (t *flights) add(f *flight) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return t.err
	}
	if t.all == nil {
		t.all = make(map[jsonrpc.ID]*flight)
	}
	t.last++
	f.number = t.last
	t.all[f.id] = f
	if f.logs() {
		t.loggers.note(owner{name: f.req.opts.Owner})
	}
	return nil
}

// remove takes f out, which the server has answered or never got.
func (t *flights) remove(f *flight) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(f)
}

// abandon takes f out, which has ended here. Unless its answer came just before,
// the server may still work on it: it counts until that answer comes. It reports
// whether this is the first one that is over the bound.
func (t *flights) abandon(f *flight) (over bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	// What asks for the era, servers of the other one may never answer.
	probe := f.req.method == mcp.MethodDiscover || f.req.method == mcp.MethodInitialize
	return t.drop(f) && !f.req.listen && !probe && t.unanswered.add(f)
}

// drop takes f out of the table and reports whether it was there. t.mu is held.
func (t *flights) drop(f *flight) bool {
	if t.all[f.id] != f {
		return false
	}
	delete(t.all, f.id)
	if f.landed != nil {
		close(f.landed)
	}
	return true
}

func (t *flights) get(id jsonrpc.ID) *flight {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all[id]
}

// take is get for the request that a response answers: it leaves the table. It
// returns nil for an answer that comes late.
func (t *flights) take(m *jsonrpc.Message) *flight {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.all[m.ID]
	if f == nil {
		t.unanswered.answered(m.ID)
		return nil
	}
	t.drop(f)
	t.unanswered.follow(f, m)
	return f
}

// follow takes in the answer to f, which came on f's own stream.
func (t *flights) follow(f *flight, m *jsonrpc.Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unanswered.follow(f, m)
}

// only returns the flight that f selects if there is exactly one, and nothing is
// unanswered that a message without an id could be about as well.
func (t *flights) only(selects func(*flight) bool) *flight {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.unanswered.any() {
		return nil
	}
	return t.single(selects)
}

// single returns the flight that f selects if there is exactly one. t.mu is held.
func (t *flights) single(selects func(*flight) bool) *flight {
	var found *flight
	for _, f := range t.all {
		if !selects(f) {
			continue
		}
		if found != nil {
			return nil
		}
		found = f
	}
	return found
}

// asked returns the flight by which a question reaches the only party it can be
// meant for: the newest one, if everything that the server may be working on is
// that party's. It returns nil when that cannot be told. A question about a task
// is for the party that has the task, whatever else goes on.
//
// spec 2025-11-25 basic/transports#stdio: a question carries no sign of the call
// that it belongs to; basic/utilities/tasks: but of its task it does.
func (t *flights) asked(params Raw) *flight {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id := relatedTask(params); id != "" {
		to, known := t.unanswered.tasks[id]
		if !known {
			return nil
		}
		return t.newest(func(f *flight) bool { return f.asks() && f.owner() == to })
	}
	by := t.newest((*flight).asks)
	if by == nil || !t.alone(by.owner()) {
		return nil
	}
	return by
}

// landing returns a channel that is closed when f has left the table.
func (t *flights) landing(f *flight) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.landed == nil {
		f.landed = make(chan struct{})
		if t.all[f.id] != f {
			close(f.landed)
		}
	}
	return f.landed
}

// alone reports whether everything that a question or a log message can be about is
// one party's. t.mu is held.
func (t *flights) alone(o owner) bool {
	for _, f := range t.all {
		if f.asks() && f.logs() && f.owner() != o {
			return false
		}
	}
	return t.unanswered.only(o)
}

// newest returns the selected flight that began last. t.mu is held.
func (t *flights) newest(selects func(*flight) bool) *flight {
	var found *flight
	for _, f := range t.all {
		if selects(f) && (found == nil || f.number > found.number) {
			found = f
		}
	}
	return found
}

// logged returns the flight that a log message belongs to, nil when that is not
// known. It is found as for a question, among the calls that the server may log
// about. A legacy server may log at any time, also about calls that it has
// answered: where calls of several parties have been made, no message is anybody's.
//
// spec 2026-07-28 server/utilities/logging: messages belong to a request that asks
// for them, while it is served.
func (t *flights) logged() *flight {
	t.mu.Lock()
	defer t.mu.Unlock()
	by := t.newest(func(f *flight) bool { return f.logs() && f.req.opts.Owner != "" })
	switch {
	case by == nil:
		return t.single((*flight).logs)
	case t.logsLate && t.loggers.several, !t.alone(by.owner()):
		return nil
	}
	return by
}

// lateLogs notes that the server may log about calls that it has answered.
func (t *flights) lateLogs() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.logsLate = true
}

// fail ends all flights and refuses new ones.
func (t *flights) fail(err error) {
	t.mu.Lock()
	if t.err == nil {
		t.err = err
	}
	all := t.all
	t.all = nil
	for _, f := range all {
		if f.landed != nil {
			close(f.landed)
		}
	}
	t.unanswered.noMore()
	t.mu.Unlock()
	for _, f := range all {
		f.end(nil, err)
	}
}

// renew forgets what the server may be working on: it has ended, and what comes
// next is from another one.
func (t *flights) renew() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = nil
	t.unanswered.noMore()
	t.unanswered, t.loggers, t.logsLate = unanswered{}, owners{}, false
}

// relatedTask returns the id of the task that a server's message is about, "" if
// it names none.
func relatedTask(params Raw) string {
	meta, _ := jsonrpc.Get(params, "_meta")
	related, _ := jsonrpc.Get(meta, mcp.MetaRelatedTask)
	return taskIn(related)
}

func taskIn(obj Raw) string {
	raw, _ := jsonrpc.Get(obj, "taskId")
	id, _ := jsonrpc.Unquote(raw)
	return id
}
