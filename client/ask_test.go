// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// TestAnsweredWaitsForQuestionsOfAMethod holds that it waits for those that are being
// answered, for no others, and no longer than it may.
func TestAnsweredWaitsForQuestionsOfAMethod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Client{core: &core{}}
		q := &c.core.asking
		for id, method := range map[int64]string{1: mcp.MethodListRoots, 2: mcp.MethodListRoots, 3: mcp.MethodElicit} {
			if refusal := q.begin(&jsonrpc.Message{ID: jsonrpc.IntID(id), Method: method}, func() {}); refusal != nil {
				t.Fatal(refusal)
			}
		}
		go func() {
			for id := range int64(2) {
				time.Sleep(time.Second)
				q.end(jsonrpc.IntID(id + 1))
			}
		}()
		began := time.Now()
		if err := c.Answered(t.Context(), mcp.MethodCreateMessage); err != nil || time.Since(began) > 0 {
			t.Errorf("with nothing asked: %v after %v", err, time.Since(began))
		}
		if err := c.Answered(t.Context(), mcp.MethodListRoots); err != nil || time.Since(began) != 2*time.Second {
			t.Errorf("with two asked: %v after %v", err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Answered(ctx, mcp.MethodElicit); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with one that is not answered: %v", err)
		}
	})
}
