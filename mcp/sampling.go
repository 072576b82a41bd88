// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

// SamplingMessage is one message of a conversation with a model.
type SamplingMessage struct {
	Role    string      `json:"role"`
	Content ContentList `json:"content"`
	Meta    Raw         `json:"_meta,omitzero"`
}

// ModelHint names a model, or a part of its name.
type ModelHint struct {
	Name string `json:"name,omitzero"`
}

// ModelPreferences say what matters when the client picks a model; priorities
// go from 0 to 1.
type ModelPreferences struct {
	Hints                []ModelHint `json:"hints,omitzero"`
	CostPriority         *float64    `json:"costPriority,omitzero"`
	SpeedPriority        *float64    `json:"speedPriority,omitzero"`
	IntelligencePriority *float64    `json:"intelligencePriority,omitzero"`
}

// ToolChoice says whether the model must use a tool.
type ToolChoice struct {
	Mode string `json:"mode,omitzero"` // auto, required or none
}

// CreateMessageParams are the params of sampling/createMessage.
//
// spec 2026-07-28 client/sampling.
type CreateMessageParams struct {
	Messages         []SamplingMessage `json:"messages"`
	ModelPreferences *ModelPreferences `json:"modelPreferences,omitzero"`
	SystemPrompt     string            `json:"systemPrompt,omitzero"`
	IncludeContext   string            `json:"includeContext,omitzero"`
	Temperature      *float64          `json:"temperature,omitzero"`
	MaxTokens        int64             `json:"maxTokens"`
	StopSequences    []string          `json:"stopSequences,omitzero"`
	Metadata         Raw               `json:"metadata,omitzero"`
	Tools            []Tool            `json:"tools,omitzero"`
	ToolChoice       *ToolChoice       `json:"toolChoice,omitzero"`
	Meta             Raw               `json:"_meta,omitzero"`
}

// CreateMessageResult is what the model said.
type CreateMessageResult struct {
	Role       string      `json:"role"`
	Content    ContentList `json:"content"`
	Model      string      `json:"model"`
	StopReason string      `json:"stopReason,omitzero"`
	Meta       Raw         `json:"_meta,omitzero"`
}
