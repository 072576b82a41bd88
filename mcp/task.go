// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package mcp

import "time"

// States of a task. The last three are final.
const (
	TaskWorking       = "working"
	TaskInputRequired = "input_required"
	TaskCompleted     = "completed"
	TaskFailed        = "failed"
	TaskCancelled     = "cancelled"
)

// Task is a task of the tasks extension: the flat shape that creating, getting
// and announcing one share.
//
// spec extension io.modelcontextprotocol/tasks (SEP-2663).
type Task struct {
	ResultType    string                  `json:"resultType,omitzero"`
	TaskID        string                  `json:"taskId"`
	Status        string                  `json:"status"`
	StatusMessage string                  `json:"statusMessage,omitzero"`
	CreatedAt     time.Time               `json:"createdAt"`
	LastUpdatedAt time.Time               `json:"lastUpdatedAt"`
	TTLMillis     *int64                  `json:"ttlMs"` // nil means without limit
	PollMillis    int64                   `json:"pollIntervalMs,omitzero"`
	InputRequests map[string]InputRequest `json:"inputRequests,omitzero"` // while input_required
	Result        Raw                     `json:"result,omitzero"`        // when completed
	Error         *TaskError              `json:"error,omitzero"`         // when failed
	Meta          Raw                     `json:"_meta,omitzero"`
}

// TaskError is the error a failed task ended with.
type TaskError struct {
	Code    int64  `json:"code"`
	Message string `json:"message"`
	Data    Raw    `json:"data,omitzero"`
}

// LegacyTask is a task of 2025-11-25.
//
// spec 2025-11-25 basic/utilities/tasks.
type LegacyTask struct {
	TaskID        string    `json:"taskId"`
	Status        string    `json:"status"`
	StatusMessage string    `json:"statusMessage,omitzero"`
	CreatedAt     time.Time `json:"createdAt"`
	LastUpdatedAt time.Time `json:"lastUpdatedAt"`
	TTLMillis     *int64    `json:"ttl"` // nil means without limit
	PollMillis    int64     `json:"pollInterval,omitzero"`
}

// CreateLegacyTaskResult is the answer to a request that became a task in 2025-11-25.
type CreateLegacyTaskResult struct {
	Task LegacyTask `json:"task"`
	Meta Raw        `json:"_meta,omitzero"`
}

// TaskParams are the params of tasks/get, tasks/cancel and tasks/result.
type TaskParams struct {
	TaskID string `json:"taskId"`
	Meta   Raw    `json:"_meta,omitzero"`
}

// UpdateTaskParams are the params of tasks/update.
type UpdateTaskParams struct {
	TaskID         string         `json:"taskId"`
	InputResponses map[string]Raw `json:"inputResponses,omitzero"`
	Meta           Raw            `json:"_meta,omitzero"`
}

// TaskFinal reports whether a task in this state changes no more.
func TaskFinal(status string) bool {
	return status == TaskCompleted || status == TaskFailed || status == TaskCancelled
}
