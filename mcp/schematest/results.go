// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package schematest

import (
	"fmt"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// resultOf names the definition of the result of each method, for the versions
// that define it.
var resultOf = map[string]string{
	mcp.MethodInitialize:            "InitializeResult",
	mcp.MethodPing:                  "EmptyResult",
	mcp.MethodDiscover:              "DiscoverResult",
	mcp.MethodListen:                "SubscriptionsListenResult",
	mcp.MethodListTools:             "ListToolsResult",
	mcp.MethodCallTool:              "CallToolResult",
	mcp.MethodListPrompts:           "ListPromptsResult",
	mcp.MethodGetPrompt:             "GetPromptResult",
	mcp.MethodListResources:         "ListResourcesResult",
	mcp.MethodListResourceTemplates: "ListResourceTemplatesResult",
	mcp.MethodReadResource:          "ReadResourceResult",
	mcp.MethodSubscribe:             "EmptyResult",
	mcp.MethodUnsubscribe:           "EmptyResult",
	mcp.MethodSetLevel:              "EmptyResult",
	mcp.MethodComplete:              "CompleteResult",
	mcp.MethodGetTask:               "GetTaskResult",
	mcp.MethodTaskResult:            "GetTaskPayloadResult",
	mcp.MethodListTasks:             "ListTasksResult",
	mcp.MethodCancelTask:            "CancelTaskResult",
	mcp.MethodCreateMessage:         "CreateMessageResult",
	mcp.MethodListRoots:             "ListRootsResult",
	mcp.MethodElicit:                "ElicitResult",
}

// resultDefinition returns the name of the definition that result must meet.
func (d *doc) resultDefinition(method string, result []byte) (string, error) {
	name, known := resultOf[method]
	if _, has := d.byMethod[method]; !known || !has || d.defs[name] == nil {
		return "", fmt.Errorf("version %s has no result of %q", d.version, method)
	}
	raw, typed := jsonrpc.Get(result, "resultType")
	kind, _ := jsonrpc.Unquote(raw)
	f := d.version.Features()
	switch {
	case f.Ask(method):
		return name, nil // a client's result, which has no type
	case !f.ResultTypes && typed:
		return "", fmt.Errorf("version %s does not have resultType", d.version)
	case f.LegacyTasks && method == mcp.MethodCallTool:
		if _, task := jsonrpc.Get(result, "task"); task {
			return "CreateTaskResult", nil
		}
	case f.ResultTypes && kind == mcp.ResultInputRequired:
		if !mcp.MayAskInput(method) {
			return "", fmt.Errorf("the result of %q must not be %s", method, kind)
		}
		return "InputRequiredResult", nil
	case f.ResultTypes && kind != mcp.ResultComplete:
		return "", fmt.Errorf("result type %q of %q is not defined", kind, method)
	}
	return name, nil
}
