// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// scenario is what the program does once it is connected.
type scenario struct {
	options []client.Option
	run     func(ctx context.Context, c *client.Client) error
}

var scenarios = map[string]scenario{
	"initialize":                          {run: list},
	"tools_call":                          {run: addNumbers},
	"json-schema-ref-no-deref":            {run: list},
	"json-schema-2020-12-preservation":    {run: echoSchema},
	"elicitation-sep1034-client-defaults": {run: callTool("test_client_elicitation_defaults"), options: []client.Option{client.OnElicit(acceptDefaults)}},
	"sse-retry":                           {run: callTool("test_reconnection")},
	"request-metadata":                    {run: list, options: []client.Option{client.OnElicit(acceptDefaults), client.OnSample(sample), client.OnRoots(roots)}},
	"sep-2322-client-request-state":       {run: inputRounds, options: []client.Option{client.OnElicit(confirm)}},
	"http-standard-headers":               {run: everything},
	"http-custom-headers":                 {run: callsOfContext},
	"http-invalid-tool-headers":           {run: callAllListed},
	"sep-2640-client-no-prefetch":         {run: listSkills},
}

func list(ctx context.Context, c *client.Client) error {
	_, err := tools(ctx, c)
	return err
}

func tools(ctx context.Context, c *client.Client) ([]mcp.Tool, error) {
	var all []mcp.Tool
	for tool, err := range c.Tools(ctx) {
		if err != nil {
			return nil, err
		}
		all = append(all, tool)
	}
	return all, nil
}

// callTool lists the tools and calls one without arguments.
func callTool(name string) func(context.Context, *client.Client) error {
	return func(ctx context.Context, c *client.Client) error {
		if err := list(ctx, c); err != nil {
			return err
		}
		_, err := c.CallTool(ctx, name, jsonrpc.Raw("{}"))
		return err
	}
}

func addNumbers(ctx context.Context, c *client.Client) error {
	if err := list(ctx, c); err != nil {
		return err
	}
	_, err := c.CallTool(ctx, "add_numbers", map[string]int{"a": 5, "b": 3})
	return err
}

// echoSchema hands the schema that was listed back as it came.
func echoSchema(ctx context.Context, c *client.Client) error {
	all, err := tools(ctx, c)
	if err != nil {
		return err
	}
	for _, tool := range all {
		if tool.Name == "json_schema_2020_12_tool" {
			_, err := c.CallTool(ctx, "json_schema_echo", map[string]jsonrpc.Raw{"schema": tool.InputSchema})
			return err
		}
	}
	return errors.New("the tool whose schema is echoed is not listed")
}

// acceptDefaults answers a form with the defaults of its schema.
func acceptDefaults(_ context.Context, p *mcp.ElicitParams) (*mcp.ElicitResult, error) {
	content := jsonrpc.Raw("{}")
	properties, _ := jsonrpc.Get(p.RequestedSchema, "properties")
	for quoted, schema := range jsonrpc.Members(properties) {
		name, _ := jsonrpc.Unquote(quoted)
		if value, ok := jsonrpc.Get(schema, "default"); ok {
			content = jsonrpc.Set(content, name, value)
		}
	}
	return &mcp.ElicitResult{Action: mcp.ActionAccept, Content: content}, nil
}

func confirm(context.Context, *mcp.ElicitParams) (*mcp.ElicitResult, error) {
	return &mcp.ElicitResult{Action: mcp.ActionAccept, Content: jsonrpc.Raw(`{"confirmed":true}`)}, nil
}

func sample(context.Context, *mcp.CreateMessageParams) (*mcp.CreateMessageResult, error) {
	return &mcp.CreateMessageResult{Role: mcp.RoleAssistant, Content: mcp.ContentList{mcp.Text("Paris")}, Model: "none"}, nil
}

func roots(context.Context) ([]mcp.Root, error) { return []mcp.Root{{URI: "file:///srv"}}, nil }

func inputRounds(ctx context.Context, c *client.Client) error {
	if err := list(ctx, c); err != nil {
		return err
	}
	for _, name := range []string{"test_mrtr_echo_state", "test_mrtr_unrelated", "test_mrtr_no_state", "test_mrtr_no_result_type"} {
		if _, err := c.CallTool(ctx, name, jsonrpc.Raw("{}")); err != nil {
			return err
		}
	}
	return nil
}

// everything lists tools, resources and prompts and uses the first of each.
func everything(ctx context.Context, c *client.Client) error {
	all, err := tools(ctx, c)
	if err != nil {
		return err
	}
	if len(all) > 0 {
		if _, err := c.CallTool(ctx, all[0].Name, jsonrpc.Raw("{}")); err != nil {
			return err
		}
	}
	for resource, err := range c.Resources(ctx) {
		if err != nil {
			return err
		}
		if _, err := c.ReadResource(ctx, resource.URI); err != nil {
			return err
		}
		break
	}
	for prompt, err := range c.Prompts(ctx) {
		if err != nil {
			return err
		}
		if _, err := c.GetPrompt(ctx, prompt.Name, nil); err != nil {
			return err
		}
		break
	}
	return nil
}

// callsOfContext makes the calls that the suite names.
func callsOfContext(ctx context.Context, c *client.Client) error {
	var given struct {
		ToolCalls []struct {
			Name      string      `json:"name"`
			Arguments jsonrpc.Raw `json:"arguments"`
		} `json:"toolCalls"`
	}
	if err := json.Unmarshal([]byte(os.Getenv("MCP_CONFORMANCE_CONTEXT")), &given); err != nil {
		return fmt.Errorf("MCP_CONFORMANCE_CONTEXT: %w", err)
	}
	if err := list(ctx, c); err != nil {
		return err
	}
	for _, call := range given.ToolCalls {
		if _, err := c.CallTool(ctx, call.Name, call.Arguments); err != nil {
			return err
		}
	}
	return nil
}

// callAllListed calls every tool that the client lets through.
func callAllListed(ctx context.Context, c *client.Client) error {
	all, err := tools(ctx, c)
	if err != nil {
		return err
	}
	for _, tool := range all {
		if _, err := c.CallTool(ctx, tool.Name, map[string]string{"region": "us-west1"}); err != nil {
			return err
		}
	}
	return nil
}

// listSkills lists the skills and fetches none of their files.
func listSkills(ctx context.Context, c *client.Client) error {
	_, err := c.Call(ctx, mcp.MethodListSkills, nil, client.CallOptions{})
	return err
}
