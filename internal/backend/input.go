// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"strconv"
	"strings"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// openFirst turns the error by which a server of 2025-11-25 says that the user
// must first open a page into what the caller's version has for it: an
// input_required result, after whose answers the call is made anew, or words.
// It reports false when the error is another one, or one that the caller knows.
//
// spec 2025-11-25 client/elicitation#url-elicitation-required-error.
func (l *link) openFirst(call *rpc.Call, err error) (rpc.Result, bool) {
	wire, ok := jsonrpc.AsError(err)
	if !ok || !wire.FromPeer() || wire.Code != mcp.CodeURLElicitationRequired || l.era() != mcp.Legacy {
		return rpc.Result{}, false
	}
	pages := pagesOf(wire)
	f := call.Peer.Features
	switch {
	case len(pages) == 0, f.Era == mcp.Legacy && f.ElicitationURL:
		return rpc.Result{}, false
	case f.ResultTypes && mcp.MayAskInput(call.Method) && !refused(call, pages):
		return rpc.Result{Input: &rpc.InputRequired{Requests: pages}}, true
	case call.Method == mcp.MethodCallTool:
		return inWords(wire, pages)
	}
	return rpc.Result{}, false
}

// maxPages bounds the pages that one error may ask for.
const maxPages = 32

// pagesOf returns the elicitations that the error holds, by keys that are the
// same each time.
func pagesOf(wire *jsonrpc.Error) map[string]rpc.InputRequest {
	list, _ := jsonrpc.Get(wire.Data, "elicitations")
	pages := map[string]rpc.InputRequest{}
	for params := range jsonrpc.Elements(list) {
		if params.Kind() != '{' || memberText(params, "url") == "" || len(pages) == maxPages {
			continue
		}
		params = jsonrpc.Set(params, "mode", jsonrpc.AppendString(nil, mcp.ElicitURL))
		if _, said := jsonrpc.Get(params, "message"); !said {
			params = jsonrpc.Set(params, "message", jsonrpc.AppendString(nil, wire.Message))
		}
		pages["url-"+strconv.Itoa(len(pages)+1)] = rpc.InputRequest{Method: mcp.MethodElicit, Params: params}
	}
	return pages
}

// refused reports whether the user would not open one of the pages: asking the
// same again would not help.
func refused(call *rpc.Call, pages map[string]rpc.InputRequest) bool {
	for key := range pages {
		if answer, ok := call.Input.Responses[key]; ok && memberText(answer, "action") != mcp.ActionAccept {
			return true
		}
	}
	return false
}

// inWords is a tool's error result that asks for the pages.
func inWords(wire *jsonrpc.Error, pages map[string]rpc.InputRequest) (rpc.Result, bool) {
	var text strings.Builder
	text.WriteString(wire.Message)
	for i := range len(pages) {
		page := pages["url-"+strconv.Itoa(i+1)]
		text.WriteString("\n" + memberText(page.Params, "message") + ": " + memberText(page.Params, "url"))
	}
	text.WriteString("\nThe call can be made again once that is done.")
	body, err := mcp.ToolError(text.String()).AppendJSON(nil)
	return rpc.Result{Body: body}, err == nil
}
