// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// routePing is the time between two pings on a route, and routePatience how many
	// may be without an answer before the server gives the route up. Only then can
	// there be another one to the same node.
	routePing     = 500 * time.Millisecond
	routePatience = 4
	// handshakeTimeout bounds a TLS handshake on a route, in seconds. A server that
	// is to dial other addresses waits for those under way.
	handshakeTimeout = 2
)

func (e *embedded) routeURLs(addresses []string) []*url.URL {
	urls := make([]*url.URL, len(addresses))
	for i, a := range addresses {
		urls[i] = &url.URL{Scheme: "nats", Host: a, User: e.routeUser}
	}
	return urls
}

// setRoutes replaces the addresses that are dialled. Connections to those that are
// dropped are closed.
func (e *embedded) setRoutes(addresses []string) error {
	routes := e.routeURLs(addresses)
	e.changing.Lock()
	defer e.changing.Unlock()
	if slices.EqualFunc(e.opts.Routes, routes, func(a, b *url.URL) bool { return a.Host == b.Host }) {
		return nil
	}
	next := e.opts.Clone()
	next.Routes = routes
	if err := e.srv.ReloadOptions(next); err != nil {
		return fmt.Errorf("change the cluster's routes: %w", err)
	}
	e.opts = next
	return nil
}

// routed returns the other ends of the server's routes by node, of those too that are
// dead and not given up yet.
func (e *embedded) routed() map[string][]string {
	list := map[string][]string{}
	routes, err := e.srv.Routez(nil)
	if err != nil { // the server is closed
		return list
	}
	for _, r := range routes.Routes {
		list[r.RemoteName] = append(list[r.RemoteName], net.JoinHostPort(r.IP, strconv.Itoa(r.Port)))
	}
	return list
}

// knownHosts are the hosts of the cluster's nodes, as far as they are known. It is
// safe for concurrent use.
type knownHosts struct{ list atomic.Pointer[[]string] }

func (h *knownHosts) set(addresses []string) {
	hosts := make([]string, 0, len(addresses))
	for _, a := range addresses {
		if host, _, err := net.SplitHostPort(a); err == nil {
			hosts = append(hosts, host)
		}
	}
	h.list.Store(&hosts)
}

// routeTLS is the TLS of routes when it comes from the operator's certificates. By
// way of another node a node is dialled on loopback, and the name that is dialled is
// not in its certificate: that of any node will do. Who can make certificates of the
// authority for nodes is one.
func routeTLS(c *tls.Config, hosts *knownHosts) *tls.Config {
	if c == nil || c.InsecureSkipVerify {
		return c
	}
	dial := c.Clone()
	dial.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return c, nil }
	dial.InsecureSkipVerify = true // VerifyConnection does it
	dial.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errors.New("no certificate")
		}
		leaf, options := s.PeerCertificates[0], x509.VerifyOptions{Roots: c.RootCAs, Intermediates: x509.NewCertPool()}
		for _, between := range s.PeerCertificates[1:] {
			options.Intermediates.AddCert(between)
		}
		if _, err := leaf.Verify(options); err != nil {
			return err
		}
		if s.ServerName != "" && leaf.VerifyHostname(s.ServerName) == nil {
			return nil
		}
		known := *hosts.list.Load()
		if slices.ContainsFunc(known, func(host string) bool { return leaf.VerifyHostname(host) == nil }) {
			return nil
		}
		return fmt.Errorf("the certificate is valid for none of the cluster's nodes: %s", strings.Join(known, ", "))
	}
	return dial
}
