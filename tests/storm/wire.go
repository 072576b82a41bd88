// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	legacyVersion = "2025-11-25"
	modernVersion = "2026-07-28"
	maxAnswer     = 16 << 20 // bytes
)

// caller is an MCP client of one endpoint, which writes its requests by itself:
// what it counts must not depend on anybody's retries. It is for one goroutine.
type caller struct {
	url     string
	modern  bool
	http    *http.Client
	session string // legacy
	id      int
}

// answer is the one response to a request.
type answer struct {
	Status int
	Text   string // of a tool's result
	Result jsontext.Value
	Failed bool // isError
	Error  *failure
}

// failure is a JSON-RPC error.
type failure struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    struct {
		Gateway struct {
			Server string `json:"server"`
			Reason string `json:"reason"`
		} `json:"gateway"`
	} `json:"data"`
}

// Error says it in words.
func (f *failure) Error() string { return fmt.Sprintf("%d %s", f.Code, f.Message) }

// names reports whether the error names a server and why.
func (f *failure) names(server string) bool {
	return f.Data.Gateway.Server == server && f.Data.Gateway.Reason != "" && strings.Contains(f.Message, server)
}

// protocolError is an answer that no server may give. Anything else that is an
// error is the connection's.
type protocolError struct{ text string }

func (e *protocolError) Error() string { return e.text }

func wrong(format string, args ...any) error { return &protocolError{fmt.Sprintf(format, args...)} }

func isWrong(err error) bool {
	_, ok := errors.AsType[*protocolError](err)
	return ok
}

// open makes a legacy session. Modern clients have none. When it is refused the
// error is a *failure.
func (c *caller) open(ctx context.Context) error {
	if c.modern || c.session != "" {
		return nil
	}
	params := `{"protocolVersion":"` + legacyVersion + `","capabilities":{},"clientInfo":{"name":"storm","version":"1"}}`
	res, err := c.post(ctx, "initialize", "", c.message("initialize", params))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	a, err := c.read(res)
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
	c.session = session
	res, err = c.post(ctx, "", "", `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	if err != nil {
		c.session = ""
		return err
	}
	return res.Body.Close()
}

// close ends a legacy session.
func (c *caller) close(ctx context.Context) error {
	if c.session == "" {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, c.url, nil)
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	req.Header.Set("Mcp-Session-Id", c.session)
	req.Header.Set("Mcp-Protocol-Version", legacyVersion)
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	c.session = ""
	return res.Body.Close()
}

// tool calls a tool with arguments in JSON.
func (c *caller) tool(ctx context.Context, name, arguments string) (answer, error) {
	return c.ask(ctx, "tools/call", name, `{"name":`+strconv.Quote(name)+`,"arguments":`+arguments+`}`)
}

// tools lists the names of the tools.
func (c *caller) tools(ctx context.Context) ([]listedTool, answer, error) {
	a, err := c.ask(ctx, "tools/list", "", `{}`)
	if err != nil || a.Error != nil {
		return nil, a, err
	}
	var list struct {
		Tools []listedTool `json:"tools"`
	}
	if err := json.Unmarshal(a.Result, &list); err != nil {
		return nil, a, wrong("tools/list: %v", err)
	}
	return list.Tools, a, nil
}

type listedTool struct {
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Meta        jsontext.Value `json:"_meta"`
}

func (c *caller) ask(ctx context.Context, method, name, params string) (answer, error) {
	res, err := c.post(ctx, method, name, c.message(method, params))
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	return c.read(res)
}

// message returns the next request. params is an object.
func (c *caller) message(method, params string) string {
	c.id++
	if c.modern {
		meta := `"_meta":{"io.modelcontextprotocol/protocolVersion":"` + modernVersion +
			`","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"storm","version":"1"}}}`
		if params = strings.TrimSuffix(params, "}"); params != "{" {
			params += ","
		}
		params += meta
	}
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, c.id, method, params)
}

func (c *caller) post(ctx context.Context, method, name, body string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.GetBody = nil // never sent twice without our knowing
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	switch {
	case c.modern:
		req.Header.Set("Mcp-Protocol-Version", modernVersion)
		req.Header.Set("Mcp-Method", method)
		if name != "" {
			req.Header.Set("Mcp-Name", name)
		}
	case c.session != "":
		req.Header.Set("Mcp-Protocol-Version", legacyVersion)
		req.Header.Set("Mcp-Session-Id", c.session)
	}
	return c.http.Do(req)
}

// read takes the one answer out of a response, be it JSON or a stream.
func (c *caller) read(res *http.Response) (answer, error) {
	a := answer{Status: res.StatusCode}
	body := io.LimitReader(res.Body, maxAnswer)
	kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	switch kind {
	case "application/json":
		data, err := io.ReadAll(body)
		if err != nil {
			return a, fmt.Errorf("read answer: %w", err)
		}
		if !c.take(&a, data) {
			return a, wrong("HTTP %d with another body than the answer: %.300s", res.StatusCode, data)
		}
		return a, nil
	case "text/event-stream":
		return a, c.stream(&a, res.Body) // however much a flood sends: it is read line by line, and the call has a deadline
	}
	data, _ := io.ReadAll(io.LimitReader(body, 300))
	return a, wrong("HTTP %d, %q: %s", res.StatusCode, kind, data)
}

func (c *caller) stream(a *answer, body io.Reader) error {
	lines := bufio.NewReader(body)
	answers := 0
	for {
		line, err := lines.ReadBytes('\n')
		if data, ok := bytes.CutPrefix(line, []byte("data:")); ok && c.take(a, data) {
			answers++
		}
		switch {
		case errors.Is(err, io.EOF) && answers == 1:
			return nil
		case errors.Is(err, io.EOF) && answers == 0:
			return fmt.Errorf("stream without the answer: %w", io.ErrUnexpectedEOF)
		case answers > 1:
			return wrong("%d answers to one call", answers)
		case err != nil:
			return fmt.Errorf("read stream: %w", err)
		}
	}
}

// take reports whether data is the answer to the last request.
func (c *caller) take(a *answer, data []byte) bool {
	var m struct {
		ID     jsontext.Value `json:"id"`
		Result jsontext.Value `json:"result"`
		Error  *failure       `json:"error"`
	}
	if json.Unmarshal(data, &m) != nil || string(m.ID) != strconv.Itoa(c.id) || (m.Result == nil) == (m.Error == nil) {
		return false
	}
	a.Result, a.Error = m.Result, m.Error
	var result struct {
		Content []struct {
			Text string `json:"text"`
		} `json:"content"`
		IsError bool `json:"isError"`
	}
	if m.Result != nil && json.Unmarshal(m.Result, &result) == nil {
		a.Failed = result.IsError
		for _, part := range result.Content {
			a.Text += part.Text
		}
	}
	return true
}

// listen holds the standing stream of a client open until it ends.
func (c *caller) listen(ctx context.Context) error {
	var res *http.Response
	var err error
	if c.modern {
		res, err = c.post(ctx, "subscriptions/listen", "", c.message("subscriptions/listen", `{"notifications":{"toolsListChanged":true}}`))
	} else {
		var req *http.Request
		if req, err = http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil); err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		req.Header.Set("Accept", "text/event-stream")
		req.Header.Set("Mcp-Protocol-Version", legacyVersion)
		req.Header.Set("Mcp-Session-Id", c.session)
		res, err = c.http.Do(req)
	}
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(res.Body, 500))
		return wrong("listen: HTTP %d: %s", res.StatusCode, body)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}
