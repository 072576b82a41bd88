// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"sync"
	"sync/atomic"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// memo is what has been agreed with an instance since its greeting.
type memo struct {
	level atomic.Value // mcp.LogLevel that a legacy server was set to
}

// Bounds of the tools whose task support is remembered.
const (
	maxToolsKnown = 100_000
	maxToolName   = 1 << 10 // bytes; no list shows longer ones
)

// toolTasks remembers which tools of a legacy server can run as tasks, from its
// lists. It is safe for concurrent use; the zero value is ready.
type toolTasks struct {
	mu    sync.RWMutex
	known map[string]string // name → taskSupport
}

func (t *toolTasks) of(tool string) (support string, known bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	support, known = t.known[tool]
	return support, known
}

func (t *toolTasks) learn(tool, support string) {
	if len(tool) > maxToolName || len(support) > maxToolName {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil || len(t.known) >= maxToolsKnown {
		t.known = map[string]string{}
	}
	t.known[tool] = support
}

// learnTools takes in a page of tools. Those of a modern server that has tasks
// are listed as able to become one: whether they do is the server's choice, which
// legacy clients must be told beforehand.
func (r *Remote) learnTools(l *link, page Raw) Raw {
	if !l.offersTasks() {
		return page
	}
	tools, ok := jsonrpc.Get(page, "tools")
	if !ok {
		return page
	}
	if l.era() == mcp.Legacy {
		for tool := range jsonrpc.Elements(tools) {
			r.learnTool(l, tool)
		}
		return page
	}
	out := Raw{'['}
	for tool := range jsonrpc.Elements(tools) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, r.learnTool(l, tool)...)
	}
	return jsonrpc.Set(page, "tools", append(out, ']'))
}

// learnTool takes in one tool of a server that has tasks, and returns it as it is listed.
func (r *Remote) learnTool(l *link, tool Raw) Raw {
	if l.era() == mcp.Legacy {
		execution, _ := jsonrpc.Get(tool, "execution")
		r.tools.learn(memberText(tool, "name"), memberText(execution, "taskSupport"))
		return tool
	}
	return jsonrpc.Set(tool, "execution", Raw(`{"taskSupport":"`+mcp.TaskOptional+`"}`))
}

// memberText returns a string member of obj, "" when there is none.
func memberText(obj Raw, name string) string {
	value, _ := jsonrpc.Get(obj, name)
	text, _ := jsonrpc.Unquote(value)
	return text
}
