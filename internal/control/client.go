// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"
)

// Client asks the node that uses a data directory. It is safe for concurrent use
// and holds nothing open.
type Client struct {
	dir  string
	http *http.Client
}

// maxAnswer bounds what a node may answer, in bytes.
const maxAnswer = 16 << 20

// NewClient returns a client of the node on dir; whether there is one shows when
// it is asked.
func NewClient(dir string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, "unix", socket(dir))
		if err != nil {
			return nil, err
		}
		if err := checkServer(c, dir); err != nil {
			_ = c.Close()
			return nil, err
		}
		return c, nil
	}
	return &Client{dir, &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Keys is [Node]'s.
func (c *Client) Keys(ctx context.Context) (keys []Key, err error) {
	err = c.do(ctx, http.MethodGet, "/keys", &keys)
	return keys, err
}

// RotateKeys is [Node]'s.
func (c *Client) RotateKeys(ctx context.Context, keep time.Duration) (until time.Time, err error) {
	err = c.do(ctx, http.MethodPost, "/keys/rotate?keep="+keep.String(), &until)
	return until, err
}

// Servers is [Node]'s.
func (c *Client) Servers(ctx context.Context) (servers []MCPServer, err error) {
	err = c.do(ctx, http.MethodGet, "/servers", &servers)
	return servers, err
}

// Cluster is [Node]'s.
func (c *Client) Cluster(ctx context.Context) (all Cluster, err error) {
	err = c.do(ctx, http.MethodGet, "/nodes", &all)
	return all, err
}

// RemoveNode is [Node]'s.
func (c *Client) RemoveNode(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodDelete, "/nodes/"+url.PathEscape(name), nil)
}

// do sends one request and decodes its answer into to, unless that is nil. It
// fails with [ErrNotRunning], or with the node's own words.
func (c *Client) do(ctx context.Context, method, path string, to any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://holdfast"+path, nil)
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: %s", ErrNotRunning, c.dir)
	case errors.Is(err, syscall.EINVAL):
		return errPath
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("no permission to ask the holdfast running on %s; run this as its user", c.dir)
	case err != nil:
		return fmt.Errorf("ask the running holdfast: %w", err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	switch {
	case err != nil:
		return fmt.Errorf("read the running holdfast's answer: %w", err)
	case res.StatusCode >= http.StatusBadRequest:
		return errors.New(strings.TrimSpace(string(data)))
	case to == nil:
		return nil
	}
	if err := json.Unmarshal(data, to); err != nil {
		return fmt.Errorf("read the running holdfast's answer: %w", err)
	}
	return nil
}
