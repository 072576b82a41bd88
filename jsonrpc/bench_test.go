// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import "testing"

// benchCall is a tools/call of usual size (396 bytes).
var benchCall = []byte(`{"jsonrpc":"2.0","id":12345,"method":"tools/call","params":{"name":"search_documents",` +
	`"arguments":{"query":"how do I rotate the keys of the cluster","limit":20,"filters":{"lang":"en","tags":["ops","security"]}},` +
	`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},` +
	`"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1.2.3"}}}}`)

func BenchmarkDecode(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(benchCall)))
	limits := DefaultLimits()
	for b.Loop() {
		if _, err := Decode(benchCall, limits); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendMessage(b *testing.B) {
	b.ReportAllocs()
	m, err := Decode(benchCall, DefaultLimits())
	if err != nil {
		b.Fatal(err)
	}
	var buf []byte
	for b.Loop() {
		buf = AppendMessage(buf[:0], &m)
	}
}
