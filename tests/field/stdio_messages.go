// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package field

import "strings"

// messages are servers whose messages are not what the specification asks for, but can be read.
func messages() []Variant {
	return append(texts(), append(shapes(), costs()...)...)
}

// texts are about characters.
func texts() []Variant {
	says := func(name, raw, text string) Variant {
		return Variant{Name: name, Server: Server{Text: raw}, Steps: []Step{{Tool: "echo", Text: text}}}
	}
	refused := func(v Variant) Variant { v.Refused = true; return v }
	return []Variant{
		says("half_high", `"cut \ud83d"`, "cut \ufffd"),
		says("half_low", `"\ude00 cut"`, "\ufffd cut"),
		says("halves_swapped", `"\ude00\ud83d"`, "\ufffd\ufffd"),
		says("half_before_pair", `"\ud83d\ud83d\ude00"`, "\ufffd😀"),
		says("half_before_escape", `"\ud83d\n"`, "\ufffd\n"),
		says("half_escaped_slash", `"\\ud83d"`, `\ud83d`),
		says("latin1", "\"caf\xe9\"", "caf\ufffd"),
		says("utf8_cut", "\"cut \xf0\x9f\x98\"", "cut \ufffd"),
		says("utf8_in_word", "\"a\xffb\xfec\"", "a\ufffdb\ufffdc"),
		refused(says("control", "\"a\tb\x01c\"", "a\tb\x01c")),
		{Name: "half_listed", Server: Server{Tool: `{"description":"cut \ud83d"}`}},
		{Name: "latin1_listed", Server: Server{Tool: "{\"description\":\"caf\xe9\"}"}},
		{Name: "half_greeting", Server: Server{Init: `{"instructions":"\ud83d"}`}},
		{Name: "bom", Server: Server{Prefix: "\ufeff"}, Refused: true},
		{Name: "bom_once", Server: Server{Start: []string{"\ufeff"}}},
		{Name: "escape_before", Server: Server{Prefix: "\x1b[0m"}, Refused: true},
		{Name: "escape_after", Server: Server{Suffix: "\x1b[0m"}, Refused: true},
		{Name: "title_before", Server: Server{Prefix: "\x1b]0;server\x07\x1b[?25l"}, Refused: true},
		{Name: "spaces", Server: Server{Prefix: " \t", Suffix: " \r"}},
		{Name: "return_before", Server: Server{Prefix: "\r"}},
		{Name: "nul_after", Server: Server{Suffix: "\x00"}, Refused: true},
		{Name: "bom_http", HTTP: &HTTP{Before: "\ufeff"}},
		{Name: "latin1_http", HTTP: &HTTP{}, Server: Server{Text: "\"caf\xe9\""}, Steps: []Step{{Tool: "echo", Text: "caf\ufffd"}}},
		{Name: "half_http", HTTP: &HTTP{}, Server: Server{Text: `"\ud83d"`}, Steps: []Step{{Tool: "echo", Text: "\ufffd"}}},
		{Name: "half_event", HTTP: &HTTP{Split: true}, Server: Server{Text: `"\ud83d"`}, Steps: []Step{{Tool: "echo", Text: "\ufffd"}}},
	}
}

// shapes are about the kinds of values.
func shapes() []Variant {
	return []Variant{
		{Name: "twice", Server: Server{Replace: [][2]string{{`"type":"text"`, `"type":"image","type":"text"`}}}},
		{Name: "twice_outside", Server: Server{Replace: [][2]string{{`"jsonrpc":`, `"jsonrpc":"1.0","jsonrpc":`}}}},
		{Name: "twice_listed", Server: Server{Tool: `{"description":"a"}`, Replace: [][2]string{{`"description":`, `"description":"b","description":`}}}},
		{Name: "error_null", Server: Server{Envelope: `{"error":null}`}, Refused: true},
		{Name: "error_list", Server: Server{Envelope: `{"error":[]}`}, Refused: true},
		{Name: "error_empty", Server: Server{Envelope: `{"error":{}}`}, Refused: true},
		{Name: "all_members", Server: Server{Envelope: `{"method":null,"params":null,"error":null}`}, Refused: true},
		{Name: "no_version", Server: Server{Replace: [][2]string{{`"jsonrpc":"2.0",`, ``}}}, Refused: true},
		{Name: "version_number", Server: Server{Replace: [][2]string{{`"jsonrpc":"2.0"`, `"jsonrpc":2.0`}}}, Refused: true},
		{Name: "capabilities_list", Server: Server{Init: `{"capabilities":[]}`}, Refused: true},
		{Name: "capability_list", Server: Server{Init: `{"capabilities":{"tools":[],"prompts":[],"resources":[]}}`}, Refused: true},
		{Name: "capability_null", Server: Server{Init: `{"capabilities":{"tools":{},"logging":null,"experimental":null}}`}, Refused: true},
		{Name: "capability_true", Server: Server{Init: `{"capabilities":{"tools":true}}`}, Refused: true},
		{Name: "capabilities_null", Server: Server{Init: `{"capabilities":null}`}, Refused: true},
		{Name: "version_of_server", Server: Server{Init: `{"serverInfo":{"name":"odd","version":1.5}}`}, Refused: true},
		{Name: "name_of_server", Server: Server{Init: `{"serverInfo":{"name":7,"version":"1","title":null}}`}, Refused: true},
		{Name: "no_info", Server: Server{Init: `{"serverInfo":null}`}, Refused: true},
		{Name: "instructions_null", Server: Server{Init: `{"instructions":null,"_meta":null}`}, Refused: true},
		{Name: "meta_list", Server: Server{Init: `{"_meta":[]}`, ToolList: `{"_meta":[]}`, Call: `{"_meta":[]}`}, Refused: true},
		{Name: "meta_null", Server: Server{ToolList: `{"_meta":null,"nextCursor":null}`, Call: `{"_meta":null}`}, Refused: true},
		{Name: "result_nulls", Server: Server{Call: `{"isError":null,"structuredContent":null}`}, Refused: true},
		{Name: "structured_list", Server: Server{Call: `{"structuredContent":[]}`}, Refused: true},
		{Name: "content_nulls", Server: Server{Replace: [][2]string{{`"type":"text"`, `"type":"text","annotations":null,"_meta":null`}}}, Refused: true},
		{Name: "content_null", Server: Server{Call: `{"content":null}`}, Steps: []Step{{Tool: "echo", Text: "-"}}, Refused: true},
		{Name: "id_string", Server: Server{ID: "string"}},
		{Name: "id_float", Server: Server{ID: "float"}},
		{Name: "id_exponent", Server: Server{ID: "exponent"}},
		{Name: "id_string_http", HTTP: &HTTP{}, Server: Server{ID: "string"}},
		{Name: "id_float_http", HTTP: &HTTP{}, Server: Server{ID: "float"}},
		{Name: "error_null_http", HTTP: &HTTP{}, Server: Server{Envelope: `{"error":null}`}, Refused: true},
		{Name: "php_http", HTTP: &HTTP{}, Server: Server{Init: `{"capabilities":{"tools":[]},"_meta":[]}`}, Refused: true},
	}
}

// costs are servers one of whose answers cannot be used. Only the call that it answers may fail, at once, and nothing
// of it counts against the server.
func costs() []Variant {
	fails := func(name, broken, err string) Variant {
		return Variant{Name: name, Server: Server{Broken: broken}, Steps: []Step{
			{Tool: "held", Begin: true}, {Tool: "broken", Times: 8, Err: err}, {Tool: "echo"},
		}}
	}
	refused := func(v Variant) Variant { v.Refused = true; return v }
	deep := strings.Repeat("[", 1000) + strings.Repeat("]", 1000)
	return []Variant{
		refused(fails("too_deep", `{"jsonrpc":"2.0","id":ID,"result":{"content":[],"structuredContent":{"a":`+deep+`}}}`, "deep")),
		refused(fails("not_json", `{"jsonrpc":"2.0","id":ID,"result":{"content":[}}`, "")),
		refused(fails("not_json_first", `{"result":{"content":[undefined]},"jsonrpc":"2.0","id":ID}`, "")),
		refused(fails("cut_off", `{"jsonrpc":"2.0","id":ID,"result":{"content":[{"type":"te`, "")),
		refused(fails("result_text", `{"jsonrpc":"2.0","id":ID,"result":"done"}`, "")),
		refused(fails("error_text", `{"jsonrpc":"2.0","id":ID,"error":"boom"}`, "boom")),
		refused(fails("error_no_code", `{"jsonrpc":"2.0","id":ID,"error":{"message":"boom"}}`, "boom")),
		refused(fails("error_code_text", `{"jsonrpc":"2.0","id":ID,"error":{"code":"E_BOOM","message":"boom"}}`, "boom")),
		refused(fails("error_no_message", `{"jsonrpc":"2.0","id":ID,"error":{"code":-32000}}`, "")),
		refused(fails("nothing", `{"jsonrpc":"2.0","id":ID}`, "")),
		refused(fails("error_and_result", `{"jsonrpc":"2.0","id":ID,"result":{},"error":{"code":1,"message":"boom"}}`, "boom")),
		fails("error_data_half", `{"jsonrpc":"2.0","id":ID,"error":{"code":-32000,"message":"boom \ud83d","data":null}}`, "boom"),
	}
}
