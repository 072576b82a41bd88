// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

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

// maxType bounds the type of a content block that is looked at.
const maxType = 256

// errAway is the outcome of a call that ended with a large result while no
// client was there; the event log keeps only what is small.
var errAway = jsonrpc.NewError(jsonrpc.CodeInternal,
	"the result came while the client was away, and is too large to be kept for it; call again")

// errUnlogged stands in the event log for a large result that was sent.
var errUnlogged = jsonrpc.NewError(jsonrpc.CodeInternal,
	"the connection was lost while a large result was sent, which is not kept; call again")

// errNoText reports an exchange that cannot take a text while it is produced.
var errNoText = errors.New("not a way for a large result")

// allowLarge reports whether the result of a method can be passed on as it
// arrives. Older versions lack what stands deep in results, such as _meta and
// kinds of content, so that theirs are converted in memory.
func (r *reply) allowLarge(method string) bool {
	if r.batch || !engine.MayBeLarge(method) || r.f.Version < mcp.V20250618 {
		return false
	}
	_, ok := r.x.(transport.TextReplier)
	return ok
}

// answerLarge gives a large result while it arrives. It ends early when ctx
// does, that is, when the client cancels its request or its session ends.
func (t *posted) answerLarge(ctx context.Context, in *engine.Inbound, r *reply, done func()) {
	t.done.Store(true)
	text := &engine.LargeAnswer{ID: in.ID, Large: t.large, Form: &largeForm{f: t.call.Peer.Features, method: in.Method}}
	stop := context.AfterFunc(ctx, func() { _ = text.Close() })
	begun, err := r.pour(text, in.ID)
	stop()
	switch {
	case err == nil:
		t.settle(r, done)
	case begun:
		t.p.cfg.Log.Warn("large result broken off", "method", in.Method, "target", display.Short(t.call.Target), "error", err)
		t.settle(r, done)
	case errors.Is(err, errNoText):
		body, wire := t.whole()
		t.conclude(r, appendAnswer(nil, in.ID, body, wire), nil, done)
	default:
		wire := engine.WireError(t.p.cfg.Log, &t.call, err)
		t.conclude(r, appendAnswer(nil, in.ID, nil, mcp.DownError(t.call.Peer.Features, in.Method, wire)), nil, done)
	}
}

// pour sends a text as the response to request id. When it fails, it reports
// whether the request has been answered, if only with a part of the text.
//
// A stream that can be resumed keeps an error in place of the text: who gets
// the whole event never sees it, and who does not learns what happened.
func (r *reply) pour(text transport.Text, id jsonrpc.ID) (answered bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.finished { // the client has left
		_ = text.Close() // has no error to tell
		return true, nil
	}
	if !r.began {
		to, ok := r.x.(transport.TextReplier)
		if !ok {
			return false, errNoText
		}
		if answered, err = to.ReplyText(text); answered || err == nil {
			r.finished = true
			close(r.awake)
		}
		return answered, err
	}
	if r.stream == nil {
		_ = text.Close() // has no error to tell
		return false, errAway
	}
	to, ok := r.stream.(transport.TextSender)
	if !ok {
		return false, errNoText
	}
	var e transport.Event
	instead := jsonrpc.AppendError(nil, id, errUnlogged)
	if r.log != nil {
		e.ID = r.log.Append(instead)
	}
	answered, err = to.SendText(e, text)
	if err != nil && !answered && r.log != nil {
		answered, e.Data = true, instead
		if r.stream.Send(e) != nil { // the client finds it in the log
			r.stream.Close()
			r.stream = nil
		}
	}
	return answered, err
}

// whole reads the large result into memory and converts it there.
func (t *turn) whole() (Raw, *jsonrpc.Error) {
	res := rpc.Result{Large: t.large}
	if err := engine.Whole(&res); err != nil {
		return nil, mcp.DownError(t.call.Peer.Features, t.call.Method, engine.WireError(t.p.cfg.Log, &t.call, err))
	}
	return t.result(t.call.Method, &res)
}

// largeForm is the shape of one version of this era.
type largeForm struct {
	f       *mcp.Features
	method  string
	text    bool // a text block has been seen
	dropped bool // structured content that no legacy version has
}

var _ engine.LargeForm = (*largeForm)(nil)

func (l *largeForm) First() []byte { return nil }

func (l *largeForm) Member(name string, value *jsonrpc.Stream) (func(io.Writer) error, error) {
	switch {
	case name == "resultType" || name == "ttlMs" || name == "cacheScope":
		return nil, nil
	case l.method == mcp.MethodCallTool && name == "structuredContent":
		kind, err := value.Kind()
		if l.dropped = kind != '{'; l.dropped || err != nil {
			return nil, err
		}
	case l.method == mcp.MethodCallTool && name == "content":
		kind, err := value.Kind()
		if kind == '[' || err != nil {
			return func(w io.Writer) error { return l.content(value, w) }, err
		}
	}
	return value.Copy, nil
}

// Last implements [engine.LargeForm]. Structured content is not repeated as
// text, as that would double it; what the version cannot carry at all fails.
func (l *largeForm) Last(meta Raw) ([]byte, error) {
	if l.dropped && !l.text {
		return nil, jsonrpc.NewError(jsonrpc.CodeInternal,
			"the result cannot be sent: version "+string(l.f.Version)+" does not have structured content other than objects")
	}
	if meta == nil {
		return nil, nil
	}
	down, err := mcp.DownResult(l.f, l.method, jsonrpc.Set(nil, "_meta", meta))
	if err != nil {
		return nil, err
	}
	return down[1 : len(down)-1], nil
}

// content copies the content of a tool result, without the icons that versions
// before 2025-11-25 do not have.
func (l *largeForm) content(s *jsonrpc.Stream, w io.Writer) error {
	if err := s.Open('['); err != nil {
		return err
	}
	out := writer{w: w}
	out.text("[")
	for n := 0; out.err == nil; n++ {
		more, err := s.Element()
		if err != nil {
			return err
		}
		if !more {
			out.text("]")
			break
		}
		if n > 0 {
			out.text(",")
		}
		if kind, err := s.Kind(); err != nil {
			return err
		} else if kind != '{' {
			out.err = s.Copy(w)
			continue
		}
		if err := l.block(s, &out); err != nil {
			return err
		}
	}
	return out.err
}

// block copies one content block.
func (l *largeForm) block(s *jsonrpc.Stream, out *writer) error {
	if err := s.Open('{'); err != nil {
		return err
	}
	out.text("{")
	for first := true; out.err == nil; {
		name, err := s.Member()
		if err != nil {
			return err
		}
		if name == nil {
			out.text("}")
			break
		}
		if string(name) == `"icons"` && !l.f.Icons {
			if err := s.Copy(nil); err != nil {
				return err
			}
			continue
		}
		if !first {
			out.text(",")
		}
		first = false
		out.text(string(name), ":")
		if out.err == nil {
			out.err = l.blockMember(string(name), s, out.w)
		}
	}
	return out.err
}

func (l *largeForm) blockMember(name string, s *jsonrpc.Stream, w io.Writer) error {
	if name != `"type"` {
		return s.Copy(w)
	}
	value, err := s.Value(maxType)
	if err != nil {
		return err
	}
	kind, _ := jsonrpc.Unquote(value)
	l.text = l.text || kind == mcp.ContentText
	_, err = w.Write(value)
	return err
}

// writer remembers its first error.
type writer struct {
	w   io.Writer
	err error
}

func (w *writer) text(parts ...string) {
	for _, part := range parts {
		if w.err == nil {
			_, w.err = io.WriteString(w.w, part)
		}
	}
}
