// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Mode is how a node keeps its stores.
type Mode string

// The modes.
const (
	Alone     Mode = "alone"
	Clustered Mode = "clustered"
	External  Mode = "external"
)

// Compression of what goes between nodes.
type Compression string

// The compressions. Fast saves three bytes of four and costs a tenth to a fifth of a
// session change, a quarter of the time of a message of 10 KB, and some MiB.
// Auto compresses where the round trip is over 10 ms, the more the longer it is;
// below that it saves nothing, and still costs for framing and checksums. A
// route is compressed when both its ends ask for it, so nodes may differ.
const (
	CompressFast Compression = "s2_fast"
	CompressAuto Compression = "s2_auto"
	CompressOff  Compression = "off"
)

// DefaultCompression suits nodes that are close and on a gigabit or more, where 20,000
// session changes a second are some 12 MB/s. Where traffic is paid for, or links carry
// less than 100 Mbit/s, use [CompressFast]. See docs/adr/0007.
const DefaultCompression = CompressOff

// Config is what a node needs to take part. Zero fields mean the defaults.
type Config struct {
	// Name is the node's name: unique in the cluster and the same after each
	// restart. Letters, digits, '-' and '_', at most 64. Alone: default "alone".
	Name    string
	Version string // of this program, for the others to see
	Cluster string // the cluster's name, as Name; default "holdfast", and always that alone
	// Dir is the directory of the stores. It is locked, marked and created.
	// External needs none.
	Dir string

	// Listen is the address for the other nodes, host:port; empty means alone.
	Listen string
	// Advertise is where others reach Listen when it is not the same, host:port.
	Advertise string
	// Join names the cluster's nodes, host:port each, or dns:NAME:PORT for all
	// addresses of a name. The first three or more have the same list; who comes
	// later may have any part of it, and is told of the others.
	Join []string
	// Grow lets a directory that a single node has used become a clustered one;
	// call [Cluster.ImportAlone] once the cluster is ready.
	Grow bool
	// Secret is shared by all nodes: at least 16 bytes that cannot be guessed. It is
	// stretched before use. Clustered needs one. With External it protects the key ring from those who run the NATS cluster.
	Secret string
	// Encrypt uses TLS between nodes with certificates derived from Secret.
	Encrypt bool
	// TLS is used between nodes instead, with certificates of the operator's own.
	TLS *tls.Config
	// Compression between nodes; default [DefaultCompression].
	Compression Compression

	// External is the URL of a NATS cluster with JetStream to use instead of an own one.
	External    string
	Credentials string // file with credentials for External; may be empty
	Replicas    int    // of each store, External only; default 3

	// SyncAlways waits for the disk on each write. Otherwise the disk is synced
	// every SyncInterval (default 2 s): a crash of the process loses nothing, one
	// of a majority of hosts within that time may.
	SyncAlways   bool
	SyncInterval time.Duration
	// DefaultTiming keeps NATS's own election timing: a lost leader stops writes
	// for four to nine seconds instead of one or two. See docs/adr/0006.
	DefaultTiming bool

	WriteTimeout time.Duration // after which a write fails with ErrNoQuorum; default 5 s
	Heartbeat    time.Duration // default 200 ms; a node that misses five is suspected
	// Steady is how long a link must have been whole before what goes by way of
	// another node goes straight again, so that one that flaps is left alone, and a
	// third of how long all of five nodes or more must have been up before each store
	// is kept by five; default 10 s.
	Steady time.Duration
	// MaxRecords and MaxRecordBytes bound the session records that are kept; those go
	// that expire soonest, tombstones last. Default 1,048,576 and 256 MiB.
	MaxRecords     int
	MaxRecordBytes int64
	// CacheRecords and CacheBytes bound the session records held in memory per node.
	// Default 262,144 and 64 MiB.
	CacheRecords int
	CacheBytes   int64
	MaxTasks     int           // task snapshots kept; default 100,000
	EventAge     time.Duration // events are kept this long; default 5 min
	// EventBytes bounds all events together; the oldest go. Default: a quarter of what
	// the node with the least free space has when the cluster first starts, at most 512 MiB.
	EventBytes  int64
	MaxRequests int // requests and streams served at once; default 16,384

	Log *slog.Logger // default: discard
	// Resolve looks up the addresses of a name; default: the system's resolver.
	Resolve func(ctx context.Context, host string) ([]string, error)
}

// maxPayload bounds one message or value.
const maxPayload = 8 << 20

// misses is how many heartbeats a node may miss before it is suspected.
const misses = 5

var nameRule = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Mode returns the mode that c asks for.
func (c *Config) Mode() Mode {
	switch {
	case c.External != "":
		return External
	case c.Listen != "" || len(c.Join) > 0:
		return Clustered
	}
	return Alone
}

func (c Config) withDefaults() Config {
	if c.Name == "" && c.Mode() == Alone {
		c.Name = "alone"
	}
	if c.Cluster == "" || c.Mode() == Alone { // a single node's store has one name, whoever imports it
		c.Cluster = "holdfast"
	}
	if c.Compression == "" {
		c.Compression = DefaultCompression
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Resolve == nil {
		c.Resolve = net.DefaultResolver.LookupHost
	}
	setDefault(&c.Replicas, 3)
	setDefault(&c.SyncInterval, 2*time.Second)
	setDefault(&c.WriteTimeout, 5*time.Second)
	setDefault(&c.Heartbeat, 200*time.Millisecond)
	setDefault(&c.Steady, 10*time.Second)
	setDefault(&c.MaxRecords, 1<<20)
	setDefault(&c.MaxRecordBytes, 256<<20)
	setDefault(&c.CacheRecords, 1<<18)
	setDefault(&c.CacheBytes, 64<<20)
	setDefault(&c.MaxTasks, 100_000)
	setDefault(&c.EventAge, 5*time.Minute)
	setDefault(&c.MaxRequests, 1<<14)
	return c
}

func (c *Config) recordLimits() recordLimits {
	return recordLimits{records: c.MaxRecords, bytes: c.MaxRecordBytes, cached: c.CacheRecords, cachedBytes: c.CacheBytes}
}

func setDefault[T int | int64 | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Validate reports the first thing in c that cannot work, in words for an operator.
func (c *Config) Validate() error {
	d := c.withDefaults()
	for what, name := range map[string]string{"node name": d.Name, "cluster name": d.Cluster} {
		if !nameRule.MatchString(name) {
			return fmt.Errorf("%s %q: use 1 to 64 letters, digits, '-' and '_'", what, name)
		}
	}
	if c.Secret != "" {
		if err := CheckSecret(c.Secret); err != nil {
			return err
		}
	}
	if !slices.Contains([]Compression{CompressFast, CompressAuto, CompressOff}, d.Compression) {
		return fmt.Errorf("compression %q: use s2_fast, s2_auto or off", c.Compression)
	}
	switch c.Mode() {
	case External:
		if c.Listen != "" || len(c.Join) > 0 {
			return errors.New("an external NATS cluster replaces the own one: drop either the NATS URL or the addresses to listen on and to join")
		}
		return nil
	case Alone:
		if c.Dir == "" {
			return errors.New("no store directory")
		}
		return nil
	}
	return d.validateClustered()
}

func (c *Config) validateClustered() error {
	switch {
	case c.Dir == "":
		return errors.New("no store directory")
	case c.Listen == "":
		return errors.New("an address to listen on for the other nodes is needed, host:port")
	case c.Secret == "":
		return errors.New("a cluster needs a secret that all its nodes share")
	case c.Encrypt && c.TLS != nil:
		return errors.New("TLS between nodes comes either from the secret or from certificates, not from both")
	}
	for _, a := range append([]string{c.Listen}, c.Join...) {
		if _, _, err := net.SplitHostPort(strings.TrimPrefix(a, dnsPrefix)); err != nil {
			return fmt.Errorf("address %q: %w; write host:port", a, err)
		}
	}
	for _, a := range c.Join {
		if strings.HasPrefix(a, dnsPrefix) {
			return nil // counted when they are known
		}
	}
	if nodes := c.nodes(c.Join); len(nodes) < 2 {
		return enoughNodes(nodes)
	}
	return nil // Open asks those who are named for others
}

// nodes returns the distinct addresses of the cluster's nodes, the own one
// included when it is known.
func (c *Config) nodes(join []string) []string {
	all := slices.Clone(join)
	if own := c.address(); own != "" {
		all = append(all, own)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// address is where the others reach this node; empty when only they know.
func (c *Config) address() string {
	if c.Advertise != "" {
		return c.Advertise
	}
	host, _, _ := net.SplitHostPort(c.Listen)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return ""
	}
	return c.Listen
}

// ownServer is where this node's own server listens for the others.
func (c *Config) ownServer() string {
	host, port, _ := net.SplitHostPort(c.Listen) // validated
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// encryption is the TLS between nodes; nil when there is none.
func (c *Config) encryption() (*tls.Config, error) {
	if c.Encrypt {
		return secretTLS(c.Secret)
	}
	return c.TLS, nil
}

// fewNodesError reports that too few nodes are named.
type fewNodesError struct{ nodes []string }

// Error implements error.
func (e *fewNodesError) Error() string {
	return fmt.Sprintf("a cluster needs at least three nodes, and %d are named (%s): a majority of two is two, so losing either node would stop every write. "+
		"Name all nodes, this one included, in the same list on each; or any one node of a cluster that runs, to join it; or run one node alone",
		len(e.nodes), strings.Join(e.nodes, ", "))
}

func isFewNodes(err error) bool { return isError[*fewNodesError](err) }

// enoughNodes refuses a cluster of one or two.
func enoughNodes(nodes []string) error {
	if len(nodes) >= leastNodes {
		return nil
	}
	return &fewNodesError{nodes}
}
