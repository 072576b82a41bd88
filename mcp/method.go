// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

// Methods of the protocol, all revisions together. Which of them a version has
// is asked of its [Features].
const (
	MethodInitialize            = "initialize"
	MethodPing                  = "ping"
	MethodDiscover              = "server/discover"
	MethodListen                = "subscriptions/listen"
	MethodListTools             = "tools/list"
	MethodCallTool              = "tools/call"
	MethodListPrompts           = "prompts/list"
	MethodGetPrompt             = "prompts/get"
	MethodListResources         = "resources/list"
	MethodListResourceTemplates = "resources/templates/list"
	MethodReadResource          = "resources/read"
	MethodSubscribe             = "resources/subscribe"
	MethodUnsubscribe           = "resources/unsubscribe"
	MethodComplete              = "completion/complete"
	MethodSetLevel              = "logging/setLevel"
	MethodGetTask               = "tasks/get"
	MethodTaskResult            = "tasks/result"
	MethodListTasks             = "tasks/list"
	MethodUpdateTask            = "tasks/update"
	MethodCancelTask            = "tasks/cancel"

	MethodCreateMessage = "sampling/createMessage"
	MethodListRoots     = "roots/list"
	MethodElicit        = "elicitation/create"

	NotificationInitialized         = "notifications/initialized"
	NotificationCancelled           = "notifications/cancelled"
	NotificationProgress            = "notifications/progress"
	NotificationMessage             = "notifications/message"
	NotificationToolsChanged        = "notifications/tools/list_changed"
	NotificationPromptsChanged      = "notifications/prompts/list_changed"
	NotificationResourcesChanged    = "notifications/resources/list_changed"
	NotificationResourceUpdated     = "notifications/resources/updated"
	NotificationRootsChanged        = "notifications/roots/list_changed"
	NotificationElicitationComplete = "notifications/elicitation/complete"
	NotificationAcknowledged        = "notifications/subscriptions/acknowledged"
	NotificationTaskStatus          = "notifications/tasks/status" // 2025-11-25
	NotificationTask                = "notifications/tasks"        // tasks extension
)

// Keys of _meta.
const (
	MetaProtocolVersion = "io.modelcontextprotocol/protocolVersion"
	MetaCapabilities    = "io.modelcontextprotocol/clientCapabilities"
	MetaClientInfo      = "io.modelcontextprotocol/clientInfo"
	MetaServerInfo      = "io.modelcontextprotocol/serverInfo"
	MetaLogLevel        = "io.modelcontextprotocol/logLevel"
	MetaSubscriptionID  = "io.modelcontextprotocol/subscriptionId"
	MetaRelatedTask     = "io.modelcontextprotocol/related-task"
	MetaProgressToken   = "progressToken"
)

// HTTP headers of the protocol, in canonical form.
const (
	HeaderProtocolVersion = "Mcp-Protocol-Version"
	HeaderSessionID       = "Mcp-Session-Id"
	HeaderMethod          = "Mcp-Method"
	HeaderName            = "Mcp-Name"
	HeaderParamPrefix     = "Mcp-Param-"
	HeaderLastEventID     = "Last-Event-Id"
)

// Result types of modern results.
const (
	ResultComplete      = "complete"
	ResultInputRequired = "input_required"
	ResultTask          = "task"
)

// Extensions Holdfast implements or passes through.
const (
	ExtensionTasks  = "io.modelcontextprotocol/tasks"
	ExtensionSkills = "io.modelcontextprotocol/skills"
	ExtensionUI     = "io.modelcontextprotocol/ui"
)

// Methods of the skills extension (SEP-2640).
const (
	MethodListSkills    = "skills/list"
	MethodGetSkill      = "skills/get"
	MethodReadDirectory = "resources/directory/read"
)
