// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"time"

	"github.com/holdfast-mcp/holdfast/mcp"
)

// ToolOption configures a tool.
type ToolOption interface{ tool(*toolConfig) }

type toolConfig struct {
	mcp.Tool
	headers map[string]string
	task    *taskConfig
}

func (c *toolConfig) annotations() *mcp.ToolAnnotations {
	if c.Annotations == nil {
		c.Annotations = &mcp.ToolAnnotations{}
	}
	return c.Annotations
}

type toolOption func(*toolConfig)

func (f toolOption) tool(c *toolConfig) { f(c) }

// ReadOnly says that the tool changes nothing.
func ReadOnly() ToolOption {
	return toolOption(func(c *toolConfig) { c.annotations().ReadOnly = true })
}

// Destructive says whether the tool may destroy something; without the option
// clients assume it may.
func Destructive(may bool) ToolOption {
	return toolOption(func(c *toolConfig) { c.annotations().Destructive = &may })
}

// Idempotent says that calling the tool again with the same arguments changes
// nothing more.
func Idempotent() ToolOption {
	return toolOption(func(c *toolConfig) { c.annotations().Idempotent = true })
}

// OpenWorld says whether the tool deals with things outside the server's reach,
// such as the web; without the option clients assume it does.
func OpenWorld(does bool) ToolOption {
	return toolOption(func(c *toolConfig) { c.annotations().OpenWorld = &does })
}

// InputSchema replaces the inferred input schema; it is listed verbatim.
func InputSchema(schema Raw) ToolOption {
	return toolOption(func(c *toolConfig) { c.InputSchema = schema })
}

// OutputSchema replaces the inferred output schema; it is listed verbatim.
func OutputSchema(schema Raw) ToolOption {
	return toolOption(func(c *toolConfig) { c.OutputSchema = schema })
}

// Header makes HTTP clients mirror a parameter in the header Mcp-Param-<name>,
// so that proxies can route by it. The struct tag header:"name" does the same.
//
// spec 2026-07-28 server/tools#x-mcp-header.
func Header(param, name string) ToolOption {
	return toolOption(func(c *toolConfig) {
		if c.headers == nil {
			c.headers = map[string]string{}
		}
		c.headers[param] = name
	})
}

// TaskSupport says whether a tool runs as a task.
type TaskSupport string

// The kinds of task support.
const (
	TaskOptional TaskSupport = mcp.TaskOptional // as a task where the client knows tasks, else directly
	TaskRequired TaskSupport = mcp.TaskRequired // only as a task
)

// Task makes a tool run as a task: the client gets an id at once and fetches
// the result later. The result is kept for ttl; poll is how often clients are
// asked to look. Zero takes the defaults.
func Task(support TaskSupport, ttl, poll time.Duration) ToolOption {
	return toolOption(func(c *toolConfig) {
		cfg := c.taskConfig()
		cfg.support, cfg.ttl, cfg.poll = string(support), ttl, poll
	})
}

// BeforeTask runs f before the task is created, in the call itself. It may
// refuse by an error or return [InputRequired]; the tool's handler then finds
// the answers with [Request.Answer].
func BeforeTask(f func(ctx context.Context, req *Request) error) ToolOption {
	return toolOption(func(c *toolConfig) { c.taskConfig().prepare = f })
}

func (c *toolConfig) taskConfig() *taskConfig {
	if c.task == nil {
		c.task = &taskConfig{support: mcp.TaskOptional}
	}
	return c.task
}

// CommonOption configures tools, prompts and the server itself alike.
type CommonOption struct {
	title string
	icons []mcp.Icon
}

// Title gives a tool, a prompt or the server a name for people.
func Title(title string) CommonOption { return CommonOption{title: title} }

// Icons gives a tool, a prompt or the server icons.
func Icons(icons ...mcp.Icon) CommonOption { return CommonOption{icons: icons} }

func (o CommonOption) apply(title *string, icons *[]mcp.Icon) {
	if o.title != "" {
		*title = o.title
	}
	if o.icons != nil {
		*icons = o.icons
	}
}

func (o CommonOption) server(s *Server)       { o.apply(&s.info.Title, &s.info.Icons) }
func (o CommonOption) tool(c *toolConfig)     { o.apply(&c.Title, &c.Icons) }
func (o CommonOption) prompt(c *promptConfig) { o.apply(&c.Title, &c.Icons) }

// MetaOption sets the _meta that lists show.
type MetaOption struct{ meta Raw }

// Meta sets the _meta of a tool or prompt, a JSON object.
func Meta(object Raw) MetaOption { return MetaOption{object} }

func (o MetaOption) tool(c *toolConfig)     { c.Tool.Meta = o.meta }
func (o MetaOption) prompt(c *promptConfig) { c.Prompt.Meta = o.meta }
