// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/search"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// The meta-tools that stand in a list in place of many tools.
const (
	findTool = "find_tool"
	callTool = "call_tool"

	defaultFound = 5
	maxFound     = 50
)

const searchInstructions = "The tools of this server are not listed one by one. " +
	"Describe what you need to find_tool; it returns the tools that fit best, with their input schemas. " +
	"Then run one with call_tool, by its name and with arguments that match its input schema."

// metaTools is the list of the two.
var metaTools = Raw(`{"tools":[{"name":"find_tool","title":"Find a tool",` +
	`"description":"Finds tools by what they do. Returns the best matches first, each with its name, description and input schema; run one of them with call_tool. Search again in other words when nothing fits.",` +
	`"inputSchema":{"type":"object","properties":{` +
	`"query":{"type":"string","description":"What the tool should do, in a few words, such as \"create a calendar event\""},` +
	`"limit":{"type":"integer","minimum":1,"maximum":50,"default":5,"description":"How many tools to return at most"}},` +
	`"required":["query"],"additionalProperties":false},` +
	`"outputSchema":{"type":"object","properties":{` +
	`"tools":{"type":"array","items":{"type":"object","properties":{"name":{"type":"string"},"description":{"type":"string"},"inputSchema":{"type":"object"},` +
	`"unavailable":{"type":"string","description":"Why the tool cannot be called now"}},"required":["name","inputSchema"]}},` +
	`"total":{"type":"integer","description":"How many tools there are in all"}},"required":["tools","total"]},` +
	`"annotations":{"readOnlyHint":true,"openWorldHint":false}},` +
	`{"name":"call_tool","title":"Call a tool",` +
	`"description":"Calls a tool that find_tool has returned. The result is the tool's own.",` +
	`"inputSchema":{"type":"object","properties":{` +
	`"name":{"type":"string","description":"The tool's name as find_tool returned it"},` +
	`"arguments":{"type":"object","description":"The tool's arguments, as its input schema asks for them"}},` +
	`"required":["name"],"additionalProperties":false},` +
	`"annotations":{"readOnlyHint":false,"destructiveHint":true,"openWorldHint":true}}]}`)

// finder finds tools by words. It is immutable.
type finder struct {
	index *search.Index
	found []Raw // what is told of each tool
}

func newFinder(entries []chosen) *finder {
	documents := make([]search.Document, len(entries))
	f := &finder{found: make([]Raw, len(entries))}
	for i := range entries {
		e := &entries[i]
		documents[i] = search.Document{Name: e.key, Text: text(e.body, "title") + " " + text(e.body, "description")}
		told := append(jsonrpc.AppendString(Raw(`{"name":`), e.key), '}')
		for _, member := range []string{"description", "inputSchema"} {
			if value, has := jsonrpc.Get(e.body, member); has {
				told = jsonrpc.Set(told, member, value)
			}
		}
		meta, _ := jsonrpc.Get(e.body, "_meta")
		if why, down := jsonrpc.Get(meta, MetaUnavailable); down {
			told = jsonrpc.Set(told, "unavailable", why)
		}
		f.found[i] = told
	}
	f.index = search.New(documents)
	return f
}

// find encodes the best matches.
func (f *finder) find(query string, limit int) Raw {
	out := Raw(`{"tools":[`)
	for i, m := range f.index.Find(query, limit) {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, f.found[m.Document]...)
	}
	return fmt.Appendf(out, `],"total":%d}`, f.index.Len())
}

// findTool answers a call of find_tool.
func (g *Gateway) findTool(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	var args struct {
		Query *string  `json:"query"`
		Limit *float64 `json:"limit"`
	}
	if err := json.Unmarshal(arguments(call), &args); err != nil || args.Query == nil {
		return toolError(`find_tool takes {"query": string, "limit": integer}`)
	}
	limit := defaultFound
	if args.Limit != nil {
		limit = int(min(max(*args.Limit, 1), maxFound))
	}
	e, err := g.current(ctx, toolList, nil)
	if err != nil {
		return rpc.Result{}, err
	}
	found := e.views[toolList].finder.find(*args.Query, limit)
	body := jsonrpc.AppendString(Raw(`{"content":[{"type":"text","text":`), string(found))
	body = append(append(body, `}],"structuredContent":`...), found...)
	return rpc.Result{Body: append(body, '}')}, nil
}

// callTool re-targets a call of call_tool. Everything else of the call, its
// notifications, questions, tasks and errors, is the tool's.
func (g *Gateway) callTool(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	args := arguments(call)
	name := text(args, "name")
	inner, has := jsonrpc.Get(args, "arguments")
	if name == "" || has && inner.Kind() != '{' {
		return toolError(`call_tool takes {"name": string, "arguments": object}`)
	}
	r, ok := g.lookUp(ctx, toolList, name)
	if !ok {
		return toolError("There is no tool " + display.Quote(name) + ". Use find_tool to find one.")
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
