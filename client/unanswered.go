// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// owner is on whose behalf a request is made: the one that [CallOptions] name, or
// else the request alone.
type owner struct {
	name string
	id   jsonrpc.ID // zero when there is a name
}

// owners remembers whether requests were one owner's or several owners'. Requests
// without a named owner do not count. The zero value is ready.
type owners struct {
	first   owner
	several bool
}

func (o *owners) note(who owner) {
	switch {
	case who == owner{}:
	case o.first == owner{}:
		o.first = who
	case o.first != who:
		o.several = true
	}
}

// maxUnanswered bounds what is remembered of requests that have ended here
// without an answer, and of tasks, each about a hundred bytes. Of those over the
// bound only the owner is remembered, for as long as the connection lives.
const maxUnanswered = 1024

// unanswered is what a server may still be working on although no request for it
// is in flight: requests that were cancelled or timed out, as most servers go on
// with these, and tasks. The table's mu guards it.
type unanswered struct {
	calls  map[jsonrpc.ID]abandoned
	tasks  map[string]owner // by the id that the server gave
	counts map[owner]int    // of the others, and of tasks
	spilt  owners           // of calls and tasks over the bound
	over   bool             // the bound was reached
}

// abandoned is a request that ended without an answer.
type abandoned struct {
	who  owner  // zero if the server says nothing about it
	over func() // see [CallOptions]; may be nil
}

// add enters a request that ended without an answer. It reports whether this is
// the first one over the bound.
func (u *unanswered) add(f *flight) (first bool) {
	who := owner{}
	if f.asks() && f.logs() {
		who = f.owner()
	}
	if u.full() {
		return u.spill(who)
	}
	if u.calls == nil {
		u.calls = map[jsonrpc.ID]abandoned{}
	}
	a := abandoned{who: who}
	if f.req.opts.Abandoned != nil {
		a.over = f.req.opts.Abandoned()
	}
	u.calls[f.id] = a
	u.count(who)
	return false
}

func (u *unanswered) full() bool { return len(u.calls)+len(u.tasks) >= maxUnanswered }

func (u *unanswered) spill(who owner) (first bool) {
	first = !u.over
	u.over = true
	u.spilt.note(who)
	return first
}

func (u *unanswered) count(who owner) {
	if who == (owner{}) {
		return
	}
	if u.counts == nil {
		u.counts = map[owner]int{}
	}
	u.counts[who]++
}

func (u *unanswered) discount(who owner) {
	if who == (owner{}) {
		return
	}
	if u.counts[who]--; u.counts[who] == 0 {
		delete(u.counts, who)
	}
}

// answered takes in the late answer to a request.
func (u *unanswered) answered(id jsonrpc.ID) {
	if a, ok := u.calls[id]; ok {
		delete(u.calls, id)
		u.discount(a.who)
		a.end()
	}
}

func (a abandoned) end() {
	if a.over != nil {
		a.over()
	}
}

// noMore says that no answer comes any more.
func (u *unanswered) noMore() {
	for id, a := range u.calls {
		a.end()
		u.calls[id] = abandoned{who: a.who}
	}
}

// any reports whether an answer may come that names no request.
func (u *unanswered) any() bool { return len(u.calls) > 0 || u.over }

// only reports whether everything here is o's.
func (u *unanswered) only(o owner) bool {
	if u.spilt.several || u.spilt.first != (owner{}) && u.spilt.first != o {
		return false
	}
	return len(u.counts) == 0 || len(u.counts) == 1 && u.counts[o] > 0
}

// follow takes in the answer to f as far as it tells of a task: a call that
// became one is not over before the task's outcome is known. A task that was
// cancelled counts on, since a server may go on with it.
//
// spec 2025-11-25 basic/utilities/tasks.
func (u *unanswered) follow(f *flight, m *jsonrpc.Message) {
	switch f.req.method {
	case mcp.MethodCallTool:
		if !f.asks() || !bytes.Contains(m.Result, []byte(`"taskId"`)) { // the usual result, which may be large
			return
		}
		if task, ok := jsonrpc.Get(m.Result, "task"); ok {
			u.begin(taskIn(task), f.owner())
		}
	case mcp.MethodTaskResult:
		u.finish(taskIn(f.req.params))
	case mcp.MethodGetTask:
		raw, _ := jsonrpc.Get(m.Result, "status")
		switch status, _ := jsonrpc.Unquote(raw); status {
		case mcp.TaskCompleted, mcp.TaskFailed:
			u.finish(taskIn(f.req.params))
		}
	}
}

func (u *unanswered) begin(id string, who owner) {
	if _, twice := u.tasks[id]; id == "" || twice {
		return
	}
	if u.full() {
		u.spill(who)
		return
	}
	if u.tasks == nil {
		u.tasks = map[string]owner{}
	}
	u.tasks[id] = who
	u.count(who)
}

func (u *unanswered) finish(id string) {
	if who, ok := u.tasks[id]; ok {
		delete(u.tasks, id)
		u.discount(who)
	}
}
