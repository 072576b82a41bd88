// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

// Types of a completion's reference.
const (
	RefPrompt   = "ref/prompt"
	RefResource = "ref/resource"
)

// MaxCompletions is how many values one completion may carry.
//
// spec 2026-07-28 server/utilities/completion.
const MaxCompletions = 100

// Reference names what an argument belongs to.
type Reference struct {
	Type  string `json:"type"`           // [RefPrompt] or [RefResource]
	Name  string `json:"name,omitzero"`  // of the prompt
	Title string `json:"title,omitzero"` // of the prompt
	URI   string `json:"uri,omitzero"`   // of the resource, or a template
}

// CompleteArgument is the argument to complete and what was typed so far.
type CompleteArgument struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// CompleteContext holds the arguments already settled.
type CompleteContext struct {
	Arguments map[string]string `json:"arguments,omitzero"`
}

// CompleteParams are the params of completion/complete.
type CompleteParams struct {
	Ref      Reference        `json:"ref"`
	Argument CompleteArgument `json:"argument"`
	Context  *CompleteContext `json:"context,omitzero"`
	Meta     Raw              `json:"_meta,omitzero"`
}

// Completion holds suggestions, at most [MaxCompletions].
type Completion struct {
	Values  []string `json:"values"`
	Total   *int64   `json:"total,omitzero"`
	HasMore bool     `json:"hasMore,omitzero"`
}

// CompleteResult is the answer to completion/complete.
type CompleteResult struct {
	Completion Completion `json:"completion"`
	Meta       Raw        `json:"_meta,omitzero"`
}
