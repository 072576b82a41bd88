// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

// Modes of elicitation.
const (
	ElicitForm = "form"
	ElicitURL  = "url"
)

// What a user did with an elicitation.
const (
	ActionAccept  = "accept"
	ActionDecline = "decline"
	ActionCancel  = "cancel"
)

// ElicitParams are the params of elicitation/create.
//
// spec 2026-07-28 client/elicitation.
type ElicitParams struct {
	Mode            string `json:"mode,omitzero"` // "" means [ElicitForm]
	Message         string `json:"message"`
	RequestedSchema Raw    `json:"requestedSchema,omitzero"` // form: a flat object schema of primitives
	URL             string `json:"url,omitzero"`             // url
	ElicitationID   string `json:"elicitationId,omitzero"`   // url, 2025-11-25
	Meta            Raw    `json:"_meta,omitzero"`
}

// ElicitResult is what the user answered.
type ElicitResult struct {
	Action  string `json:"action"`
	Content Raw    `json:"content,omitzero"` // the form's values when accepted
	Meta    Raw    `json:"_meta,omitzero"`
}

// Root is a directory or file the client lets the server work with.
type Root struct {
	URI  string `json:"uri"` // a file:// URI
	Name string `json:"name,omitzero"`
	Meta Raw    `json:"_meta,omitzero"`
}

// ListRootsResult is the answer to roots/list.
type ListRootsResult struct {
	Roots []Root `json:"roots"`
	Meta  Raw    `json:"_meta,omitzero"`
}

// InputRequest is a question to the client inside a result.
//
// spec 2026-07-28 basic/patterns/mrtr.
type InputRequest struct {
	Method string `json:"method"`
	Params Raw    `json:"params,omitzero"`
}

// InputRequiredResult asks the client for input before the call can go on.
type InputRequiredResult struct {
	ResultType    string                  `json:"resultType"` // [ResultInputRequired]
	InputRequests map[string]InputRequest `json:"inputRequests,omitzero"`
	RequestState  *string                 `json:"requestState,omitzero"`
	Meta          Raw                     `json:"_meta,omitzero"`
}
