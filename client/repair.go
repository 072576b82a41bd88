// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"errors"
	"log/slog"

	"github.com/go-json-experiment/json"
	shown "github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/throttle"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// maxShown bounds what a log line has of a message that is not right, in bytes.
const maxShown = 200

// Faults keeps the log of what servers get wrong readable: of each kind there is one
// line a minute, with the number of those between. Clients of one server may share
// one. The zero value is ready for use, and it is safe for concurrent use.
type Faults struct{ lines throttle.Lines }

// LogFaults logs what the server gets wrong by f, which other clients use too.
func LogFaults(f *Faults) Option { return option(func(c *config) { c.faults = f }) }

// OnOutput gets the lines of a message stream that are no message, such as what a
// server prints to stdout by mistake; they may hold any bytes. The default logs the
// beginning of one a minute. f is called by the goroutine that reads the stream, and
// must not keep the line.
func OnOutput(f func(line []byte)) Option { return option(func(c *config) { c.output = f }) }

// decode reads a message, or several in a batch, and repairs what is repairable. A
// response that cannot be read, but whose id can, is one with an error made here.
// The error is about a text from which not even that can be had; jsonrpc.ErrNoMessage
// is in its chain when it was not meant as a message.
func (k *core) decode(data []byte) ([]jsonrpc.Message, error) {
	if jsonrpc.IsBatch(data) {
		return k.decodeBatch(data)
	}
	m, known := k.listed.decode(data)
	var err error
	if !known {
		var faults jsonrpc.Faults
		m, faults, err = jsonrpc.DecodeLenient(data, k.limits)
		k.repaired(faults, data)
	}
	one := []jsonrpc.Message{m}
	if err = k.finish(&one[0], data, err); err != nil {
		return nil, err
	}
	return one, nil
}

func (k *core) decodeBatch(data []byte) ([]jsonrpc.Message, error) {
	elements, faults, err := jsonrpc.DecodeBatchLenient(data, k.limits)
	k.repaired(faults, data)
	if err != nil {
		return nil, unreadable(err)
	}
	var messages []jsonrpc.Message
	for i := range elements {
		e := &elements[i]
		var err error
		if e.Err != nil {
			err = e.Err
		}
		if err := k.finish(&e.Message, data, err); err != nil {
			k.faulty("message of the server dropped", data, "error", err)
			continue
		}
		messages = append(messages, e.Message)
	}
	return messages, nil
}

// finish makes of m what the rest of the client works on, given the error of reading
// it: ids of responses are those of our requests, and results are right where clients
// look.
func (k *core) finish(m *jsonrpc.Message, data []byte, err error) error {
	if err != nil && (m.Method != "" || m.ID.IsZero() || errors.Is(err, jsonrpc.ErrNoMessage)) {
		return unreadable(err)
	}
	if _, ours := m.ID.Int(); !ours && m.Method == "" { // all our ids are integers
		if n, ok := jsonrpc.Integer(m.ID.Raw()); ok {
			m.ID = jsonrpc.IntID(n)
			k.repaired(jsonrpc.FaultID, data)
		}
	}
	if err != nil {
		k.faulty("answer of the server cannot be read", data, "error", err)
		m.Error = jsonrpc.Errorf(jsonrpc.CodeInternal, "%w", unreadable(err))
		return nil
	}
	if list := m.List; list != nil { // its entries are objects, and no content
		rest, odd := repairResult(list.Rest)
		if !odd {
			return nil
		}
		list.Rest = rest
	}
	if result, odd := repairResult(m.Result); odd {
		m.Result = result
		k.repaired(jsonrpc.FaultKind, data)
	}
	return nil
}

// errorOf is the error of an error response: what the server said, or why it could
// not be read.
func errorOf(m *jsonrpc.Message) error {
	if m.Error.FromPeer() {
		return m.Error
	}
	return m.Error.Unwrap()
}

// unreadable turns a decoding error, which is made to be sent, into one about
// what was received.
func unreadable(err error) error {
	e, ok := jsonrpc.AsError(err)
	if !ok {
		return &ProtocolError{What: "unreadable message", Err: err}
	}
	p := &ProtocolError{What: "unreadable message: " + e.Message}
	if errors.Is(err, jsonrpc.ErrNoMessage) {
		p.Err = jsonrpc.ErrNoMessage
	}
	return p
}

// repaired logs the kinds of mistakes that were repaired in data.
func (k *core) repaired(faults jsonrpc.Faults, data []byte) {
	if faults == 0 {
		return
	}
	for _, name := range faults.Names() {
		k.faults().lines.LogAs("repaired: "+name, k.log, slog.LevelWarn, "message of the server repaired", "fault", name, "begins", beginning(data))
	}
}

// faulty logs what could not be used of data.
func (k *core) faulty(words string, data []byte, attrs ...any) {
	k.faults().lines.Log(k.log, slog.LevelWarn, words, append(attrs, "begins", beginning(data))...)
}

// stray takes a text that is no message.
func (k *core) stray(data []byte) {
	if k.cfg.output != nil {
		k.cfg.output(data)
		return
	}
	k.faulty("the server writes what is no message", data)
}

func (k *core) faults() *Faults {
	if k.cfg.faults != nil {
		return k.cfg.faults
	}
	return &k.own
}

func beginning(data []byte) string {
	return shown.Cut(shown.Line(string(data[:min(len(data), maxShown)])), maxShown)
}

// repairResult returns a result as clients want it where servers are known to write
// null, or as PHP does the empty list, for an object that is not there. It reports
// whether that was to be done; for most results the answer costs two searches.
func repairResult(result Raw) (Raw, bool) {
	if !hasNothing(result) {
		return result, false
	}
	var edits []jsonrpc.Edit
	for quoted, value := range jsonrpc.Members(result) {
		name, _ := jsonrpc.Unquote(quoted)
		if edit, odd := repairMember(name, value); odd {
			edits = append(edits, jsonrpc.Edit{Name: name, Value: edit})
		}
	}
	if edits == nil {
		return result, false
	}
	return jsonrpc.AppendEdited(nil, result, edits...), true
}

// hasNothing reports whether null or an empty list may be in a value.
func hasNothing(value Raw) bool {
	return bytes.Contains(value, []byte("null")) || bytes.Contains(value, []byte("[]"))
}

// repairMember returns what a member of a result is to be, nil for nothing, and
// whether that is not what it is.
func repairMember(name string, value Raw) (Raw, bool) {
	switch name {
	case "_meta", "structuredContent":
		return object(value)
	case "nextCursor", "isError", "instructions", "serverInfo", "capabilities", "description", "requestState", "completion":
		return nil, value.Kind() == 'n'
	case "content":
		if value.Kind() == 'n' {
			return Raw("[]"), true
		}
		return repairItems(value)
	case "contents", "messages":
		return repairItems(value)
	}
	return value, false
}

// object returns an object that a value is meant as, nil for none.
func object(value Raw) (Raw, bool) {
	switch {
	case value.Kind() == 'n':
		return nil, true
	case isEmptyList(value):
		return Raw("{}"), true
	}
	return value, false
}

func isEmptyList(value Raw) bool {
	return len(value) >= 2 && value[0] == '[' && len(bytes.TrimSpace(value[1:len(value)-1])) == 0
}

// repairItems repairs the blocks of a list of content.
func repairItems(list Raw) (Raw, bool) {
	if list.Kind() != '[' {
		return list, false
	}
	out, odd := Raw("["), false
	for item := range jsonrpc.Elements(list) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		var edits []jsonrpc.Edit
		for quoted, value := range jsonrpc.Members(item) {
			name, _ := jsonrpc.Unquote(quoted)
			switch name {
			case "_meta", "annotations":
				if value, is := object(value); is {
					edits = append(edits, jsonrpc.Edit{Name: name, Value: value})
				}
			case "mimeType", "title", "description", "size", "icons":
				if value.Kind() == 'n' {
					edits = append(edits, jsonrpc.Edit{Name: name})
				}
			}
		}
		if edits == nil {
			out = append(out, item...)
			continue
		}
		out, odd = jsonrpc.AppendEdited(out, item, edits...), true
	}
	if !odd {
		return list, false
	}
	return append(out, ']'), true
}

// readHello reads the result of a handshake into v, and once more with its parts as
// the kinds they are meant as when that fails or when it has what stands for nothing.
// It returns what was read.
func readHello[T any](raw Raw, v *T) (Raw, error) {
	err := json.Unmarshal(raw, v)
	if err == nil && !hasNothing(raw) {
		return raw, nil
	}
	*v = *new(T) // what was read before is not to be mixed with it
	raw = repairHello(raw)
	return raw, json.Unmarshal(raw, v)
}

func repairHello(raw Raw) Raw {
	if info, ok := jsonrpc.Get(raw, "serverInfo"); ok {
		raw = jsonrpc.Set(raw, "serverInfo", texts(info))
	}
	if value, ok := jsonrpc.Get(raw, "instructions"); ok && value.Kind() != '"' {
		raw = jsonrpc.Delete(raw, "instructions")
	}
	offered, _ := jsonrpc.Get(raw, "capabilities")
	caps := Raw("{}")
	if offered.Kind() != '{' { // nothing is said of what it offers: as by official clients, it is asked for all
		caps = Raw(`{"tools":{},"prompts":{},"resources":{}}`)
	}
	for quoted, value := range jsonrpc.Members(offered) {
		name, _ := jsonrpc.Unquote(quoted)
		switch {
		case value.Kind() == '{':
			caps = jsonrpc.Set(caps, name, flags(value))
		case value.Kind() == 't', isEmptyList(value):
			caps = jsonrpc.Set(caps, name, Raw("{}"))
		}
	}
	return jsonrpc.Set(raw, "capabilities", caps)
}

// texts returns an object of texts and lists: numbers become text, and what else is
// no text is left out.
func texts(obj Raw) Raw {
	out := Raw("{}")
	for quoted, value := range jsonrpc.Members(obj) {
		name, _ := jsonrpc.Unquote(quoted)
		switch value.Kind() {
		case '0':
			out = jsonrpc.Set(out, name, jsonrpc.AppendString(nil, string(value)))
		case '"', '[':
			out = jsonrpc.Set(out, name, value)
		}
	}
	return out
}

// flags returns an object without null and with words for true and false as such.
func flags(obj Raw) Raw {
	out := obj
	for quoted, value := range jsonrpc.Members(obj) {
		name, _ := jsonrpc.Unquote(quoted)
		switch {
		case value.Kind() == 'n':
			out = jsonrpc.Delete(out, name)
		case isEmptyList(value):
			out = jsonrpc.Set(out, name, Raw("{}"))
		case string(value) == `"true"`, string(value) == `"false"`:
			out = jsonrpc.Set(out, name, value[1:len(value)-1])
		}
	}
	return out
}
