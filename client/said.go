// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"mime"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// maxSaid bounds the words of a server in an error, in bytes.
const maxSaid = 200

// Said returns what the server gave as the reason: the first line of a text, or the
// message in a JSON object as APIs give it, at most 200 bytes of what can be seen. It
// is "" for pages and for what is not to be read. It is not to be trusted.
func (e *HTTPError) Said() string {
	if e.Peer != nil {
		return printable(e.Peer.Message)
	}
	body := bytes.TrimSpace(e.Body)
	kind, _, _ := mime.ParseMediaType(e.Header.Get("Content-Type"))
	switch {
	case (kind == typeJSON || strings.HasSuffix(kind, "+json")) && Raw(body).IsValid():
		if text := reason(body, 0); text != "" {
			return printable(text)
		}
		return printable(string(body))
	case kind == "text/plain", kind == typeJSON, strings.HasSuffix(kind, "+json"):
	case kind == "" && !bytes.HasPrefix(body, []byte("<")):
	default:
		return ""
	}
	line, _, _ := bytes.Cut(body, []byte("\n"))
	return printable(string(line))
}

// reasons are the members in which APIs say why, the most telling first: OAuth's
// error_description, FastAPI's detail, RFC 9457's detail and title.
var reasons = []string{"error_description", "message", "detail", "error", "errors", "title", "msg", "reason"}

// reason finds the text in a JSON value that says why. It looks a few levels deep.
func reason(value Raw, depth int) string {
	if text, ok := jsonrpc.Unquote(value); ok {
		return text
	}
	if depth > 3 || len(value) == 0 {
		return ""
	}
	if value[0] == '[' {
		var list []Raw
		if json.Unmarshal(value, &list) != nil || len(list) == 0 {
			return ""
		}
		return reason(list[0], depth+1)
	}
	for _, name := range reasons {
		if member, ok := jsonrpc.Get(value, name); ok {
			if text := reason(member, depth+1); text != "" {
				return text
			}
		}
	}
	return ""
}

// printable returns the beginning of the first line of a text, without what is not
// to be seen.
func printable(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	text = strings.ToValidUTF8(text[:min(len(text), maxSaid)], "")
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return -1
		}
		return c
	}, text)
}
