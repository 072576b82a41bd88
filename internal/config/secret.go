// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
)

const redacted = "[redacted]"

// Secret is a text that does not show itself: printed, logged or marshalled it
// reads [redacted]. Convert it with string to use it.
type Secret string

// String returns [redacted].
func (Secret) String() string { return redacted }

// GoString returns [redacted], for %#v.
func (Secret) GoString() string { return redacted }

// LogValue returns [redacted] for log/slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns [redacted], for JSON and YAML.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// String names the server and how it is reached, without arguments, values of
// env and headers, or the user and query of the URL, any of which can be secret.
func (s Server) String() string { return s.LogValue().String() }

// GoString is String, for %#v.
func (s Server) GoString() string { return s.String() }

// MarshalText is String, for encoders: they would show every field.
func (s Server) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is what String shows, as a group.
func (s Server) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.String("name", s.Name),
		slog.String("transport", string(s.Transport)),
	}
	if s.Command != "" {
		attrs = append(attrs, slog.String("command", s.Command), slog.Int("args", len(s.Args)))
	}
	if len(s.Env) > 0 {
		attrs = append(attrs, slog.String("env", names(s.Env)))
	}
	if s.Cwd != "" {
		attrs = append(attrs, slog.String("cwd", s.Cwd))
	}
	if s.URL != "" {
		attrs = append(attrs, slog.String("url", PublicURL(s.URL)))
	}
	if len(s.Headers) > 0 {
		attrs = append(attrs, slog.String("headers", names(s.Headers)))
	}
	if s.Timeout > 0 {
		attrs = append(attrs, slog.Duration("timeout", s.Timeout))
	}
	if s.Pool.Sharing != "" && s.Pool.Sharing != Shared {
		attrs = append(attrs, slog.String("sharing", string(s.Pool.Sharing)))
	}
	if s.Disabled {
		attrs = append(attrs, slog.Bool("disabled", true))
	}
	if s.Fault != "" {
		attrs = append(attrs, slog.String("fault", s.Fault))
	}
	return slog.GroupValue(attrs...)
}

func names(m map[string]Secret) string {
	return strings.Join(slices.Sorted(maps.Keys(m)), ",")
}

// PublicURL leaves out what can hold a secret: user, query and fragment.
func PublicURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return redacted
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// String shows where the node is and whom it joins, without the user and query of
// the URL.
func (c Cluster) String() string { return c.LogValue().String() }

// GoString is String, for %#v.
func (c Cluster) GoString() string { return c.String() }

// MarshalText is String, for encoders: they would show every field.
func (c Cluster) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// LogValue is what String shows, as a group.
func (c Cluster) LogValue() slog.Value {
	var attrs []slog.Attr
	for _, a := range []struct{ key, value string }{
		{"name", c.Name}, {"listen", c.Listen}, {"advertise", c.Advertise}, {"join", strings.Join(c.Join, ",")}, {"nats", publicURLs(c.NATS)},
	} {
		if a.value != "" {
			attrs = append(attrs, slog.String(a.key, a.value))
		}
	}
	return slog.GroupValue(attrs...)
}

func publicURLs(s string) string {
	var all []string
	for one := range strings.SplitSeq(s, ",") {
		if one = strings.TrimSpace(one); one != "" {
			all = append(all, PublicURL(one))
		}
	}
	return strings.Join(all, ",")
}

// String shows the configuration without its secrets.
func (c Config) String() string { return c.LogValue().String() }

// GoString is String, for %#v.
func (c Config) GoString() string { return c.String() }

// MarshalText is String, for encoders: they would show every field.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// LogValue is what String shows, as a group.
func (c Config) LogValue() slog.Value {
	servers := make([]slog.Attr, len(c.Servers))
	for i, s := range c.Servers {
		servers[i] = slog.Attr{Key: s.Name, Value: s.LogValue()}
	}
	endpoints := make([]string, len(c.Endpoints))
	for i, e := range c.Endpoints {
		endpoints[i] = e.Name
	}
	return slog.GroupValue(
		slog.String("file", c.File),
		slog.String("listen", c.Listen),
		slog.String("data", c.Data),
		slog.Attr{Key: "mcpServers", Value: slog.GroupValue(servers...)},
		slog.Any("endpoints", endpoints),
		slog.String("limits", fmt.Sprintf("maxBody=%s maxDepth=%d maxBatch=%d callTimeout=%v processes=%d",
			formatSize(c.Limits.MaxBody), c.Limits.MaxDepth, c.Limits.MaxBatch, c.Limits.CallTimeout, c.Limits.Processes)),
		slog.String("drain", fmt.Sprintf("notice=%v calls=%v", c.Drain.Notice, c.Drain.Calls)),
		slog.Any("cluster", c.Cluster),
		slog.Duration("keyAge", c.KeyAge),
		slog.Any("allowedHosts", c.AllowedHosts),
		slog.Any("allowedOrigins", c.AllowedOrigins),
	)
}
