// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package modern

import (
	"context"
	"errors"
	"io"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// errUnkept is the outcome of a call that ended with a large result while no
// client was there: what is parked is small.
var errUnkept = jsonrpc.NewError(jsonrpc.CodeInternal,
	"the result came while the client was away, and is too large to be kept for it; start over").WithData(restart)

// errNoText reports a leg that cannot take a text while it is produced.
var errNoText = errors.New("not a way for a large result")

// allowLarge reports whether the answer to req can be passed on as it arrives.
func allowLarge(req *request, l leg) bool {
	over, ok := l.(*httpLeg)
	if !ok || !engine.MayBeLarge(req.method.name) {
		return false
	}
	_, ok = over.x.(transport.TextReplier)
	return ok
}

// answerLarge sends a large result to l while it arrives. It reports false when
// l has not been answered: then o is small.
func (p *Protocol) answerLarge(l leg, m *method, o *outcome) bool {
	req, large := l.from(), o.res.Large
	over, ok := l.(*httpLeg)
	if ok {
		text := &engine.LargeAnswer{ID: req.in.ID, Large: large, Form: &largeForm{p, m, req, large}}
		stop := context.AfterFunc(p.ctx, func() { _ = text.Close() })
		begun, err := over.answerText(text)
		stop()
		if err != nil && begun {
			p.cfg.Log.Warn("large result broken off", "method", m.name, "target", display.Short(req.target), "error", err)
		}
		if err == nil || begun {
			return true
		}
		if ok = !errors.Is(err, errNoText); ok {
			*o = outcome{wire: p.wireError(req, err)}
		}
	}
	if !ok {
		if err := engine.Whole(&o.res); err != nil {
			*o = outcome{wire: p.wireError(req, err)}
		}
	}
	return false
}

func (p *Protocol) wireError(req *request, err error) *jsonrpc.Error {
	return engine.WireError(p.cfg.Log, &rpc.Call{Method: req.method.name, Target: req.target}, err)
}

// answerText answers with a text that is produced while it is sent, unless the
// client has gone. It reports whether something has been sent; when not, and
// there is an error, the leg is still to be answered.
func (l *httpLeg) answerText(text transport.Text) (begun bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return true, text.Close()
	}
	if l.stream != nil {
		to, ok := l.stream.(transport.TextSender)
		if !ok {
			return false, errNoText
		}
		begun, err = to.SendText(transport.Event{}, text)
	} else {
		to, ok := l.x.(transport.TextReplier)
		if !ok {
			return false, errNoText
		}
		begun, err = to.ReplyText(text)
	}
	if err != nil && !begun {
		return false, err
	}
	l.ended = true
	if l.stream != nil {
		l.stream.Close()
	}
	l.done <- struct{}{}
	return begun, err
}

// largeForm is the shape of this era: what is known late goes last.
type largeForm struct {
	p     *Protocol
	m     *method
	req   *request
	large *rpc.Large
}

var _ engine.LargeForm = (*largeForm)(nil)

func (f *largeForm) First() []byte { return []byte(`"resultType":"` + mcp.ResultComplete + `"`) }

func (f *largeForm) Member(name string, value *jsonrpc.Stream) (func(io.Writer) error, error) {
	switch name {
	case "resultType":
		return nil, nil
	case "ttlMs", "cacheScope":
		if f.m.cacheable {
			return nil, nil
		}
	}
	return value.Copy, nil
}

func (f *largeForm) Last(meta Raw) ([]byte, error) {
	cache := (*mcp.CacheHint)(nil)
	if f.m.cacheable {
		hint := f.large.Cache()
		if f.req.retry() {
			hint = mcp.CacheHint{}
		}
		cache = &hint
	}
	body := Raw("{}")
	if meta != nil {
		body = jsonrpc.Set(body, "_meta", meta)
	}
	whole := appendResult(nil, mcp.ResultComplete, cache, body, f.p.serverMeta)
	return members(jsonrpc.Delete(whole, "resultType")), nil
}
