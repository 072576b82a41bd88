// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

import (
	"encoding/base64"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/jsonform"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// Types of content.
const (
	ContentText       = "text"
	ContentImage      = "image"
	ContentAudio      = "audio"
	ContentLink       = "resource_link"
	ContentResource   = "resource"
	ContentToolUse    = "tool_use"    // sampling only
	ContentToolResult = "tool_result" // sampling only
)

// Roles of a message.
const (
	RoleUser      = "user"
	RoleAssistant = "assistant"
)

// Content is one block of content. Type says which of the other fields mean
// something; use [Text], [Image], [Audio], [Link] and [Embedded] to make one.
//
// spec 2026-07-28 server/tools#tool-result.
type Content struct {
	Type        string            `json:"type"`
	Text        string            `json:"text,omitzero"`     // text
	Data        []byte            `json:"data,omitzero"`     // image, audio
	MIMEType    string            `json:"mimeType,omitzero"` // image, audio, resource_link
	Resource    *ResourceContents `json:"resource,omitzero"` // resource
	URI         string            `json:"uri,omitzero"`      // resource_link, as what follows
	Name        string            `json:"name,omitzero"`     // also tool_use
	Title       string            `json:"title,omitzero"`
	Description string            `json:"description,omitzero"`
	Size        *int64            `json:"size,omitzero"`
	Icons       []Icon            `json:"icons,omitzero"`

	ID         string    `json:"id,omitzero"`        // tool_use
	Input      Raw       `json:"input,omitzero"`     // tool_use
	ToolUseID  string    `json:"toolUseId,omitzero"` // tool_result, as what follows
	Content    []Content `json:"content,omitzero"`
	Structured Raw       `json:"structuredContent,omitzero"`
	IsError    bool      `json:"isError,omitzero"`

	Annotations *Annotations `json:"annotations,omitzero"`
	Meta        Raw          `json:"_meta,omitzero"`
}

// Annotations say for whom content is and how much it matters.
type Annotations struct {
	Audience     []string `json:"audience,omitzero"` // of [RoleUser] and [RoleAssistant]
	Priority     *float64 `json:"priority,omitzero"` // 0 to 1
	LastModified string   `json:"lastModified,omitzero"`
}

// Text returns a block of text.
func Text(text string) Content { return Content{Type: ContentText, Text: text} }

// Image returns an image; data is the file's bytes, not base64.
func Image(data []byte, mimeType string) Content {
	return Content{Type: ContentImage, Data: data, MIMEType: mimeType}
}

// Audio returns a piece of audio; data is the file's bytes, not base64.
func Audio(data []byte, mimeType string) Content {
	return Content{Type: ContentAudio, Data: data, MIMEType: mimeType}
}

// Link returns a link to a resource that the client may read.
func Link(uri, name string) Content { return Content{Type: ContentLink, URI: uri, Name: name} }

// Embedded returns a resource's contents as a block.
func Embedded(resource ResourceContents) Content {
	return Content{Type: ContentResource, Resource: &resource}
}

// plainContent is Content without its methods.
type plainContent Content

// MarshalJSON encodes the block; members its type requires are present even
// when empty.
func (c Content) MarshalJSON() ([]byte, error) { return c.AppendJSON(nil) }

// AppendJSON appends the block as JSON to dst.
func (c *Content) AppendJSON(dst []byte) ([]byte, error) {
	switch c.Type {
	case ContentText:
		if c.Annotations == nil && c.Meta == nil {
			dst = append(dst, `{"type":"text","text":`...)
			return append(jsonrpc.AppendString(dst, c.Text), '}'), nil
		}
		return c.appendRest(dst, "text", jsonrpc.AppendString(nil, c.Text))
	case ContentImage, ContentAudio:
		if c.Annotations == nil && c.Meta == nil {
			dst = append(dst, `{"type":"`...)
			dst = append(dst, c.Type...)
			dst = append(dst, `","data":"`...)
			dst = base64.StdEncoding.AppendEncode(dst, c.Data)
			dst = append(dst, `","mimeType":`...)
			return append(jsonrpc.AppendString(dst, c.MIMEType), '}'), nil
		}
		if len(c.Data) == 0 {
			return c.appendRest(dst, "data", Raw(`""`))
		}
	case ContentToolUse:
		if c.Input == nil {
			return c.appendRest(dst, "input", Raw(`{}`))
		}
	case ContentToolResult:
		if c.Content == nil {
			return c.appendRest(dst, "content", Raw(`[]`))
		}
	}
	return c.appendRest(dst, "", nil)
}

// appendRest appends any block by reflection and sets the member that its type
// requires.
func (c *Content) appendRest(dst []byte, member string, value Raw) ([]byte, error) {
	body, err := json.Marshal((*plainContent)(c), jsonform.Text)
	if err != nil {
		return dst, err
	}
	if member != "" {
		body = jsonrpc.Set(body, member, value)
	}
	return append(dst, body...), nil
}

// ContentList is content that may be one block or several; on the wire a single
// block stands alone, as older revisions know only that.
//
// spec 2026-07-28 schema: SamplingMessage.content.
type ContentList []Content

// MarshalJSON encodes a list of one as an object, any other as an array.
func (l ContentList) MarshalJSON() ([]byte, error) {
	if len(l) == 1 {
		return l[0].MarshalJSON()
	}
	return json.Marshal([]Content(l), jsonform.Text)
}

// UnmarshalJSON accepts an object or an array.
func (l *ContentList) UnmarshalJSON(data []byte) error {
	if Raw(data).Kind() == '[' {
		return json.Unmarshal(data, (*[]Content)(l))
	}
	var one Content
	if err := json.Unmarshal(data, &one); err != nil {
		return err
	}
	*l = ContentList{one}
	return nil
}

// Text returns the text blocks of the list, joined by newlines.
func (l ContentList) Text() string {
	var out []byte
	for i := range l {
		if l[i].Type != ContentText {
			continue
		}
		if out != nil {
			out = append(out, '\n')
		}
		out = append(out, l[i].Text...)
	}
	return string(out)
}
