// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/pause"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// pages are the URLs that a call asked its user to open. The inner model asks
// for a page until what the page is for is done; 2025-11-25 asks once and says
// when it is done. It is safe for concurrent use; the zero value is ready.
type pages struct {
	mu    sync.Mutex
	asked map[string]*page // by URL
	since time.Time        // of the first wait
	pause time.Duration
}

type page struct {
	id     string
	minted bool // the id is ours, and so is saying that it is done
	answer Raw  // the user's consent; nil before
}

func isPage(params Raw) bool {
	mode, _ := jsonrpc.Get(params, "mode")
	return string(mode) == `"`+mcp.ElicitURL+`"`
}

func pageURL(params Raw) string {
	raw, _ := jsonrpc.Get(params, "url")
	url, _ := jsonrpc.Unquote(raw)
	return url
}

// identify gives an elicitation by URL the id that 2025-11-25 demands.
func (p *pages) identify(params Raw) Raw {
	raw, has := jsonrpc.Get(params, "elicitationId")
	id, _ := jsonrpc.Unquote(raw)
	if !has {
		id = rand.Text()
		params = jsonrpc.Set(params, "elicitationId", jsonrpc.AppendString(nil, id))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked == nil {
		p.asked = map[string]*page{}
	}
	p.asked[pageURL(params)] = &page{id: id, minted: !has}
	return params
}

// answered takes in an answer.
func (p *pages) answered(r rpc.InputRequest, answer Raw) {
	if r.Method != mcp.MethodElicit || !isPage(r.Params) {
		return
	}
	action, _ := jsonrpc.Get(answer, "action")
	if string(action) != `"`+mcp.ActionAccept+`"` {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := p.asked[pageURL(r.Params)]; at != nil {
		at.answer = answer
	}
}

// waiting returns the answers to requests that ask for nothing but pages which
// the user has agreed to open before; nil when they ask for something else.
func (p *pages) waiting(requests map[string]rpc.InputRequest) map[string]Raw {
	if len(requests) == 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	answers := make(map[string]Raw, len(requests))
	for key, r := range requests {
		if r.Method != mcp.MethodElicit || !isPage(r.Params) {
			return nil
		}
		at := p.asked[pageURL(r.Params)]
		if at == nil || at.answer == nil {
			return nil
		}
		answers[key] = at.answer
	}
	return answers
}

// wait returns how long to wait before asking the handler again, and since when
// that has been going on.
func (p *pages) wait() (pause time.Duration, since time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.since.IsZero() {
		p.since, p.pause = time.Now(), 125*time.Millisecond
	}
	p.pause = min(2*p.pause, 2*time.Second)
	return p.pause, p.since
}

// done returns the ids of the pages to be reported as done.
func (p *pages) done() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ids []string
	for _, at := range p.asked {
		if at.minted && at.answer != nil {
			ids = append(ids, at.id)
		}
	}
	slices.Sort(ids)
	return ids
}

// awaitPages waits a little for what a page is for, in all as long as a question
// may be open.
func (t *turn) awaitPages(ctx context.Context) error {
	wait, since := t.pages.wait()
	if time.Since(since) > t.p.cfg.Limits.Ask {
		return errAskTimeout
	}
	return pause.For(ctx, wait)
}

// closePages tells the client that what it opened pages for is done.
//
// spec 2025-11-25 client/elicitation#completion-notifications-for-url-mode-elicitation.
func (t *turn) closePages(ctx context.Context, result Raw) {
	ids := t.pages.done()
	if failed, _ := jsonrpc.Get(result, "isError"); len(ids) == 0 || string(failed) == "true" {
		return
	}
	for _, id := range ids {
		params := append(jsonrpc.AppendString(Raw(`{"elicitationId":`), id), '}')
		_ = t.Notify(ctx, mcp.NotificationElicitationComplete, params) // the result shows whether the client is there
	}
}
