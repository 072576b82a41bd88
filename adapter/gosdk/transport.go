// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gosdk

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// connection is a [transport.Conn] as the SDK's Transport and Connection. It
// starts no goroutine.
type connection struct {
	conn transport.Conn
	id   string
}

var (
	_ sdk.Transport                = (*connection)(nil)
	_ sdk.Connection               = (*connection)(nil)
	_ sdk.ProtocolVersionSupporter = (*connection)(nil)
)

// Connect implements [sdk.Transport]. It is called once.
func (c *connection) Connect(context.Context) (sdk.Connection, error) { return c, nil }

// SupportsProtocolVersion leaves out the versions whose handlers may not ask
// within a call.
func (*connection) SupportsProtocolVersion(version string) bool {
	return mcp.Version(version).Era() == mcp.Legacy
}

// SessionID is what a handler reads from its session.
func (c *connection) SessionID() string { return c.id }

// Read implements [sdk.Connection]. Close, not the context, unblocks it.
func (c *connection) Read(context.Context) (jsonrpc.Message, error) {
	data, err := c.conn.Read()
	for errors.Is(err, transport.ErrTooLarge) {
		data, err = c.conn.Read()
	}
	if errors.Is(err, transport.ErrClosed) {
		return nil, io.EOF
	}
	if err != nil {
		return nil, err
	}
	return jsonrpc.DecodeMessage(data)
}

// Write implements [sdk.Connection].
func (c *connection) Write(ctx context.Context, message jsonrpc.Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	data, err := jsonrpc.EncodeMessage(message)
	if err != nil {
		return fmt.Errorf("encode the server's message: %w", err)
	}
	if err := c.conn.Write(data); err != nil {
		return fmt.Errorf("%w: %w", sdk.ErrConnectionClosed, err)
	}
	return nil
}

// Close implements [sdk.Connection].
func (c *connection) Close() error { return c.conn.Close() }
