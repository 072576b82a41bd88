// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package jsonrpc

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
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
	numFaults      = iota
)

var faultNames = [numFaults]string{
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
	text, faults, err := RepairText(data, limits)
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
	text, faults, err := RepairText(data, limits)
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

// integerOf returns the integer that a number with a fraction of zeros or with an
// exponent stands for.
func integerOf(v Raw) (Raw, bool) {
	if len(v) == 0 || v.Kind() != '0' || isInteger(v) || len(v) > maxIDBytes || !v.IsValid() {
		return nil, false
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if n := int64(f); err == nil && float64(n) == f && n > -1<<53 && n < 1<<53 {
		return Raw(strconv.FormatInt(n, 10)), true
	}
	return nil, false
}

// Integer returns the integer that v stands for: a number without a fraction,
// however it is spelled, or text of one. Peers send ids back as another type.
func Integer(v Raw) (int64, bool) {
	if text, ok := Unquote(v); ok {
		v = Raw(text)
	}
	if whole, ok := integerOf(v); ok {
		v = whole
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	return n, err == nil
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

// peekResponse returns a Message with the id of what cannot be read, and with the
// method, if it is not a response.
func peekResponse(text []byte) Message {
	m := Message{ID: PeekID(text)}
	if s := scan(text, '{'); s.object {
		m.Method, _ = Unquote(s.envelope().method)
	}
	return m
}

// PeekID returns the id of a message that cannot be read as a whole, the zero ID
// when it cannot be found or is not the only one. Members are looked at as far as
// the brackets allow, and the end of the text, where many implementations put it.
func PeekID(data []byte) ID {
	var found Raw
	for s := scan(data, '{'); s.next(); {
		if !s.named("id") {
			continue
		}
		if found != nil {
			return ID{}
		}
		found = s.value()
	}
	if found == nil {
		found = lastID(data)
	}
	return lenientID(found)
}

// idAtEnd returns the id that the end of a message says, the zero ID if it says none.
func idAtEnd(tail []byte) ID { return lenientID(lastID(tail)) }

func lenientID(v Raw) ID {
	if whole, ok := integerOf(v); ok {
		v = whole
	}
	id, err := ParseID(v)
	if err != nil {
		return ID{}
	}
	return id
}

// lastID returns the value of the member "id" that the text ends with, but for the
// version behind it.
func lastID(data []byte) Raw {
	rest, ok := bytes.CutSuffix(bytes.TrimSpace(data[max(0, len(data)-2*maxIDBytes):]), []byte("}"))
	if !ok {
		return nil
	}
	rest = bytes.TrimSpace(rest)
	for _, version := range []string{`,"jsonrpc":"2.0"`, `, "jsonrpc": "2.0"`} {
		rest = bytes.TrimSuffix(rest, []byte(version))
	}
	const name = `"id":`
	i := bytes.LastIndex(rest, []byte(name))
	if i < 1 || rest[i-1] == '\\' {
		return nil
	}
	return Raw(bytes.TrimSpace(rest[i+len(name):]))
}

// RepairText returns data as JSON that is valid by the rules of [Decode], as far as
// that can be had, and what was wrong with it. It aliases data where nothing was. On
// failure it returns what it has got.
func RepairText(data []byte, limits Limits) ([]byte, Faults, error) {
	if err := limits.check(data); err != nil {
		return data, 0, err
	}
	if Raw(data).IsValid() {
		return data, 0, nil
	}
	text, faults := trimAround(data), Faults(0)
	if len(text) < len(bytes.TrimSpace(data)) {
		faults = FaultAround
	}
	if Raw(text).IsValid() {
		return text, faults, nil
	}
	plain := Raw(escapeControls(validUTF8(text)))
	whole := bytes.Clone(plain)
	if err := plain.Format(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return text, faults, explain(text, "a message must be a JSON object")
	}
	if !bytes.Equal(whole, text) || !withoutDuplicates(whole) {
		faults |= FaultText
	}
	if !plain.IsValid() {
		plain, faults = lastOfEach(plain), faults|FaultDuplicate
	}
	return plain, faults, nil
}

// withoutDuplicates reports whether text is valid but for duplicate names.
func withoutDuplicates(text Raw) bool { return text.IsValid(jsontext.AllowDuplicateNames(true)) }

// trimAround cuts what is no JSON off the ends of a text: space, NUL, byte order
// marks and the control sequences of terminals (ECMA-48).
func trimAround(data []byte) []byte {
	for {
		data = bytes.TrimPrefix(bytes.TrimLeft(data, " \t\r\n\x00"), bom)
		n := escapeLength(data)
		if n == 0 {
			break
		}
		data = data[n:]
	}
	for {
		data = bytes.TrimSuffix(bytes.TrimRight(data, " \t\r\n\x00"), bom)
		i := bytes.LastIndexByte(data, 0x1b)
		if i <= 0 || i+escapeLength(data[i:]) != len(data) {
			return data
		}
		data = data[:i]
	}
}

var bom = []byte("\ufeff")

// escapeLength returns the length of the control sequence that data begins with, 0
// for none.
func escapeLength(data []byte) int {
	if len(data) < 2 || data[0] != 0x1b {
		return 0
	}
	switch data[1] {
	case '[': // CSI: up to a final byte
		for i := 2; i < len(data); i++ {
			if data[i] >= 0x40 && data[i] <= 0x7e {
				return i + 1
			}
		}
		return 0
	case ']': // OSC: up to BEL or ESC \
		for i := 2; i < len(data); i++ {
			if data[i] == 0x07 {
				return i + 1
			}
			if data[i] == 0x1b && i+1 < len(data) {
				return i + 2
			}
		}
		return 0
	}
	return 2
}

// validUTF8 returns a copy of text with U+FFFD for what is no UTF-8: one for each
// beginning of a character that breaks off, as JavaScript and Python decode it.
func validUTF8(text []byte) []byte {
	out := make([]byte, 0, len(text)+16)
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r != utf8.RuneError || n > 1 {
			out = append(out, text[:n]...)
			text = text[n:]
			continue
		}
		n = 1
		for n < len(text) && !utf8.FullRune(text[:n+1]) {
			n++
		}
		out = append(out, "\ufffd"...)
		text = text[n:]
	}
	return out
}

// escapeControls writes bare control characters within strings as escapes.
func escapeControls(text []byte) []byte {
	const digits = "0123456789abcdef"
	out := make([]byte, 0, len(text)+16)
	for i := 0; i < len(text); i++ {
		if text[i] != '"' {
			out = append(out, text[i])
			continue
		}
		end := min(endOfString(text, i), len(text)-1)
		for ; i <= end; i++ {
			if c := text[i]; c < ' ' {
				out = append(out, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
			} else {
				out = append(out, c)
			}
		}
		i = end
	}
	return out
}

// lastOfEach returns JSON without duplicate names: the last one counts. v is valid
// otherwise, and its nesting is bounded.
func lastOfEach(v Raw) Raw {
	switch v.Kind() {
	case '[':
		return eachElement(v)
	case '{':
	default:
		return v
	}
	var names []string
	values := map[string]Raw{}
	for quoted, value := range Members(v) {
		name := string(quoted)
		if strings.IndexByte(name, '\\') >= 0 {
			plain, _ := Unquote(quoted)
			name = string(AppendString(nil, plain))
		}
		if _, twice := values[name]; !twice {
			names = append(names, name)
		}
		values[name] = value
	}
	out := Raw("{")
	for i, name := range names {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, name...), ':'), lastOfEach(values[name])...)
	}
	return append(out, '}')
}

func eachElement(v Raw) Raw {
	out := Raw("[")
	for value := range Elements(v) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, lastOfEach(value)...)
	}
	return append(out, ']')
}
