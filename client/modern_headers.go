// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

const (
	maxListPages = 1000 // of one list
	maxTools     = 100_000
)

// mirror returns the headers that repeat parts of the body.
//
// spec 2026-07-28 basic/transports#request-headers.
func (m *modernHTTP) mirror(r *request, params Raw) (http.Header, error) {
	values := [...]string{string(m.version), r.method, ""}
	h := http.Header{
		mcp.HeaderProtocolVersion: values[0:1:1],
		mcp.HeaderMethod:          values[1:2:2],
	}
	var name string
	if member := nameParam(r.method); member != "" {
		raw, _ := jsonrpc.Get(params, member)
		var ok bool
		if name, ok = jsonrpc.Unquote(raw); ok {
			values[2] = mcp.EncodeHeaderValue(name)
			h[mcp.HeaderName] = values[2:3:3]
		}
	}
	if r.method != mcp.MethodCallTool {
		return h, nil
	}
	mirrored, err := m.headerParams(r, name)
	if err != nil || len(mirrored) == 0 {
		return h, err
	}
	arguments, _ := jsonrpc.Get(params, "arguments")
	for _, p := range mirrored {
		value, ok, err := p.Value(arguments)
		if err != nil {
			return nil, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "mirror in header %s: %w", p.Header, err)
		}
		if ok {
			h[http.CanonicalHeaderKey(p.Header)] = []string{mcp.EncodeHeaderValue(value)}
		}
	}
	return h, nil
}

// nameParam adds the tasks extension to the core's rule.
func nameParam(method string) string {
	switch method {
	case mcp.MethodGetTask, mcp.MethodUpdateTask, mcp.MethodCancelTask:
		return "taskId"
	}
	return mcp.NameParam(method)
}

// headerParams returns which arguments of a tool are mirrored.
func (m *modernHTTP) headerParams(r *request, tool string) ([]mcp.HeaderParam, error) {
	if r.opts.InputSchema != nil {
		return mcp.HeaderParams(r.opts.InputSchema)
	}
	return m.tools.of(tool)
}

// toolHeaders remembers which arguments of which tools are mirrored, as far as
// lists have told.
type toolHeaders struct {
	mu  sync.RWMutex
	all map[string]toolHeader
}

type toolHeader struct {
	params []mcp.HeaderParam
	err    error // the tool must not be used
}

func (t *toolHeaders) of(name string) ([]mcp.HeaderParam, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	h := t.all[name]
	return h.params, h.err
}

// learn takes in a page of tools, some of which may have been taken out of it.
func (t *toolHeaders) learn(page Raw, out []Raw) {
	none := t.empty()
	for _, tool := range out {
		if !none || mayMirror(tool) {
			t.learn(slices.Concat(Raw(`{"tools":[`), tool, Raw(`]}`)), nil)
		}
	}
	if none && !mayMirror(page) {
		return // nothing to mirror, nothing to unlearn
	}
	var list struct {
		Tools []struct {
			Name        string `json:"name"`
			InputSchema Raw    `json:"inputSchema"`
		} `json:"tools"`
	}
	if json.Unmarshal(page, &list) != nil {
		return // whoever asked for the list will say so
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = map[string]toolHeader{}
	}
	for _, tool := range list.Tools {
		params, err := mcp.HeaderParams(tool.InputSchema)
		if err != nil {
			err = fmt.Errorf("tool %q: %w: %w", tool.Name, ErrInvalidTool, err)
		}
		if _, known := t.all[tool.Name]; !known && len(t.all) >= maxTools {
			return
		}
		if params == nil && err == nil {
			delete(t.all, tool.Name)
			continue
		}
		t.all[tool.Name] = toolHeader{params, err}
	}
}

// mayMirror reports whether a tool in the text may have arguments that are mirrored.
func mayMirror(text Raw) bool {
	return bytes.Contains(text, []byte(`x-mcp-header`)) || bytes.Contains(text, []byte(`\u`))
}

func (t *toolHeaders) empty() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.all) == 0
}

// refreshTools reads the whole list of tools anew, for its schemas.
func (m *modernHTTP) refreshTools(ctx context.Context) error {
	var params Raw
	for range maxListPages {
		page, err := m.once(ctx, &request{method: mcp.MethodListTools, params: params}, m.cfg.probeTimeout)
		if err != nil {
			return err
		}
		cursor, more := jsonrpc.Get(page, "nextCursor")
		if !more || cursor.Kind() != '"' {
			return nil
		}
		params = jsonrpc.Set(nil, "cursor", cursor)
	}
	return protocolErrorf("more than %d pages of tools", maxListPages)
}

// validTools takes the tools that must not be used out of a page.
//
// spec 2026-07-28 server/tools#x-mcp-header: clients MUST exclude them, and SHOULD log it.
func (k *core) validTools(tools []mcp.Tool) []mcp.Tool {
	valid := tools[:0]
	for _, tool := range tools {
		if _, err := mcp.HeaderParams(tool.InputSchema); err != nil {
			k.log.Warn("tool left out: invalid x-mcp-header", "tool", strings.ToValidUTF8(tool.Name, "?"), "error", err)
			continue
		}
		valid = append(valid, tool)
	}
	return valid
}
