// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Cluster says how this node joins others. The secret that they share is not a
// part of it: files are copied and committed.
type Cluster struct {
	Name      string   // of this node
	Listen    string   // for the other nodes, host:port; empty means alone
	Advertise string   // where they reach Listen; empty means there
	Join      []string // the cluster's nodes: host:port, or dns:NAME:PORT
	NATS      string   // URL of a NATS cluster to use instead of an own one
	// Credentials is a file with NATS credentials, Replicas the copies of each store
	// there.
	Credentials string
	Replicas    int
	TLS         ClusterTLS // between nodes
	// SyncAlways waits for the disk on each write, which SyncInterval is the time
	// between otherwise.
	SyncAlways   bool
	SyncInterval time.Duration
	Compression  Compression // between nodes; empty leaves it to package cluster
	// EventAge and EventBytes bound what is kept of streams that clients may resume;
	// 0 bytes leaves the bound to the space there is.
	EventAge   time.Duration
	EventBytes int64
}

// ClusterTLS is what protects the connections between nodes: certificates that
// the secret yields, unless Off, or files of the operator's own, all three.
type ClusterTLS struct {
	Off           bool
	Cert, Key, CA string // PEM files
}

// Compression of what goes between nodes.
type Compression string

// The compressions. Auto compresses where the round trip is long.
const (
	CompressFast Compression = "fast"
	CompressAuto Compression = "auto"
	CompressOff  Compression = "off"
)

var compressions = []string{string(CompressFast), string(CompressAuto), string(CompressOff)}

func defaultCluster() Cluster {
	return Cluster{
		Replicas: 3, SyncInterval: 2 * time.Second, EventAge: 5 * time.Minute,
	}
}

// inOwn are the keys that concern a cluster of nodes, not one of NATS servers.
var inOwn = []string{"listen", "advertise", "join", "tls", "sync", "compression"}

func (p *parser) cluster(path string, at pair) {
	if at.value.kind == kindNull {
		return
	}
	if at.value.kind != kindMap {
		p.wrongKind(path, at.value, "a mapping such as {name: a, listen: 10.0.0.1:7422, join: [10.0.0.1:7422, …]}")
		return
	}
	c := &p.cfg.Cluster
	p.refuseSecret(path, at.value)
	p.mapping(path, at.value, nil, []field{
		{"name", func(path string, at pair) { c.Name = p.checked(path, at.value, "a", checkNode) }},
		{"listen", func(path string, at pair) { c.Listen = p.checked(path, at.value, "10.0.0.1:7422", checkPeerListen) }},
		{"advertise", func(path string, at pair) { c.Advertise = p.checked(path, at.value, "node1.example:7422", checkPeer) }},
		{"join", func(path string, at pair) {
			c.Join = p.checkedList(path, at.value, "[10.0.0.1:7422, 10.0.0.2:7422, 10.0.0.3:7422]", checkJoin)
		}},
		{"nats", func(path string, at pair) { c.NATS = p.checked(path, at.value, "nats://nats.example:4222", checkNATS) }},
		{"credentials", func(path string, at pair) {
			c.Credentials = p.checked(path, at.value, "/run/secrets/nats.creds", checkPath)
		}},
		{"replicas", func(path string, at pair) { p.count(path, at.value, 1, 5, &c.Replicas) }},
		{"tls", p.clusterTLS},
		{"sync", p.sync},
		{"compression", p.compression},
		{"events", p.events},
	})
	p.clusterFits(path, at.value)
}

// refuseSecret takes the secret out, so that it is not called an unknown key.
func (p *parser) refuseSecret(path string, n *node) {
	n.pairs = slices.DeleteFunc(n.pairs, func(m pair) bool {
		if m.key != "secret" {
			return false
		}
		p.fail(m.line, join(path, m.key), "set "+SecretVariable+", or "+SecretFileVariable+" to the path of a file",
			"the secret does not belong in this file")
		return true
	})
}

// clusterFits reports keys that contradict nats.
func (p *parser) clusterFits(path string, n *node) {
	nats := slices.IndexFunc(n.pairs, func(m pair) bool { return m.key == "nats" && m.value.text != "" })
	if nats < 0 {
		return
	}
	for _, m := range n.pairs {
		if slices.Contains(inOwn, m.key) && saysSomething(m.value) {
			p.fail(m.line, join(path, m.key), "the NATS cluster has settings of its own; keep one of them",
				"has no use with nats, on line %d", n.pairs[nats].line)
		}
	}
}

// checked reads a text and puts it into its normal form.
func (p *parser) checked(path string, n *node, example string, check func(string) (string, error)) string {
	text, ok := p.text(path, n, "a string such as "+example)
	if !ok {
		return ""
	}
	text, err := check(text)
	if err != nil {
		p.fail(n.line, path, "", "%v", err)
	}
	return text
}

var nodeName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func checkNode(s string) (string, error) {
	if !nodeName.MatchString(s) {
		return "", fmt.Errorf("want 1 to 64 letters, digits, - and _, got %s", quote(s))
	}
	return s, nil
}

func checkPeerListen(s string) (string, error) {
	if err := CheckListen(s); err != nil {
		return "", err
	}
	if _, port, _ := net.SplitHostPort(s); strings.Trim(port, "0") == "" {
		return "", fmt.Errorf("want a port that the other nodes can know, got %s", quote(s))
	}
	return s, nil
}

func checkPeer(s string) (string, error) {
	s, err := checkPeerListen(s)
	if err != nil {
		return "", err
	}
	if host, _, _ := net.SplitHostPort(s); host == "" {
		return "", fmt.Errorf("want an IP address or host name before the port, got %s", quote(s))
	}
	return s, nil
}

func checkJoin(s string) (string, error) {
	address, dns := strings.CutPrefix(s, "dns:")
	_, err := checkPeer(address)
	if err != nil && dns {
		err = fmt.Errorf("%w after dns:", err)
	}
	return s, err
}

// checkNATS shows nothing of the URL, whose user part may be secret.
func checkNATS(s string) (string, error) {
	for one := range strings.SplitSeq(s, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil || u.Hostname() == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) {
			return "", fmt.Errorf("want a URL such as nats://nats.example:4222 or tls://nats.example:4222, several with commas between")
		}
	}
	return s, nil
}

func checkPath(s string) (string, error) {
	if s == "" || hasControl(s) {
		return "", fmt.Errorf("want the path of a file, got %s", quote(s))
	}
	return s, nil
}

func (p *parser) clusterTLS(path string, at pair) {
	t := &p.cfg.Cluster.TLS
	switch n := at.value; {
	case n.kind == kindNull || n.kind == kindString && n.text == "secret":
	case n.kind == kindString && n.text == "off":
		t.Off = true
	case n.kind == kindMap:
		p.certificates(path, n)
	case n.kind == kindString:
		p.fail(n.line, path, didYouMean(n.text, []string{"secret", "off"}), "want secret, off or a mapping such as {cert: …, key: …, ca: …}, got %s", quote(n.text))
	default:
		p.wrongKind(path, n, "secret, off or a mapping such as {cert: node.pem, key: node.key, ca: ca.pem}")
	}
}

func (p *parser) certificates(path string, n *node) {
	t, before := &p.cfg.Cluster.TLS, len(p.errs.List)
	file := func(to *string) func(string, pair) {
		return func(path string, at pair) { *to = p.checked(path, at.value, "/etc/holdfast/node.pem", checkPath) }
	}
	p.mapping(path, n, nil, []field{{"cert", file(&t.Cert)}, {"key", file(&t.Key)}, {"ca", file(&t.CA)}})
	if len(p.errs.List) == before && (t.Cert == "" || t.Key == "" || t.CA == "") {
		p.fail(n.line, path, "ca is what the other nodes' certificates are signed by", "want all of cert, key and ca")
	}
}

func (p *parser) sync(path string, at pair) {
	if at.value.kind == kindString && at.value.text == "always" {
		p.cfg.Cluster.SyncAlways = true
		return
	}
	if at.value.kind == kindString && !strings.ContainsAny(at.value.text, "0123456789") {
		p.fail(at.value.line, path, didYouMean(at.value.text, []string{"always"}), "want always or a duration such as 2s, got %s", quote(at.value.text))
		return
	}
	p.duration(path, at.value, &p.cfg.Cluster.SyncInterval)
}

func (p *parser) compression(path string, at pair) {
	n := at.value
	if n.kind != kindString {
		p.wrongKind(path, n, "a string: fast, auto or off")
		return
	}
	if !slices.Contains(compressions, n.text) {
		p.fail(n.line, path, didYouMean(n.text, compressions), "want fast, auto or off, got %s", quote(n.text))
		return
	}
	p.cfg.Cluster.Compression = Compression(n.text)
}

func (p *parser) events(path string, at pair) {
	if at.value.kind == kindNull {
		return
	}
	if at.value.kind != kindMap {
		p.wrongKind(path, at.value, "a mapping such as {age: 5m, bytes: 512MiB}")
		return
	}
	c := &p.cfg.Cluster
	p.mapping(path, at.value, nil, []field{
		{"age", func(path string, at pair) { p.duration(path, at.value, &c.EventAge) }},
		{"bytes", func(path string, at pair) { p.size(path, at.value, 1<<20, 1<<40, &c.EventBytes) }},
	})
}
