// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CheckListen reports whether addr can be listened on: an IP address or host name,
// or nothing for all interfaces, then a colon and a port. Port 0 takes a free one.
func CheckListen(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("want host:port such as 127.0.0.1:8080, got %s", quote(addr))
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 || len(port) > 5 {
		return fmt.Errorf("want a port from 0 to 65535, got %s", quote(port))
	}
	if host != "" && !isHostName(host) {
		return fmt.Errorf("want an IP address or host name before the port, got %s", quote(host))
	}
	return nil
}

// isHostName accepts IP addresses without brackets and DNS names.
func isHostName(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	if host == "" || len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range label {
			if !isWord(c) && c != '-' {
				return false
			}
		}
	}
	return true
}

// CheckHost normalizes an entry of AllowedHosts. The error says what is wanted.
func CheckHost(s string) (string, error) {
	var host, port string
	if h, p, err := net.SplitHostPort(s); err == nil {
		host, port = h, p
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	}
	switch {
	case strings.Contains(s, "://"):
		return "", fmt.Errorf("want a host without a scheme such as mcp.example.com, got %s", quote(s))
	case strings.Contains(s, "*"):
		return "", fmt.Errorf("want one host such as mcp.example.com, without wildcards, got %s", quote(s))
	case !isHostName(host):
		return "", fmt.Errorf("want a host such as mcp.example.com or mcp.example.com:8443, got %s", quote(s))
	}
	host = strings.ToLower(host)
	if port == "" {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return host, nil
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", fmt.Errorf("want a port from 1 to 65535, got %s", quote(port))
	}
	return net.JoinHostPort(host, port), nil
}

// checkOrigin normalizes an entry of allowedOrigins to what browsers send.
func checkOrigin(s string) (string, error) {
	u, err := url.Parse(s)
	switch {
	case strings.Contains(s, "*"):
		return "", fmt.Errorf("want one origin such as https://app.example.com, without wildcards, got %s", quote(s))
	case err != nil || u.Scheme == "" || u.Host == "" || u.Hostname() == "" || hasControl(s):
		return "", fmt.Errorf("want scheme://host[:port] such as https://app.example.com, got %s", quote(s))
	case u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.ContainsAny(s, "?#"):
		return "", errors.New("want an origin only: scheme://host[:port], without a path, query or user")
	}
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "http":
		host = strings.TrimSuffix(host, ":80")
	case "https":
		host = strings.TrimSuffix(host, ":443")
	}
	return u.Scheme + "://" + strings.TrimSuffix(host, ":"), nil
}

// checkURL accepts what an HTTP or WebSocket client can call. Its errors show nothing of the
// URL, whose user and query parts may be secret.
func checkURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || hasControl(s) || strings.ContainsAny(s, " "):
		return errors.New("not a valid URL")
	case u.Scheme == "":
		return errors.New("want a URL that begins with http://, https://, ws:// or wss://")
	case !slices.Contains([]string{"http", "https", "ws", "wss"}, u.Scheme):
		return fmt.Errorf("want a URL of scheme http, https, ws or wss, got scheme %s", quote(u.Scheme))
	case u.Hostname() == "":
		return errors.New("the URL has no host")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return errors.New("the URL's port is not from 1 to 65535")
		}
	}
	return nil
}

var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"b", 1},
}

// parseSize reads 4194304, 4MiB, "512 KiB" or 4MB.
func parseSize(s string) (int64, bool) {
	s, unit := strings.ToLower(strings.TrimSpace(s)), int64(1)
	for _, u := range sizeUnits {
		if number, ok := strings.CutSuffix(s, u.name); ok {
			s, unit = strings.TrimRight(number, " "), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/unit {
		return 0, false
	}
	return n * unit, true
}

func formatSize(n int64) string {
	switch {
	case n >= 1<<30 && n%(1<<30) == 0:
		return strconv.FormatInt(n>>30, 10) + "GiB"
	case n >= 1<<20 && n%(1<<20) == 0:
		return strconv.FormatInt(n>>20, 10) + "MiB"
	case n >= 1<<10 && n%(1<<10) == 0:
		return strconv.FormatInt(n>>10, 10) + "KiB"
	}
	return strconv.FormatInt(n, 10)
}

func (p *parser) size(path string, n *node, least, most int64, to *int64) {
	if n.kind != kindInt && n.kind != kindString {
		p.wrongKind(path, n, "a size such as 4MiB or 4194304")
		return
	}
	v, ok := parseSize(n.text)
	switch {
	case !ok:
		p.fail(n.line, path, "", "want a size such as 4MiB or 4194304, got %s", quote(n.text))
	case v < least || v > most:
		p.fail(n.line, path, "", "want a size from %s to %s, got %s", formatSize(least), formatSize(most), shorten(n.text))
	default:
		*to = v
	}
}

func (p *parser) count(path string, n *node, least, most int, to *int) {
	if n.kind != kindInt {
		p.wrongKind(path, n, "a whole number")
		return
	}
	v, err := strconv.ParseInt(n.text, 0, 64)
	if err != nil || v < int64(least) || v > int64(most) {
		p.fail(n.line, path, "", "want a whole number from %d to %d, got %s", least, most, shorten(n.text))
		return
	}
	*to = int(v)
}

// cores reads a number of processor cores, whole or not.
func (p *parser) cores(path string, n *node, to *float64) {
	const least, most = 0.01, 1024
	if n.kind != kindInt && n.kind != kindFloat {
		p.wrongKind(path, n, "a number of cores such as 1.5")
		return
	}
	v, err := strconv.ParseFloat(n.text, 64)
	if err != nil || !(v >= least && v <= most) { // so that NaN is refused
		p.fail(n.line, path, "", "want a number of cores from %v to %v, got %s", least, most, shorten(n.text))
		return
	}
	*to = v
}

// Bounds of every duration in the file.
const (
	leastDuration = 100 * time.Millisecond
	mostDuration  = 24 * time.Hour
)

// durationOrNone reads a duration or 0.
func (p *parser) durationOrNone(path string, n *node, to *time.Duration) {
	if n.text == "0" || n.text == "0s" {
		*to = 0
		return
	}
	p.duration(path, n, to)
}

func (p *parser) duration(path string, n *node, to *time.Duration) {
	switch n.kind {
	case kindInt, kindFloat:
		p.fail(n.line, path, "say the unit, such as "+shorten(n.text)+"s or "+shorten(n.text)+"ms",
			"want a duration such as 30s, got a number without a unit")
		return
	case kindString:
	default:
		p.wrongKind(path, n, "a duration such as 30s")
		return
	}
	v, err := time.ParseDuration(n.text)
	switch {
	case err != nil:
		p.fail(n.line, path, "", "want a duration such as 30s or 1m30s, got %s", quote(n.text))
	case v < leastDuration || v > mostDuration:
		p.fail(n.line, path, "", "want a duration from %v to 24h, got %s", leastDuration, shorten(n.text))
	default:
		*to = v
	}
}

const day = 24 * time.Hour

// mostDays bounds an age.
const mostDays = 3650

// days reads a whole number of days, or 0 for never.
func (p *parser) days(path string, n *node, to *time.Duration) {
	if n.kind != kindString && n.kind != kindInt {
		p.wrongKind(path, n, "days such as 90d, or 0 for never")
		return
	}
	number, isDays := strings.CutSuffix(n.text, "d")
	count, err := strconv.Atoi(number)
	if err != nil || count < 0 || count > mostDays || count > 0 && !isDays {
		p.fail(n.line, path, "", "want days such as 90d, at most %dd, or 0 for never, got %s", mostDays, shorten(n.text))
		return
	}
	*to = time.Duration(count) * day
}
