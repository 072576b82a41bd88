// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

import (
	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/jsonform"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// Resource describes a resource as lists carry it.
//
// spec 2026-07-28 server/resources#data-types.
type Resource struct {
	URI         string       `json:"uri"`
	Name        string       `json:"name"`
	Title       string       `json:"title,omitzero"`
	Description string       `json:"description,omitzero"`
	MIMEType    string       `json:"mimeType,omitzero"`
	Size        *int64       `json:"size,omitzero"` // bytes
	Icons       []Icon       `json:"icons,omitzero"`
	Annotations *Annotations `json:"annotations,omitzero"`
	Meta        Raw          `json:"_meta,omitzero"`
}

// ResourceTemplate describes a family of resources by an RFC 6570 template.
type ResourceTemplate struct {
	URITemplate string       `json:"uriTemplate"`
	Name        string       `json:"name"`
	Title       string       `json:"title,omitzero"`
	Description string       `json:"description,omitzero"`
	MIMEType    string       `json:"mimeType,omitzero"`
	Icons       []Icon       `json:"icons,omitzero"`
	Annotations *Annotations `json:"annotations,omitzero"`
	Meta        Raw          `json:"_meta,omitzero"`
}

// ResourceContents is the content of one resource: text, or bytes when Blob is
// not nil.
type ResourceContents struct {
	URI      string `json:"uri"`
	MIMEType string `json:"mimeType,omitzero"`
	Text     string `json:"text,omitzero"`
	Blob     []byte `json:"blob,omitzero"`
	Meta     Raw    `json:"_meta,omitzero"`
}

// plainContents is ResourceContents without its methods.
type plainContents ResourceContents

// MarshalJSON encodes the contents with exactly one of text and blob.
func (c ResourceContents) MarshalJSON() ([]byte, error) {
	if c.Blob != nil {
		c.Text = ""
		body, err := json.Marshal(plainContents(c), jsonform.Text)
		if err == nil && len(c.Blob) == 0 {
			body = jsonrpc.Set(body, "blob", Raw(`""`))
		}
		return body, err
	}
	body, err := json.Marshal(plainContents(c), jsonform.Text)
	if err == nil && c.Text == "" {
		body = jsonrpc.Set(body, "text", Raw(`""`))
	}
	return body, err
}

// ListResourcesResult is a page of resources.
type ListResourcesResult struct {
	Resources  []Resource `json:"resources"`
	NextCursor *string    `json:"nextCursor,omitzero"`
	Meta       Raw        `json:"_meta,omitzero"`
}

// ListResourceTemplatesResult is a page of resource templates.
type ListResourceTemplatesResult struct {
	ResourceTemplates []ResourceTemplate `json:"resourceTemplates"`
	NextCursor        *string            `json:"nextCursor,omitzero"`
	Meta              Raw                `json:"_meta,omitzero"`
}

// ReadResourceParams are the params of resources/read.
type ReadResourceParams struct {
	URI  string `json:"uri"`
	Meta Raw    `json:"_meta,omitzero"`
}

// ReadResourceResult is what reading a resource answers.
type ReadResourceResult struct {
	Contents []ResourceContents `json:"contents"`
	Meta     Raw                `json:"_meta,omitzero"`
}

// ResourceUpdatedParams are the params of notifications/resources/updated.
type ResourceUpdatedParams struct {
	URI  string `json:"uri"`
	Meta Raw    `json:"_meta,omitzero"`
}
