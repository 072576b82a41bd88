// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

import (
	"bytes"
	"encoding/base64"
	"fmt"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// memberText returns a string member of obj, "" when there is none.
func memberText(obj Raw, name string) string {
	value, _ := jsonrpc.Get(obj, name)
	text, _ := jsonrpc.Unquote(value)
	return text
}

// content says audio and links in words where the version has no such content.
func (w *walk) content(block Raw) Raw {
	switch memberText(block, "type") {
	case ContentAudio:
		if !w.f.Audio {
			return textInstead(block, audioNote(block))
		}
	case ContentLink:
		if !w.f.ResourceLinks {
			return textInstead(block, linkNote(block))
		}
	}
	return block
}

func audioNote(block Raw) string {
	data, _ := jsonrpc.Get(block, "data")
	size := base64.StdEncoding.DecodedLen(max(len(data)-2, 0))
	size -= bytes.Count(data, []byte("="))
	return fmt.Sprintf("[audio of type %s, %d bytes, which this protocol version cannot carry]", memberText(block, "mimeType"), size)
}

func linkNote(block Raw) string {
	name := memberText(block, "title")
	if name == "" {
		name = memberText(block, "name")
	}
	note := "[resource " + name + "] " + memberText(block, "uri")
	if about := memberText(block, "description"); about != "" {
		note += "\n" + about
	}
	return note
}

// textInstead returns a text block with the annotations of block.
func textInstead(block Raw, text string) Raw {
	out := textBlock(text)
	if annotations, ok := jsonrpc.Get(block, "annotations"); ok {
		return jsonrpc.Set(out, "annotations", annotations)
	}
	return out
}

func textBlock(text string) Raw {
	out := append(make(Raw, 0, len(text)+32), `{"type":"text","text":`...)
	return append(jsonrpc.AppendString(out, text), '}')
}

// toolResult makes sure that structured content is also there as text, and
// drops it when it is not the object that all legacy versions ask for.
//
// spec 2025-06-18 server/tools#structured-content: a tool that returns
// structured content SHOULD also return the serialized JSON in a text block.
func (w *walk) toolResult(result Raw) Raw {
	structured, ok := jsonrpc.Get(result, "structuredContent")
	if !ok {
		return result
	}
	drop := !w.f.StructuredTools || structured.Kind() != '{'
	content, _ := jsonrpc.Get(result, "content")
	blocks, text := 0, false
	for block := range jsonrpc.Elements(content) {
		blocks++
		text = text || memberText(block, "type") == ContentText
	}
	if blocks == 0 || drop && !text {
		result = jsonrpc.Set(result, "content", appendElement(content, textBlock(string(structured))))
	}
	if drop {
		result = jsonrpc.Delete(result, "structuredContent")
	}
	return result
}

func appendElement(arr, element Raw) Raw {
	out := append(make(Raw, 0, len(arr)+len(element)+2), '[')
	for e := range jsonrpc.Elements(arr) {
		out = append(separate(out), e...)
	}
	return append(append(separate(out), element...), ']')
}

// resultMeta drops what modern servers say about themselves in _meta.
func (w *walk) resultMeta(meta Raw) Raw {
	rest := jsonrpc.Delete(meta, MetaServerInfo)
	if len(rest) != len(meta) && isEmptyObject(rest) {
		return nil
	}
	return rest
}

// outputSchema drops schemas of anything but objects, which legacy versions do
// not have; the structured content of such tools is dropped too.
func (w *walk) outputSchema(schema Raw) Raw {
	if memberText(schema, "type") != "object" {
		return nil
	}
	return w.inputSchema(schema)
}

// inputSchema writes the schemas true and false of properties as objects, the
// only form that legacy versions have there.
func (w *walk) inputSchema(schema Raw) Raw {
	properties, ok := jsonrpc.Get(schema, "properties")
	if !ok || properties.Kind() != '{' {
		return schema
	}
	if next := w.object(properties, plainSchemas); !same(next, properties) {
		return jsonrpc.Set(schema, "properties", next)
	}
	return schema
}

var plainSchemas = &view{any: &action{of: &view{fix: plainSchema}}}

func plainSchema(_ *walk, schema Raw) Raw {
	switch schema.Kind() {
	case 't':
		return Raw(`{}`)
	case 'f':
		return Raw(`{"not":{}}`)
	}
	return schema
}
