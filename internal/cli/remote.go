// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// tools lists the tools of a server, one line each.
func tools(ctx context.Context, env *Env, args []string) error {
	fs := flags("tools")
	asJSON := fs.Bool("json", false, "")
	if err := parse(fs, args, 1, 1); err != nil {
		return err
	}
	c, err := dial(ctx, env, fs.Arg(0))
	if err != nil {
		return err
	}
	defer c.Close()
	list, err := allTools(ctx, c)
	if err != nil {
		return err
	}
	if *asJSON {
		return printJSON(env.Out, list)
	}
	width := 0
	for _, t := range list {
		width = max(width, utf8.RuneCountInString(display.Line(t.Name)))
	}
	for _, t := range list {
		description, _, _ := strings.Cut(t.Description, "\n")
		printf(env.Out, "%-*s  %s\n", width, line(t.Name), line(description))
	}
	return nil
}

// dial connects to the server at a URL.
func dial(ctx context.Context, env *Env, address string) (*client.Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, usageError{fmt.Sprintf("%q is not an http URL such as http://127.0.0.1:8080/mcp", address)}
	}
	c, err := client.Connect(ctx, client.HTTP(address),
		client.Info(mcp.Implementation{Name: "holdfast-cli", Version: buildVersion()}),
		client.OnElicit(func(_ context.Context, p *mcp.ElicitParams) (*mcp.ElicitResult, error) { return askPerson(env, p) }))
	if err != nil {
		return nil, fmt.Errorf("cannot reach %s: %w", address, err)
	}
	return c, nil
}

func allTools(ctx context.Context, c *client.Client) ([]mcp.Tool, error) {
	var all []mcp.Tool
	for t, err := range c.Tools(ctx) {
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// call calls one tool and prints what it returned; a tool's own failure is exit code 1.
func call(ctx context.Context, env *Env, args []string) error {
	fs := flags("call")
	asJSON := fs.Bool("json", false, "")
	if err := parse(fs, args, 2, 3); err != nil {
		return err
	}
	arguments := jsonrpc.Raw("{}")
	if fs.NArg() == 3 {
		arguments = jsonrpc.Raw(fs.Arg(2))
		if !arguments.IsValid() || arguments.Kind() != '{' {
			return usageError{fmt.Sprintf("ARGS must be a JSON object such as {\"text\":\"hello\"}, got %s", fs.Arg(2))}
		}
	}
	c, err := dial(ctx, env, fs.Arg(0))
	if err != nil {
		return err
	}
	defer c.Close()
	params, err := json.Marshal(map[string]any{"name": fs.Arg(1), "arguments": arguments}, json.Deterministic(true))
	if err != nil {
		return err
	}
	body, err := c.Call(ctx, mcp.MethodCallTool, params, client.CallOptions{
		Progress: true,
		OnNotify: func(method string, params jsonrpc.Raw) { showNotification(env, method, params) },
	})
	if err != nil {
		return err
	}
	return showResult(env, body, *asJSON)
}

// showNotification shows progress and log messages beside the result.
func showNotification(env *Env, method string, params jsonrpc.Raw) {
	var p struct {
		Progress float64     `json:"progress"`
		Total    float64     `json:"total"`
		Message  string      `json:"message"`
		Level    string      `json:"level"`
		Data     jsonrpc.Raw `json:"data"`
	}
	if json.Unmarshal(params, &p) != nil {
		return
	}
	switch method {
	case mcp.NotificationProgress:
		printf(env.Err, "[%g/%g] %s\n", p.Progress, p.Total, line(p.Message))
	case mcp.NotificationMessage:
		printf(env.Err, "[%s] %s\n", line(p.Level), line(p.Data))
	}
}

// showResult prints text as text and everything else as JSON, or all of the result
// as the server sent it.
func showResult(env *Env, body jsonrpc.Raw, asJSON bool) error {
	var res struct {
		Content []jsonrpc.Raw `json:"content"`
		IsError bool          `json:"isError"`
	}
	if err := json.Unmarshal(body, &res); err != nil {
		return fmt.Errorf("the server sent a result that is not a tool result: %w", err)
	}
	if asJSON {
		if err := printRaw(env.Out, body); err != nil {
			return err
		}
		res.Content = nil
	}
	for _, block := range res.Content {
		var text struct {
			Type string `json:"type"`
			Text string `json:"text"`
		}
		if json.Unmarshal(block, &text) == nil && text.Type == "text" {
			printf(env.Out, "%s\n", text.Text)
			continue
		}
		printPretty(env.Out, block)
	}
	if res.IsError {
		return errors.New("the tool reported an error")
	}
	return nil
}

// askPerson asks an elicitation on the terminal, one line per field; without a
// terminal it declines.
func askPerson(env *Env, p *mcp.ElicitParams) (*mcp.ElicitResult, error) {
	if f, ok := env.In.(*os.File); !ok || !isTerminal(f) {
		printf(env.Err, "%s\n(no terminal to answer on: declined)\n", p.Message)
		return &mcp.ElicitResult{Action: mcp.ActionDecline}, nil
	}
	var schema struct {
		Properties map[string]struct {
			Type        string `json:"type"`
			Description string `json:"description"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(p.RequestedSchema, &schema); err != nil {
		return nil, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "requestedSchema: %w", err)
	}
	printf(env.Err, "%s\n", p.Message)
	in := bufio.NewReader(env.In)
	content := map[string]jsonrpc.Raw{}
	for name, field := range schema.Properties {
		printf(env.Err, "%s %s: ", line(name), line(field.Description))
		answer, err := in.ReadString('\n')
		if err == io.EOF {
			return &mcp.ElicitResult{Action: mcp.ActionCancel}, nil
		}
		content[name] = fieldValue(field.Type, strings.TrimSpace(answer))
	}
	body, err := json.Marshal(content, json.Deterministic(true))
	return &mcp.ElicitResult{Action: mcp.ActionAccept, Content: body}, err
}

// fieldValue is what a person typed as a JSON value of the field's type.
func fieldValue(kind, answer string) jsonrpc.Raw {
	if raw := jsonrpc.Raw(answer); kind != "string" && answer != "" && raw.IsValid() {
		return raw
	}
	return jsonrpc.AppendString(nil, answer)
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
