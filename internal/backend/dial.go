// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/process"
	"github.com/holdfast-mcp/holdfast/transport/stdio"
)

// maxMessage bounds one message of a server, in bytes.
const maxMessage = 64 << 20

// Command returns a dialer that starts a child process with the keeper and
// speaks over its standard streams. An error of a server that did not get as far
// as the handshake holds the last lines it wrote to standard error.
func Command(keeper *process.Keeper, spec process.Spec) Dialer {
	return func(ctx context.Context, opts ...client.Option) (*client.Client, func(), error) {
		p, err := keeper.Start(ctx, spec)
		if err != nil {
			return nil, nil, err
		}
		stop := func() {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			_ = p.Stop(ctx) // what cannot be stopped is the keeper's to report
		}
		conn := stdio.New(p.Stdout(), p.Stdin(), maxMessage)
		c, err := client.Connect(ctx, client.Conn(conn), opts...)
		if err != nil {
			conn.Close()
			stop()
			return nil, nil, startError(p, err)
		}
		return c, stop, nil
	}
}

// startError adds how the process ended and what it said.
func startError(p *process.Process, err error) error {
	select {
	case <-p.Done():
		if exit := p.Err(); exit != nil {
			err = fmt.Errorf("%w: %w", err, exit)
		}
	default:
	}
	if tail := p.StderrTail(); len(tail) > 0 {
		return fmt.Errorf("%w; its last words:\n\t%s", err, strings.Join(tail, "\n\t"))
	}
	return err
}

// URL returns a dialer for an HTTP server; headers are name, value pairs. With
// sse it speaks HTTP+SSE only, else it finds out.
func URL(url string, headers []string, sse bool) Dialer {
	return func(ctx context.Context, opts ...client.Option) (*client.Client, func(), error) {
		target := client.HTTP(url, headers...)
		if sse {
			target = client.SSE(url, headers...)
		}
		c, err := client.Connect(ctx, target, opts...)
		return c, func() {}, err
	}
}
