// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/backend/placement"
	"github.com/holdfast-mcp/holdfast/internal/config"
	"github.com/holdfast-mcp/holdfast/internal/process"
	"github.com/holdfast-mcp/holdfast/transport"
	"github.com/holdfast-mcp/holdfast/transport/websocket"
)

// launchers makes the backends of configured servers.
type launchers struct {
	keeper   *process.Keeper
	exchange *placement.Exchange // nil when there are no other nodes
	// repeatable reports whether a server's tool may be called twice.
	repeatable func(server, tool string) bool
	processes  *backend.Slots  // of all servers together
	starts     *backend.Starts // of all servers together, but for
	installs   *backend.Starts // those that may have to be installed, which take long
	memory     *backend.Memory // for the large results of all servers together
	timeout    time.Duration   // of calls, where the server has none of its own
	secret     string          // of the cluster; no server gets it
	log        *slog.Logger
}

// backend makes the backend of one configured server.
func (f *launchers) backend(s *config.Server, events backend.Events) backend.Backend {
	if s.Fault != "" {
		return backend.NewUnusable(s.Name, s.Fault)
	}
	cfg := backend.Config{
		Name: s.Name, Credential: credential(s), Era: s.Protocol.Era, Version: s.Protocol.Version,
		Sharing: sharing(s.Pool.Sharing), Min: s.Pool.Min, Max: s.Pool.Max, Spare: s.Pool.Spare, Idle: s.Pool.Idle,
		MaxCalls: s.Pool.MaxCalls, StartTimeout: s.StartTimeout(), CallTimeout: f.timeout,
		Repeatable:   func(tool string) bool { return f.repeatable(s.Name, tool) },
		Capabilities: s.Capabilities, Memory: f.memory, Log: f.log,
	}
	if s.Timeout > 0 {
		cfg.CallTimeout = s.Timeout
	}
	cfg.Launch, cfg.Closed = f.launcher(s)
	if s.Transport == config.Stdio {
		cfg.Processes, cfg.Starts = f.processes, f.starts
		if s.Installs() {
			cfg.Starts = f.installs
		}
	}
	switch {
	case f.exchange == nil || s.Transport != config.Stdio:
		return backend.New(cfg, events)
	case !homed(s.Pool.Sharing):
		return f.exchange.Pinned(s.Name, backend.New(cfg, events))
	}
	return f.exchange.Backend(s.Name, func(e backend.Events) *backend.Remote { return backend.New(cfg, e) }, events)
}

// homed reports whether what an instance remembers belongs to somebody who may
// call any node: it then lives at one of them.
func homed(s config.Sharing) bool { return s != config.PerNode && s != config.PerCall }

// sharing is how a node's own instances are shared.
func sharing(s config.Sharing) backend.Sharing {
	if s == config.PerNode {
		return backend.Shared
	}
	return backend.Sharing(s)
}

// launcher returns how the server's instances are started and what ends with the last.
func (f *launchers) launcher(s *config.Server) (backend.Launcher, func()) {
	switch s.Transport {
	case config.Stdio:
		return backend.Command(f.keeper, process.Spec{
			Name: s.Name, Command: s.Command, Args: s.Args, Dir: s.Cwd, Env: environment(s, os.Environ(), f.secret),
			Limits: process.Limits{Memory: s.Process.Memory, CPU: s.Process.CPU, PIDs: s.Process.PIDs},
			User:   s.Process.User, NewPrivileges: s.Process.AllowPrivilegeEscalation,
		}), nil
	case config.WebSocket:
		return f.secured(s, webSocket)
	}
	return f.secured(s, overHTTP)
}

// webSocket launches the server's connections.
func webSocket(s *config.Server, secured *tls.Config) (backend.Launcher, func()) {
	headers := http.Header{}
	for name, value := range s.Headers {
		headers.Set(name, string(value))
	}
	var cfg websocket.DialConfig
	if secured != nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.DisableKeepAlives, t.TLSClientConfig = true, secured
		cfg.RoundTripper = t
	}
	return backend.Dial(func(ctx context.Context) (transport.Conn, error) {
		return websocket.Dial(ctx, s.URL, headers, cfg)
	}), nil
}

// overHTTP launches the server's sessions.
func overHTTP(s *config.Server, secured *tls.Config) (backend.Launcher, func()) {
	var headers []string
	for _, name := range slices.Sorted(maps.Keys(s.Headers)) {
		headers = append(headers, name, string(s.Headers[name]))
	}
	return backend.URL(s.URL, backend.HTTPConfig{
		Headers: headers, SSE: s.Transport == config.SSE, MaxConns: s.HTTP.MaxConns, TLS: secured,
		HeaderTimeout: s.HTTP.HeaderTimeout, IdleTimeout: s.HTTP.IdleTimeout,
	})
}

// credential is a digest of what a server is given to act with.
func credential(s *config.Server) string {
	h := sha256.New()
	for _, set := range []map[string]config.Secret{s.Env, s.Headers} {
		for _, name := range slices.Sorted(maps.Keys(set)) {
			fmt.Fprintf(h, "%q=%q;", name, string(set[name]))
		}
	}
	if s.TLS.Cert != "" {
		fmt.Fprintf(h, "tls %q %q;", s.TLS.Cert, s.TLS.Key)
	}
	return string(h.Sum(nil)[:8])
}
