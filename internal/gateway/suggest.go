// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/search"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// Bounds on what is named beside an answer or an error.
const (
	maxSuggested = 3
	maxMissing   = 20 // servers
)

// known returns the servers that clients of the view hear of: those with tools
// there, and those that have not listed any but may.
func (g *Gateway) known(e *edition) []*source {
	counts := e.views[toolList].finder.counts
	return slices.DeleteFunc(slices.Clone(g.sources), func(s *source) bool {
		return counts[s] == 0 && (e.revision.states[s.index][toolList].missing() == "" || !g.filter.mayTake(s.prefix))
	})
}

// sourceCalled returns the server among some that has a name, as it is configured or
// as it stands before its tools' names; nil for none.
func sourceCalled(name string, among []*source) *source {
	for _, s := range among {
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
func suggestServers(name string, among []*source) string {
	documents := make([]search.Document, len(among))
	for i, s := range among {
		documents[i].Name = s.name
	}
	if said := suggest(search.New(documents), name); said != "" || len(among) == 0 {
		return said
	}
	var names []string
	for _, s := range among[:min(len(among), maxMissing)] {
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

// missingServers encodes which of some servers are down or have not listed their
// tools yet; nil when none are.
func missingServers(e *edition, among []*source) Raw {
	var all []missingServer
	for _, s := range among {
		if why := e.revision.states[s.index][toolList].missing(); why != "" {
			all = append(all, missingServer{s.name, why})
		}
	}
	return encodeMissing(all)
}

// missingServer is a server whose tools are not among those that are told.
type missingServer struct {
	Server string `json:"server"`
	Reason string `json:"reason"`
}

// MetaUnavailableServers is the key of a tool list's _meta that names the servers which
// have not listed their tools, and says why: a list of objects with server and reason,
// at most 20. A server that is down but has listed them before has its entries marked
// with [MetaUnavailable] instead.
const MetaUnavailableServers = "dev.holdfast/unavailableServers"

// withoutTools encodes which of the servers that g shows have listed no tools yet, nil when all
// have.
func (g *Gateway) withoutTools(r *revision) Raw {
	var all []missingServer
	for _, s := range g.sources {
		if k := &r.states[s.index][toolList]; k.shelf == nil && (g.own != nil || g.filter.mayTake(s.prefix)) {
			all = append(all, missingServer{s.name, k.missing()})
		}
	}
	return encodeMissing(all)
}

// withMissing returns a list that names the servers whose entries it lacks.
func withMissing(list, missing Raw) Raw {
	if missing == nil {
		return list
	}
	return jsonrpc.Set(list, "_meta", jsonrpc.Set(nil, MetaUnavailableServers, missing))
}

func encodeMissing(all []missingServer) Raw {
	if all == nil {
		return nil
	}
	all = all[:min(len(all), maxMissing)]
	body, err := json.Marshal(all)
	if err != nil {
		panic("gateway: encode servers: " + err.Error()) // plain strings
	}
	return body
}
