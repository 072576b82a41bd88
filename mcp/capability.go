// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

import "github.com/holdfast-mcp/holdfast/jsonrpc"

// Raw is a JSON value kept as received.
type Raw = jsonrpc.Raw

// ClientCapabilities is what a client declared, in the shape of the newest
// version with what older ones had beside it. A nil pointer means undeclared.
type ClientCapabilities struct {
	Roots        *RootsCapability       `json:"roots,omitzero"`
	Sampling     *SamplingCapability    `json:"sampling,omitzero"`
	Elicitation  *ElicitationCapability `json:"elicitation,omitzero"`
	Tasks        Raw                    `json:"tasks,omitzero"` // 2025-11-25
	Extensions   map[string]Raw         `json:"extensions,omitzero"`
	Experimental Raw                    `json:"experimental,omitzero"`
}

// RootsCapability says the client can list roots.
type RootsCapability struct {
	ListChanged bool `json:"listChanged,omitzero"` // legacy
}

// SamplingCapability says the client can sample a model.
type SamplingCapability struct {
	Context Raw `json:"context,omitzero"`
	Tools   Raw `json:"tools,omitzero"`
}

// ElicitationCapability says the client can ask its user. With neither member
// set it means forms only.
type ElicitationCapability struct {
	Form Raw `json:"form,omitzero"`
	URL  Raw `json:"url,omitzero"`
}

// Forms reports whether the client can show forms.
func (e *ElicitationCapability) Forms() bool { return e != nil && (e.Form != nil || e.URL == nil) }

// URLs reports whether the client can open URLs.
func (e *ElicitationCapability) URLs() bool { return e != nil && e.URL != nil }

// Has reports whether the client declared the extension with this id.
func (c *ClientCapabilities) Has(extension string) bool {
	_, ok := c.Extensions[extension]
	return ok
}

// CanAsk reports whether the client declared what answering method needs.
func (c *ClientCapabilities) CanAsk(method string) bool {
	switch method {
	case MethodCreateMessage:
		return c.Sampling != nil
	case MethodListRoots:
		return c.Roots != nil
	case MethodElicit:
		return c.Elicitation != nil
	case MethodPing:
		return true
	}
	return false
}

// Required returns the capabilities that asking method needs, for -32021.
func Required(method string) ClientCapabilities {
	switch method {
	case MethodCreateMessage:
		return ClientCapabilities{Sampling: &SamplingCapability{}}
	case MethodListRoots:
		return ClientCapabilities{Roots: &RootsCapability{}}
	case MethodElicit:
		return ClientCapabilities{Elicitation: &ElicitationCapability{}}
	}
	return ClientCapabilities{}
}

// ServerCapabilities is what a server offers, all versions together.
type ServerCapabilities struct {
	Logging      *struct{}            `json:"logging,omitzero"`
	Completions  *struct{}            `json:"completions,omitzero"`
	Prompts      *ListCapability      `json:"prompts,omitzero"`
	Resources    *ResourcesCapability `json:"resources,omitzero"`
	Tools        *ListCapability      `json:"tools,omitzero"`
	Tasks        Raw                  `json:"tasks,omitzero"` // 2025-11-25; set by the legacy engine
	Extensions   map[string]Raw       `json:"extensions,omitzero"`
	Experimental Raw                  `json:"experimental,omitzero"`
}

// ListCapability says a list exists and whether its changes are announced.
type ListCapability struct {
	ListChanged bool `json:"listChanged,omitzero"`
}

// ResourcesCapability says resources exist.
type ResourcesCapability struct {
	Subscribe   bool `json:"subscribe,omitzero"`
	ListChanged bool `json:"listChanged,omitzero"`
}

// Implementation names a client or a server.
type Implementation struct {
	Name        string `json:"name"`
	Title       string `json:"title,omitzero"`
	Version     string `json:"version"`
	Description string `json:"description,omitzero"`
	Icons       []Icon `json:"icons,omitzero"`
	WebsiteURL  string `json:"websiteUrl,omitzero"`
}

// Icon is a picture a host may show.
type Icon struct {
	Src      string   `json:"src"`
	MIMEType string   `json:"mimeType,omitzero"`
	Sizes    []string `json:"sizes,omitzero"`
	Theme    string   `json:"theme,omitzero"`
}

// Discovery is the inner answer of server/discover; the legacy engine builds
// its initialize result from it.
type Discovery struct {
	Capabilities ServerCapabilities `json:"capabilities"`
	ServerInfo   Implementation     `json:"serverInfo"` // moves to _meta on the wire
	Instructions string             `json:"instructions,omitzero"`
}

// CacheScope says who may share a cached result.
type CacheScope string

// The cache scopes. Private is the safe default.
const (
	CachePrivate CacheScope = "private"
	CachePublic  CacheScope = "public"
)

// CacheHint is the freshness of a result. The zero value means: stale at once, private.
type CacheHint struct {
	TTLMillis int64
	Scope     CacheScope
}

// Extension describes a protocol extension to the modern engine: which methods,
// result types, notifications and listen filter fields it brings, what Mcp-Name
// mirrors, and that all of it needs the client to have declared ID.
//
// spec 2026-07-28 basic/extensions; mcp capabilities.extensions.
type Extension struct {
	ID            string // reverse-DNS key in capabilities.extensions
	Settings      Raw    // announced by the server; nil means {}
	Methods       []ExtensionMethod
	ResultTypes   []string // beyond complete and input_required
	Notifications []string // sent to the client
	ListenFields  []string // members of the listen filter, arrays of strings
}

// ExtensionMethod is a request method of an extension.
type ExtensionMethod struct {
	Name      string
	NameParam string // member of params that Mcp-Name mirrors, or ""
	Open      bool   // may be called without declaring the extension
}
