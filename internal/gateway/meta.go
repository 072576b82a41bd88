// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// The meta-tools that stand in a list in place of many tools.
const (
	findTool         = "find_tool"
	callTool         = "call_tool"
	callReadOnlyTool = "call_read_only_tool"
)

func isMetaTool(name string) bool {
	return name == findTool || name == callTool || name == callReadOnlyTool
}

// Bounds on one search.
const (
	defaultFound = 10
	maxFound     = 50
	findWait     = time.Second // for servers that have never listed their tools
)

//go:embed metatools.json
var metaToolsFile []byte

// metaTools is the list of the meta-tools.
var metaTools = func() Raw {
	list := jsontext.Value(metaToolsFile)
	if err := list.Compact(); err != nil {
		panic("gateway: metatools.json: " + err.Error())
	}
	return list
}()

// metaHint lets clients keep a list of the meta-tools alone: it says the same as
// long as this Holdfast runs. An hour is how long one may go on that has been
// configured anew meanwhile.
var metaHint = mcp.CacheHint{TTLMillis: time.Hour.Milliseconds(), Scope: mcp.CachePublic}

// onlyMetaTools reports whether g lists the meta-tools and nothing else.
func (g *Gateway) onlyMetaTools() bool { return g.cfg.Search && len(g.cfg.Pin) == 0 }

// pins returns the entries that are listed beside the meta-tools.
func (g *Gateway) pins(entries []chosen) []chosen {
	var pinned []chosen
	for i := range entries {
		if !g.onlyMetaTools() && g.pinned.takes(entries[i].key) {
			pinned = append(pinned, entries[i])
		}
	}
	return pinned
}

// metaList encodes the list of the meta-tools and of the entries that are pinned.
func metaList(pinned []chosen) Raw {
	if len(pinned) == 0 {
		return metaTools
	}
	body := append(Raw{}, metaTools[:len(metaTools)-len(`]}`)]...)
	return append(append(body, ','), encode(toolList, pinned)[len(`{"tools":[`):]...)
}

// findTool answers a call of find_tool.
func (g *Gateway) findTool(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	var args struct {
		Query  string   `json:"query"`
		Server string   `json:"server"`
		Limit  *float64 `json:"limit"`
		Offset float64  `json:"offset"`
	}
	if err := json.Unmarshal(arguments(call), &args); err != nil || args.Query == "" && args.Server == "" {
		return toolError(`find_tool takes {"query": string, "server": string, "limit": integer, "offset": integer}, and of the first two at least one`)
	}
	q := question{words: strings.TrimSpace(args.Query), limit: defaultFound, offset: int(min(max(args.Offset, 0), 1e6))}
	if args.Limit != nil {
		q.limit = int(min(max(*args.Limit, 1), maxFound))
	}
	e, err := g.listed(ctx)
	if err != nil {
		return rpc.Result{}, err
	}
	servers := g.known(e)
	if args.Server != "" {
		if q.server = sourceCalled(args.Server, servers); q.server == nil {
			return toolError("There is no server " + display.Quote(args.Server) + "." + suggestServers(args.Server, servers))
		}
		servers = []*source{q.server}
	}
	found := e.views[toolList].finder.answer(&q, missingServers(e, servers))
	body := jsonrpc.AppendString(Raw(`{"content":[{"type":"text","text":`), string(found))
	body = append(append(body, `}],"structuredContent":`...), found...)
	return rpc.Result{Body: append(body, '}')}, nil
}

// listed returns the latest edition. It waits no longer than [findWait] for servers
// that have not listed their tools: what is there can be found.
func (g *Gateway) listed(ctx context.Context) (*edition, error) {
	bounded, cancel := context.WithTimeout(ctx, findWait)
	defer cancel()
	e, err := g.current(bounded, toolList, nil)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		return g.edition.Load(), nil
	}
	return e, err
}

// callTool re-targets a call of call_tool or call_read_only_tool. Everything else
// of the call, its notifications, questions, tasks and errors, is the tool's.
func (g *Gateway) callTool(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	args := arguments(call)
	name := text(args, "name")
	inner, has := jsonrpc.Get(args, "arguments")
	if has && inner.Kind() == 'n' {
		inner, has = nil, false
	}
	if name == "" || has && inner.Kind() != '{' {
		return toolError(call.Target + ` takes {"name": string, "arguments": object}`)
	}
	r, ok, err := g.find(ctx, toolList, name)
	switch {
	case err != nil:
		return rpc.Result{}, err
	case !ok:
		return toolError("There is no tool " + display.Quote(name) + "." + g.suggestTools(name) + " Use find_tool to find one.")
	}
	if call.Target == callReadOnlyTool && !g.edition.Load().views[toolList].finder.readOnly(name) {
		return toolError("The tool " + display.Quote(name) + " is not marked as read-only. Use call_tool to call it.")
	}
	own := *call
	own.Target, own.Arguments = r.own, inner
	own.Params = jsonrpc.Set(call.Params, "name", jsonrpc.AppendString(nil, r.own))
	if has {
		own.Params = jsonrpc.Set(own.Params, "arguments", inner)
	} else {
		own.Params = jsonrpc.Delete(own.Params, "arguments")
	}
	res, err := r.source.backend.Handle(ctx, &own)
	return g.mark(&r, toolList, res), err
}

func arguments(call *rpc.Call) Raw {
	if call.Arguments != nil {
		return call.Arguments
	}
	args, _ := jsonrpc.Get(call.Params, "arguments")
	return args
}

// toolError is what the model sees of a call that it got wrong.
func toolError(message string) (rpc.Result, error) {
	body, err := mcp.ToolError(message).AppendJSON(nil)
	return rpc.Result{Body: body}, err
}

const searchInstructions = "The tools of this server are not listed one by one. " +
	"Describe what you need to find_tool; it returns the tools that fit best, with their input schemas. " +
	"Then run one with call_tool, by its name and with arguments that match its input schema; " +
	"call_read_only_tool does so for tools that change nothing."

// maxInstructed bounds the bytes of what clients are told of the servers.
const maxInstructed = 8 << 10

// serverLines says which servers there are and how many tools each has, for the
// instructions.
func (g *Gateway) serverLines(e *edition) string {
	var b strings.Builder
	counts, servers := e.views[toolList].finder.counts, g.known(e)
	for i, s := range servers {
		state := e.revision.states[s.index][toolList]
		line := fmt.Sprintf("\n- %s: %d tools", s.name, counts[s])
		if why := state.missing(); why != "" {
			line += "; unavailable now: " + display.Short(why)
		}
		if b.Len()+len(line) > maxInstructed {
			fmt.Fprintf(&b, "\n- and %d more", len(servers)-i)
			break
		}
		b.WriteString(line)
	}
	if b.Len() == 0 {
		return ""
	}
	return "\nThe servers behind it, which find_tool takes as server:" + b.String()
}
