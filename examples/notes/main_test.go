// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"
	"testing"

	"github.com/holdfast-mcp/holdfast/server"
	"github.com/holdfast-mcp/holdfast/transport"
)

const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`

// expect sends a message, unless it is empty, and wants the next one that
// arrives to hold the parts.
func expect(t *testing.T, c transport.Conn, send string, parts ...string) {
	t.Helper()
	if send != "" {
		if err := c.Write([]byte(send)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := c.Read()
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range parts {
		if !strings.Contains(string(got), part) {
			t.Errorf("after %q: got %s, want it to hold %s", send, got, part)
		}
	}
}

func write(id, text string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call","params":{"name":"write_note","arguments":{"name":"today","text":"` + text + `"},` + meta + `}}`
}

// A listener hears of a new note and of its changes.
func TestSubscribersHearOfChanges(t *testing.T) {
	s := newServer()
	defer s.Close()
	listener, writer := dial(t, s), dial(t, s)

	expect(t, writer, write("1", "one"), `"uri":"note://today"`)
	expect(t, listener, `{"jsonrpc":"2.0","id":7,"method":"subscriptions/listen","params":{"notifications":{"resourcesListChanged":true,"resourceSubscriptions":["note://today"]},`+meta+`}}`,
		`notifications/subscriptions/acknowledged`)
	expect(t, writer, write("2", "two"), `"bytes":3`)
	expect(t, listener, "", `notifications/resources/updated`, `"uri":"note://today"`, `"io.modelcontextprotocol/subscriptionId":7`)
	expect(t, writer, `{"jsonrpc":"2.0","id":3,"method":"resources/read","params":{"uri":"note://today",`+meta+`}}`, `"text":"two"`)
	expect(t, writer, `{"jsonrpc":"2.0","id":4,"method":"resources/read","params":{"uri":"note://never",`+meta+`}}`, `-32602`)
	expect(t, writer, `{"jsonrpc":"2.0","id":5,"method":"completion/complete","params":{"ref":{"type":"ref/resource","uri":"note://{name}"},"argument":{"name":"name","value":"to"},`+meta+`}}`,
		`"values":["today"]`)
}

// dial returns a connection to s.
func dial(t *testing.T, s *server.Server) transport.Conn {
	t.Helper()
	ours, theirs := transport.Pipe()
	served := make(chan error, 1)
	go func() { served <- s.ServeConn(context.Background(), theirs) }()
	t.Cleanup(func() {
		if err := ours.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return ours
}
