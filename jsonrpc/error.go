// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Error codes of JSON-RPC 2.0.
const (
	CodeParse          = -32700
	CodeInvalidRequest = -32600
	CodeMethodNotFound = -32601
	CodeInvalidParams  = -32602
	CodeInternal       = -32603
)

// Error is the one error that travels on the wire. It remembers whether a peer
// said it or whether it was made here, so that a gateway never passes its own
// failure off as the backend's. An Error is immutable once returned.
type Error struct {
	Code    int64
	Message string
	Data    Raw // raw JSON, nil when absent

	fromPeer bool
	cause    error
}

// maxMessage bounds the message of an error made here, in bytes. What it repeats of
// its input is shortened where that is done; this is for what is not thought of.
const maxMessage = 8 << 10

// NewError returns an error made here. A message of more than 8 KiB is cut.
func NewError(code int64, message string) *Error {
	return &Error{Code: code, Message: cut(message, maxMessage)}
}

// Errorf returns an error made here with a formatted message, cut like that of
// [NewError]. A %w operand is kept for errors.Is and errors.As but is not sent.
func Errorf(code int64, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: cut(err.Error(), maxMessage), cause: errors.Unwrap(err)}
}

// cut returns at most max bytes of s and, where it is longer, an ellipsis.
func cut(s string, max int) string {
	if len(s) <= max {
		return s
	}
	for max > 0 && !utf8.RuneStart(s[max]) {
		max--
	}
	return s[:max] + "…"
}

// PeerError returns an error that a peer sent.
func PeerError(code int64, message string, data Raw) *Error {
	return &Error{Code: code, Message: message, Data: data, fromPeer: true}
}

// WithData returns a copy of e whose data is v encoded as JSON, with U+FFFD for what
// is not UTF-8. It panics when v cannot be encoded, which is a programmer's error.
func (e *Error) WithData(v any) *Error {
	data, err := json.Marshal(v, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		panic(fmt.Sprintf("jsonrpc: error data of type %T: %v", v, err))
	}
	c := *e
	c.Data = data
	return &c
}

// Recode returns a copy of e with another code and other data. The message, the
// cause and who said it stay.
func (e *Error) Recode(code int64, data Raw) *Error {
	c := *e
	c.Code, c.Data = code, data
	return &c
}

// FromPeer reports whether a peer said this, as opposed to made here.
func (e *Error) FromPeer() bool { return e.fromPeer }

// Error returns the code and the message.
func (e *Error) Error() string { return fmt.Sprintf("%s (code %d)", e.Message, e.Code) }

// Unwrap returns the local cause, if any.
func (e *Error) Unwrap() error { return e.cause }

// AsError returns err as an *Error if its chain holds one.
func AsError(err error) (*Error, bool) { return errors.AsType[*Error](err) }

var (
	errIDMissing  = errors.New("id is missing")
	errIDNull     = errors.New("id must not be null")
	errIDFraction = errors.New("id must be a string or an integer, without fraction or exponent")
	errIDKind     = errors.New("id must be a string or an integer")
	errIDTooLong  = fmt.Errorf("id is longer than %d bytes", maxIDBytes)
)
