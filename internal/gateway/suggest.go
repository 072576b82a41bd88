// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/search"
)

// Bounds on what is named beside an answer or an error.
const (
	maxSuggested = 3
	maxMissing   = 20 // servers
)

// sourceCalled returns the server drawn on that has a name, as it is configured or
// as it stands before its tools' names; nil for none.
func (g *Gateway) sourceCalled(name string) *source {
	for _, s := range g.sources {
		if s.name == name || s.prefix == name+separator {
			return s
		}
	}
	return nil
}

// suggestTools names the tools that an unknown name may have meant.
func (g *Gateway) suggestTools(name string) string {
	return suggest(g.edition.Load().views[toolList].finder.index, name)
}

// suggestServers names the servers that an unknown name may have meant, or the
// first ones when none is like it.
func (g *Gateway) suggestServers(name string) string {
	documents := make([]search.Document, len(g.sources))
	for i, s := range g.sources {
		documents[i].Name = s.name
	}
	if said := suggest(search.New(documents), name); said != "" || len(g.sources) == 0 {
		return said
	}
	var names []string
	for _, s := range g.sources[:min(len(g.sources), maxMissing)] {
		names = append(names, display.Quote(s.name))
	}
	return " Servers are " + strings.Join(names, ", ") + "."
}

func suggest(x *search.Index, name string) string {
	var names []string
	for _, near := range x.Near(name, maxSuggested) {
		names = append(names, display.Quote(near))
	}
	if names == nil {
		return ""
	}
	return " Did you mean " + strings.Join(names, " or ") + "?"
}

// missing returns why tools of a server may be missing from what was found, "" when
// none are.
func (k *known) missing() string {
	if k.shelf == nil {
		return cmp.Or(k.down, notAnswered)
	}
	return k.down
}

// unlistedServers encodes which servers are down or have not listed their tools yet,
// the one asked for or all; nil when there are none.
func (g *Gateway) unlistedServers(e *edition, only *source) Raw {
	type missing struct {
		Server string `json:"server"`
		Reason string `json:"reason"`
	}
	var all []missing
	for _, s := range g.sources {
		why := e.revision.states[s.index][toolList].missing()
		if why != "" && (only == nil || only == s) && len(all) < maxMissing {
			all = append(all, missing{s.name, why})
		}
	}
	if all == nil {
		return nil
	}
	body, err := json.Marshal(all)
	if err != nil {
		panic("gateway: encode servers: " + err.Error()) // plain strings
	}
	return body
}
