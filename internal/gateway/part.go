// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Raw is a JSON value kept as received.
type Raw = jsonrpc.Raw

// part is one of the things a server is asked for: the four lists, and what it
// offers at all.
type part int

const (
	toolList part = iota
	promptList
	resourceList
	templateList
	discovery
)

const (
	numLists = int(discovery)
	numParts = int(discovery) + 1
)

// list describes one of the four lists.
type list struct {
	method  string // that asks for it
	member  string // of the result that holds the entries
	key     string // member of an entry that identifies it
	renamed bool   // whether the key gets the server's prefix on common endpoints
	noun    string
	topic   subscription.Kind
}

// lists is in the order of the parts.
var lists = [numLists]list{
	toolList:     {mcp.MethodListTools, "tools", "name", true, "tool", subscription.Tools},
	promptList:   {mcp.MethodListPrompts, "prompts", "name", true, "prompt", subscription.Prompts},
	resourceList: {mcp.MethodListResources, "resources", "uri", false, "resource", subscription.Resources},
	templateList: {mcp.MethodListResourceTemplates, "resourceTemplates", "uriTemplate", false, "resource template", subscription.Resources},
}

// listPart returns which list a method asks for.
func listPart(method string) (part, bool) {
	for p := range lists {
		if lists[p].method == method {
			return part(p), true
		}
	}
	return 0, false
}

// text returns a string member of an object, "" when there is none.
func text(obj Raw, name string) string {
	v, _ := jsonrpc.Get(obj, name)
	s, _ := jsonrpc.Unquote(v)
	return s
}
