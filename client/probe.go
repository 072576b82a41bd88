// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// finding is what a server said when asked in the modern way.
type finding struct {
	modern  mcp.Version // "" if it does not speak modern versions we know
	greeted *hello
	legacy  mcp.Version // if not modern: what it offers instead, "" if it did not say
}

// discover asks a server to introduce itself. An error that says the server
// does not know modern requests, or may not, is for the caller to judge.
//
// spec 2026-07-28 server/discover, basic/versioning.
func (k *core) discover(ctx context.Context, ask func(ctx context.Context, v mcp.Version) (Raw, error)) (finding, error) {
	v := k.versionToTry()
	raw, err := ask(ctx, v)
	if supported, ok := supportedVersions(err); ok {
		again, known := k.choose(supported)
		if !known {
			return k.offered(supported, err)
		}
		v = again
		raw, err = ask(ctx, v)
	}
	if err != nil {
		return finding{}, err
	}
	greeted, supported, err := parseDiscovery(raw)
	if err != nil {
		return finding{}, err
	}
	if !slices.Contains(supported, v) {
		var known bool
		if v, known = k.choose(supported); !known {
			return k.offered(supported, nil)
		}
	}
	greeted.version = v
	return finding{modern: v, greeted: greeted}, nil
}

// choose picks the modern version to speak with a server that supports these.
func (k *core) choose(supported []mcp.Version) (mcp.Version, bool) {
	if forced := k.cfg.version; forced.Era() == mcp.Modern {
		return forced, slices.Contains(supported, forced)
	}
	return pick(mcp.Modern, supported)
}

// offered is the finding about a server without a modern version in common.
func (k *core) offered(supported []mcp.Version, cause error) (finding, error) {
	if v, ok := pick(mcp.Legacy, supported); ok && k.cfg.era != mcp.Modern {
		return finding{legacy: v}, nil
	}
	err := fmt.Errorf("the server supports %q: %w", supported, ErrNoCommonVersion)
	if cause != nil {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	return finding{}, err
}

// supportedVersions reads the error for an unsupported version.
func supportedVersions(err error) ([]mcp.Version, bool) {
	if peerCode(err) != mcp.CodeUnsupportedVersion {
		return nil, false
	}
	e, _ := jsonrpc.AsError(err)
	var data struct {
		Supported []mcp.Version `json:"supported"`
	}
	if json.Unmarshal(e.Data, &data) != nil || len(data.Supported) == 0 {
		return nil, false
	}
	return data.Supported, true
}

// isModernError reports whether only a modern server says this.
func isModernError(err error) bool {
	switch peerCode(err) {
	case mcp.CodeHeaderMismatch, mcp.CodeMissingCapability, mcp.CodeUnsupportedVersion:
		return true
	}
	return errors.Is(err, ErrNoCommonVersion)
}

// httpProbe finds out what the server at a URL speaks: modern, else legacy by
// Streamable HTTP, else HTTP+SSE.
type httpProbe struct {
	core *core
	http *httpPeer
}

func (p httpProbe) run(ctx context.Context) (link, error) {
	cfg, server := p.core.cfg, p.http.origin()
	if cfg.era == mcp.Legacy {
		return p.legacy(ctx, cfg.version)
	}
	if known, ok := cfg.cache.Recall(server); ok && cfg.era == 0 && known.Version.Era() == mcp.Legacy {
		l, err := p.recalled(ctx, known)
		if err == nil || !mayFallBack(err) {
			return l, err
		}
		cfg.cache.Forget(server)
		p.core.flights.renew()
	}
	l, err := p.modern(ctx)
	if err == nil {
		_, viaSSE := l.(*legacyConn)
		cfg.cache.Remember(server, Learnt{Version: l.hello().version, SSE: viaSSE})
	}
	return l, err
}

// recalled goes the way that led to the server before.
func (p httpProbe) recalled(ctx context.Context, known Learnt) (link, error) {
	if known.SSE {
		return p.sse(ctx)
	}
	return openLegacy(ctx, p.core, p.http, known.Version)
}

// modern asks in the modern way first.
func (p httpProbe) modern(ctx context.Context) (link, error) {
	m := newModernHTTP(p.core, p.http, p.core.versionToTry())
	found, err := p.core.discover(ctx, func(ctx context.Context, v mcp.Version) (Raw, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, p.core.cfg.probeTimeout,
			fmt.Errorf("no answer after %v: %w", p.core.cfg.probeTimeout, ErrTimeout))
		defer cancel()
		m.version = v
		return m.once(ctx, &request{method: mcp.MethodDiscover}, p.core.cfg.probeTimeout)
	})
	switch {
	case err == nil && found.modern != "":
		m.version = found.modern
		m.greeted.Store(found.greeted)
		return m, nil
	case err == nil:
		return p.legacy(ctx, found.legacy)
	case p.core.cfg.era == mcp.Modern && peerCode(err) == jsonrpc.CodeMethodNotFound:
		return m, nil // it was asked for, and works without an introduction
	case p.core.cfg.era == mcp.Modern || isModernError(err) || !mayFallBack(err):
		return nil, fmt.Errorf("%s: %w", mcp.MethodDiscover, err)
	}
	l, legacyErr := p.legacy(ctx, "")
	if legacyErr != nil {
		return nil, fmt.Errorf("%w (and before: %s: %w)", legacyErr, mcp.MethodDiscover, err)
	}
	return l, nil
}

// mayFallBack reports whether an older way may be tried after err: the server
// answered, and the answer may mean that it does not know this way.
//
// spec 2026-07-28 basic/versioning; never after 401, 403, 429 or 5xx, which say
// nothing about the era and would let an attacker choose the older one.
func mayFallBack(err error) bool {
	switch status := httpStatus(err); {
	case status == 0:
		return isProtocolError(err) || fromPeer(err) || errors.Is(err, ErrStreamBroken)
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusTooManyRequests:
		return false
	default:
		return status >= 400 && status < 500
	}
}

// legacy tries initialize, then HTTP+SSE.
//
// spec 2025-11-25 basic/transports#backwards-compatibility.
func (p httpProbe) legacy(ctx context.Context, asked mcp.Version) (link, error) {
	l, err := openLegacy(ctx, p.core, p.http, asked)
	switch httpStatus(err) {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed:
	default:
		return l, err
	}
	old, sseErr := p.sse(ctx)
	if sseErr != nil {
		return nil, fmt.Errorf("%w (and by HTTP+SSE: %w)", err, sseErr)
	}
	return old, nil
}

func openLegacy(ctx context.Context, k *core, p *httpPeer, asked mcp.Version) (link, error) {
	l, err := openLegacyHTTP(ctx, k, p, asked)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", mcp.MethodInitialize, err)
	}
	return l, nil
}

func (p httpProbe) sse(ctx context.Context) (link, error) {
	conn, err := openSSE(ctx, p.core.group.ctx, p.http)
	if err != nil {
		return nil, err
	}
	m, err := newMux(p.core, conn)
	if err != nil {
		return nil, err
	}
	l, err := openLegacyConn(ctx, m, p.core.cfg.version)
	if err != nil {
		m.fail(err)
		return nil, fmt.Errorf("%s: %w", mcp.MethodInitialize, err)
	}
	return l, nil
}

// maxStreamProbe bounds the first question to a process: an old server may
// ignore it.
const maxStreamProbe = 10 * time.Second

// streamProbe finds out what the server on a message stream speaks.
type streamProbe struct {
	core   *core
	target *streamTarget
}

func (p streamProbe) run(ctx context.Context, m *mux) (link, error) {
	if p.core.cfg.era == mcp.Legacy {
		return p.legacy(ctx, m, p.core.cfg.version)
	}
	c := newModernConn(m, p.core.versionToTry())
	found, err := p.discover(ctx, c)
	switch {
	case err == nil && found.modern != "":
		c.settle(found.greeted)
		return c, nil
	case err == nil:
		return p.legacy(ctx, m, found.legacy)
	case ctx.Err() != nil, p.core.cfg.era == mcp.Modern, isModernError(err):
		m.fail(err)
		return nil, fmt.Errorf("%s: %w", mcp.MethodDiscover, err)
	case errors.Is(err, ErrConnClosed):
		return p.reopened(ctx, m, err)
	}
	// Any other error, or silence, means legacy.
	// spec 2026-07-28 basic/versioning: not keyed to one error code.
	l, legacyErr := p.legacy(ctx, m, "")
	if legacyErr != nil {
		return nil, fmt.Errorf("%w (and before: %s: %w)", legacyErr, mcp.MethodDiscover, err)
	}
	return l, nil
}

func (p streamProbe) discover(ctx context.Context, c *modernConn) (finding, error) {
	wait := min(p.core.cfg.probeTimeout, maxStreamProbe)
	ctx, cancel := context.WithTimeoutCause(ctx, wait, fmt.Errorf("no answer after %v: %w", wait, ErrTimeout))
	defer cancel()
	return p.core.discover(ctx, func(ctx context.Context, v mcp.Version) (Raw, error) {
		c.version = v
		return c.call(ctx, &request{method: mcp.MethodDiscover})
	})
}

// reopened starts over with a server that did not survive the question.
func (p streamProbe) reopened(ctx context.Context, dead *mux, cause error) (link, error) {
	if p.target.once {
		return nil, fmt.Errorf("%s: %w", mcp.MethodDiscover, cause)
	}
	dead.fail(cause) // waits for its end
	p.core.flights.renew()
	m, err := p.target.mux(p.core)
	if err != nil {
		return nil, err
	}
	return p.legacy(ctx, m, "")
}

func (p streamProbe) legacy(ctx context.Context, m *mux, asked mcp.Version) (link, error) {
	l, err := openLegacyConn(ctx, m, asked)
	if err != nil {
		m.fail(err)
		return nil, fmt.Errorf("%s: %w", mcp.MethodInitialize, err)
	}
	return l, nil
}
