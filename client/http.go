// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/sse"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

const (
	typeJSON  = "application/json"
	typeSSE   = "text/event-stream"
	keptBody  = 8 << 10 // of an error's body, in HTTPError
	errorBody = 1 << 20 // of an error's body, read at most
)

// httpPeer sends HTTP requests to one endpoint; it knows neither era. Redirects
// are followed within the endpoint's origin only: credentials must not leave it.
type httpPeer struct {
	core   *core
	url    *url.URL
	header http.Header // on every request
	rt     http.RoundTripper
	own    *http.Transport // nil when the transport is the user's
}

// newHTTPPeer checks the endpoint's URL.
func newHTTPPeer(k *core, endpoint string, header http.Header) (*httpPeer, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("endpoint: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("endpoint %q: not an http or https URL", u.Redacted())
	}
	p := &httpPeer{core: k, url: u, header: header, rt: k.cfg.http}
	if p.rt == nil {
		p.own = newTransport(k.cfg.maxConns)
		p.rt = p.own
	}
	return p, nil
}

// newTransport has no overall timeout, as streams stay open, and asks for no
// compression, which would hold events back.
func newTransport(maxConns int) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableCompression = true
	t.MaxIdleConns = 128
	t.MaxIdleConnsPerHost = 128
	t.MaxConnsPerHost = maxConns
	return t
}

// origin is the endpoint without query: what eras are remembered by and what
// error messages show.
func (p *httpPeer) origin() string { return display(p.url) }

func display(u *url.URL) string {
	return u.Scheme + "://" + u.Host + u.EscapedPath()
}

func (p *httpPeer) close() {
	if p.own != nil {
		p.own.CloseIdleConnections()
	}
}

// exchange is one HTTP request to make.
type exchange struct {
	verb    string
	url     *url.URL // nil means the endpoint
	body    []byte
	accept  string
	headers []http.Header // later ones win
	wait    time.Duration // for the response headers; 0 is no limit
	loose   bool          // the response may outlive ctx, once it is detached
	last    bool          // the client has ended; this is its farewell
}

// do makes the request. The caller closes the response's body, which ends
// everything that belongs to it.
func (p *httpPeer) do(ctx context.Context, x exchange) (*http.Response, error) {
	target := x.url
	if target == nil {
		target = p.url
	}
	var cancel context.CancelCauseFunc
	var unleash func() bool
	if x.last {
		ctx, cancel = context.WithCancelCause(ctx)
	} else {
		ctx, cancel, unleash = p.core.leash(ctx)
	}
	if !x.loose {
		unleash = nil
	}
	limit := startLimit(x.wait, func() { cancel(fmt.Errorf("no response headers after %v: %w", x.wait, ErrTimeout)) })
	resp, err := p.send(ctx, x, target)
	limit.stop()
	if err != nil {
		cancel(nil)
		return nil, err
	}
	expand(resp)
	resp.Body = newIdleBody(ctx, resp.Body, p.core.cfg.idleTimeout, cancel, unleash)
	return resp, nil
}

// send makes the request at target, and again where the server says that it is to
// be made within the same origin.
func (p *httpPeer) send(ctx context.Context, x exchange, target *url.URL) (*http.Response, error) {
	for hops := 0; ; hops++ {
		req, err := p.request(ctx, x, target)
		if err != nil {
			return nil, err
		}
		resp, err := p.rt.RoundTrip(req) // and not an http.Client's Do, which copies all headers to follow redirects
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", x.verb, display(target), causeOf(ctx, err))
		}
		next := redirected(x.verb, target, resp)
		if next == nil || hops == maxRedirects {
			return resp, nil
		}
		resp.Body.Close()
		target = next
	}
}

func (p *httpPeer) request(ctx context.Context, x exchange, target *url.URL) (*http.Request, error) {
	var body io.Reader
	if x.body != nil {
		body = bytes.NewReader(x.body)
	}
	req, err := http.NewRequestWithContext(ctx, x.verb, "", body) // the URL has been parsed once
	if err != nil {
		return nil, err
	}
	req.URL, req.Host = target, target.Host
	maps.Copy(req.Header, p.header)
	for _, h := range x.headers {
		maps.Copy(req.Header, h)
	}
	if x.body != nil {
		req.Header["Content-Type"] = contentJSON
	}
	if x.accept != "" {
		req.Header["Accept"] = []string{x.accept}
	}
	if target.User != nil && req.Header.Get("Authorization") == "" {
		password, _ := target.User.Password()
		req.SetBasicAuth(target.User.Username(), password)
	}
	return req, nil
}

var contentJSON = []string{typeJSON}

// leash returns a context that ends with ctx, with the client, or by cancel.
// unleash detaches it from ctx.
func (k *core) leash(ctx context.Context) (leashed context.Context, cancel context.CancelCauseFunc, unleash func() bool) {
	own, end := context.WithCancelCause(k.group.ctx)
	stop := context.AfterFunc(ctx, func() { end(context.Cause(ctx)) })
	return valued{own, ctx}, func(cause error) {
		stop()
		end(cause)
	}, stop
}

// valued is a context with the values of another one.
type valued struct {
	context.Context
	values context.Context
}

// Value prefers the context's own, by which package context knows its kind.
func (v valued) Value(key any) any {
	if own := v.Context.Value(key); own != nil {
		return own
	}
	return v.values.Value(key)
}

// causeOf prefers why a context ended to what its end did.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, ctx.Err()) {
		return cause
	}
	if urlErr, ok := errors.AsType[*url.Error](err); ok {
		return urlErr.Err // its own text repeats the URL, query included
	}
	return err
}

// limit runs a function when time is up; nil for none.
type limit struct{ timer *time.Timer }

func startLimit(d time.Duration, f func()) limit {
	if d <= 0 {
		return limit{}
	}
	return limit{time.AfterFunc(d, f)}
}

func (l limit) stop() {
	if l.timer != nil {
		l.timer.Stop()
	}
}

// idleBody is a response body that gives up after a time of silence.
type idleBody struct {
	io.ReadCloser
	idle   time.Duration
	why    func(error) error // the reason behind a read error
	cancel context.CancelCauseFunc
	loose  func() bool // nil when the body cannot be detached from its request's context
	timer  limit
}

func newIdleBody(
	ctx context.Context, body io.ReadCloser, idle time.Duration, cancel context.CancelCauseFunc, loose func() bool,
) *idleBody {
	b := &idleBody{ReadCloser: body, idle: idle, cancel: cancel, loose: loose}
	b.why = func(err error) error { return causeOf(ctx, err) }
	b.timer = startLimit(idle, func() { cancel(fmt.Errorf("nothing received for %v: %w", idle, ErrTimeout)) })
	return b
}

func (b *idleBody) Read(buf []byte) (int, error) {
	if b.timer.timer != nil {
		b.timer.timer.Reset(b.idle)
	}
	n, err := b.ReadCloser.Read(buf)
	b.timer.stop() // while nobody reads, the server is not to blame
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.why(err)
	}
	return n, err
}

// detach lets the body outlive its request's context.
func (b *idleBody) detach() {
	if b.loose != nil {
		b.loose()
	}
}

func (b *idleBody) Close() error {
	b.timer.stop()
	b.cancel(nil)
	return b.ReadCloser.Close()
}

// statusError makes the error of an answer with another status than was hoped
// for. It reads the body but does not close it.
func (p *httpPeer) statusError(verb string, resp *http.Response) error {
	e := &HTTPError{Status: resp.StatusCode, Header: resp.Header, verb: verb, url: p.origin(), cause: whereTo(p.url, resp)}
	body, err := io.ReadAll(io.LimitReader(resp.Body, errorBody))
	if err != nil {
		body = nil // the status says enough
	}
	if m, err := jsonrpc.Decode(bytes.TrimSpace(body), p.core.limits); err == nil && m.Error != nil {
		e.Peer = m.Error
	}
	e.Body = slices.Clone(body[:min(len(body), keptBody)])
	return e
}

// release closes a body of which nothing more is needed. What little may follow
// is read first, so that the connection can be used again.
func (p *httpPeer) release(resp *http.Response) {
	const rest, wait = 16 << 10, time.Second
	if b, ok := resp.Body.(*idleBody); ok {
		b.detach()
	}
	if resp.ContentLength == 0 {
		resp.Body.Close()
		return
	}
	started := p.core.group.start(func(ctx context.Context) {
		defer resp.Body.Close()
		stop := context.AfterFunc(ctx, func() { resp.Body.Close() })
		defer stop()
		late := startLimit(wait, func() { resp.Body.Close() })
		defer late.stop()
		_, _ = io.CopyN(io.Discard, resp.Body, rest) // only the connection's reuse depends on it
	})
	if !started {
		resp.Body.Close()
	}
}

// eachEvent hands the messages of an event stream to f until it reports true,
// fails, or the stream ends, which is io.EOF. seen gets every event. take, nil
// for none, may take a message over the threshold of large results while it
// arrives, and with it the stream; grow, nil for none, is asked before another one
// is read to its end.
func (p *httpPeer) eachEvent(
	r io.Reader, seen func(sse.Event), take func(head []byte, more io.Reader) bool, grow func() error, f func(data []byte) (bool, error),
) error {
	events := sse.NewReader(r, p.core.cfg.maxMessage)
	over := 0
	if take != nil || grow != nil {
		over = p.core.cfg.largeOver
	}
	for {
		e, more, err := events.ReadHead(over)
		if errors.Is(err, sse.ErrTooLarge) {
			return &ProtocolError{What: fmt.Sprintf("an event is over the limit of %d bytes", p.core.cfg.maxMessage)}
		}
		if err != nil {
			return err
		}
		if more != nil {
			if take != nil && (e.Name == "" || e.Name == "message") && take(e.Data, more) {
				return nil
			}
			if grow != nil {
				if err := grow(); err != nil {
					return err
				}
			}
			data, err := p.core.rest(bytes.NewBuffer(e.Data), more, "an event")
			if err != nil {
				return err
			}
			e = more.Event
			e.Data = data
		}
		if seen != nil {
			seen(e)
		}
		if len(bytes.TrimSpace(e.Data)) == 0 || e.Name != "" && e.Name != "message" {
			continue
		}
		if done, err := f(e.Data); done || err != nil {
			return err
		}
	}
}
