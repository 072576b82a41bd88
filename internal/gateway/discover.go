// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// discover answers with what is known of the servers, and waits for none of several:
// one that has not answered yet may turn out to have any list. One of its own is
// waited for a moment. That it failed it says itself.
func (g *Gateway) discover(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	if g.own == nil {
		e := g.edition.Load()
		if e.settled[discovery] {
			g.catalog.touch(g.sources, discovery)
		} else {
			g.catalog.demand(g.sources, discovery)
		}
		return rpc.Result{Body: e.discovery}, nil
	}
	wait, cancel := context.WithTimeoutCause(ctx, g.catalog.cfg.Enough, errLate)
	defer cancel()
	e, err := g.current(wait, discovery, nil)
	late := errors.Is(err, errLate)
	switch {
	case err == nil && e.discovery != nil:
		return rpc.Result{Body: e.discovery}, nil
	case err == nil:
		late = e.revision.states[g.own.index][discovery].late
	case !late:
		return rpc.Result{}, err
	}
	var res rpc.Result
	if !late {
		res, err = g.own.backend.Handle(wait, call)
		late = err != nil && errors.Is(context.Cause(wait), errLate)
	}
	switch {
	case late:
		return rpc.Result{Body: g.anything()}, nil
	case err != nil:
		return res, err
	}
	if res.Body, _, err = bounded(res.Body); err != nil {
		return rpc.Result{}, err
	}
	res.Body = g.shown(res.Body)
	return res, nil
}

// Bounds on what a server says of itself, which every client is told anew.
const (
	maxInstructions = 64 << 10  // bytes of its instructions
	maxDiscovery    = 128 << 10 // bytes of everything
	maxLabel        = 256       // bytes of its name and its version, where the rest is dropped
)

// bounded returns a discovery within the bounds, and what was cut, "" when nothing
// was. Instructions end with a note then; where that is not enough only what a
// client needs is left.
func bounded(body Raw) (Raw, string, error) {
	cut := ""
	if text := text(body, "instructions"); len(text) > maxInstructions {
		note := fmt.Sprintf("\n[The server's instructions are cut off here: they have %d bytes, of which clients are told %d.]", len(text), maxInstructions)
		body = jsonrpc.Set(body, "instructions", jsonrpc.AppendString(nil, display.Cut(text, maxInstructions-len(note))+note))
		cut = "instructions"
	}
	if len(body) <= maxDiscovery {
		return body, cut, nil
	}
	var d mcp.Discovery
	if err := json.Unmarshal(body, &d); err != nil {
		return nil, "", fmt.Errorf("read what the server offers: %w", err)
	}
	extensions := map[string]Raw{}
	for _, id := range []string{mcp.ExtensionSkills, mcp.ExtensionTasks, mcp.ExtensionUI} {
		if settings, has := d.Capabilities.Extensions[id]; has && len(settings) <= maxLabel {
			extensions[id] = settings
		}
	}
	d.Capabilities.Extensions, d.Capabilities.Experimental, d.Capabilities.Tasks = extensions, nil, nil
	d.ServerInfo = mcp.Implementation{Name: display.Cut(d.ServerInfo.Name, maxLabel), Version: display.Cut(d.ServerInfo.Version, maxLabel)}
	body, err := json.Marshal(d, json.Deterministic(true))
	if err == nil && len(body) > maxDiscovery { // instructions of characters that take six bytes each as JSON
		d.Instructions = display.Cut(d.Instructions, maxInstructions/8)
		body, err = json.Marshal(d, json.Deterministic(true))
	}
	return body, "all but capabilities, name and instructions", err
}

// unite encodes what the servers offer together, as known to e; nil when that is not
// known of a server of its own.
func (g *Gateway) unite(e *edition) Raw {
	r := e.revision
	if g.own != nil {
		if s := r.states[g.own.index][discovery].shelf; s != nil {
			return g.shown(s.body)
		}
		return nil
	}
	d := mcp.Discovery{ServerInfo: g.cfg.Info}
	denied := len(g.sources) > 0 // every server says that it has no tasks
	for _, s := range g.sources {
		c := &mcp.ServerCapabilities{Tools: &mcp.ListCapability{}, Prompts: &mcp.ListCapability{}, Resources: &mcp.ResourcesCapability{Subscribe: true}} // of one that failed, and may be up next
		switch known := r.states[s.index][discovery]; {
		case known.shelf != nil:
			c = &known.shelf.offered.Capabilities
		case !known.tried || known.late: // nobody is told when it turns out to have less
			c = anyCapabilities()
		}
		uniteCapabilities(&d.Capabilities, c)
		settings, said := c.Extensions[mcp.ExtensionTasks]
		denied = denied && said && settings.Kind() == 'n'
	}
	if denied { // null keeps the endpoint from offering what none could use
		d.Capabilities.Extensions = map[string]Raw{mcp.ExtensionTasks: Raw("null")}
	}
	if d.Capabilities.Tools == nil { // a gateway without servers has a list too, if an empty one
		d.Capabilities.Tools = &mcp.ListCapability{ListChanged: true}
	}
	if d.Instructions = g.instructions(e); g.cfg.Search {
		d.Instructions = strings.TrimSpace(searchInstructions + g.serverLines(e) + "\n\n" + d.Instructions)
	}
	body, err := json.Marshal(d)
	if err != nil {
		panic("gateway: encode discovery: " + err.Error()) // plain structs
	}
	return body
}

// anyCapabilities are what a server may have that has not answered yet.
func anyCapabilities() *mcp.ServerCapabilities {
	return &mcp.ServerCapabilities{
		Tools: &mcp.ListCapability{ListChanged: true}, Prompts: &mcp.ListCapability{ListChanged: true},
		Resources: &mcp.ResourcesCapability{Subscribe: true, ListChanged: true},
		Logging:   &struct{}{}, Completions: &struct{}{}, Tasks: Raw("{}"),
	}
}

// anything is the discovery of a server of its own that has not answered yet.
func (g *Gateway) anything() Raw {
	body, err := json.Marshal(mcp.Discovery{Capabilities: *anyCapabilities(), ServerInfo: g.cfg.Info})
	if err != nil {
		panic("gateway: encode discovery: " + err.Error()) // plain structs
	}
	return g.shown(body)
}

// uniteCapabilities adds what one server offers. The changes of every list are
// announced, for the gateway sees them even when the server does not say so.
func uniteCapabilities(to, c *mcp.ServerCapabilities) {
	if c.Tools != nil {
		to.Tools = &mcp.ListCapability{ListChanged: true}
	}
	if c.Prompts != nil {
		to.Prompts = &mcp.ListCapability{ListChanged: true}
	}
	if c.Resources != nil {
		subscribe := c.Resources.Subscribe || to.Resources != nil && to.Resources.Subscribe
		to.Resources = &mcp.ResourcesCapability{Subscribe: subscribe, ListChanged: true}
	}
	if c.Logging != nil {
		to.Logging = &struct{}{}
	}
	if c.Tasks != nil {
		to.Tasks = c.Tasks
	}
	if c.Completions != nil {
		to.Completions = &struct{}{}
	}
}

// shown returns the discovery of a server of its own with the changes of its lists
// announced, and without skills where resources are left out. Everything else stays
// as it is.
func (g *Gateway) shown(body Raw) Raw {
	capabilities, _ := jsonrpc.Get(body, "capabilities")
	for _, name := range []string{"tools", "prompts", "resources"} {
		if list, has := jsonrpc.Get(capabilities, name); has && list.Kind() == '{' {
			capabilities = jsonrpc.Set(capabilities, name, jsonrpc.Set(list, "listChanged", Raw("true")))
		}
	}
	if g.selects(g.own, resourceList) {
		extensions, _ := jsonrpc.Get(capabilities, "extensions")
		capabilities = jsonrpc.Set(capabilities, "extensions", jsonrpc.Set(extensions, mcp.ExtensionSkills, Raw("null")))
	}
	return jsonrpc.Set(body, "capabilities", capabilities)
}
