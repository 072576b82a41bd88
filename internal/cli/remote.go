// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/gateway"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// tools lists the tools of a server, one line each, or shows one of them.
func tools(ctx context.Context, env *Env, args []string) error {
	r := remotely(env, "tools")
	plain, err := r.parse(args, 0, 1)
	if err != nil {
		return err
	}
	ctx, end := r.within(ctx)
	defer end()
	c, err := r.dial(ctx)
	if err != nil {
		return r.told(ctx, err)
	}
	defer c.Close()
	list, missing, err := allTools(ctx, c)
	if err == nil && len(list) == 0 && missing == nil {
		printf(env.Err, "the server has no tools\n")
	}
	for _, m := range missing {
		printf(env.Err, "the tools of server %s are missing: %s\n", line(display.Quote(m.Server)), line(m.Reason))
	}
	switch {
	case err != nil:
		return r.told(ctx, err)
	case len(plain) == 1:
		return showTool(env, list, plain[0], r.json)
	case r.json:
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

// maxSimilar is how many names are offered in place of one that is not there.
const maxSimilar = 3

// noTool says that there is no tool of a name, and which may be meant: behind a
// gateway it stands behind the name of its server.
func noTool(list []mcp.Tool, name string) error {
	var similar []string
	for i := range list {
		if have := strings.ToLower(list[i].Name); strings.Contains(have, strings.ToLower(name)) && len(similar) < maxSimilar {
			similar = append(similar, display.Quote(list[i].Name))
		}
	}
	hint := fmt.Sprintf("holdfast tools without a name lists its %d", len(list))
	if len(similar) > 0 {
		hint = "did you mean " + strings.Join(similar, " or ") + "?"
	}
	return fmt.Errorf("the server has no tool %s; %s", display.Quote(name), hint)
}

// showTool prints all that a server says of one tool.
func showTool(env *Env, list []mcp.Tool, name string, asJSON bool) error {
	i := slices.IndexFunc(list, func(t mcp.Tool) bool { return t.Name == name })
	if i < 0 {
		return noTool(list, name)
	}
	t := &list[i]
	if asJSON {
		return printJSON(env.Out, t)
	}
	printf(env.Out, "%s\n", line(t.Name))
	for _, text := range []string{t.Title, t.Description} {
		if text != "" {
			printf(env.Out, "\n%s\n", text)
		}
	}
	for _, part := range []struct {
		name  string
		value jsonrpc.Raw
	}{{"arguments", t.InputSchema}, {"result", t.OutputSchema}} {
		if len(part.value) > 0 {
			printf(env.Out, "\n%s:\n", part.name)
			printPretty(env.Out, part.value)
		}
	}
	if t.Annotations != nil {
		printf(env.Out, "\nannotations:\n")
		return printJSON(env.Out, t.Annotations)
	}
	return nil
}

// missing is a server behind a holdfast whose tools are not in its list, and why.
type missing struct {
	Server string `json:"server"`
	Reason string `json:"reason"`
}

// maxToolPages bounds the pages of one list.
const maxToolPages = 1000

// allTools returns the tools of a server and, if that is a holdfast, which of its servers
// have not listed theirs.
func allTools(ctx context.Context, c *client.Client) (all []mcp.Tool, without []missing, err error) {
	var cursor *string
	for range maxToolPages {
		page, err := c.ListTools(ctx, cursor)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, page.Tools...)
		servers, _ := jsonrpc.Get(page.Meta, gateway.MetaUnavailableServers)
		if named := []missing(nil); json.Unmarshal(servers, &named) == nil && named != nil {
			without = named
		}
		if page.NextCursor == nil || cursor != nil && *cursor == *page.NextCursor {
			return all, without, nil
		}
		cursor = page.NextCursor
	}
	return nil, nil, fmt.Errorf("the server has more than %d pages of tools", maxToolPages)
}

// call calls one tool and prints what it returned; a tool's own failure is exit code 1.
func call(ctx context.Context, env *Env, args []string) error {
	r := remotely(env, "call")
	plain, err := r.parse(args, 1, 2)
	if err != nil {
		return err
	}
	arguments := jsonrpc.Raw("{}")
	if len(plain) == 2 {
		arguments = jsonrpc.Raw(plain[1])
		if !arguments.IsValid() || arguments.Kind() != '{' {
			return usageError{fmt.Sprintf("ARGS must be a JSON object such as {\"text\":\"hello\"}, got %s", plain[1])}
		}
	}
	ctx, end := r.within(ctx)
	defer end()
	c, err := r.dial(ctx)
	if err != nil {
		return r.told(ctx, err)
	}
	defer c.Close()
	params, err := json.Marshal(map[string]any{"name": plain[0], "arguments": arguments}, json.Deterministic(true))
	if err != nil {
		return err
	}
	body, err := c.Call(ctx, mcp.MethodCallTool, params, client.CallOptions{
		Progress: true,
		OnNotify: func(method string, params jsonrpc.Raw) { showNotification(env, method, params) },
	})
	if err != nil {
		return r.told(ctx, err)
	}
	return showResult(env, body, r.json)
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
