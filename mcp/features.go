// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

import "slices"

// Features is what one version has. The engines, the transports and the client
// ask it instead of comparing versions.
type Features struct {
	Version Version
	Era     Era

	Batching        bool // JSON-RPC batches are received (2025-03-26 only)
	StreamableHTTP  bool // the one-endpoint HTTP transport exists
	VersionHeader   bool // MCP-Protocol-Version is required on later requests
	PrimingEvent    bool // an SSE stream begins with an empty event that carries an id
	Resumable       bool // event ids and Last-Event-ID exist
	MirrorHeaders   bool // Mcp-Method, Mcp-Name and Mcp-Param-* mirror the body
	CacheHints      bool // ttlMs and cacheScope are required on lists and reads
	ResultTypes     bool // results carry resultType
	LegacyTasks     bool // the experimental tasks of 2025-11-25
	Extensions      bool // capabilities.extensions exists
	Elicitation     bool // elicitation/create exists
	ElicitationURL  bool // elicitation has modes
	ProgressMessage bool // progress has a message
	Completions     bool // the completions capability is announced
	StructuredTools bool // structuredContent and outputSchema exist
	ToolAnnotations bool // tools have annotations
	Audio           bool // audio content exists
	ResourceLinks   bool // resource_link content exists
	Titles          bool // title members exist
	Icons           bool // icons exist

	requests      []string // client → server
	asks          []string // server → client
	notifications []string // client → server
}

// Features returns the features of v, or those of the newest version when v is
// not known.
func (v Version) Features() *Features {
	for i := range featureTable {
		if featureTable[i].Version == v {
			return &featureTable[i]
		}
	}
	return &featureTable[len(featureTable)-1]
}

// Request reports whether clients may send this request method in the version's core.
func (f *Features) Request(method string) bool { return slices.Contains(f.requests, method) }

// Ask reports whether the server may ask the client this, be it as a request
// (legacy) or inside an input-required result (modern).
func (f *Features) Ask(method string) bool { return slices.Contains(f.asks, method) }

// Notification reports whether clients may send this notification.
func (f *Features) Notification(method string) bool { return slices.Contains(f.notifications, method) }

var featureTable = buildFeatures()

// buildFeatures writes the table as the revisions did: each one is the previous
// one plus its changes.
func buildFeatures() []Features {
	v1 := Features{
		Version: V20241105, Era: Legacy,
		requests: []string{
			MethodInitialize, MethodPing, MethodListTools, MethodCallTool, MethodListPrompts, MethodGetPrompt,
			MethodListResources, MethodListResourceTemplates, MethodReadResource, MethodSubscribe,
			MethodUnsubscribe, MethodComplete, MethodSetLevel,
		},
		asks:          []string{MethodPing, MethodCreateMessage, MethodListRoots},
		notifications: []string{NotificationInitialized, NotificationCancelled, NotificationProgress, NotificationRootsChanged},
	}

	v2 := v1
	v2.Version = V20250326
	v2.Batching, v2.StreamableHTTP, v2.Resumable = true, true, true
	v2.ProgressMessage, v2.Completions, v2.ToolAnnotations, v2.Audio = true, true, true, true

	v3 := v2
	v3.Version = V20250618
	v3.Batching, v3.VersionHeader = false, true
	v3.Elicitation, v3.StructuredTools, v3.ResourceLinks, v3.Titles = true, true, true, true
	v3.asks = append(slices.Clone(v2.asks), MethodElicit)

	v4 := v3
	v4.Version = V20251125
	v4.PrimingEvent, v4.LegacyTasks, v4.ElicitationURL, v4.Icons = true, true, true, true
	v4.requests = append(slices.Clone(v3.requests), MethodGetTask, MethodTaskResult, MethodListTasks, MethodCancelTask)
	v4.notifications = append(slices.Clone(v3.notifications), NotificationTaskStatus)

	v5 := v4
	v5.Version, v5.Era = V20260728, Modern
	v5.PrimingEvent, v5.Resumable, v5.LegacyTasks = false, false, false
	v5.MirrorHeaders, v5.CacheHints, v5.ResultTypes, v5.Extensions = true, true, true, true
	v5.requests = []string{
		MethodDiscover, MethodListen, MethodListTools, MethodCallTool, MethodListPrompts, MethodGetPrompt,
		MethodListResources, MethodListResourceTemplates, MethodReadResource, MethodComplete,
	}
	v5.asks = []string{MethodCreateMessage, MethodListRoots, MethodElicit}
	v5.notifications = []string{NotificationCancelled}

	return []Features{v1, v2, v3, v4, v5}
}

// Cacheable reports whether complete results of method carry cache hints.
//
// spec 2026-07-28 server/utilities/caching.
func Cacheable(method string) bool {
	switch method {
	case MethodDiscover, MethodListTools, MethodListPrompts, MethodListResources,
		MethodListResourceTemplates, MethodReadResource, MethodListSkills, MethodGetSkill, MethodReadDirectory:
		return true
	}
	return false
}

// ListMember returns the member of a list's result that holds its entries; "" when method
// is not one of the four that ask for a list.
func ListMember(method string) string {
	switch method {
	case MethodListTools:
		return "tools"
	case MethodListPrompts:
		return "prompts"
	case MethodListResources:
		return "resources"
	case MethodListResourceTemplates:
		return "resourceTemplates"
	}
	return ""
}

// MayAskInput reports whether the result of method may be input_required.
//
// spec 2026-07-28 basic/patterns/mrtr: only tools/call, prompts/get and resources/read.
func MayAskInput(method string) bool {
	return method == MethodCallTool || method == MethodGetPrompt || method == MethodReadResource
}

// NameParam returns the member of params that Mcp-Name mirrors for a core
// method, or "" when it has none.
func NameParam(method string) string {
	switch method {
	case MethodCallTool, MethodGetPrompt:
		return "name"
	case MethodReadResource:
		return "uri"
	}
	return ""
}
