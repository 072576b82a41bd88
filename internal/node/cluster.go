// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/backend/placement"
	"github.com/holdfast-mcp/holdfast/internal/cluster"
	"github.com/holdfast-mcp/holdfast/internal/config"
	"github.com/holdfast-mcp/holdfast/internal/endpoint"
	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/ownership"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/task"
	"github.com/holdfast-mcp/holdfast/transport/httpsse"
)

// Cluster says how this node keeps what sessions need: alone, in files of the
// data directory, or with others.
type Cluster struct {
	config.Cluster
	Secret     string // that all nodes share
	SecretFile string // it was read from; empty if from none
}

// Alone reports whether c names no others.
func (c *Cluster) Alone() bool { return c.Listen == "" && c.NATS == "" }

// patience is how long is waited for the stores before it is said what is missing.
const patience = 15 * time.Second

// openCluster starts this node's part, which refuses a data directory that belongs
// to another node, and a node that the others do not take.
func (n *Node) openCluster(ctx context.Context) error {
	cfg, err := n.cfg.Cluster.config(n.cfg.Log)
	if err != nil {
		return err
	}
	cfg.Version, cfg.Dir, cfg.Grow, cfg.Log = n.cfg.Version, n.data.store(), true, n.cfg.Log
	c, err := cluster.Open(ctx, cfg)
	if err != nil {
		return err
	}
	n.cluster = c
	n.joining.Store(c)
	return nil
}

// joinCluster waits until this node is ready and takes the key ring.
func (n *Node) joinCluster(ctx context.Context) error {
	c := n.cluster
	n.openControl()
	if err := n.awaitCluster(ctx); err != nil {
		return err
	}
	if err := n.importAlone(ctx); err != nil {
		return err
	}
	if err := c.Keys().Init(ctx, n.data.key); err != nil {
		return fmt.Errorf("the cluster's key ring: %w", err)
	}
	n.keys = followKeys(c, n.data.ring, n.cfg.File.KeyAge, n.cfg.Log)
	return nil
}

// compressions are the configuration's words in the cluster's.
var compressions = map[config.Compression]cluster.Compression{
	config.CompressFast: cluster.CompressFast, config.CompressAuto: cluster.CompressAuto, config.CompressOff: cluster.CompressOff,
}

// config turns c into the cluster's own words.
func (c *Cluster) config(log *slog.Logger) (cluster.Config, error) {
	cfg := cluster.Config{
		SyncAlways: c.SyncAlways, SyncInterval: c.SyncInterval, EventAge: c.EventAge, EventBytes: c.EventBytes,
	}
	if c.Alone() { // the key ring is as safe as the directory, and must be readable when it grows
		return cfg, nil
	}
	cfg.Name, cfg.Secret = c.Name, c.Secret
	if c.NATS != "" {
		cfg.External, cfg.Credentials, cfg.Replicas = c.NATS, c.Credentials, c.Replicas
		if c.Credentials == "" {
			return cfg, nil
		}
		_, err := readSecret("cluster.credentials", c.Credentials, log)
		return cfg, err
	}
	cfg.Listen, cfg.Advertise, cfg.Join = c.Listen, c.Advertise, c.Join
	cfg.Compression = compressions[c.Compression]
	var err error
	if c.TLS.Cert != "" {
		cfg.TLS, err = mutualTLS(&c.TLS, log)
	} else {
		cfg.Encrypt = !c.TLS.Off
	}
	return cfg, err
}

// mutualTLS reads the operator's certificates.
func mutualTLS(t *config.ClusterTLS, log *slog.Logger) (*tls.Config, error) {
	pair, err := keyPair("cluster.tls", t.Cert, t.Key, log)
	if err != nil {
		return nil, err
	}
	pool, err := certificates("cluster.tls", t.CA)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair},
		RootCAs: pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}, nil
}

// maxSecretFile bounds a file with a key or credentials, in bytes.
const maxSecretFile = 1 << 20

// readSecret reads a file that what it names was given for, unless somebody else
// could have changed it.
func readSecret(what, path string, log *slog.Logger) ([]byte, error) {
	data, exposed, err := ownership.ReadSecret(path, maxSecretFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %s %w", what, path, err)
	}
	if exposed {
		log.Warn(what+" can be read by every user of this host; run chmod o-r on the file unless it is in a container of its own", "file", path)
	}
	return data, nil
}

// awaitCluster waits until the stores are whole: alone this takes milliseconds,
// in a cluster as long as the other nodes need to come up.
func (n *Node) awaitCluster(ctx context.Context) error {
	for {
		wait, cancel := context.WithTimeoutCause(ctx, patience, errors.New("timed out"))
		err := n.cluster.Await(wait)
		cancel()
		switch {
		case err == nil:
			return nil
		case n.cluster.Err() != nil, ctx.Err() != nil:
			return fmt.Errorf("the cluster's stores are not ready: %w", err)
		}
		n.cfg.Log.Warn("waiting for the cluster", "reason", err)
	}
}

// failed is closed when this node cannot be part of the cluster any more; nil
// when it is part of none.
func (n *Node) failed() <-chan struct{} {
	if n.cluster == nil {
		return nil
	}
	return n.cluster.Failed()
}

// importAlone takes over what this node kept before it had a cluster.
func (n *Node) importAlone(ctx context.Context) error {
	if !n.cluster.Growing() {
		return nil
	}
	took, err := n.cluster.ImportAlone(ctx, n.data.store())
	if err != nil {
		return fmt.Errorf("take over what this node kept alone: %w", err)
	}
	n.cfg.Log.Info("took over what this node kept alone", "sessions", took.Sessions, "tasks", took.Tasks, "keys", took.Keys)
	return nil
}

// join connects an endpoint to the same one on the other nodes.
func (n *Node) join(path string, cfg *endpoint.Config) {
	cfg.Nodes = nodes.Scoped(n.cluster.Nodes(), path)
	cfg.Sessions = n.cluster.Sessions()
}

// joinStreams connects the HTTP+SSE streams of the endpoint at a path to those
// at the other nodes, of which there are none for a node alone.
func (n *Node) joinStreams(path string, cfg *httpsse.Config) {
	if !n.alone() {
		cfg.Nodes, cfg.Ring = nodes.Scoped(n.cluster.Nodes(), path), n.data.ring
	}
}

// openTasks makes the set of tasks that all endpoints share.
func (n *Node) openTasks() {
	cfg := task.Config{Log: n.cfg.Log}
	if n.cluster != nil {
		cfg.Store, cfg.Nodes = n.cluster.Tasks(), n.cluster.Nodes()
		cfg.Handler, cfg.Members = n.handler, n.takers
	}
	n.tasks = task.NewSet(cfg)
}

// errUnservedHere tells a client why its task was not restarted.
var errUnservedHere = errors.New("its endpoint is not served any more")

// handler returns what answers the calls of an endpoint, for tasks whose node was lost.
func (n *Node) handler(endpoint string) (rpc.Handler, error) {
	if !n.opened.Load() || n.leaving.Load() {
		return nil, task.ErrNotYet
	}
	if h := n.handlers[endpoint]; h != nil {
		return h, nil
	}
	return nil, errUnservedHere
}

// takers are the nodes that can take over what ran at a lost one.
func (n *Node) takers() []string {
	var names []string
	for _, m := range n.cluster.Members() {
		if m.Up() {
			names = append(names, m.Name)
		}
	}
	return names
}

// openExchange makes what reaches instances on other nodes, which there are none
// of for a node alone.
func (n *Node) openExchange() {
	if !n.alone() {
		n.exchange = placement.New(n.cluster.Nodes(), placement.Config{Log: n.cfg.Log})
	}
}

// closeCluster leaves: what this node leads is handed over first.
func (n *Node) closeCluster() {
	if n.exchange != nil {
		n.exchange.Close()
	}
	if n.keys != nil {
		n.keys.close()
	}
	if n.control != nil {
		n.control.Close()
	}
	if n.cluster == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	n.cluster.Leave(ctx)
}

// leaveTimeout bounds the hand-over at the end.
const leaveTimeout = 5 * time.Second
