// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// maxPages bounds one server's list: one whose cursor never ends is cut off.
const maxPages = 200

// answer is a server's whole list as received, within bounds.
type answer struct {
	items []Raw
	hint  *mcp.CacheHint // nil when the server does not have the list
	cut   string         // why there is more than items; empty when there is not
}

// pages reads a server's whole list.
func (c *Catalog) pages(ctx context.Context, s *source, p part) (answer, error) {
	var all answer
	cursor, size := "", 0
	for range maxPages {
		var params Raw
		if cursor != "" {
			params = append(jsonrpc.AppendString(Raw(`{"cursor":`), cursor), '}')
		}
		call := c.call(lists[p].method, params)
		call.AllowEntries = true
		res, err := s.backend.Handle(ctx, call)
		if err != nil {
			return answer{}, err
		}
		items, next, err := readPage(res, p)
		if err != nil {
			return answer{}, err
		}
		all.hint = narrower(all.hint, &res.Cache)
		for _, item := range items {
			if size += len(item); size > c.cfg.MaxBytes {
				all.cut = fmt.Sprintf("more than %d bytes", c.cfg.MaxBytes)
				return all, nil
			}
			if len(all.items) == c.cfg.MaxEntries {
				all.cut = fmt.Sprintf("more than %d entries", c.cfg.MaxEntries)
				return all, nil
			}
			all.items = append(all.items, item)
		}
		if next == "" || next == cursor {
			return all, nil
		}
		cursor = next
	}
	all.cut = fmt.Sprintf("more than %d pages", maxPages)
	return all, nil
}

// readPage returns the entries of a list result and the next cursor.
func readPage(res rpc.Result, p part) ([]Raw, string, error) {
	array, ok := jsonrpc.Get(res.Body, lists[p].member)
	if ok && res.Entries != nil {
		return res.Entries, text(res.Body, "nextCursor"), nil
	}
	if !ok || array.Kind() != '[' {
		return nil, "", fmt.Errorf("result of %s lacks the array %q", lists[p].method, lists[p].member)
	}
	var items []Raw
	if err := json.Unmarshal(array, &items, jsontext.AllowDuplicateNames(true)); err != nil {
		return nil, "", fmt.Errorf("result of %s: %q is not valid: %w", lists[p].method, lists[p].member, err)
	}
	return items, text(res.Body, "nextCursor"), nil
}

// narrower returns the hint that is right for both: the shorter time, private
// unless both are public.
func narrower(a, b *mcp.CacheHint) *mcp.CacheHint {
	if a == nil || b == nil {
		if a == nil {
			a = b
		}
		return a
	}
	n := mcp.CacheHint{TTLMillis: min(a.TTLMillis, b.TTLMillis), Scope: mcp.CachePrivate}
	if a.Scope == mcp.CachePublic && b.Scope == mcp.CachePublic {
		n.Scope = mcp.CachePublic
	}
	return &n
}

// call is a call that the catalog makes on its own account.
func (c *Catalog) call(method string, params Raw) *rpc.Call {
	return &rpc.Call{Method: method, Params: params, Peer: c.peer, Principal: rpc.Local, Client: silent{}}
}

// silent is the way back of calls that nobody listens to.
type silent struct{}

func (silent) Notify(context.Context, string, Raw) error { return nil }

func (silent) Ask(context.Context, map[string]rpc.InputRequest) (map[string]Raw, error) {
	return nil, errors.New("no client to ask")
}
