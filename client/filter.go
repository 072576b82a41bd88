// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Filter says what a client wants to hear of.
type Filter struct {
	Tools     bool     `json:"toolsListChanged,omitzero"`
	Prompts   bool     `json:"promptsListChanged,omitzero"`
	Resources bool     `json:"resourcesListChanged,omitzero"`
	URIs      []string `json:"resourceSubscriptions,omitempty"` // resources whose updates are wanted
	TaskIDs   []string `json:"taskIds,omitempty"`               // tasks extension
}

// wanted reports whether f asks for anything.
func (f Filter) wanted() bool {
	return f.Tools || f.Prompts || f.Resources || len(f.URIs) > 0 || len(f.TaskIDs) > 0
}

func (f Filter) clone() Filter {
	f.URIs, f.TaskIDs = slices.Clone(f.URIs), slices.Clone(f.TaskIDs)
	return f
}

func (f Filter) equal(g Filter) bool {
	return f.Tools == g.Tools && f.Prompts == g.Prompts && f.Resources == g.Resources &&
		slices.Equal(f.URIs, g.URIs) && slices.Equal(f.TaskIDs, g.TaskIDs)
}

// split returns what f asks for of lists, and the rest.
func (f Filter) split() (lists, rest Filter) {
	return Filter{Tools: f.Tools, Prompts: f.Prompts, Resources: f.Resources}, Filter{URIs: f.URIs, TaskIDs: f.TaskIDs}
}

// plus returns what f or g ask for. They do not overlap.
func (f Filter) plus(g Filter) Filter {
	f.Tools, f.Prompts, f.Resources = f.Tools || g.Tools, f.Prompts || g.Prompts, f.Resources || g.Resources
	f.URIs, f.TaskIDs = slices.Concat(f.URIs, g.URIs), slices.Concat(f.TaskIDs, g.TaskIDs)
	return f
}

// only returns what both f and g ask for.
func (f Filter) only(g Filter) Filter {
	return f.beyond(f.beyond(g))
}

// size is the number of resources and tasks.
func (f Filter) size() int { return len(f.URIs) + len(f.TaskIDs) }

// beyond returns what f asks for and g does not.
func (f Filter) beyond(g Filter) Filter {
	f.Tools, f.Prompts, f.Resources = f.Tools && !g.Tools, f.Prompts && !g.Prompts, f.Resources && !g.Resources
	f.URIs, f.TaskIDs = without(f.URIs, g.URIs), without(f.TaskIDs, g.TaskIDs)
	return f
}

// without returns what all has and some has not.
func without(all, some []string) []string {
	met := make(map[string]bool, len(some))
	for _, s := range some {
		met[s] = true
	}
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return met[s] })
}

// listenParams are the params of subscriptions/listen.
//
// spec 2026-07-28 basic/utilities/subscriptions.
func (f Filter) listenParams() (Raw, error) {
	return json.Marshal(struct {
		Notifications Filter `json:"notifications"`
	}{f})
}

// gap puts in the inbox what may have been missed while nothing was heard.
func (f Filter) gap(b *inbox) {
	for _, list := range []struct {
		wanted bool
		method string
	}{
		{f.Tools, mcp.NotificationToolsChanged},
		{f.Prompts, mcp.NotificationPromptsChanged},
		{f.Resources, mcp.NotificationResourcesChanged},
	} {
		if list.wanted {
			b.put(list.method, nil)
		}
	}
	for _, uri := range f.URIs {
		b.put(mcp.NotificationResourceUpdated, jsonrpc.Set(nil, "uri", jsonrpc.AppendString(nil, uri)))
	}
}
