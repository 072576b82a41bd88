// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"
)

// preflightTimeout bounds the questions to one node.
const preflightTimeout = 2 * time.Second

// preflight asks the nodes that answer whether this one may join, before its
// server starts: a server with a name that is taken, or of another cluster, would
// vote in elections that are not its own. Nodes that do not answer are passed over.
func preflight(ctx context.Context, cfg *Config, seeds []string) error {
	encryption, err := cfg.encryption()
	if err != nil {
		return err
	}
	errs := make([]error, len(seeds))
	var wg sync.WaitGroup
	for i, seed := range seeds {
		if seed == cfg.address() {
			continue
		}
		wg.Go(func() { errs[i] = preflightNode(ctx, cfg, seed, encryption) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// serverInfo is what a server says of itself on a route.
type serverInfo struct {
	Name    string `json:"server_name"`
	Cluster string `json:"cluster"`
}

func preflightNode(ctx context.Context, cfg *Config, address string, encryption *tls.Config) error {
	conn, err := dialNode(ctx, address)
	if err != nil {
		return nil // not there yet
	}
	defer hangUp(conn)
	differ := fmt.Errorf("the node at %s and this one differ in whether TLS is used between nodes", address)
	if encryption != nil {
		secured := tls.Client(conn, clientTLS(encryption, address))
		switch err := secured.HandshakeContext(ctx); {
		case err == nil:
		case isError[tls.RecordHeaderError](err):
			return differ
		case errors.Is(err, ErrIncompatible):
			return fmt.Errorf("the node at %s: %w", address, err)
		case cfg.Encrypt && isError[x509.UnknownAuthorityError](err):
			return fmt.Errorf("%w (node at %s)", ErrSecret, address)
		case gone(err):
			return nil
		default:
			return fmt.Errorf("TLS with the node at %s: %w", address, err)
		}
		conn = secured
	}
	r := bufio.NewReader(conn)
	info, err := readInfo(r)
	switch {
	case err != nil && encryption == nil && speaksTLS(ctx, address):
		return differ
	case err != nil:
		return nil // it is none, or gone
	}
	if err := cfg.accept(address, info); err != nil {
		return err
	}
	return cfg.authenticate(conn, r, address, info)
}

// dialNode connects with a deadline on everything.
func dialNode(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: preflightTimeout}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err == nil {
		err = conn.SetDeadline(time.Now().Add(preflightTimeout))
	}
	return conn, err
}

// speaksTLS reports whether a node that says nothing waits for a TLS handshake.
func speaksTLS(ctx context.Context, address string) bool {
	conn, err := dialNode(ctx, address)
	if err != nil {
		return false
	}
	defer hangUp(conn)
	err = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(ctx) //nolint:gosec // nothing is sent over it
	return err == nil || !gone(err)
}

func hangUp(conn net.Conn) { _ = conn.Close() }

// gone reports whether a node is hung, or on its way up or down.
func gone(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
}

func isError[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

func clientTLS(c *tls.Config, address string) *tls.Config {
	c = c.Clone()
	if c.ServerName == "" {
		c.ServerName, _, _ = net.SplitHostPort(address)
	}
	return c
}

// readInfo reads the line every server begins with.
func readInfo(r *bufio.Reader) (*serverInfo, error) {
	text, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	body, ok := strings.CutPrefix(strings.TrimSpace(text), "INFO ")
	if !ok {
		return nil, errors.New("not a node")
	}
	info := &serverInfo{}
	return info, json.Unmarshal([]byte(body), info)
}

// accept checks what a node says of itself.
func (c *Config) accept(address string, info *serverInfo) error {
	if info.Cluster != wireName(c.Cluster) {
		name, number, _ := cutLast(info.Cluster, ".")
		if n, err := strconv.Atoi(number); err == nil && name == c.Cluster {
			return fmt.Errorf("%w: node %q at %s talks cluster protocol %d, this one %d; %s", ErrIncompatible, info.Name, address, n, protocol, howToUpgrade)
		}
		return fmt.Errorf("node %q at %s %w: %q, not %q", info.Name, address, ErrOtherCluster, name, c.Cluster)
	}
	if info.Name == c.Name {
		return fmt.Errorf("%w: %q runs at %s; give this one another name, or stop that one", ErrNameTaken, c.Name, address)
	}
	return nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// authenticate shows the password as a route would, and leaves.
func (c *Config) authenticate(conn net.Conn, r *bufio.Reader, address string, info *serverInfo) error {
	hello, err := json.Marshal(map[string]any{
		"verbose": false, "pedantic": false, "user": routeUser, "pass": stretch(c.Secret).routePassword(),
		"tls_required": false, "name": "preflight", "cluster": info.Cluster,
	})
	if err != nil {
		return fmt.Errorf("encode the preflight: %w", err)
	}
	fmt.Fprintf(conn, "CONNECT %s\r\nPING\r\n", hello)
	for {
		text, err := r.ReadString('\n')
		switch {
		case err != nil:
			return nil //nolint:nilerr // it has gone, which is no refusal
		case strings.HasPrefix(text, "-ERR 'Authorization"):
			return fmt.Errorf("%w (node %q at %s)", ErrSecret, info.Name, address)
		case strings.HasPrefix(text, "-ERR"):
			return fmt.Errorf("node %q at %s refuses: %s", info.Name, address, strings.TrimSpace(text[4:]))
		case strings.HasPrefix(text, "PONG"):
			return nil
		}
	}
}
