// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/holdfast-mcp/holdfast/mcp"
)

// Option configures a Client.
type Option interface{ apply(*config) }

type option func(*config)

func (f option) apply(c *config) { f(c) }

// config is what options fill in. It does not change after Connect.
type config struct {
	info         mcp.Implementation
	capabilities mcp.ClientCapabilities
	rawCaps      Raw // declared instead of capabilities
	era          mcp.Era
	version      mcp.Version
	cache        EraCache
	faults       *Faults
	output       func(line []byte)
	logger       *slog.Logger
	http         http.RoundTripper
	maxConns     int
	handlers     handlers

	maxMessage    int
	largeOver     int
	maxLarge      int
	maxRounds     int
	inputTimeout  time.Duration
	callTimeout   time.Duration
	renewTotal    time.Duration // 0: progress does not renew the callTimeout
	probeTimeout  time.Duration
	headerTimeout time.Duration
	idleTimeout   time.Duration
	reinitialize  bool
	logLevel      mcp.LogLevel
}

func newConfig(opts []Option) *config {
	c := &config{
		info:         mcp.Implementation{Name: "holdfast", Version: "0.0.0"},
		cache:        sharedEras,
		logger:       slog.New(slog.DiscardHandler),
		maxConns:     1024,
		maxMessage:   64 << 20,
		largeOver:    1 << 20,
		maxLarge:     1 << 30,
		maxRounds:    10,
		inputTimeout: 15 * time.Minute,
		callTimeout:  10 * time.Minute,
		probeTimeout: 30 * time.Second,
	}
	for _, o := range opts {
		o.apply(c)
	}
	return c
}

// Info says who the client is; the default is Holdfast.
func Info(info mcp.Implementation) Option { return option(func(c *config) { c.info = info }) }

// Capabilities declares exactly these capabilities, given as a
// ClientCapabilities object, whatever handlers are set: a gateway declares what
// the client behind it did.
func Capabilities(raw Raw) Option { return option(func(c *config) { c.rawCaps = raw }) }

// Extension declares a protocol extension; nil settings mean {}.
func Extension(id string, settings Raw) Option {
	return option(func(c *config) {
		if settings == nil {
			settings = Raw("{}")
		}
		if c.capabilities.Extensions == nil {
			c.capabilities.Extensions = map[string]Raw{}
		}
		c.capabilities.Extensions[id] = settings
	})
}

// ForceEra speaks this era without asking the server which one it speaks.
func ForceEra(era mcp.Era) Option { return option(func(c *config) { c.era = era }) }

// ForceVersion speaks this version and its era. A legacy version is proposed;
// the server may answer another one of its era.
func ForceVersion(v mcp.Version) Option {
	return option(func(c *config) { c.version, c.era = v, v.Era() })
}

// RememberIn keeps what is learnt about servers' eras in cache; nil keeps
// nothing. The default is one cache in memory for the whole process.
func RememberIn(cache EraCache) Option {
	return option(func(c *config) {
		if cache == nil {
			cache = noCache{}
		}
		c.cache = cache
	})
}

// Logger gets what no caller is told of, at debug and warning level. The
// default discards it.
func Logger(l *slog.Logger) Option { return option(func(c *config) { c.logger = l }) }

// RoundTripper carries HTTP requests instead of a pool of the client's own; it
// may be shared, and add credentials. Redirects within an origin are followed either way.
func RoundTripper(rt http.RoundTripper) Option { return option(func(c *config) { c.http = rt }) }

// MaxConns bounds the HTTP connections to the server (default 1024, of which
// 128 are kept while idle). It has no effect with [RoundTripper].
func MaxConns(n int) Option { return option(func(c *config) { c.maxConns = n }) }

// MaxMessage bounds one message, event or body of the server, in bytes (default 64 MiB).
func MaxMessage(n int) Option { return option(func(c *config) { c.maxMessage = n }) }

// InputRounds bounds how often, and how long altogether, one call may ask for
// input (default 10 rounds and 15 minutes).
func InputRounds(rounds int, total time.Duration) Option {
	return option(func(c *config) { c.maxRounds, c.inputTimeout = rounds, total })
}

// CallTimeout bounds calls whose context has no deadline (default 10 minutes),
// whatever progress they make; see [RenewByProgress]. Listening is not a call.
func CallTimeout(d time.Duration) Option { return option(func(c *config) { c.callTimeout = d }) }

// RenewByProgress begins the time of [CallTimeout] anew with each progress of the
// call, until total has passed. The client then asks for progress with every call
// whose context has no deadline.
//
// spec 2025-11-25 basic/lifecycle#timeouts: progress may reset the clock, "always enforce a maximum timeout".
func RenewByProgress(total time.Duration) Option {
	return option(func(c *config) { c.renewTotal = total })
}

// ProbeTimeout bounds each step of the handshake (default 30 seconds).
func ProbeTimeout(d time.Duration) Option { return option(func(c *config) { c.probeTimeout = d }) }

// HeaderTimeout bounds the wait for the response headers of a call. The default
// is none but the call's own deadline, as servers send headers late.
func HeaderTimeout(d time.Duration) Option { return option(func(c *config) { c.headerTimeout = d }) }

// IdleTimeout bounds the silence on a response or stream; a legacy stream is
// then resumed, other ones fail. The default is none but the call's deadline.
func IdleTimeout(d time.Duration) Option { return option(func(c *config) { c.idleTimeout = d }) }

// Reinitialize opens a new session when the server has lost the old one, and sends
// the request that met this once more: it was not executed. Any refusal but 429, and
// an error that speaks of the session, may mean that; it is settled by asking the
// server something else, once a second at most. Without it such a call fails, and
// with [ErrSessionExpired] if the server said 404.
func Reinitialize() Option { return option(func(c *config) { c.reinitialize = true }) }

// LogLevel asks modern servers for log messages with every call. [Client.SetLogLevel]
// changes it and works for legacy servers too.
func LogLevel(level mcp.LogLevel) Option { return option(func(c *config) { c.logLevel = level }) }
