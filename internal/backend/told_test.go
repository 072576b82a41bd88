// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/process"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/server"
)

var referenceIn = regexp.MustCompile(`\(reference ([A-Z0-9]{10})\)`)

// lineOf returns the log line that an error's reference names.
func lineOf(t *testing.T, log *bytes.Buffer, err error) string {
	t.Helper()
	ref := referenceIn.FindStringSubmatch(err.Error())
	if ref == nil {
		t.Fatalf("no reference in %v", err)
	}
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "ref="+ref[1]) {
			return line
		}
	}
	t.Fatalf("reference %s is not in the log:\n%s", ref[1], log.String())
	return ""
}

// TestClientsAreToldTheKind: whatever a failure's text holds, clients are told server
// and kind, and the log has the rest under the reference they get.
func TestClientsAreToldTheKind(t *testing.T) {
	const secret = "postgres://admin:hunter2@db/prod"
	exit := &process.ExitError{Code: 3}
	status := func(code int, kind, body string) error {
		return fmt.Errorf("POST http://10.0.0.7/mcp: %w", &client.HTTPError{
			Status: code, Header: http.Header{"Content-Type": {kind}}, Body: []byte(body),
		})
	}
	with := func(err error) error { return fmt.Errorf("%w; its last words:\n\t%s", err, secret) }
	for _, tt := range []struct {
		name string
		err  error
		own  bool
		want string
	}{
		{"exit code", with(fmt.Errorf("%w: %w", client.ErrConnClosed, exit)), true, "it exited with code 3"},
		{"signal", with(&process.ExitError{Signal: 9}), true, "it ended by signal 9 (killed)"},
		{"memory", with(&process.LimitError{Resource: "memory", Limit: 1 << 20, Err: exit}), true, "limit of memory"},
		{"command", fmt.Errorf("%w: no-such-xyz: not found (PATH is %q)", errNotStarted, secret), false, "could not be started"},
		{"not ready", with(fmt.Errorf("%w: after 30s", errNotReady)), false, "was not ready in time"},
		{"address", errors.New("POST http://127.0.0.1:1/mcp?token=" + secret + ": connection refused"), false, "cannot be reached"},
		{"stream", fmt.Errorf("%w: read tcp 10.0.0.7:80: %s", client.ErrStreamBroken, secret), true, "connection to it was lost"},
		{"greeting", fmt.Errorf("initialize: %w", jsonrpc.PeerError(-32000, "bad token "+secret, nil)), false, "refused to be connected"},
		{"status of a greeting", status(401, "text/plain", secret), false, "HTTP status 401"},
		{"page", status(400, "text/html", "<html>"+secret), true, "HTTP status 400"},
		{"words of a broken proxy", status(502, "text/plain", secret), true, "HTTP status 502"},
		{"own words", status(400, "text/plain", "the city\u202e is\x1b[2J unknown\n"+secret), true, "HTTP status 400: the city is[2J unknown"},
		{"own words of a failure", status(500, "text/plain", "fetch failed\n"+secret), true, "HTTP status 500: fetch failed"},
		{"a gateway's words", status(504, "application/json", `{"message":"`+secret+`"}`), true, "HTTP status 504"},
		{"words in JSON", status(403, "application/json", `{"error":{"message":"api key lacks scope mcp"},"debug":"`+secret+`"}`), true, "HTTP status 403: api key lacks scope mcp"},
		{"protocol", &client.ProtocolError{What: "a response of content type \"text/html\"", Err: errors.New(secret)}, true, `content type "text/html"`},
		{"anything", errors.New(secret), true, "the call failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			r := New(Config{Name: "inner", Launch: newInMemory(mcp.Legacy).closes(t).dial, Log: slog.New(slog.NewTextHandler(&log, nil))}, func(subscription.Event) {})
			defer r.Close()
			err := r.unreachable("failed", r.tell(tt.err, tt.own))
			said := err.Error()
			if strings.Contains(said, secret) || strings.Contains(said, "10.0.0.7") || !strings.Contains(said, `server "inner": `) || !strings.Contains(said, tt.want) {
				t.Errorf("clients are told %q, want %q without secrets", said, tt.want)
			}
			if line := lineOf(t, &log, err); !strings.Contains(line, "inner") || strings.Contains(tt.err.Error(), secret) && !strings.Contains(line, "hunter2") {
				t.Errorf("the log says %s", line)
			}
			if !errors.Is(err, tt.err) {
				t.Error("the cause is not in the chain")
			}
			if again := r.tell(fmt.Errorf("%w", tt.err), tt.own); !strings.Contains(said, again.Error()) || strings.Count(log.String(), "\n") != 1 {
				t.Errorf("the same failure is told as %q, and logged anew", again)
			}
		})
	}
}

// TestFailuresAreLoggedSeldom: one line a minute for what repeats, and what is
// remembered of it is bounded.
func TestFailuresAreLoggedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := &Remote{cfg: Config{Name: "inner", Log: slog.New(slog.NewTextHandler(&log, nil))}}
		for range 180 {
			_ = r.tell(errors.New("broken"), true)
			time.Sleep(time.Second)
		}
		if n := strings.Count(log.String(), "\n"); n != 3 {
			t.Errorf("%d lines in three minutes", n)
		}
		if n := strings.Count(log.String(), " repeated=60\n"); n != 2 {
			t.Errorf("%d lines say how often it repeated:\n%s", n, &log)
		}
		log.Reset()
		for i := range 1000 {
			_ = r.tell(fmt.Errorf("broken %d", i), true)
		}
		if n := strings.Count(log.String(), "\n"); n > failuresKept || !strings.Contains(log.String(), errOthers.Error()) {
			t.Errorf("%d lines for a thousand failures", n)
		}
		if n := len(r.failures.known); n > failuresKept {
			t.Errorf("%d failures are remembered", n)
		}
	})
}

// TestDyingProcessesTellNothing: what real processes write and where they are looked
// for reaches no client: of a start, of a call, and of the breaker they opened.
func TestDyingProcessesTellNothing(t *testing.T) {
	keeper := process.NewKeeper(slog.New(slog.DiscardHandler))
	defer keeper.Close()
	dies := `while read l; do id=$(echo "$l" | sed 's/.*"id":\([0-9]*\).*/\1/'); case "$l" in
*server/discover*) echo '{"jsonrpc":"2.0","id":'$id',"error":{"code":-32601,"message":"no"}}';;
*'"initialize"'*) echo '{"jsonrpc":"2.0","id":'$id',"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"x","version":"1"}}}';;
*tools/call*) echo hunter2 >&2; exit 4;;
esac; done`
	for _, tt := range []struct{ name, command, script, want string }{
		{"crashes at start", "sh", `echo hunter2 >&2; exit 3`, "exited with code 3"},
		{"is not found", "no-such-xyz", "", "could not be started"},
		{"crashes in a call", "sh", dies, "exited with code 4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			spec := process.Spec{Name: "inner", Command: tt.command, Args: []string{"-c", tt.script}, Env: []string{"PATH=/usr/bin:/bin:/opt/hunter2"}, Stderr: io.Discard}
			r := New(Config{Name: "inner", Launch: Command(keeper, spec), Processes: NewSlots(9), Log: slog.New(slog.NewTextHandler(&log, nil))}, func(subscription.Event) {})
			var err error
			for range 3 { // the later ones meet the breaker
				_, err = r.Handle(t.Context(), callOf("echo", `{}`, &caller{}))
				if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("clients are told %v, want %q", err, tt.want)
				}
			}
			status := r.Status()
			r.Close()
			if strings.Contains(status.Reason, "hunter2") {
				t.Errorf("the status is %q", status.Reason)
			}
			if line := lineOf(t, &log, err); !strings.Contains(line, "hunter2") {
				t.Errorf("the log does not have the cause: %s", line)
			}
		})
	}
}

// TestLocalHandlersTellNothing: the text of a handler's own error is not its clients'.
func TestLocalHandlersTellNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := server.New("mine", "1")
		defer s.Close()
		parts, _ := rpc.PartsOf(s)
		parts.Handler = rpc.HandlerFunc(func(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
			if call.Method == mcp.MethodListTools {
				return rpc.Result{}, errors.New("query hunter2")
			}
			<-ctx.Done()
			return rpc.Result{}, fmt.Errorf("query hunter2: %w", ctx.Err())
		})
		l := NewLocal(LocalConfig{Name: "mine", Parts: parts, CallTimeout: time.Second, Log: slog.New(slog.NewTextHandler(&log, nil))}, noEvents)
		list := localCall("echo", `{}`)
		list.Method = mcp.MethodListTools
		for _, call := range []*rpc.Call{localCall("echo", `{}`), list} {
			log.Reset()
			_, err := l.Handle(t.Context(), call)
			if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(log.String(), "hunter2") {
				t.Errorf("%s: told %v, logged %s", call.Method, err, log.String())
			}
		}
	})
}
