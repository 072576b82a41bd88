// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const (
	// scoutWait is how long a scout listens for a first heartbeat, and scoutMore how
	// long for others after it.
	scoutWait = 2 * time.Second
	scoutMore = 500 * time.Millisecond
)

// scout asks a cluster that runs for the addresses of its nodes: it listens to their
// heartbeats with a server that stores nothing and is gone before this node's own
// starts. It returns none when no node of a cluster answers.
func (c *Config) scout(ctx context.Context, seeds []string) ([]string, error) {
	guest := *c
	guest.Listen, guest.Advertise = "127.0.0.1:-1", "127.0.0.1:9" // nobody is to dial it
	e := &embedded{password: rand.Text()}
	e.opts = &natsd.Options{
		ServerName: "scout-" + rand.Text(), MaxPayload: maxPayload, NoSigs: true, NoLog: true,
		CustomClientAuthentication: &doorman{e.password, func() *natsd.Account { return nil }},
	}
	err := e.cluster(&guest, seeds)
	if err != nil {
		return nil, err
	}
	if e.srv, err = natsd.NewServer(e.opts); err != nil {
		return nil, fmt.Errorf("configure a NATS server that looks for the cluster: %w", err)
	}
	e.wg.Go(e.srv.Start)
	defer e.close()
	if !e.srv.ReadyForConnections(readyTimeout) {
		return nil, nil
	}
	conn, err := nats.Connect("", nats.InProcessServer(e.srv), nats.Token(e.password))
	if err != nil {
		return nil, fmt.Errorf("connect to the server that looks for the cluster: %w", err)
	}
	defer conn.Close()
	return c.overhear(ctx, conn)
}

// overhear collects the addresses in heartbeats.
func (c *Config) overhear(ctx context.Context, conn *nats.Conn) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, scoutWait)
	defer cancel()
	sub, err := conn.SubscribeSync(c.Cluster + ".heartbeat")
	if err != nil {
		return nil, fmt.Errorf("listen for the cluster: %w", err)
	}
	var found []string
	for len(found) < maxMembers {
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			break // it has been long enough
		}
		var b heartbeat
		if json.Unmarshal(msg.Data, &b) != nil || b.Name == c.Name {
			continue
		}
		if len(found) == 0 {
			time.AfterFunc(scoutMore, cancel)
		}
		found = append(found, b.Address)
		for _, s := range b.Sees {
			if s.Name != c.Name {
				found = append(found, s.Address)
			}
		}
		slices.Sort(found)
		found = slices.Compact(found)
	}
	return slices.DeleteFunc(found, func(a string) bool { return !dialable(a) }), nil
}
