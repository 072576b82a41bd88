// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

import "github.com/holdfast-mcp/holdfast/jsonrpc"

// DownAsk returns the params of what a server asks a client that speaks f. It
// does not add the elicitationId that 2025-11-25 requires with URLs: whoever
// sends the request knows the id. The error is always a [NotCarriedError]; a
// client that lacks the capability is another matter, see
// [ClientCapabilities.MissingFor].
func DownAsk(f *Features, method string, params Raw) (Raw, error) {
	p := askPlans[planKey{f.Version, method}]
	if p == nil {
		return params, nil // an extension's
	}
	w := walk{f: f, method: method}
	if !f.Ask(method) {
		w.refuse("this request")
		return nil, w.err
	}
	if p.view == nil || len(params) == 0 {
		return params, nil
	}
	out := w.value(params, p.view)
	if w.err != nil {
		return nil, w.err
	}
	return out, nil
}

// UpAsk returns the params of what a server that speaks f asks, in the inner
// shape. The wish to run it as a task is dropped, for no client is offered that.
func UpAsk(f *Features, method string, params Raw) (Raw, error) {
	if f.Era == Legacy {
		params = jsonrpc.Delete(params, "task")
	}
	if len(params) > 0 && params.Kind() != '{' {
		return nil, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "the params of %s are not an object", method)
	}
	return params, nil
}

func (w *walk) elicitation(params Raw) Raw {
	if memberText(params, "mode") == ElicitURL && !w.f.ElicitationURL {
		w.refuse("elicitation by URL")
	}
	return params
}

// formField brings one field of a form to what 2025-06-18 has: no choice of
// several, titles of a choice in enumNames, defaults for booleans only.
func (w *walk) formField(field Raw) Raw {
	kind := memberText(field, "type")
	if kind == "array" {
		w.refuse("choosing several values")
		return field
	}
	if choices, ok := jsonrpc.Get(field, "oneOf"); ok {
		values, titles := Raw{'['}, Raw{'['}
		for choice := range jsonrpc.Elements(choices) {
			value, _ := jsonrpc.Get(choice, "const")
			title, ok := jsonrpc.Get(choice, "title")
			if !ok {
				title = value
			}
			values = append(separate(values), value...)
			titles = append(separate(titles), title...)
		}
		field = jsonrpc.Delete(field, "oneOf")
		field = jsonrpc.Set(field, "enum", append(values, ']'))
		field = jsonrpc.Set(field, "enumNames", append(titles, ']'))
	}
	if kind != "boolean" {
		field = jsonrpc.Delete(field, "default")
	}
	return field
}

// sampling refuses tools before 2025-11-25 and gives each message one block of
// content, as there were no lists of them.
func (w *walk) sampling(params Raw) Raw {
	tools, _ := jsonrpc.Get(params, "tools")
	for range jsonrpc.Elements(tools) {
		w.refuse("tools in sampling")
		return params
	}
	if choice, _ := jsonrpc.Get(params, "toolChoice"); memberText(choice, "mode") == "required" {
		w.refuse("tools in sampling")
		return params
	}
	messages, _ := jsonrpc.Get(params, "messages")
	out, changed := Raw{'['}, false
	for message := range jsonrpc.Elements(messages) {
		content, _ := jsonrpc.Get(message, "content")
		if content.Kind() != '[' {
			out = append(separate(out), message...)
			continue
		}
		changed = true
		for block := range jsonrpc.Elements(content) {
			out = append(separate(out), jsonrpc.Set(message, "content", block)...)
		}
	}
	if !changed {
		return params
	}
	return jsonrpc.Set(params, "messages", append(out, ']'))
}

// sampledContent is content for what sampling messages may hold besides.
func (w *walk) sampledContent(block Raw) Raw {
	switch memberText(block, "type") {
	case ContentToolUse:
		if w.f.Version < V20251125 {
			w.refuse("tool use in sampling")
		}
	case ContentToolResult:
		if w.f.Version < V20251125 {
			w.refuse("tool results in sampling")
		}
		return w.toolResult(block)
	}
	return w.content(block)
}
