// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/holdfast-mcp/holdfast/internal/jsonform"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// handlers are the client's own, for what no call's options take.
type handlers struct {
	asks   map[string]Asker
	askAny Asker

	log                       func(LogMessage)
	tools, prompts, resources func()
	updated                   func(uri string)
	task                      func(mcp.Task)
	any                       func(method string, params Raw)
}

func (h *handlers) ask(method string, a Asker) {
	if h.asks == nil {
		h.asks = map[string]Asker{}
	}
	h.asks[method] = a
}

func (h *handlers) asker(method string) Asker {
	if a := h.asks[method]; a != nil {
		return a
	}
	return h.askAny
}

// filter is what the handlers want to hear of.
func (h *handlers) filter() Filter {
	return Filter{Tools: h.tools != nil, Prompts: h.prompts != nil, Resources: h.resources != nil}
}

// unsolicited reports whether some handler waits for what the server may say at
// any time.
func (h *handlers) unsolicited() bool {
	return h.filter().wanted() || h.any != nil || h.log != nil || h.updated != nil || h.askAny != nil || len(h.asks) > 0
}

// notification runs the handler of a notification that belongs to no call.
func (h *handlers) notification(method string, params Raw) {
	if h.any != nil {
		h.any(method, params)
	}
	switch {
	case method == mcp.NotificationToolsChanged && h.tools != nil:
		h.tools()
	case method == mcp.NotificationPromptsChanged && h.prompts != nil:
		h.prompts()
	case method == mcp.NotificationResourcesChanged && h.resources != nil:
		h.resources()
	case method == mcp.NotificationResourceUpdated && h.updated != nil:
		raw, _ := jsonrpc.Get(params, "uri")
		if uri, ok := jsonrpc.Unquote(raw); ok {
			h.updated(uri)
		}
	case method == mcp.NotificationMessage && h.log != nil:
		var m LogMessage
		if json.Unmarshal(params, &m) == nil {
			h.log(m)
		}
	case method == mcp.NotificationTask && h.task != nil:
		var t mcp.Task
		if json.Unmarshal(params, &t) == nil {
			h.task(t)
		}
	}
}

// OnElicit answers elicitations and declares that the client can show forms.
func OnElicit(f func(context.Context, *mcp.ElicitParams) (*mcp.ElicitResult, error)) Option {
	return option(func(c *config) {
		c.handlers.ask(mcp.MethodElicit, typedAsker(f))
		declareElicitation(c).Form = Raw("{}")
	})
}

// ElicitURLs declares that the handler of [OnElicit] can also open URLs.
func ElicitURLs() Option {
	return option(func(c *config) { declareElicitation(c).URL = Raw("{}") })
}

func declareElicitation(c *config) *mcp.ElicitationCapability {
	if c.capabilities.Elicitation == nil {
		c.capabilities.Elicitation = &mcp.ElicitationCapability{}
	}
	return c.capabilities.Elicitation
}

// OnSample answers sampling requests and declares that the client can sample.
func OnSample(f func(context.Context, *mcp.CreateMessageParams) (*mcp.CreateMessageResult, error)) Option {
	return option(func(c *config) {
		c.handlers.ask(mcp.MethodCreateMessage, typedAsker(f))
		declareSampling(c)
	})
}

// SamplingTools declares that the handler of [OnSample] understands tools.
func SamplingTools() Option {
	return option(func(c *config) { declareSampling(c).Tools = Raw("{}") })
}

func declareSampling(c *config) *mcp.SamplingCapability {
	if c.capabilities.Sampling == nil {
		c.capabilities.Sampling = &mcp.SamplingCapability{}
	}
	return c.capabilities.Sampling
}

// OnRoots answers which roots the client has and declares that it has some.
func OnRoots(f func(context.Context) ([]mcp.Root, error)) Option {
	return option(func(c *config) {
		c.handlers.ask(mcp.MethodListRoots, func(ctx context.Context, _ string, _ Raw) (Raw, error) {
			roots, err := f(ctx)
			if err != nil {
				return nil, err
			}
			if roots == nil {
				roots = []mcp.Root{}
			}
			return json.Marshal(mcp.ListRootsResult{Roots: roots})
		})
		c.capabilities.Roots = &mcp.RootsCapability{}
	})
}

// OnAsk answers whatever the server asks and no other handler takes. It declares
// nothing: use [Capabilities].
func OnAsk(f Asker) Option { return option(func(c *config) { c.handlers.askAny = f }) }

// typedAsker decodes the params and encodes the result.
func typedAsker[P, R any](f func(context.Context, *P) (*R, error)) Asker {
	return func(ctx context.Context, method string, params Raw) (Raw, error) {
		p := new(P)
		if params != nil {
			if err := json.Unmarshal(params, p); err != nil {
				return nil, jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "invalid params of %s: %w", method, err)
			}
		}
		r, err := f(ctx, p)
		if err != nil {
			return nil, err
		}
		body, err := json.Marshal(r, jsonform.Text)
		if err != nil {
			return nil, fmt.Errorf("encode the answer to %s: %w", method, err)
		}
		return body, nil
	}
}

// OnLog gets the log messages that no call's handler takes.
func OnLog(f func(LogMessage)) Option { return option(func(c *config) { c.handlers.log = f }) }

// OnToolsChanged is called when the list of tools has changed, or may have
// while the client could not hear of it. Setting it makes the client listen.
func OnToolsChanged(f func()) Option { return option(func(c *config) { c.handlers.tools = f }) }

// OnPromptsChanged is like [OnToolsChanged], for prompts.
func OnPromptsChanged(f func()) Option { return option(func(c *config) { c.handlers.prompts = f }) }

// OnResourcesChanged is like [OnToolsChanged], for the list of resources.
func OnResourcesChanged(f func()) Option { return option(func(c *config) { c.handlers.resources = f }) }

// OnResourceUpdated gets the URI of a resource that changed, among those that
// were subscribed to, or a part of one of them.
func OnResourceUpdated(f func(uri string)) Option {
	return option(func(c *config) { c.handlers.updated = f })
}

// OnTask gets the states of tasks listened to (tasks extension).
func OnTask(f func(mcp.Task)) Option { return option(func(c *config) { c.handlers.task = f }) }

// OnNotification gets every notification that belongs to no call, before the
// handler of its kind does.
func OnNotification(f func(method string, params Raw)) Option {
	return option(func(c *config) { c.handlers.any = f })
}
