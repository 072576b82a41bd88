// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// Inside, messages have the newest shape, with what older revisions had beside
// it (a tool may carry execution, an elicitation an elicitationId). The
// functions of the convert files bring such a message into the shape of one
// version (Down…) and a message of an older server into the inner shape (Up…).
//
// What a version does not know is dropped or said in another way; what no rule
// names stays, byte by byte. Bodies must be valid JSON. A body that needs no
// conversion is returned as it is, and no argument is modified.

// ErrNotCarried is what every [NotCarriedError] wraps.
var ErrNotCarried = errors.New("not carried by the protocol version in use")

// NotCarriedError says that a message has no equivalent in an older version.
type NotCarriedError struct {
	Version Version
	Method  string
	Reason  string // what cannot be carried, such as "elicitation of URLs"
}

// Error returns method, version and reason.
func (e *NotCarriedError) Error() string {
	return fmt.Sprintf("%s: version %s does not have %s", e.Method, e.Version, e.Reason)
}

// Unwrap returns [ErrNotCarried].
func (e *NotCarriedError) Unwrap() error { return ErrNotCarried }

// DownResult returns the result of method for a client that speaks f. Cache
// hints and the result type are not added, but those of other eras are removed.
// The error is always a [NotCarriedError].
func DownResult(f *Features, method string, body Raw) (Raw, error) {
	p := resultPlans[planKey{f.Version, method}]
	if p == nil {
		p = resultPlans[planKey{f.Version, ""}]
	}
	if p == nil || !p.concerns(body) {
		return body, nil
	}
	w := walk{f: f, method: method}
	out := w.value(body, p.view)
	return out, w.err
}

// UpResult returns the result that a server which speaks f gave to method, in
// the inner shape. It fails when the result is not an object.
func UpResult(f *Features, method string, body Raw) (Raw, error) {
	if body.Kind() != '{' {
		return nil, jsonrpc.Errorf(jsonrpc.CodeInternal, "the server's result of %s is not an object", method)
	}
	if f.Era == Legacy && method == MethodListTools && bytes.Contains(body, []byte(`"outputSchema"`)) {
		return upTools(body), nil
	}
	return body, nil // older shapes are part of the inner one
}

// UpTool is [UpResult] for one tool of a list.
func UpTool(f *Features, tool Raw) Raw {
	if f.Era == Legacy && bytes.Contains(tool, []byte(`"outputSchema"`)) {
		return upTool(tool)
	}
	return tool
}

func upTool(tool Raw) Raw {
	if schema, has := jsonrpc.Get(tool, "outputSchema"); has && memberText(schema, "type") != "object" {
		return jsonrpc.Delete(tool, "outputSchema")
	}
	return tool
}

// upTools leaves out output schemas of anything but objects, which mean nothing in
// legacy versions: a client of a later one would insist on structured content.
//
// spec 2025-11-25 schema: Tool.outputSchema.
func upTools(body Raw) Raw {
	tools, _ := jsonrpc.Get(body, "tools")
	if tools.Kind() != '[' {
		return body
	}
	out, changed := Raw("["), false
	for tool := range jsonrpc.Elements(tools) {
		up := upTool(tool)
		changed = changed || len(up) != len(tool)
		tool = up
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, tool...)
	}
	if !changed {
		return body
	}
	return jsonrpc.Set(body, "tools", append(out, ']'))
}

// DownNotification returns the params of a server's notification for a client
// that speaks f. It reports false when that version does not have the
// notification. Notifications that no revision defines pass.
func DownNotification(f *Features, method string, params Raw) (Raw, bool) {
	if !f.serverNotification(method) {
		return nil, false
	}
	if f.Era == Legacy {
		params = dropMeta(params, MetaSubscriptionID)
	}
	if method == NotificationProgress && !f.ProgressMessage {
		params = jsonrpc.Delete(params, "message")
	}
	return params, true
}

// serverNotification reports whether servers may send this notification.
func (f *Features) serverNotification(method string) bool {
	switch method {
	case NotificationInitialized, NotificationRootsChanged:
		return false // the client's
	case NotificationElicitationComplete, NotificationTaskStatus:
		return f.Era == Legacy && f.LegacyTasks // both came and went with 2025-11-25
	case NotificationAcknowledged, NotificationTask:
		return f.Era == Modern
	}
	return true
}

// dropMeta removes a key of _meta from params, and _meta itself when it held
// nothing else.
func dropMeta(params Raw, key string) Raw {
	meta, ok := jsonrpc.Get(params, "_meta")
	if !ok {
		return params
	}
	switch rest := jsonrpc.Delete(meta, key); {
	case len(rest) == len(meta):
		return params
	case isEmptyObject(rest):
		return jsonrpc.Delete(params, "_meta")
	default:
		return jsonrpc.Set(params, "_meta", rest)
	}
}

func isEmptyObject(v Raw) bool {
	for range jsonrpc.Members(v) {
		return false
	}
	return v.Kind() == '{'
}
