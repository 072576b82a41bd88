// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"math"
	"regexp"
	"strconv"
	"time"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// The shapes of entries. They are those of the newest revision, with what older ones
// had beside it; input and output schemas have rules of their own (keywords.go).
//
// spec 2026-07-28 schema: Tool, Prompt, Resource, ResourceTemplate; spec 2025-11-25
// schema: ToolExecution.
var (
	anyText   = &shape{kind: '"'}
	anyObject = &shape{kind: '{'}
	anyFlag   = &shape{kind: boolean}

	iconShape = &shape{kind: '{', needs: "src", members: map[string]*shape{
		"src":      anyText,
		"mimeType": anyText,
		"sizes":    {kind: '[', element: anyText},
		"theme":    {kind: '"', words: []string{"light", "dark"}},
	}}
	iconsShape = &shape{kind: '[', element: iconShape}

	annotationsShape = &shape{kind: '{', members: map[string]*shape{
		"audience":     {kind: '[', element: &shape{kind: '"', words: []string{mcp.RoleUser, mcp.RoleAssistant}}},
		"priority":     {kind: '0', fix: priority},
		"lastModified": {kind: '"', fix: zonedTime},
	}}

	entryShapes = [numLists]*shape{
		toolList: {kind: '{', members: map[string]*shape{
			"title": anyText, "description": anyText, "icons": iconsShape, "outputSchema": anyObject, "_meta": anyObject,
			"annotations": {kind: '{', members: map[string]*shape{
				"title": anyText, "readOnlyHint": anyFlag, "destructiveHint": anyFlag, "idempotentHint": anyFlag, "openWorldHint": anyFlag,
			}},
			"execution": {kind: '{', members: map[string]*shape{
				"taskSupport": {kind: '"', words: []string{mcp.TaskForbidden, mcp.TaskOptional, mcp.TaskRequired}},
			}},
		}},
		promptList: {kind: '{', members: map[string]*shape{
			"title": anyText, "description": anyText, "icons": iconsShape, "_meta": anyObject,
			"arguments": {kind: '[', element: &shape{kind: '{', needs: "name", members: map[string]*shape{
				"name": anyText, "title": anyText, "description": anyText, "required": anyFlag,
			}}},
		}},
		resourceList: {kind: '{', members: map[string]*shape{
			"name": anyText, "title": anyText, "description": anyText, "mimeType": anyText, "icons": iconsShape, "_meta": anyObject,
			"annotations": annotationsShape, "size": {kind: '0', fix: wholeNumber},
		}},
		templateList: {kind: '{', members: map[string]*shape{
			"name": anyText, "title": anyText, "description": anyText, "mimeType": anyText, "icons": iconsShape, "_meta": anyObject,
			"annotations": annotationsShape,
		}},
	}
)

// priority returns v when it is from 0 to 1.
func priority(v Raw) Raw {
	if f, err := strconv.ParseFloat(string(v), 64); err != nil || f < 0 || f > 1 {
		return nil
	}
	return v
}

// wholeNumber returns v in digits, which is how every client reads an integer, be it
// written as 1024.0 or 1e3.
func wholeNumber(v Raw) Raw {
	if _, err := strconv.ParseInt(string(v), 10, 64); err == nil {
		return v
	}
	if f, err := strconv.ParseFloat(string(v), 64); err == nil && f == math.Trunc(f) && math.Abs(f) <= 1<<53 {
		return strconv.AppendInt(nil, int64(f), 10)
	}
	return nil
}

// timeForm is what official clients ask of a time, beside its being one. Only seconds
// may be missing, which are put in.
var timeForm = regexp.MustCompile(`^(\d{4}-\d\d-\d\dT\d\d:\d\d)(:\d\d(?:\.\d+)?)?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$`)

// zonedTime returns v when it is a time with its zone.
func zonedTime(v Raw) Raw {
	text, _ := jsonrpc.Unquote(v)
	found := timeForm.FindStringSubmatch(text)
	if found == nil {
		return nil
	}
	if found[2] == "" {
		text = found[1] + ":00" + found[3]
		v = jsonrpc.AppendString(nil, text)
	}
	if _, err := time.Parse(time.RFC3339, text); err != nil {
		return nil
	}
	return v
}
