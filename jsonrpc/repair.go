// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"bytes"
	"errors"
	"strconv"
)

// Faults are kinds of mistakes in messages, each a bit.
type Faults uint16

// The mistakes that [DecodeLenient] repairs.
const (
	FaultAround    Faults = 1 << iota // bytes around the message: a byte order mark, terminal escapes
	FaultText                         // text that is no Unicode: half a surrogate pair, invalid UTF-8, bare control characters
	FaultDuplicate                    // names that are there twice
	FaultVersion                      // "jsonrpc" is not "2.0"
	FaultID                           // an id that is a number, but not spelled as an integer, or as text
	FaultKind                         // a value of another kind than is meant: null, [] or text
)

var faultNames = [...]string{
	"bytes around the message", "text that is no Unicode", "duplicate member names", `"jsonrpc" is not "2.0"`,
	"an id of another type", "a value of another kind",
}

// Names returns what the mistakes are, for people.
func (f Faults) Names() []string {
	var names []string
	for i, name := range faultNames {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// ErrNoMessage is in the chain of the error about text that was not meant as a
// message: it is no object, or one that has nothing of an envelope.
var ErrNoMessage = errors.New("not a message")

// DecodeLenient is [Decode] for what servers send: what cannot be read so is read as
// official clients do, and repaired. The Message is valid JSON in any case; it
// aliases data when nothing was repaired. Of duplicate names the last counts. Text that
// is no Unicode becomes U+FFFD. When the body cannot be read, the Message still has
// the id if that can, and the method if it is not a response.
func DecodeLenient(data []byte, limits Limits) (Message, Faults, error) {
	if limits.check(data) == nil && Raw(data).IsValid() {
		if m, err := decode(data); err == nil && !m.isOdd() {
			return m, 0, nil
		}
	}
	text, faults, err := repairText(data, limits)
	if err != nil {
		return peekResponse(text), faults, asNoMessage(text, err)
	}
	s := scan(text, '{')
	if !s.object {
		return Message{}, faults, asNoMessage(text, explain(text, "a message must be a JSON object"))
	}
	env := s.envelope()
	if !env.isMessage() {
		return Message{}, faults, asNoMessage(text, explain(text, "a message must have an envelope"))
	}
	faults |= env.repair()
	m, err := env.message(text)
	return m, faults, err
}

// DecodeBatchLenient is [DecodeBatch] by the rules of [DecodeLenient].
func DecodeBatchLenient(data []byte, limits Limits) ([]Element, Faults, error) {
	text, faults, err := repairText(data, limits)
	if err != nil || !IsBatch(text) {
		return nil, faults, asNoMessage(text, explain(text, "a batch must be a JSON array"))
	}
	var elements []Element
	for member := range Elements(text) {
		if limits.Batch > 0 && len(elements) == limits.Batch {
			return nil, faults, Errorf(CodeInvalidRequest, "a batch is over the limit of %d messages", limits.Batch)
		}
		m, more, err := DecodeLenient(member, limits)
		if errors.Is(err, ErrNoMessage) {
			return nil, faults, err
		}
		e, _ := AsError(err)
		elements, faults = append(elements, Element{Message: m, Err: e}), faults|more
	}
	if len(elements) == 0 {
		return nil, faults, asNoMessage(text, NewError(CodeInvalidRequest, "a batch must not be empty"))
	}
	return elements, faults, nil
}

// isOdd reports whether m has parts that are valid JSON-RPC, but no MCP. A result of
// another kind is its reader's matter, unless it stands for an empty one.
func (m *Message) isOdd() bool {
	return m.Params != nil && m.Params[0] != '{' || isEmptyResult(m.Result)
}

// isEmptyResult reports whether v is what some servers send for an empty result.
func isEmptyResult(v Raw) bool { return string(v) == "null" || isEmpty(v, '[', ']') }

// asNoMessage marks err when text was not meant as a message.
func asNoMessage(text []byte, err error) error {
	if s := scan(text, '{'); s.object {
		env := s.envelope()
		if env.isMessage() || lastID(text) != nil && bytes.Contains(text, []byte(`"jsonrpc"`)) {
			return err
		}
	}
	e, ok := AsError(err)
	if !ok {
		return err
	}
	c := *e
	c.cause = ErrNoMessage
	return &c
}

// isMessage tells a message from other JSON, such as a line of a log: it says that
// it is one, or answers a request.
func (env *envelope) isMessage() bool {
	return env.version != nil || env.id != nil && (isObject(env.result) || isObject(env.failure))
}

func isObject(v Raw) bool { return len(v) > 0 && v[0] == '{' }

// isNothing reports whether v stands for nothing where an object is meant.
func isNothing(v Raw) bool {
	switch string(bytes.TrimSpace(v)) {
	case "null", "false", `""`, "0":
		return true
	}
	return isEmpty(v, '[', ']') || isEmpty(v, '{', '}')
}

func isEmpty(v Raw, open, end byte) bool {
	return len(v) >= 2 && v[0] == open && skipSpace(v, 1) == len(v)-1 && v[len(v)-1] == end
}

// repair makes an envelope of what is meant as one.
func (env *envelope) repair() (faults Faults) {
	if string(env.version) != `"2.0"` {
		env.version, faults = Raw(`"2.0"`), FaultVersion
	}
	if id, ok := integerOf(env.id); ok {
		env.id, faults = id, faults|FaultID
	}
	before := *env
	for _, v := range []*Raw{&env.method, &env.params} {
		if string(*v) == "null" {
			*v = nil
		}
	}
	if isEmpty(env.params, '[', ']') {
		env.params = Raw("{}")
	}
	if env.result != nil && env.failure != nil {
		if isNothing(env.failure) {
			env.failure = nil
		} else {
			env.result = nil
		}
	}
	if isEmptyResult(env.result) {
		env.result = Raw("{}")
	}
	if env.failure != nil && env.method == nil {
		env.failure = repairError(env.failure)
	}
	if env.differs(&before) {
		faults |= FaultKind
	}
	return faults
}

func (env *envelope) differs(other *envelope) bool {
	return !bytes.Equal(env.method, other.method) || !bytes.Equal(env.params, other.params) ||
		!bytes.Equal(env.result, other.result) || !bytes.Equal(env.failure, other.failure)
}

// repairError makes the error object of a response of what a server sent as one:
// text alone, or an object without a code or with one that is no integer.
func repairError(v Raw) Raw {
	if !isObject(v) {
		text, ok := Unquote(v)
		if !ok {
			text = string(v)
		}
		return Raw(`{"code":-32603,"message":` + string(AppendString(nil, text)) + `}`)
	}
	code, _ := Get(v, "code")
	whole, ok := integerOf(code)
	switch {
	case len(code) > 0 && isIntegral(code):
	case ok:
		v = Set(v, "code", whole)
	default:
		if text, _ := Unquote(code); isIntegral(Raw(text)) {
			v = Set(v, "code", Raw(text))
			break
		}
		v = Set(v, "code", Raw("-32603"))
	}
	message, _ := Get(v, "message")
	if _, ok := Unquote(message); !ok {
		text := "the server gave no reason"
		if message != nil && string(message) != "null" {
			text = string(message)
		}
		v = Set(v, "message", AppendString(nil, text))
	}
	if data, _ := Get(v, "data"); string(data) == "null" {
		v = Delete(v, "data")
	}
	return v
}

// isIntegral reports whether v is an integer that fits 64 bits.
func isIntegral(v Raw) bool {
	_, err := strconv.ParseInt(string(v), 10, 64)
	return err == nil
}

// message makes a message of a repaired envelope.
func (env *envelope) message(text []byte) (Message, error) {
	m, err := env.decode()
	if err == nil && m.isOdd() {
		return Message{ID: m.ID, Method: m.Method}, NewError(CodeInvalidRequest, "invalid message: params must be an object")
	}
	if err != nil && m.ID.IsZero() {
		m.ID = PeekID(text)
	}
	return m, err
}
