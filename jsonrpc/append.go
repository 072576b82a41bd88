// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// AppendRequest appends a request. params is raw JSON, nil for none.
func AppendRequest(dst []byte, id ID, method string, params Raw) []byte {
	const frame = len(`{"jsonrpc":"2.0","id":,"method":"","params":}`) + 3 // AppendString wants some room to spare
	dst = slices.Grow(dst, frame+len(id.raw)+len(method)+len(params))
	dst = append(dst, `{"jsonrpc":"2.0","id":`...)
	dst = append(dst, id.raw...)
	return appendCall(dst, method, params)
}

// AppendNotification appends a notification. params is raw JSON, nil for none.
func AppendNotification(dst []byte, method string, params Raw) []byte {
	dst = append(dst, `{"jsonrpc":"2.0"`...)
	return appendCall(dst, method, params)
}

func appendCall(dst []byte, method string, params Raw) []byte {
	dst = append(dst, `,"method":`...)
	dst = AppendString(dst, method)
	if params != nil {
		dst = append(dst, `,"params":`...)
		dst = append(dst, params...)
	}
	return append(dst, '}')
}

// AppendResult appends a successful response. result is raw JSON.
func AppendResult(dst []byte, id ID, result Raw) []byte {
	dst = append(dst, `{"jsonrpc":"2.0","id":`...)
	dst = append(dst, id.raw...)
	dst = append(dst, `,"result":`...)
	dst = append(dst, result...)
	return append(dst, '}')
}

// AppendError appends an error response. The id is left out when absent, as no
// revision allows null.
func AppendError(dst []byte, id ID, e *Error) []byte {
	dst = append(dst, `{"jsonrpc":"2.0"`...)
	if !id.IsZero() {
		dst = append(dst, `,"id":`...)
		dst = append(dst, id.raw...)
	}
	dst = append(dst, `,"error":{"code":`...)
	dst = strconv.AppendInt(dst, e.Code, 10)
	dst = append(dst, `,"message":`...)
	dst = AppendString(dst, e.Message)
	if e.Data != nil {
		dst = append(dst, `,"data":`...)
		dst = append(dst, e.Data...)
	}
	return append(dst, '}', '}')
}

// AppendMessage appends m in the form its kind asks for.
func AppendMessage(dst []byte, m *Message) []byte {
	switch {
	case m.Error != nil:
		return AppendError(dst, m.ID, m.Error)
	case m.Method == "":
		return AppendResult(dst, m.ID, m.Result)
	case m.ID.IsZero():
		return AppendNotification(dst, m.Method, m.Params)
	}
	return AppendRequest(dst, m.ID, m.Method, m.Params)
}

// AppendString appends s as a JSON string; invalid UTF-8 is replaced.
func AppendString(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s) // the only error is invalid UTF-8, already replaced
	return dst
}
