// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

// Why a key that clients write has no effect here.
const (
	whyApproval = "ignored: approving calls is the client's part"
	whyEditor   = "ignored: it concerns the client that wrote it"
	whySandbox  = "ignored: the server is started without a sandbox"
	whyAuth     = "ignored: Holdfast sends the headers of this entry and signs in nowhere"
)

// serverIgnored are the keys of a server's entry that clients write and that
// have no effect here.
var serverIgnored = map[string]string{
	// Cline, Roo Code, Kilo Code, Windsurf
	"alwaysAllow":      whyApproval,
	"autoApprove":      whyApproval,
	"remoteConfigured": whyEditor,
	"watchPaths":       whyEditor,
	"registry":         whyEditor,
	// Gemini CLI
	"trust":                whyApproval,
	"authProviderType":     whyAuth,
	"targetAudience":       whyAuth,
	"targetServiceAccount": whyAuth,
	"extension":            whyEditor,
	"extensionName":        whyEditor,
	// Claude Code
	"alwaysLoad":    whyEditor,
	"headersHelper": whyAuth,
	"scope":         whyEditor,
	// several
	"auth":        whyAuth,
	"oauth":       whyAuth,
	"name":        "ignored: the name of the server is the key of its entry",
	"displayName": whyEditor,
	"description": whyEditor,
	"icon":        whyEditor,
	"metadata":    whyEditor,
	// VS Code
	"dev":            whyEditor,
	"gallery":        whyEditor,
	"version":        whyEditor,
	"sandbox":        whySandbox,
	"sandboxEnabled": whySandbox,
	// Zed
	"source":   whyEditor,
	"settings": whyEditor,
	"remote":   whyEditor,
}

// topIgnored are the top-level keys of files that hold mcpServers among other
// settings of a client.
var topIgnored = map[string]string{
	"inputs": "ignored: nobody is asked here; ${input:api-key} is the variable INPUT_API_KEY",
	// VS Code
	"sandbox": whySandbox,
	// Claude Desktop
	"globalShortcut":           whyEditor,
	"preferences":              whyEditor,
	"isUsingBuiltInNodeForMcp": whyEditor,
	"isDxtAutoUpdatesEnabled":  whyEditor,
	// Gemini CLI
	"admin":             whyEditor,
	"advanced":          whyEditor,
	"agents":            whyEditor,
	"context":           whyEditor,
	"experimental":      whyEditor,
	"extensions":        whyEditor,
	"general":           whyEditor,
	"hooks":             whyEditor,
	"hooksConfig":       whyEditor,
	"ide":               whyEditor,
	"mcp":               "ignored: every server is served unless its own entry is disabled",
	"model":             whyEditor,
	"modelConfigs":      whyEditor,
	"output":            whyEditor,
	"preferredEditor":   whyEditor,
	"privacy":           whyEditor,
	"security":          whyEditor,
	"selectedAuthType":  whyEditor,
	"skills":            whyEditor,
	"telemetry":         whyEditor,
	"theme":             whyEditor,
	"tools":             whyEditor,
	"ui":                whyEditor,
	"useWriteTodos":     whyEditor,
	"contextManagement": whyEditor,
}
