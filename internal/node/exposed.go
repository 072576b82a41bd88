// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
)

// WarnIfExposed says loudly that an address can be reached from other machines:
// as long as nobody has to say who they are, that is all it takes to call every tool.
func WarnIfExposed(addr net.Addr, log *slog.Logger) {
	at, ok := addr.(*net.TCPAddr)
	if !ok || at.IP.IsLoopback() {
		return
	}
	log.Warn("OTHER MACHINES CAN REACH THIS ADDRESS, AND THERE IS NO AUTHENTICATION: whoever reaches it can call every tool of every server. "+
		"Listen on 127.0.0.1, or let only those through who may", "address", addr.String())
}

// hostsOf are the hosts that requests for an address to listen on may name beside
// those that are always allowed: what it says itself; of an address that stands for
// all of this machine every IP address, as one that is translated on the way is not
// among the machine's own, and the machine's name.
func hostsOf(listen string) []string {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return nil
	}
	if addr, err := netip.ParseAddr(host); host != "" && (err != nil || !addr.IsUnspecified()) {
		return []string{host}
	}
	hosts := []string{"0.0.0.0"}
	if name, err := os.Hostname(); err == nil && name != "" {
		hosts = append(hosts, name)
	}
	return hosts
}

// maxURLs bounds the URLs for other machines that are shown.
const maxURLs = 8

// urlsOf are the URLs of the common endpoint at a bound address: one that works on this
// machine, and those that may on others, if it is bound to all addresses.
func urlsOf(bound net.Addr, interfaces []net.Addr, hostname string) (own string, others []string) {
	at, ok := bound.(*net.TCPAddr)
	if !ok || !(at.IP == nil || at.IP.IsUnspecified()) {
		return commonURL(bound.String()), nil
	}
	port := strconv.Itoa(at.Port)
	loopback := netip.IPv6Loopback()
	for _, a := range interfaces {
		prefix, err := netip.ParsePrefix(a.String())
		switch addr := prefix.Addr().Unmap(); {
		case err != nil, !addr.Is4() && at.IP.To4() != nil:
		case addr.IsLoopback() && addr.Is4():
			loopback = addr // which clients try more often
		case addr.IsGlobalUnicast() && len(others) < maxURLs:
			others = append(others, commonURL(net.JoinHostPort(addr.String(), port)))
		}
	}
	if hostname != "" && hostname != "localhost" && len(others) > 0 { // else there are no other machines
		others = append(others, commonURL(net.JoinHostPort(hostname, port)))
	}
	return commonURL(net.JoinHostPort(loopback.String(), port)), others
}

func commonURL(hostPort string) string { return "http://" + hostPort + "/mcp" }
