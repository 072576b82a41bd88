// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package field

import (
	"slices"
	"strings"
)

// entries are servers that list one entry that official clients refuse, with the whole list of all servers.
func entries() []Variant {
	var all []Variant
	odd := func(name string, s Server) {
		all = append(all, Variant{Name: name, Server: s, Refused: true, GatewayOnly: true})
	}
	for name, members := range map[string]string{
		"properties_list":  `{"inputSchema":{"type":"object","properties":[]}}`,
		"properties_null":  `{"inputSchema":{"type":"object","properties":null}}`,
		"property_null":    `{"inputSchema":{"type":"object","properties":{"x":null}}}`,
		"property_text":    `{"inputSchema":{"type":"object","properties":{"x":"string"}}}`,
		"required_null":    `{"inputSchema":{"type":"object","required":null}}`,
		"required_text":    `{"inputSchema":{"type":"object","properties":{"a":{}},"required":"a"}}`,
		"required_mixed":   `{"inputSchema":{"type":"object","required":["a",null,1]}}`,
		"input_list":       `{"inputSchema":[]}`,
		"input_null":       `{"inputSchema":null}`,
		"input_no_type":    `{"inputSchema":{"properties":{}}}`,
		"input_type_list":  `{"inputSchema":{"type":["object"]}}`,
		"output_null":      `{"outputSchema":null}`,
		"output_list":      `{"outputSchema":[]}`,
		"output_true":      `{"outputSchema":true}`,
		"output_text":      `{"outputSchema":{"type":"string"}}`,
		"hint_null":        `{"annotations":{"readOnlyHint":null}}`,
		"hint_text":        `{"annotations":{"readOnlyHint":"true"}}`,
		"hint_number":      `{"annotations":{"destructiveHint":0}}`,
		"hint_title":       `{"annotations":{"title":null}}`,
		"annotations_list": `{"annotations":[]}`,
		"annotations_null": `{"annotations":null}`,
		"icon_no_src":      `{"icons":[{"url":"x"}]}`,
		"icon_text":        `{"icons":"https://example.com/x.png"}`,
		"icon_texts":       `{"icons":["https://example.com/x.png"]}`,
		"icon_sizes":       `{"icons":[{"src":"https://example.com/x.png","sizes":"48x48"}]}`,
		"icon_theme":       `{"icons":[{"src":"https://example.com/x.png","theme":"blue"}]}`,
		"icons_null":       `{"icons":null}`,
		"task_maybe":       `{"execution":{"taskSupport":"maybe"}}`,
		"execution_list":   `{"execution":[]}`,
		"execution_null":   `{"execution":null}`,
		"nested_bool":      `{"inputSchema":{"type":"object","properties":{"a":true}}}`,
		"title_null":       `{"title":null}`,
		"description_null": `{"description":null}`,
		"description_list": `{"description":["a","b"]}`,
		"title_number":     `{"title":5}`,
		"meta_text":        `{"_meta":"x"}`,
		"meta_null":        `{"_meta":null}`,
	} {
		odd("tool_"+name, Server{Tool: members})
	}
	for name, members := range map[string]string{
		"nested_list":   `{"inputSchema":{"type":"object","properties":{"a":{"type":"object","properties":[]}}}}`,
		"nullable":      `{"inputSchema":{"type":"object","properties":{"a":{"type":["string","null"]}}}}`,
		"property_list": `{"inputSchema":{"type":"object","properties":{"x":[]}}}`,
		"required_true": `{"inputSchema":{"type":"object","properties":{"a":{"type":"string","required":true}}}}`,
		"items_true":    `{"inputSchema":{"type":"object","properties":{"a":{"type":"array","items":true}}}}`,
		"items_list":    `{"inputSchema":{"type":"object","properties":{"a":{"type":"array","items":[]}}}}`,
		"input_anyof":   `{"inputSchema":{"type":"object","anyOf":[{"required":["a"]}]}}`,
		"defs":          `{"inputSchema":{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"$defs":{"A":{"type":"object","properties":[]}}}}`,
		"other_members": `{"parameters":{"type":"object"},"strict":null,"x":[]}`,
	} {
		all = append(all, Variant{Name: "tool_" + name, Server: Server{Tool: members}})
	}
	for name, members := range map[string]string{
		"required":    `{"arguments":[{"name":"a","required":"true"}]}`,
		"no_name":     `{"arguments":[{"description":"a"}]}`,
		"arg_text":    `{"arguments":["a"]}`,
		"args_object": `{"arguments":{"a":{"type":"string"}}}`,
		"args_null":   `{"arguments":null}`,
		"arg_null":    `{"arguments":[{"name":"a","description":null,"required":null}]}`,
		"title":       `{"title":7}`,
		"icons":       `{"icons":[{"url":"x"}]}`,
		"description": `{"description":null}`,
	} {
		odd("prompt_"+name, Server{Prompt: members})
	}
	for name, members := range map[string]string{
		"audience":      `{"annotations":{"audience":"user"}}`,
		"audience_all":  `{"annotations":{"audience":["everyone"]}}`,
		"priority":      `{"annotations":{"priority":"high"}}`,
		"priority_high": `{"annotations":{"priority":5}}`,
		"modified":      `{"annotations":{"lastModified":17}}`,
		"annotations":   `{"annotations":[]}`,
		"size":          `{"size":"12"}`,
		"mime":          `{"mimeType":null}`,
		"name":          `{"name":null}`,
		"icons":         `{"icons":[{}]}`,
	} {
		odd("resource_"+name, Server{Resource: members})
		if name != "size" {
			odd("template_"+name, Server{Template: members})
		}
	}
	for name, more := range map[string]string{
		"null": `null`, "text": `"x"`, "list": `[]`, "empty": `{}`, "no_name": `{"inputSchema":{"type":"object"}}`,
		"name_null":   `{"name":null,"inputSchema":{"type":"object"}}`,
		"name_number": `{"name":5,"inputSchema":{"type":"object"}}`,
	} {
		odd("hopeless_"+name, Server{MoreTools: []string{more}})
	}
	all = append(all, Variant{Name: "hopeless_name_empty", Server: Server{MoreTools: []string{`{"name":"","inputSchema":{"type":"object"}}`}}})
	odd("hopeless_prompt", Server{MorePrompts: []string{`null`, `{}`, `{"name":5}`}})
	odd("tools_object", Server{ToolList: `{"nextCursor":5}`})
	slices.SortFunc(all, func(a, b Variant) int { return strings.Compare(a.Name, b.Name) })
	return all
}
