// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	"github.com/holdfast-mcp/holdfast/transport"
)

// A client of the newest revision needs no handshake: each request says itself
// which revision it speaks.
func Example() {
	s := newServer()
	defer s.Close()
	client, peer := transport.Pipe()
	served := make(chan error, 1)
	go func() { served <- s.ServeConn(context.Background(), peer) }()

	call := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hello"},` +
		`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	if err := client.Write([]byte(call)); err != nil {
		fmt.Println(err)
	}
	answer, err := client.Read()
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(string(answer))
	fmt.Println(client.Close(), <-served)
	// Output:
	// {"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[{"type":"text","text":"hello"}],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"echo","version":"1.0.0"}}}}
	// <nil> <nil>
}
