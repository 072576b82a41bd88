// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// leastNodes is below how many a cluster is not made smaller.
const leastNodes = 3

// removeTimeout bounds one attempt to remove a node.
const removeTimeout = 5 * time.Second

// Remove makes the cluster go on without a node that never returns: majorities no
// longer count it, and what it kept is copied to others. The node must be down,
// and its name is not to be used again. At least three nodes must remain, so one
// that replaces it comes first. The errors are for an operator.
func (c *Cluster) Remove(ctx context.Context, name string) error {
	if c.mode != Clustered {
		return errors.New("this node is not part of a cluster of its own")
	}
	names, err := c.Voters()
	switch {
	case err != nil:
		return err
	case !slices.Contains(names, name):
		return fmt.Errorf("no node %q has a say in the cluster; these do: %s", name, strings.Join(names, ", "))
	case len(names) <= leastNodes:
		return fmt.Errorf("without %q only %d nodes would remain, and losing one more would stop every write: start the node that replaces it first, under another name",
			name, len(names)-1)
	}
	for _, m := range c.Members() {
		if m.Name == name && !m.Suspected {
			return fmt.Errorf("node %q is up; stop it first", name)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	if err := c.server.remove(ctx, name); err != nil {
		return fmt.Errorf("remove node %q: %w", name, err)
	}
	c.log.Info("a node was removed from the cluster", "node", name)
	if err := c.noteRemoved(ctx, name, time.Now()); err != nil { // it counts no more; only its return will not be told of
		c.log.Warn("the removal is not noted", "error", err)
	}
	return nil
}

// voters returns what the server calls the nodes whose majority decides.
func (e *embedded) voters() ([]string, error) {
	info, err := e.srv.Jsz(&natsd.JSzOptions{})
	switch {
	case err != nil:
		return nil, fmt.Errorf("ask the store: %w", err)
	case info.Meta == nil || info.Meta.Leader == "":
		return nil, errors.New("the cluster has no leader, so nothing can be decided: a majority of its nodes must be up")
	}
	names := []string{e.opts.ServerName}
	for _, p := range info.Meta.Replicas {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// remove asks the leader, which answers once a majority has agreed.
func (e *embedded) remove(ctx context.Context, name string) error {
	conn, err := nats.Connect("", nats.InProcessServer(e.srv), nats.UserInfo(systemUser, e.password))
	if err != nil {
		return fmt.Errorf("connect to the system account: %w", err)
	}
	defer conn.Close()
	ask, err := json.Marshal(natsd.JSApiMetaServerRemoveRequest{Server: name, Peer: peerID(name)})
	if err != nil {
		return err
	}
	msg, err := conn.RequestWithContext(ctx, natsd.JSApiRemoveServer, ask)
	if err != nil {
		return fmt.Errorf("no answer of the leader: %w", err)
	}
	var said natsd.JSApiMetaServerRemoveResponse
	if err := json.Unmarshal(msg.Data, &said); err != nil {
		return fmt.Errorf("answer of the leader: %w", err)
	}
	if said.Error != nil {
		return errors.New(said.Error.Description)
	}
	return nil
}

// systemUser is who may change what the cluster consists of.
const systemUser = "system"

// doorman lets this process in and nobody else: its password is random and never
// leaves it. The server's own check knows no user of the system account.
type doorman struct {
	password string
	system   func() *natsd.Account
}

var _ natsd.Authentication = (*doorman)(nil)

// Check implements [natsd.Authentication].
func (d *doorman) Check(c natsd.ClientAuthentication) bool {
	said := c.GetOpts()
	match := func(s string) bool { return subtle.ConstantTimeCompare([]byte(s), []byte(d.password)) == 1 }
	switch {
	case said.Username == "" && match(said.Token): // with a name, each change of the routes would end the connection
		return true
	case said.Username == systemUser && match(said.Password):
		c.RegisterUser(&natsd.User{Username: systemUser, Account: d.system()})
		return true
	}
	return false
}
