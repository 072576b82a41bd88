// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package legacy_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/engine/legacy"
	"github.com/holdfast-mcp/holdfast/internal/nodes/nodestest"
)

var askedID = regexp.MustCompile(`"id":("q[^"]+")`)

// asking makes a call at a node that asks, and returns its exchange and the
// message that answers the question.
func asking(t *testing.T, n *node, token string) (x *exchange, answer string) {
	t.Helper()
	x = n.ask(token, "POST", "", call("1", "sample", "{}"))
	synctest.Wait()
	id := askedID.FindStringSubmatch(x.all())
	if id == nil {
		t.Fatalf("no question: %s", x.all())
	}
	return x, `{"jsonrpc":"2.0","id":` + id[1] + `,"result":{"role":"assistant","model":"Ada","content":{"type":"text","text":"hi"}}}`
}

// setSilent makes a node unheard of, as one is that was stopped or whose link to
// the others has failed, or ends that.
func (n *node) setSilent(silent bool) {
	n.set(func(s *nodestest.State) { s.Silent = silent })
}

// TestAnswerToASilentNode: the answer is acknowledged because it is kept, and ends
// the call soon after its node is heard again.
func TestAnswerToASilentNode(t *testing.T) {
	for name, body := range map[string]func(answer string) string{
		"alone":   func(answer string) string { return answer },
		"a batch": func(answer string) string { return "[" + answer + "]" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nodes := startGroup(t, newGroup(), legacy.Config{}, "a", "b", "c")
				token := nodes[0].initializeAs("2025-03-26", `{"sampling":{}}`)
				if name == "alone" {
					token = nodes[0].initialize(`{"sampling":{}}`)
				}
				x, answer := asking(t, nodes[0], token)
				nodes[0].setSilent(true)
				if got := nodes[1].ask(token, "POST", "", body(answer)); got.status != 202 {
					t.Fatalf("the answer was answered %d", got.status)
				}
				time.Sleep(time.Minute)
				nodes[0].setSilent(false)
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if !strings.Contains(x.all(), "Ada") {
					t.Errorf("the call got %s", x.all())
				}
			})
		})
	}
}

// TestAnswerThatCannotBeKept: the client is told that its answer has not arrived,
// and nothing that came with it is begun.
func TestAnswerThatCannotBeKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		nodes := startGroup(t, g, legacy.Config{}, "a", "b", "c")
		token := nodes[0].initialize(`{"sampling":{}}`)
		x, answer := asking(t, nodes[0], token)
		nodes[0].setSilent(true)
		g.quorum(false)
		if got := nodes[1].ask(token, "POST", "", answer); got.status != 503 || got.reply.Get("Retry-After") == "" {
			t.Errorf("the answer was answered %d, Retry-After %q", got.status, got.reply.Get("Retry-After"))
		}
		g.quorum(true)
		nodes[0].setSilent(false)
		if got := nodes[1].ask(token, "POST", "", answer); got.status != 202 {
			t.Errorf("the repeated answer was answered %d", got.status)
		}
		synctest.Wait()
		if !strings.Contains(x.all(), "Ada") {
			t.Errorf("the call got %s", x.all())
		}
	})
}

// TestBatchWithALostAnswer: a batch is refused as a whole when an answer in it has
// not arrived.
func TestBatchWithALostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		nodes := startGroup(t, g, legacy.Config{}, "a", "b", "c")
		token := nodes[0].initializeAs("2025-03-26", `{"sampling":{}}`)
		_, answer := asking(t, nodes[0], token)
		nodes[0].setSilent(true)
		g.quorum(false)
		got := nodes[1].ask(token, "POST", "", "["+call("2", "echo", `{"text":"x"}`)+","+answer+"]")
		if got.status != 503 || strings.Contains(got.all(), `"id":2`) {
			t.Errorf("the batch was answered %d %s", got.status, got.all())
		}
	})
}

// TestAnswerToALostCall: a node that runs anew, or has said good-bye, is known to
// have lost the call.
func TestAnswerToALostCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		nodes := startGroup(t, g, legacy.Config{}, "a", "b", "c")
		token := nodes[0].initialize(`{"sampling":{}}`)
		_, answer := asking(t, nodes[0], token)
		nodes[0].die()
		g.quorum(false) // it must not be kept, either
		startGroup(t, g, legacy.Config{}, "a")
		begun := time.Now()
		if got := nodes[1].ask(token, "POST", "", answer); got.status != 202 || time.Since(begun) > time.Second {
			t.Errorf("answered %d after %v", got.status, time.Since(begun))
		}
	})
}

// TestCancelAtASilentNode: a cancellation is kept for the node that may have the call.
func TestCancelAtASilentNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup()
		nodes := startGroup(t, g, legacy.Config{}, "a", "b", "c")
		token := nodes[0].initialize(`{}`)
		x := nodes[0].ask(token, "POST", "", call("1", "progress", `{"n":500}`))
		synctest.Wait()
		nodes[0].setSilent(true)
		cancel := `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`
		if got := nodes[1].ask(token, "POST", "", cancel); got.status != 202 {
			t.Fatalf("the cancellation was answered %d", got.status)
		}
		nodes[0].setSilent(false)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if err := nodes[0].protocol.Drain(ctx); err != nil {
			t.Errorf("the call goes on: %v; %s", err, x.all())
		}
	})
}
