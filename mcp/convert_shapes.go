// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

// The shapes of what servers send, as the schemas of the five revisions have
// them. Only members that some revision lacks are named, and those on the way
// to them. _meta of a result is in every revision, that of most other objects
// since 2025-06-18.

var (
	annotationsShape = &shape{members: map[string]member{
		"lastModified": {since: V20250618},
	}}
	contentsShape = &shape{members: map[string]member{
		"_meta": {since: V20250618},
	}}
	contentShape = &shape{
		fix: (*walk).content, fixTo: V20250326, words: []string{ContentAudio, ContentLink},
		members: map[string]member{
			"_meta":       {since: V20250618},
			"icons":       {since: V20251125},
			"annotations": {of: annotationsShape},
			"resource":    {of: contentsShape},
		},
	}
	toolShape = &shape{members: map[string]member{
		"annotations":  {since: V20250326},
		"title":        {since: V20250618},
		"_meta":        {since: V20250618},
		"icons":        {since: V20251125},
		"execution":    {since: V20251125, until: V20251125},
		"inputSchema":  {of: &shape{fix: (*walk).inputSchema, fixTo: V20251125, literals: true}},
		"outputSchema": {since: V20250618, of: &shape{fix: (*walk).outputSchema, fixTo: V20251125, words: []string{"outputSchema"}}},
	}}
	promptShape = &shape{members: map[string]member{
		"title":     {since: V20250618},
		"_meta":     {since: V20250618},
		"icons":     {since: V20251125},
		"arguments": {of: &shape{members: map[string]member{"title": {since: V20250618}}}},
	}}
	resourceShape = &shape{members: map[string]member{
		"title":       {since: V20250618},
		"_meta":       {since: V20250618},
		"icons":       {since: V20251125},
		"annotations": {of: annotationsShape},
	}}
	promptMessageShape = &shape{members: map[string]member{
		"content": {of: contentShape},
	}}
	implementationShape = &shape{members: map[string]member{
		"title":       {since: V20250618},
		"description": {since: V20251125},
		"icons":       {since: V20251125},
		"websiteUrl":  {since: V20251125},
	}}
	serverCapabilitiesShape = &shape{members: map[string]member{
		"completions": {since: V20250326},
		"tasks":       {since: V20251125, until: V20251125},
		"extensions":  {since: V20260728},
	}}
)

// resultShape returns the shape of a result: what all have, and the given members.
func resultShape(members map[string]member) *shape {
	all := map[string]member{
		"resultType": {since: V20260728},
		"ttlMs":      {since: V20260728},
		"cacheScope": {since: V20260728},
		"_meta":      {of: &shape{fix: (*walk).resultMeta, fixTo: V20251125, words: []string{MetaServerInfo}}},
	}
	for name, m := range members {
		all[name] = m
	}
	return &shape{members: all}
}

var resultPlans = plansOf(resultShapes())

// resultShapes returns the shapes of results by method; "" stands for any other.
func resultShapes() map[string]*shape {
	call := resultShape(map[string]member{
		"content":           {of: contentShape},
		"structuredContent": {since: V20250618},
	})
	call.fix, call.fixTo, call.words = (*walk).toolResult, V20251125, []string{"structuredContent"}
	opening := resultShape(map[string]member{
		"capabilities": {of: serverCapabilitiesShape},
		"serverInfo":   {of: implementationShape},
	})
	return map[string]*shape{
		"":                          resultShape(nil),
		MethodInitialize:            opening,
		MethodDiscover:              opening,
		MethodListTools:             resultShape(map[string]member{"tools": {of: toolShape}}),
		MethodCallTool:              call,
		MethodTaskResult:            call,
		MethodListPrompts:           resultShape(map[string]member{"prompts": {of: promptShape}}),
		MethodGetPrompt:             resultShape(map[string]member{"messages": {of: promptMessageShape}}),
		MethodListResources:         resultShape(map[string]member{"resources": {of: resourceShape}}),
		MethodListResourceTemplates: resultShape(map[string]member{"resourceTemplates": {of: resourceShape}}),
		MethodReadResource:          resultShape(map[string]member{"contents": {of: contentsShape}}),
	}
}

var askPlans = plansOf(askShapes())

// askShapes returns the shapes of the params of what servers ask, by method.
func askShapes() map[string]*shape {
	property := &shape{fix: (*walk).formField, fixTo: V20250618}
	block := &shape{
		fix: (*walk).sampledContent, fixTo: V20251125,
		members: map[string]member{"content": {of: contentShape}}, // of a tool_result
	}
	for name, m := range contentShape.members {
		block.members[name] = m
	}
	message := &shape{members: map[string]member{
		"_meta":   {since: V20251125},
		"content": {of: block},
	}}
	return map[string]*shape{
		MethodElicit: {
			fix: (*walk).elicitation, fixTo: V20251125,
			members: map[string]member{
				"mode":          {since: V20251125},
				"url":           {since: V20251125},
				"elicitationId": {since: V20251125, until: V20251125},
				"task":          {since: V20251125, until: V20251125},
				"_meta":         {until: V20251125},
				"requestedSchema": {of: &shape{members: map[string]member{
					"$schema":    {since: V20251125},
					"properties": {of: property, values: true},
				}}},
			},
		},
		MethodCreateMessage: {
			fix: (*walk).sampling, fixTo: V20250618,
			members: map[string]member{
				"messages":   {of: message},
				"tools":      {since: V20251125, of: toolShape},
				"toolChoice": {since: V20251125},
				"task":       {since: V20251125, until: V20251125},
				"_meta":      {until: V20251125},
			},
		},
		MethodListRoots: {},
		MethodPing:      {},
	}
}
