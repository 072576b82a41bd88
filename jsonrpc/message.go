// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"bytes"
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Raw is a JSON value kept as the bytes that were received.
type Raw = jsontext.Value

// Kind says what a message is.
type Kind uint8

// The kinds of message.
const (
	Invalid      Kind = iota
	Request           // has an id and a method
	Notification      // has a method and no id
	Response          // has an id (an error may lack it) and a result or an error
)

// Message is one JSON-RPC message, decoded only as far as routing needs.
type Message struct {
	ID     ID
	Method string
	Params Raw    // nil when absent
	Result Raw    // nil unless a successful response
	Error  *Error // nil unless an error response; FromPeer is true
	List   *List  // Result taken apart; nil unless [Entries] decoded it
}

// Kind returns what the message is.
func (m *Message) Kind() Kind {
	switch {
	case m.Method != "" && !m.ID.IsZero():
		return Request
	case m.Method != "":
		return Notification
	case m.Result != nil || m.Error != nil:
		return Response
	}
	return Invalid
}

// Decode reads one message. The returned Message aliases data, unless that has
// escapes of half a surrogate pair, which become U+FFFD. On failure the
// error is an *Error with code -32700 or -32600, and the Message carries the id
// if one could be read, so that the answer can echo it.
func Decode(data []byte, limits Limits) (Message, error) {
	if err := limits.check(data); err != nil {
		return Message{ID: PeekID(data)}, err
	}
	text, ok := valid(data)
	if !ok {
		return Message{ID: PeekID(data)}, explain(data, "a message must be a JSON object")
	}
	return decode(text)
}

// valid returns data if it is JSON that every parser reads alike, and data that is so
// but for halves of surrogate pairs without them.
func valid(data []byte) ([]byte, bool) {
	if Raw(data).IsValid() {
		return data, true
	}
	mended, ok := mendSurrogates(data)
	return mended, ok && Raw(mended).IsValid()
}

// IsBatch reports whether data begins like a JSON array.
func IsBatch(data []byte) bool {
	for _, c := range data {
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		}
		return c == '['
	}
	return false
}

// Element is one member of a batch: a message, or the error that stands for it.
type Element struct {
	Message Message
	Err     *Error // nil when Message is valid
}

// DecodeBatch reads a batch: a non-empty array of messages. A malformed member
// costs only itself; the error returned concerns the batch as a whole.
//
// spec 2025-03-26 basic: "Implementations … MUST support receiving JSON-RPC batches".
func DecodeBatch(data []byte, limits Limits) ([]Element, error) {
	if err := limits.check(data); err != nil {
		return nil, err
	}
	text, ok := valid(data)
	if !ok || !IsBatch(text) {
		return nil, explain(data, "a batch must be a JSON array")
	}
	var elements []Element
	for member := range Elements(text) {
		if limits.Batch > 0 && len(elements) == limits.Batch {
			return nil, Errorf(CodeInvalidRequest, "a batch is over the limit of %d messages", limits.Batch)
		}
		msg, err := decode(member)
		e, _ := AsError(err)
		elements = append(elements, Element{Message: msg, Err: e})
	}
	if len(elements) == 0 {
		return nil, NewError(CodeInvalidRequest, "a batch must not be empty")
	}
	return elements, nil
}

// envelope holds the members of a message that mean something, raw so that
// their presence, kind and bytes are known before anything is interpreted.
type envelope struct {
	version, id, method, params, result, failure Raw
}

// decode reads one message from valid JSON.
func decode(data []byte) (Message, error) {
	s := scan(data, '{')
	if !s.object {
		return Message{}, explain(data, "a message must be a JSON object")
	}
	env := s.envelope()
	return env.decode()
}

// decode reads the members of a message.
func (env *envelope) decode() (Message, error) {
	var m Message
	if env.id != nil {
		id, err := parseID(env.id)
		if err != nil && !(env.id.Kind() == 'n' && env.failure != nil) {
			return m, Errorf(CodeInvalidRequest, "invalid request: %w", err)
		}
		m.ID = id
	}
	if string(env.version) != `"2.0"` {
		return m, NewError(CodeInvalidRequest, `invalid request: "jsonrpc" must be "2.0"`)
	}
	if env.method != nil {
		return m, m.decodeCall(env)
	}
	return m, m.decodeResponse(env)
}

func (s *scanner) envelope() (env envelope) {
	for s.next() {
		name := s.data[s.nameStart:s.nameEnd]
		if bytes.IndexByte(name, '\\') >= 0 {
			plain, _ := Unquote(name)
			name = AppendString(nil, plain)
		}
		switch string(name) {
		case `"jsonrpc"`:
			env.version = s.value()
		case `"id"`:
			env.id = s.value()
		case `"method"`:
			env.method = s.value()
		case `"params"`:
			env.params = s.value()
		case `"result"`:
			env.result = s.value()
		case `"error"`:
			env.failure = s.value()
		}
	}
	return env
}

func (m *Message) decodeCall(env *envelope) error {
	if env.result != nil || env.failure != nil {
		return NewError(CodeInvalidRequest, `invalid request: "method" together with "result" or "error"`)
	}
	if string(env.params) == "null" {
		env.params = nil
	}
	if env.params != nil && env.params.Kind() != '{' && env.params.Kind() != '[' {
		return NewError(CodeInvalidRequest, `invalid request: "params" must be an object`)
	}
	method, ok := Unquote(env.method)
	if !ok || method == "" {
		return NewError(CodeInvalidRequest, `invalid request: "method" must be a non-empty string`)
	}
	m.Method, m.Params = method, env.params
	return nil
}

func (m *Message) decodeResponse(env *envelope) error {
	switch {
	case env.result != nil && env.failure != nil:
		return NewError(CodeInvalidRequest, `invalid response: both "result" and "error"`)
	case env.result != nil:
		if m.ID.IsZero() {
			return NewError(CodeInvalidRequest, `invalid response: "result" without "id"`)
		}
		m.Result = env.result
		return nil
	case env.failure != nil:
		var wire struct {
			Code    *int64  `json:"code"`
			Message *string `json:"message"`
			Data    Raw     `json:"data"`
		}
		if err := json.Unmarshal(env.failure, &wire); err != nil || wire.Code == nil || wire.Message == nil {
			return NewError(CodeInvalidRequest, `invalid response: "error" must hold an integer code and a message`)
		}
		m.Error = PeerError(*wire.Code, *wire.Message, wire.Data)
		return nil
	}
	return NewError(CodeInvalidRequest, `invalid request: no "method", "result" or "error"`)
}

// maxReason bounds in bytes what is said of data that cannot be read: the reason may
// hold names of its members.
const maxReason = 300

// explain says why data is refused: it is not JSON (-32700), or it is JSON of
// the wrong kind (-32600), which otherwise says.
func explain(data []byte, otherwise string) *Error {
	var v Raw
	err := json.Unmarshal(data, &v)
	switch {
	case err == nil:
		return NewError(CodeInvalidRequest, "invalid request: "+otherwise)
	case errors.Is(err, jsontext.ErrDuplicateName):
		return &Error{Code: CodeParse, Message: cut("parse error: duplicate member name: "+err.Error(), maxReason), cause: err}
	}
	return &Error{Code: CodeParse, Message: cut("parse error: "+err.Error(), maxReason), cause: err}
}
