// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package field

import (
	"strings"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

const (
	version = "2025-06-18"
	newest  = "2026-07-28"
)

// over returns object with the members of another put over its own.
func over(object, members string) string {
	raw := jsonrpc.Raw(object)
	if members == "" {
		return object
	}
	for quoted, value := range jsonrpc.Members(jsonrpc.Raw(members)) {
		name, _ := jsonrpc.Unquote(quoted)
		raw = jsonrpc.Set(raw, name, value)
	}
	return string(raw)
}

// answer returns the response to a request as text, "" for silence.
func (s *Server) answer(msg jsonrpc.Message, name string) string {
	for _, mute := range s.Mute {
		if mute == msg.Method {
			return ""
		}
	}
	if msg.Method == "tools/call" && tool(msg) == "broken" {
		return strings.ReplaceAll(s.Broken, "ID", s.spell(msg.ID))
	}
	body := `{"jsonrpc":"2.0","id":` + s.spell(msg.ID) + `}`
	if result, failure := s.result(msg, name); failure != "" {
		body = over(body, `{"error":`+failure+`}`)
	} else {
		body = over(body, `{"result":`+result+`}`)
	}
	text := over(body, s.Envelope)
	text = strings.Replace(text, `"TEXT"`, or(s.Text, `"ok"`), 1)
	for _, r := range s.Replace {
		text = strings.ReplaceAll(text, r[0], r[1])
	}
	return text
}

func (s *Server) spell(id jsonrpc.ID) string {
	switch s.ID {
	case "string":
		return `"` + id.String() + `"`
	case "float":
		return id.String() + ".0"
	case "exponent":
		return id.String() + "e0"
	}
	return id.String()
}

func (s *Server) result(msg jsonrpc.Message, name string) (result, failure string) {
	entry := func(kind, entry, members string, more []string) (string, string) {
		list := append([]string{over(entry, members)}, more...)
		done := `{"` + kind + `":[` + strings.Join(list, ",") + `]}`
		if kind == "tools" {
			done = over(done, s.ToolList)
		}
		return s.complete(done), ""
	}
	switch msg.Method {
	case "initialize":
		return s.initialize(msg, name)
	case "server/discover":
		if s.Modern {
			return s.complete(`{"supportedVersions":["` + newest + `"],"capabilities":{"tools":{}},"serverInfo":{"name":"odd","version":"1"}}`), ""
		}
	case "ping":
		return `{}`, ""
	case "tools/list":
		more := s.MoreTools
		for _, other := range []string{"held", "broken", "forbidden"} {
			more = append(more, `{"name":"`+other+`","inputSchema":{"type":"object"}}`)
		}
		return entry("tools", `{"name":"echo","inputSchema":{"type":"object"}}`, s.Tool, more)
	case "prompts/list":
		return entry("prompts", `{"name":"ask"}`, s.Prompt, s.MorePrompts)
	case "resources/list":
		return entry("resources", `{"uri":"odd://`+name+`/r","name":"r"}`, s.Resource, nil)
	case "resources/templates/list":
		return entry("resourceTemplates", `{"uriTemplate":"odd://`+name+`/{x}","name":"t"}`, s.Template, nil)
	case "tools/call":
		return s.complete(over(`{"content":[{"type":"text","text":"TEXT"}]}`, s.Call)), ""
	}
	return "", `{"code":-32601,"message":"Method not found"}`
}

// complete gives a result the members that the newest revision asks for.
func (s *Server) complete(result string) string {
	if !s.Modern {
		return result
	}
	return over(result, `{"resultType":"complete","ttlMs":0,"cacheScope":"private"}`)
}

func (s *Server) initialize(msg jsonrpc.Message, name string) (result, failure string) {
	if s.Modern {
		return "", `{"code":-32022,"message":"Unsupported protocol version","data":{"supported":["` + newest + `"]}}`
	}
	spoken := version
	if s.Versions != nil {
		asked, _ := jsonrpc.Get(msg.Params, "protocolVersion")
		listed := `"` + strings.Join(s.Versions, `","`) + `"`
		if !strings.Contains(listed, string(asked)) {
			return "", `{"code":-32602,"message":"Unsupported protocol version","data":{"supported":[` + listed + `]}}`
		}
		spoken = s.Versions[0]
	}
	init := `{"protocolVersion":"` + spoken + `","capabilities":{"tools":{},"prompts":{},"resources":{}},"serverInfo":{"name":"` + name + `","version":"1"}}`
	return over(init, s.Init), ""
}

// tool is the name of the tool that a call is about.
func tool(msg jsonrpc.Message) string {
	raw, _ := jsonrpc.Get(msg.Params, "name")
	name, _ := jsonrpc.Unquote(raw)
	return name
}

func or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}
