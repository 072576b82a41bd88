// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"embed"
	"fmt"
	"strconv"
	"strings"
)

//go:embed wire/*.http
var wireFiles embed.FS

// era names one of the two ways a client opens; it is also the prefix of that
// era's files under wire/.
type era string

const (
	legacy era = "legacy"
	modern era = "modern"
)

// firstID is the first request id a connection uses. Ids have idDigits digits
// so that the next one can be written over the last.
const (
	firstID  = 1_000_000_000
	idDigits = 10
)

// echoed is the text an echo call sends, before its id. It has to be the same
// as in the call files under wire/.
const echoed = "hold fast "

// place is where a client's requests go: an address, the path of the MCP
// endpoint there, and the name under which it has the echo tool.
type place struct{ addr, path, tool string }

// direct is the endpoint of a server that is asked without a proxy.
func direct(addr string) place { return place{addr: addr, path: "/mcp", tool: "echo"} }

// message is one HTTP/1.1 request, ready to send but for the id, which next
// writes in place. A message belongs to one goroutine.
type message struct {
	raw    []byte
	idAt   []int
	id     int64
	digits []byte
}

// newMessage prepares the request in wire/<era>-<kind>.http for a place and a
// session. It panics when there is no such file.
func newMessage(e era, kind string, to place, session string) *message {
	name := "wire/" + string(e) + "-" + kind + ".http"
	text, err := wireFiles.ReadFile(name)
	if err != nil {
		panic(fmt.Sprintf("bench: %v", err))
	}
	head, body, found := strings.Cut(string(text), "\n\n")
	if !found {
		panic("bench: no blank line in " + name)
	}
	blank := strings.Repeat("0", idDigits)
	fill := strings.NewReplacer("$HOST", to.addr, "$PATH", to.path, "$TOOL", to.tool, "$SESSION", session)
	body = fill.Replace(strings.TrimSpace(body))
	length := len(strings.ReplaceAll(body, "$ID", blank))
	head = strings.ReplaceAll(fill.Replace(head), "\n", "\r\n")
	if body != "" {
		head += "\r\nContent-Length: " + strconv.Itoa(length)
	}

	m := &message{id: firstID - 1, digits: []byte(blank)}
	for i, part := range strings.Split(head+"\r\n\r\n"+body, "$ID") {
		if i > 0 {
			m.idAt = append(m.idAt, len(m.raw))
			m.raw = append(m.raw, blank...)
		}
		m.raw = append(m.raw, part...)
	}
	return m
}

// next returns the request with the next id. The bytes are valid until the
// following call.
func (m *message) next() []byte {
	m.id++
	m.digits = strconv.AppendInt(m.digits[:0], m.id, 10)
	for _, at := range m.idAt {
		copy(m.raw[at:at+idDigits], m.digits)
	}
	return m.raw
}

// check reports whether body answers the last call: a result, not an error,
// that holds the text sent with this id.
func (m *message) check(status int, body []byte) error {
	want := append([]byte(`"`+echoed), m.digits...)
	want = append(want, '"')
	if status == 200 && bytes.Contains(body, want) &&
		!bytes.Contains(body, []byte(`"error":`)) && !bytes.Contains(body, []byte(`"isError":true`)) {
		return nil
	}
	return &answerError{want: string(want), status: status, body: excerpt(body)}
}

// answerError is an answer that is not the one asked for, with the body that
// shows it.
type answerError struct {
	want   string
	status int
	body   string
}

// Error names the wanted answer, the status and the body received.
func (e *answerError) Error() string {
	return fmt.Sprintf("want %s, got HTTP %d: %s", e.want, e.status, e.body)
}

// excerpt returns body as text, cut to what a terminal can show.
func excerpt(body []byte) string {
	const most = 600
	if len(body) > most {
		return string(body[:most]) + "…"
	}
	return string(body)
}
