// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Raw is a JSON value kept as received.
type Raw = jsonrpc.Raw

// Capabilities are a client's declared capabilities as bits. Where something has no
// bit, the ticket has them as received too.
type Capabilities uint16

// The bits.
const (
	roots Capabilities = 1 << iota
	rootsListChanged
	sampling
	samplingContext
	samplingTools
	elicitation
	elicitationForm
	elicitationURL
	tasks
	tasksList
	tasksCancel
	tasksSampling
	tasksElicitation
	// InRecord says that the record holds the capabilities as received, as in tickets
	// of before Declared.
	InRecord
)

// node is a member of the capabilities object that is an object itself.
type node struct {
	name    string
	bit     Capabilities // set when the member is there; 0 for a mere container
	flag    string       // the name of a boolean inside, "" for none
	flagBit Capabilities
	inner   []node
}

var capabilityTree = []node{
	{name: "roots", bit: roots, flag: "listChanged", flagBit: rootsListChanged},
	{name: "sampling", bit: sampling, inner: []node{{name: "context", bit: samplingContext}, {name: "tools", bit: samplingTools}}},
	{name: "elicitation", bit: elicitation, inner: []node{{name: "form", bit: elicitationForm}, {name: "url", bit: elicitationURL}}},
	{name: "tasks", bit: tasks, inner: []node{
		{name: "list", bit: tasksList}, {name: "cancel", bit: tasksCancel},
		{name: "requests", inner: []node{
			{name: "sampling", inner: []node{{name: "createMessage", bit: tasksSampling}}},
			{name: "elicitation", inner: []node{{name: "create", bit: tasksElicitation}}},
		}},
	}},
}

// PackCapabilities returns the bits of a capabilities object; whole reports
// whether they say everything that the object does. raw must be valid JSON.
func PackCapabilities(raw Raw) (bits Capabilities, whole bool) {
	if raw == nil {
		return 0, true
	}
	return pack(raw, capabilityTree, "", 0)
}

func pack(raw Raw, tree []node, flag string, flagBit Capabilities) (bits Capabilities, whole bool) {
	whole = raw.Kind() == '{'
	for name, value := range jsonrpc.Members(raw) {
		key, _ := jsonrpc.Unquote(name)
		if flag != "" && key == flag && (value.Kind() == 't' || value.Kind() == 'f') {
			if value.Kind() == 't' {
				bits |= flagBit
			}
			continue
		}
		known := false
		for i := range tree {
			if n := &tree[i]; n.name == key && value.Kind() == '{' {
				inner, all := pack(value, n.inner, n.flag, n.flagBit)
				bits, whole, known = bits|n.bit|inner, whole && all, true
			}
		}
		whole = whole && (known || string(value) == "{}" && (key == "experimental" || key == "extensions"))
	}
	return bits, whole
}

var empty = Raw("{}")

// Unpack returns the capabilities that the bits stand for.
func (c Capabilities) Unpack() mcp.ClientCapabilities {
	var out mcp.ClientCapabilities
	if c&roots != 0 {
		out.Roots = &mcp.RootsCapability{ListChanged: c&rootsListChanged != 0}
	}
	if c&sampling != 0 {
		out.Sampling = &mcp.SamplingCapability{Context: c.object(samplingContext), Tools: c.object(samplingTools)}
	}
	if c&elicitation != 0 {
		out.Elicitation = &mcp.ElicitationCapability{Form: c.object(elicitationForm), URL: c.object(elicitationURL)}
	}
	if c&tasks != 0 {
		out.Tasks = c.appendNode(nil, &capabilityTree[3])
	}
	return out
}

func (c Capabilities) object(bit Capabilities) Raw {
	if c&bit == 0 {
		return nil
	}
	return empty
}

// Raw returns the capabilities object that the bits stand for.
func (c Capabilities) Raw() Raw {
	if c&^InRecord == 0 {
		return empty
	}
	return c.appendMembers(make(Raw, 0, 96), capabilityTree)
}

func (c Capabilities) appendMembers(dst Raw, tree []node) Raw {
	dst = append(dst, '{')
	for i := range tree {
		n := &tree[i]
		if c&n.bits() == 0 {
			continue
		}
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = append(dst, n.name...)
		dst = append(dst, `":`...)
		dst = c.appendNode(dst, n)
	}
	return append(dst, '}')
}

func (c Capabilities) appendNode(dst Raw, n *node) Raw {
	if n.flag != "" && c&n.flagBit != 0 {
		dst = append(dst, `{"`...)
		dst = append(dst, n.flag...)
		return append(dst, `":true}`...)
	}
	return c.appendMembers(dst, n.inner)
}

// bits returns all bits of the node and below.
func (n *node) bits() Capabilities {
	all := n.bit
	for i := range n.inner {
		all |= n.inner[i].bits()
	}
	return all
}
