// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

import "github.com/holdfast-mcp/holdfast/jsonrpc"

// MissingExtension is the error for a request that needs an extension the
// client did not declare.
func MissingExtension(id string) *jsonrpc.Error {
	return MissingCapability(ClientCapabilities{Extensions: map[string]Raw{id: Raw("{}")}})
}

// TasksExtension describes the tasks extension, SEP-2663. The modern engine
// serves its methods by itself when it has a task set.
func TasksExtension() Extension {
	return Extension{
		ID: ExtensionTasks,
		Methods: []ExtensionMethod{
			{Name: MethodGetTask, NameParam: "taskId"},
			{Name: MethodUpdateTask, NameParam: "taskId"},
			{Name: MethodCancelTask, NameParam: "taskId"},
		},
		ResultTypes:   []string{ResultTask},
		Notifications: []string{NotificationTask},
		ListenFields:  []string{"taskIds"},
	}
}

// SkillsExtension describes the skills extension, SEP-2640, to be offered by a
// server whose handler answers its methods. Clients need not declare it, as its
// methods are plain reads. directoryRead adds resources/directory/read.
func SkillsExtension(directoryRead bool) Extension {
	e := Extension{
		ID: ExtensionSkills,
		Methods: []ExtensionMethod{
			{Name: MethodListSkills, Open: true},
			{Name: MethodGetSkill, Open: true},
		},
	}
	if directoryRead {
		e.Settings = Raw(`{"directoryRead":true}`)
		e.Methods = append(e.Methods, ExtensionMethod{Name: MethodReadDirectory, Open: true})
	}
	return e
}

// UIExtension describes MCP Apps: ui:// resources and _meta.ui on tools, which
// pass through as they are.
func UIExtension() Extension { return Extension{ID: ExtensionUI} }
