// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// stepLimit bounds every exchange but a round of calls, which has roundLimit.
const (
	stepLimit  = 10 * time.Second
	roundLimit = 2 * time.Minute
)

// errUnsupported means that the server has no such stream, which is not a
// failure.
var errUnsupported = errors.New("not supported")

// client is one kept-alive connection to a server. It belongs to one
// goroutine. It starts none; cancelling the context of dial closes it.
type client struct {
	conn   net.Conn
	br     *bufio.Reader
	resp   response
	to     place
	detach func() bool
}

// dial connects to a place. The caller closes the client.
func dial(ctx context.Context, to place) (*client, error) {
	conn, err := (&net.Dialer{Timeout: stepLimit}).DialContext(ctx, "tcp", to.addr)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return &client{
		conn:   conn,
		br:     bufio.NewReaderSize(conn, maxLine),
		to:     to,
		detach: context.AfterFunc(ctx, func() { conn.Close() }),
	}, nil
}

func (c *client) close() {
	c.detach()
	c.conn.Close()
}

func (c *client) deadline(limit time.Duration) error {
	if err := c.conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return fmt.Errorf("set deadline: %w", err)
	}
	return nil
}

// exchange sends one request and reads its whole response into c.resp.
func (c *client) exchange(request []byte) error {
	if _, err := c.conn.Write(request); err != nil {
		return fmt.Errorf("send request: %w", err)
	}
	if err := c.resp.read(c.br); err != nil {
		return fmt.Errorf("read response: %w", err)
	}
	if c.resp.closing {
		return fmt.Errorf("%w: HTTP %d with Connection: close: %s",
			errMalformed, c.resp.status, excerpt(c.resp.body))
	}
	return nil
}

// handshake opens a legacy session and returns its id, which is empty where
// the server names none.
func (c *client) handshake() (string, error) {
	if err := c.deadline(stepLimit); err != nil {
		return "", err
	}
	open := newMessage(legacy, "initialize", c.to, "")
	if err := c.exchange(open.next()); err != nil {
		return "", fmt.Errorf("initialize: %w", err)
	}
	session := c.resp.session
	if c.resp.status != 200 || session == "" || !bytes.Contains(c.resp.body, []byte(`"serverInfo"`)) {
		return "", fmt.Errorf("initialize: %w", &answerError{
			want: "a session and serverInfo", status: c.resp.status, body: excerpt(c.resp.body),
		})
	}
	if err := c.exchange(newMessage(legacy, "initialized", c.to, session).next()); err != nil {
		return "", fmt.Errorf("notifications/initialized: %w", err)
	}
	if c.resp.status != 202 {
		return "", fmt.Errorf("notifications/initialized: %w", &answerError{
			want: "HTTP 202", status: c.resp.status, body: excerpt(c.resp.body),
		})
	}
	return session, nil
}

// openStream sends the era's request for a stream and reads until the stream
// is open: the response head for legacy, the acknowledgement for modern.
func (c *client) openStream(e era, session string) error {
	if err := c.deadline(stepLimit); err != nil {
		return err
	}
	if _, err := c.conn.Write(newMessage(e, "stream", c.to, session).next()); err != nil {
		return fmt.Errorf("send stream request: %w", err)
	}
	r := &c.resp
	if err := r.readHead(c.br); err != nil {
		return fmt.Errorf("read stream head: %w", err)
	}
	if r.status != 200 || !r.stream || !r.chunked {
		return c.refusedStream()
	}
	for e == modern && !bytes.Contains(r.body, []byte("notifications/subscriptions/acknowledged")) {
		n, err := r.readChunk(c.br)
		if err != nil {
			return fmt.Errorf("read stream: %w: %s", noEOF(err), excerpt(r.body))
		}
		if n == 0 {
			return &answerError{want: "an acknowledgement", status: r.status, body: excerpt(r.body)}
		}
	}
	return nil
}

// refusedStream tells a server without such streams from one that failed.
func (c *client) refusedStream() error {
	r := &c.resp
	if err := r.readBody(c.br); err != nil {
		return fmt.Errorf("read refused stream: %w", noEOF(err))
	}
	err := &answerError{want: "an event stream", status: r.status, body: excerpt(r.body)}
	if r.status == 404 || r.status == 405 || r.status == 501 {
		return fmt.Errorf("%w: %w", errUnsupported, err)
	}
	return err
}

// alive reports an error unless the stream is still open. What the server has
// sent meanwhile is read and dropped.
func (c *client) alive() error {
	if err := c.deadline(5 * time.Millisecond); err != nil {
		return err
	}
	for {
		n, err := c.resp.readChunk(c.br)
		c.resp.body = c.resp.body[:0]
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return fmt.Errorf("stream broke: %w", noEOF(err))
		case n == 0:
			return errors.New("stream ended by the server")
		}
	}
}

// crew runs the same work on several clients at once. Its goroutines belong to
// the call of each that started them and have ended when it returns; they stop
// early when the context of the clients is cancelled, which closes their
// connections.
type crew []*client

// dialCrew connects size clients to a place. The caller closes the crew.
func dialCrew(ctx context.Context, to place, size int) (crew, error) {
	team := make(crew, 0, size)
	for range size {
		c, err := dial(ctx, to)
		if err != nil {
			team.close()
			return nil, err
		}
		team = append(team, c)
	}
	return team, nil
}

func (t crew) close() {
	for _, c := range t {
		c.close()
	}
}

// each runs work for every client, all at once, and returns what failed.
func (t crew) each(work func(i int, c *client) error) error {
	errs := make([]error, len(t))
	var wg sync.WaitGroup
	for i, c := range t {
		wg.Go(func() { errs[i] = work(i, c) })
	}
	wg.Wait()
	return firstError(errs)
}

// firstError returns the first failure only: sixteen clients of a broken
// server all say the same.
func firstError(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// share is how many of total fall to worker i of n.
func share(total, i, n int) int {
	return total*(i+1)/n - total*i/n
}
