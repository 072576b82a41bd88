// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/holdfast-mcp/holdfast/internal/pause"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

const (
	pollDefault = time.Second
	pollMin     = 50 * time.Millisecond
	pollMax     = time.Minute
)

// declared reports whether the client declares an extension.
func (c *Client) declared(extension string) bool {
	extensions, _ := jsonrpc.Get(c.core.caps, "extensions")
	_, ok := jsonrpc.Get(extensions, extension)
	return ok
}

// GetTask returns the state of a task (tasks extension).
func (c *Client) GetTask(ctx context.Context, id string, opts ...CallOption) (*mcp.Task, error) {
	var task mcp.Task
	if err := c.taskCall(ctx, mcp.MethodGetTask, mcp.TaskParams{TaskID: id}, &task, opts); err != nil {
		return nil, err
	}
	return &task, nil
}

// UpdateTask answers questions of a task, by their keys (tasks extension).
func (c *Client) UpdateTask(ctx context.Context, id string, responses map[string]Raw, opts ...CallOption) error {
	return c.taskCall(ctx, mcp.MethodUpdateTask, mcp.UpdateTaskParams{TaskID: id, InputResponses: responses}, nil, opts)
}

// CancelTask asks for a task to be cancelled (tasks extension).
func (c *Client) CancelTask(ctx context.Context, id string, opts ...CallOption) error {
	return c.taskCall(ctx, mcp.MethodCancelTask, mcp.TaskParams{TaskID: id}, nil, opts)
}

func (c *Client) taskCall(ctx context.Context, method string, params, out any, opts []CallOption) error {
	if !c.Features().Extensions {
		return fmt.Errorf("%s: %w", method, ErrNotOffered)
	}
	return c.typedCall(ctx, method, params, out, opts)
}

// AwaitTask polls a task until it is final, answering its questions by the
// client's handlers, and returns its last state. When ctx ends the task goes on.
//
// spec extension io.modelcontextprotocol/tasks: clients respect pollIntervalMs.
func (c *Client) AwaitTask(ctx context.Context, task *mcp.Task) (*mcp.Task, error) {
	answered := map[string]bool{}
	for !mcp.TaskFinal(task.Status) {
		if err := c.answerTask(ctx, task, answered); err != nil {
			return nil, err
		}
		poll := pollDefault
		if task.PollMillis > 0 {
			poll = min(max(time.Duration(task.PollMillis)*time.Millisecond, pollMin), pollMax)
		}
		if err := pause.For(ctx, poll); err != nil {
			return nil, err
		}
		next, err := c.GetTask(ctx, task.TaskID)
		if err != nil {
			return nil, err
		}
		task = next
	}
	return task, nil
}

// answerTask answers the questions that are new; keys are unique over a task's life.
func (c *Client) answerTask(ctx context.Context, task *mcp.Task, answered map[string]bool) error {
	open := map[string]mcp.InputRequest{}
	for key, q := range task.InputRequests {
		if !answered[key] {
			open[key] = q
			answered[key] = true
		}
	}
	if len(open) == 0 {
		return nil
	}
	raw, err := c.answers(ctx, &request{method: mcp.MethodUpdateTask}, open)
	if err != nil {
		return err
	}
	responses := map[string]Raw{}
	if err := json.Unmarshal(raw, &responses); err != nil {
		return fmt.Errorf("encode the answers: %w", err)
	}
	return c.UpdateTask(ctx, task.TaskID, responses)
}

// finishTask waits for the task that a call became and returns the call's result.
// When it gives up, nobody has the task's id to wait for it, so that is cancelled.
func (c *Client) finishTask(ctx context.Context, created Raw) (Raw, error) {
	var task mcp.Task
	if err := decodeResult(mcp.MethodCallTool, created, &task); err != nil {
		return nil, err
	}
	final, err := c.AwaitTask(ctx, &task)
	if err != nil {
		c.core.group.start(func(ctx context.Context) {
			ctx, cancel := context.WithTimeout(ctx, closeTimeout)
			defer cancel()
			if err := c.CancelTask(ctx, task.TaskID); err != nil {
				c.core.cfg.logger.Warn("a task was not cancelled and may run on", "task", task.TaskID, "error", err)
			}
		})
		return nil, fmt.Errorf("task %s, which the server is asked to cancel: %w", task.TaskID, err)
	}
	switch {
	case final.Status == mcp.TaskCompleted && final.Result != nil:
		return final.Result, nil
	case final.Status == mcp.TaskFailed && final.Error != nil:
		return nil, fmt.Errorf("task %s: %w", final.TaskID, jsonrpc.PeerError(final.Error.Code, final.Error.Message, final.Error.Data))
	}
	return nil, fmt.Errorf("task %s: %w", final.TaskID, protocolErrorf("a final state %q without an outcome", final.Status))
}
