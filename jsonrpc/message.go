// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
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

// envelope mirrors the wire. Members are raw so that their presence, kind and
// bytes are known before anything is interpreted.
type envelope struct {
	JSONRPC Raw `json:"jsonrpc"`
	ID      Raw `json:"id"`
	Method  Raw `json:"method"`
	Params  Raw `json:"params"`
	Result  Raw `json:"result"`
	Error   Raw `json:"error"`
}

// Decode reads one message. The returned Message aliases data. On failure the
// error is an *Error with code -32700 or -32600, and the Message carries the id
// if one could be read, so that the answer can echo it.
func Decode(data []byte, limits Limits) (Message, error) {
	if err := limits.check(data); err != nil {
		return Message{}, err
	}
	return decode(data)
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
	var members []Raw
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, syntaxError(err)
	}
	if len(members) == 0 {
		return nil, NewError(CodeInvalidRequest, "a batch must not be empty")
	}
	if limits.Batch > 0 && len(members) > limits.Batch {
		return nil, Errorf(CodeInvalidRequest, "a batch of %d messages is over the limit of %d", len(members), limits.Batch)
	}
	elements := make([]Element, len(members))
	for i, m := range members {
		msg, err := decode(m)
		elements[i].Message = msg
		if err != nil {
			elements[i].Err, _ = AsError(err)
		}
	}
	return elements, nil
}

func decode(data []byte) (Message, error) {
	var env envelope
	if err := json.Unmarshal(data, &env); err != nil {
		return Message{}, syntaxError(err)
	}
	var m Message
	if env.ID != nil {
		id, err := ParseID(env.ID)
		if err != nil && !(env.ID.Kind() == 'n' && env.Error != nil) {
			return m, Errorf(CodeInvalidRequest, "invalid request: %w", err)
		}
		m.ID = id
	}
	if string(env.JSONRPC) != `"2.0"` {
		return m, NewError(CodeInvalidRequest, `invalid request: "jsonrpc" must be "2.0"`)
	}
	if env.Method != nil {
		return m, m.decodeCall(&env)
	}
	return m, m.decodeResponse(&env)
}

func (m *Message) decodeCall(env *envelope) error {
	if err := json.Unmarshal(env.Method, &m.Method); err != nil || m.Method == "" {
		return NewError(CodeInvalidRequest, `invalid request: "method" must be a non-empty string`)
	}
	if env.Result != nil || env.Error != nil {
		m.Method = ""
		return NewError(CodeInvalidRequest, `invalid request: "method" together with "result" or "error"`)
	}
	if env.Params != nil && env.Params.Kind() != '{' && env.Params.Kind() != '[' {
		return NewError(CodeInvalidRequest, `invalid request: "params" must be an object`)
	}
	m.Params = env.Params
	return nil
}

func (m *Message) decodeResponse(env *envelope) error {
	switch {
	case env.Result != nil && env.Error != nil:
		return NewError(CodeInvalidRequest, `invalid response: both "result" and "error"`)
	case env.Result != nil:
		if m.ID.IsZero() {
			return NewError(CodeInvalidRequest, `invalid response: "result" without "id"`)
		}
		m.Result = env.Result
		return nil
	case env.Error != nil:
		var wire struct {
			Code    int64  `json:"code"`
			Message string `json:"message"`
			Data    Raw    `json:"data"`
		}
		if err := json.Unmarshal(env.Error, &wire); err != nil {
			return NewError(CodeInvalidRequest, `invalid response: "error" must hold an integer code and a message`)
		}
		m.Error = PeerError(wire.Code, wire.Message, wire.Data)
		return nil
	}
	return NewError(CodeInvalidRequest, `invalid request: no "method", "result" or "error"`)
}

// syntaxError tells text that is not JSON (-32700) from JSON that is not a
// message (-32600).
func syntaxError(err error) *Error {
	if _, ok := errors.AsType[*json.SemanticError](err); ok {
		return NewError(CodeInvalidRequest, "invalid request: a message must be a JSON object")
	}
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return Errorf(CodeParse, "parse error: duplicate member name: %w", err)
	}
	return Errorf(CodeParse, "parse error: %w", err)
}
