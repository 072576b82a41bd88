// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"syscall"
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

// maxProbe bounds the first question to a server at a URL whose era is not known: an
// old one may ignore it.
const maxProbe = 10 * time.Second

// modern asks in the modern way first.
func (p httpProbe) modern(ctx context.Context) (link, error) {
	cfg := p.core.cfg
	m := newModernHTTP(p.core, p.http, p.core.versionToTry())
	wait := cfg.probeTimeout
	if cfg.era == 0 {
		wait = min(wait, maxProbe)
	}
	found, err := p.discover(ctx, m, wait)
	switch {
	case err == nil && found.modern != "":
		return m, nil
	case err == nil:
		return p.legacy(ctx, found.legacy)
	case cfg.era == mcp.Modern && peerCode(err) == jsonrpc.CodeMethodNotFound:
		return m, nil // it was asked for, and works without an introduction
	case cfg.era == mcp.Modern || ctx.Err() != nil || isModernError(err) || !mayFallBack(err) && !unanswering(err):
		return nil, fmt.Errorf("%s: %w", mcp.MethodDiscover, err)
	}
	l, legacyErr := p.legacy(ctx, "")
	if legacyErr == nil {
		return l, nil
	}
	if p.core.listsModern(legacyErr) || errors.Is(err, ErrTimeout) && fromPeer(legacyErr) { // it was slow
		if found, lateErr := p.discover(ctx, m, cfg.probeTimeout); lateErr == nil && found.modern != "" {
			return m, nil
		}
	}
	return nil, fmt.Errorf("%w (and before: %s: %w)", legacyErr, mcp.MethodDiscover, err)
}

// discover asks the server to introduce itself to m.
func (p httpProbe) discover(ctx context.Context, m *modernHTTP, wait time.Duration) (finding, error) {
	found, err := p.core.discover(ctx, func(ctx context.Context, v mcp.Version) (Raw, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, wait, fmt.Errorf("no answer after %v: %w", wait, ErrTimeout))
		defer cancel()
		m.version = v
		return m.once(ctx, &request{method: mcp.MethodDiscover}, wait)
	})
	if err == nil && found.modern != "" {
		m.version = found.modern
		m.greeted.Store(found.greeted)
	}
	return found, err
}

// unanswering reports whether a server that could be reached gave no answer: some
// break off at what they do not know, or leave it.
func unanswering(err error) bool {
	return errors.Is(err, ErrTimeout) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

// mayFallBack reports whether an older way may be tried after err: the server
// answered, and the answer may mean that it does not know this way.
//
// spec 2026-07-28 basic/versioning; never after 401, 403, 429 or 5xx, which say
// nothing about the era and would let an attacker choose the older one. Ours, not
// the spec's: 500 and 501 are what servers answer whose code meets a method that it
// does not know, while an outage would refuse the older way as well. Who refuses a
// request because it has no session is legacy.
func mayFallBack(err error) bool {
	switch status := httpStatus(err); {
	case status == 0:
		return isProtocolError(err) || fromPeer(err) || errors.Is(err, ErrStreamBroken)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return namesSession(err)
	case status == http.StatusTooManyRequests:
		return false
	case status == http.StatusInternalServerError, status == http.StatusNotImplemented:
		return true
	default:
		return status >= 400 && status < 500 || status >= 200 && status < 300
	}
}

// legacy tries initialize, then HTTP+SSE, which a server that refuses the POST may
// speak.
//
// spec 2025-11-25 basic/transports#backwards-compatibility names 400, 404 and 405;
// those who know no POST answer 501 or another refusal as well.
func (p httpProbe) legacy(ctx context.Context, asked mcp.Version) (link, error) {
	l, err := openLegacy(ctx, p.core, p.http, asked)
	if err == nil || p.core.listsModern(err) || httpStatus(err) == 0 || !mayFallBack(err) {
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
