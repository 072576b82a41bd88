// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package field

// events are servers whose event streams hold more than messages.
func events() []Variant {
	stream := func(name, events string) Variant { return Variant{Name: name, HTTP: &HTTP{Events: events}} }
	before := func(name, events string) Variant {
		return Variant{Name: name, HTTP: &HTTP{SSE: true, Events: events}, Config: map[string]any{"type": "sse"}}
	}
	return []Variant{
		stream("beat", "data: {\"type\":\"heartbeat\"}\n\n"),
		stream("beat_text", "data: ping\n\n"),
		stream("beat_number", "data: 1700000000\n\n"),
		stream("beat_list", "data: []\n\ndata: null\n\ndata: {}\n\n"),
		stream("beat_id", "data: {\"id\":1,\"type\":\"heartbeat\"}\n\ndata: {\"id\":2}\n\ndata: {\"id\":3}\n\n"),
		stream("beat_named", "event: ping\ndata: {\"time\":1}\n\nevent: heartbeat\ndata: 5\n\nevent: keepalive\n\n"),
		stream("comments", ": hello\n\n:\n:keepalive\n\n"),
		stream("retry", "retry: 1000\n\n"),
		stream("retry_odd", "retry: soon\n\nretry\n\n"),
		stream("id_alone", "id: 1\n\nid\n\nid: a\ndata:\n\n"),
		stream("empty_data", "data\n\ndata:\n\ndata: \n\n"),
		stream("other_fields", "foo: bar\nevent:message\n"),
		stream("blank_lines", "\n\n\n"),
		stream("named", "event: message\n"),
		stream("named_other", "event: tool_result\ndata: {\"ok\":true}\n\n"),
		stream("bom", "\ufeff"),
		stream("bom_event", "\ufeffevent: message\n"),
		stream("crlf", "event: message\r\nid: 7\r\n"),
		{Name: "after", HTTP: &HTTP{After: "event: done\ndata: [DONE]\n\n: bye\n\n"}},
		{Name: "split", HTTP: &HTTP{Split: true}},
		{Name: "cr", Refused: true, HTTP: &HTTP{CR: true, Events: ": hello\n\n"}},
		{Name: "cr_bom", Refused: true, HTTP: &HTTP{CR: true, Events: "\ufeffevent: message\nid: 1\n"}},
		{Name: "cr_beats", Refused: true, HTTP: &HTTP{CR: true, Events: "event: ping\ndata: {}\n\n"}},
		{Name: "charset", HTTP: &HTTP{Events: ": hello\n\n", Kind: "text/event-stream;charset=UTF-8"}},
		before("old", ""),
		before("old_ping", "event: ping\ndata: 1\n\n"),
		before("old_named", "event: connected\ndata: {\"status\":\"ok\"}\n\n"),
		before("old_message", "event: message\ndata: {\"type\":\"hello\"}\n\n"),
		before("old_plain", "data: hello\n\n"),
		before("old_comment", ": hello\n\nretry: 1000\n\nid: 1\n\n"),
		before("old_bom", "\ufeff"),
		{Name: "old_cr", Refused: true, HTTP: &HTTP{SSE: true, CR: true, Events: ": hello\n\n"}, Config: map[string]any{"type": "sse"}},
		{Name: "old_beats", HTTP: &HTTP{SSE: true, After: "event: heartbeat\ndata: {}\n\ndata: {\"type\":\"ping\"}\n\ndata: ping\n\n"}, Config: map[string]any{"type": "sse"}},
	}
}
