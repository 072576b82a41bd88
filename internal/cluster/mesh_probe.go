// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"time"
)

// probe looks now and then whether a node that is reached by way of another can be
// dialled, from here or from there.
func (m *mesh) probe(ctx context.Context, k *Member, now time.Time) {
	p := m.probing[k.Name]
	switch {
	case k.Via == "":
		if p != nil {
			delete(m.probing, k.Name)
			m.c.members.setDialled(k.Name, false)
		}
		return
	case p == nil:
		p = &probe{next: now}
		m.probing[k.Name] = p
	}
	switch {
	case !m.c.members.setDialled(k.Name, p.answers.Load()):
		p.since = time.Time{}
	case p.since.IsZero():
		p.since = now
	}
	if now.Before(p.next) || p.busy.Swap(true) {
		return
	}
	p.next = now.Add(dialInterval)
	name, addresses := k.Name, m.addresses(k)
	m.c.wg.Go(func() {
		defer p.busy.Store(false)
		p.answers.Store(m.answers(ctx, name, addresses))
	})
}

// addresses returns where a node may answer: where it says, and at those addresses
// of Join that are not another's.
func (m *mesh) addresses(k *Member) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []string
	if dialable(k.Address) {
		list = append(list, k.Address)
	}
	for _, address := range m.known {
		if owner := m.owners[address]; (owner == "" || owner == k.Name) && address != k.Address && address != m.c.cfg.address() {
			list = append(list, address)
		}
	}
	return list
}

// answers reports whether a node answers at one of some addresses.
func (m *mesh) answers(ctx context.Context, name string, addresses []string) bool {
	for _, address := range addresses {
		owner := nameAt(ctx, &m.c.cfg, address, m.encryption)
		if owner == "" {
			continue
		}
		m.own(address, owner)
		if owner == name {
			return true
		}
	}
	return false
}

// own notes who answered at an address.
func (m *mesh) own(address, name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.owners) < 4*maxMembers {
		m.owners[address] = name
	}
}

// nameAt returns the name of the cluster's node that answers at an address; empty
// when none does.
func nameAt(ctx context.Context, cfg *Config, address string, encryption *tls.Config) string {
	conn, err := dialNode(ctx, address)
	if err != nil {
		return ""
	}
	defer hangUp(conn)
	if encryption != nil {
		secured := tls.Client(conn, clientTLS(encryption, address))
		if secured.HandshakeContext(ctx) != nil {
			return ""
		}
		conn = secured
	}
	info, err := readInfo(bufio.NewReader(conn))
	if err != nil || info.Cluster != wireName(cfg.Cluster) {
		return ""
	}
	return info.Name
}

// findAddress sets what this node advertises, when it listens on all addresses and
// was not told: where others reach it is then for it to find out.
func (c *Config) findAddress(ctx context.Context, seeds []string) {
	if c.address() == "" {
		_, port, _ := net.SplitHostPort(c.Listen) // validated
		c.Advertise = outward(ctx, seeds, port)
	}
}

// outward returns the address by which this host would reach another, with a port;
// empty when it cannot be told. Nothing is sent.
func outward(ctx context.Context, to []string, port string) string {
	for _, address := range to {
		conn, err := (&net.Dialer{Timeout: preflightTimeout}).DialContext(ctx, "udp", address)
		if err != nil {
			continue
		}
		host, _, err := net.SplitHostPort(conn.LocalAddr().String())
		hangUp(conn)
		if err == nil {
			return net.JoinHostPort(host, port)
		}
	}
	return ""
}
