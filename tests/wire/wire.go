// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package wire is an MCP client that writes its requests by hand: what tests
// count must not depend on anybody's retries, and what they check must not pass
// through the code they check. It is for tests only and starts no goroutines.
package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	legacyVersion = "2025-11-25"
	modernVersion = "2026-07-28"
	maxAnswer     = 16 << 20 // bytes
)

// Client is a client of one endpoint. It is for one goroutine; copies share a
// session and nothing else.
type Client struct {
	URL    string
	Modern bool
	HTTP   *http.Client
	Name   string // it gives itself
	Tasks  bool   // a modern client takes tasks for answers
	Meta   string // members of the _meta of all requests, beside the protocol's own
	// Answer returns the result for a question of the server, of a method with
	// params. Nil means that the client cannot be asked.
	Answer func(method string, params jsontext.Value) (result string)
	// Notified is told of notifications on the stream of a call, and on that of
	// Listen. Nil means nobody.
	Notified func(method string, params jsontext.Value)
	// Sending is told the id of each request before it is sent. Nil means nobody.
	Sending func(id int)

	Session string // of a legacy client, once it is open
	LastID  string // of the last event that had one
	id      int
}

// Answer is the one response to a request.
type Answer struct {
	Status int
	Text   string // of a tool's result
	Result jsontext.Value
	Failed bool // isError
	Error  *Failure
}

// Failure is a JSON-RPC error.
type Failure struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    struct {
		Gateway Gateway `json:"gateway"`
	} `json:"data"`
}

// Gateway is what Holdfast says in an error of its own.
type Gateway struct {
	Server  string `json:"server"`
	Reason  string `json:"reason"`
	Started bool   `json:"started"`
}

// Error says it in words.
func (f *Failure) Error() string { return fmt.Sprintf("%d %s", f.Code, f.Message) }

// Names reports whether the error names a server and why.
func (f *Failure) Names(server string) bool {
	return f.Data.Gateway.Server == server && f.Data.Gateway.Reason != "" && strings.Contains(f.Message, server)
}

// StatusError is an HTTP response that carries no answer.
type StatusError struct {
	Status int
	Type   string // of the content
	Body   string // its beginning
}

// Error says it in words.
func (e *StatusError) Error() string { return fmt.Sprintf("HTTP %d, %q: %s", e.Status, e.Type, e.Body) }

// protocolError is an answer that no server may give.
type protocolError struct{ text string }

func (e *protocolError) Error() string { return e.text }

func wrong(format string, args ...any) error { return &protocolError{fmt.Sprintf(format, args...)} }

// IsWrong reports whether an error is an answer that no server may give, or none
// at all with HTTP. Any other error is the connection's, or a [Failure].
func IsWrong(err error) bool {
	if _, ok := errors.AsType[*StatusError](err); ok {
		return true
	}
	_, ok := errors.AsType[*protocolError](err)
	return ok
}

// Open makes a legacy session. Modern clients have none. When it is refused the
// error is a *Failure.
func (c *Client) Open(ctx context.Context) error {
	if c.Modern || c.Session != "" {
		return nil
	}
	params := `{"protocolVersion":"` + legacyVersion + `","capabilities":` + c.capabilities() + `,"clientInfo":` + c.info() + `}`
	res, err := c.post(ctx, "initialize", "", c.message("initialize", params))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	a, err := c.read(ctx, res)
	if err != nil {
		return err
	}
	if a.Error != nil {
		return a.Error
	}
	session := res.Header.Get("Mcp-Session-Id")
	if session == "" {
		return wrong("initialize: HTTP %d without a session", a.Status)
	}
	c.Session = session
	if err := c.tell(ctx, `{"jsonrpc":"2.0","method":"notifications/initialized"}`); err != nil {
		c.Session = ""
		return err
	}
	return nil
}

func (c *Client) capabilities() string {
	all := ""
	if c.Answer != nil {
		all = `,"elicitation":{},"sampling":{},"roots":{}`
	}
	if c.Tasks && c.Modern {
		all += `,"extensions":{"io.modelcontextprotocol/tasks":{}}`
	}
	return join("{}", all)
}

func (c *Client) info() string {
	name := c.Name
	if name == "" {
		name = "wire"
	}
	return `{"name":` + strconv.Quote(name) + `,"version":"1"}`
}

// Close ends a legacy session.
func (c *Client) Close(ctx context.Context) error {
	if c.Session == "" {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, c.URL, nil)
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	c.identify(req)
	res, err := c.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	c.Session = ""
	return res.Body.Close()
}

// Cancel tells the server of a legacy client that nobody waits for the answer to
// a request any more. Modern clients end the request instead.
func (c *Client) Cancel(ctx context.Context, id int) error {
	return c.tell(ctx, fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%d}}`, id))
}

// Tool calls a tool with arguments in JSON.
func (c *Client) Tool(ctx context.Context, name, arguments string) (Answer, error) {
	return c.Ask(ctx, "tools/call", name, `{"name":`+strconv.Quote(name)+`,"arguments":`+arguments+`}`)
}

// Listed is one tool of a list.
type Listed struct {
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Meta        jsontext.Value `json:"_meta"`
}

// Tools lists the tools.
func (c *Client) Tools(ctx context.Context) ([]Listed, Answer, error) {
	a, err := c.Ask(ctx, "tools/list", "", `{}`)
	if err != nil || a.Error != nil {
		return nil, a, err
	}
	var list struct {
		Tools []Listed `json:"tools"`
	}
	if err := json.Unmarshal(a.Result, &list); err != nil {
		return nil, a, wrong("tools/list: %v", err)
	}
	return list.Tools, a, nil
}

// Ask sends one request and returns its one answer. name is what Mcp-Name names,
// params an object. A modern client that can answer questions goes on with the
// answers until the result is complete.
func (c *Client) Ask(ctx context.Context, method, name, params string) (Answer, error) {
	extra := ""
	for {
		a, err := c.once(ctx, method, name, join(params, extra))
		if err != nil || a.Error != nil || !c.Modern {
			return a, err
		}
		if extra, err = c.inputs(a.Result); err != nil || extra == "" {
			return a, err
		}
	}
}

func (c *Client) once(ctx context.Context, method, name, params string) (Answer, error) {
	res, err := c.post(ctx, method, name, c.message(method, params))
	if err != nil {
		return Answer{}, err
	}
	defer res.Body.Close()
	return c.read(ctx, res)
}

// join adds members, each with a comma before it, to an object.
func join(object, members string) string {
	if members == "" {
		return object
	}
	object = strings.TrimSuffix(object, "}")
	if object == "{" {
		members = members[1:]
	}
	return object + members + "}"
}

// ids makes the ids of this process's requests differ, since several clients may
// speak for one session.
var ids atomic.Int64

// message returns the next request. params is an object.
func (c *Client) message(method, params string) string {
	c.id = int(ids.Add(1))
	if c.Sending != nil {
		c.Sending(c.id)
	}
	meta := ""
	if c.Meta != "" {
		meta = "," + c.Meta
	}
	if c.Modern {
		meta += `,"io.modelcontextprotocol/protocolVersion":"` + modernVersion +
			`","io.modelcontextprotocol/clientCapabilities":` + c.capabilities() + `,"io.modelcontextprotocol/clientInfo":` + c.info()
	}
	if meta != "" {
		params = join(params, `,"_meta":`+join("{}", meta))
	}
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, c.id, method, params)
}

func (c *Client) post(ctx context.Context, method, name, body string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.GetBody = nil // never sent twice without our knowing
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if c.Modern {
		req.Header.Set("Mcp-Method", method)
		if name != "" {
			req.Header.Set("Mcp-Name", name)
		}
	}
	c.identify(req)
	return c.HTTP.Do(req)
}

// identify sets the headers that every request after the first has.
func (c *Client) identify(req *http.Request) {
	switch {
	case c.Modern:
		req.Header.Set("Mcp-Protocol-Version", modernVersion)
	case c.Session != "":
		req.Header.Set("Mcp-Protocol-Version", legacyVersion)
		req.Header.Set("Mcp-Session-Id", c.Session)
	}
}

// tell sends what has no answer.
func (c *Client) tell(ctx context.Context, body string) error {
	res, err := c.post(ctx, "", "", body)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusAccepted {
		return statusError(res)
	}
	return nil
}

func statusError(res *http.Response) error {
	data, _ := io.ReadAll(io.LimitReader(res.Body, 300)) // what there is of it
	return &StatusError{Status: res.StatusCode, Type: res.Header.Get("Content-Type"), Body: string(data)}
}
