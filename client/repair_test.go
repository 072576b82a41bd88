// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// TestRepairResult: what servers write for nothing is not passed on, and what means something is.
func TestRepairResult(t *testing.T) {
	for in, want := range map[string]string{
		`{"content":[{"type":"text","text":"null []"}]}`:                 ``,
		`{"structuredContent":{"a":null,"b":[]},"content":[]}`:           ``,
		`{"taskId":"1","ttl":null,"tools":[],"x":null}`:                  ``,
		`{"content":null,"isError":null,"_meta":[]}`:                     `{"content":[],"_meta":{}}`,
		`{"_meta":null,"structuredContent":[ ],"content":[]}`:            `{"structuredContent":{},"content":[]}`,
		`{"tools":[],"nextCursor":null}`:                                 `{"tools":[]}`,
		`{"content":[{"type":"text","annotations":null,"_meta":[]},{}]}`: `{"content":[{"type":"text","_meta":{}},{}]}`,
		`{"contents":[{"uri":"a","mimeType":null,"text":"x"}]}`:          `{"contents":[{"uri":"a","text":"x"}]}`,
		`{"structuredContent":null}`:                                     `{}`,
	} {
		got, odd := repairResult(Raw(in))
		if want == "" && (odd || string(got) != in) || want != "" && (!odd || string(got) != want) {
			t.Errorf("%s became %s", in, got)
		}
		if again, odd := repairResult(got); odd {
			t.Errorf("%s is repaired again: %s", got, again)
		}
	}
}

// TestReadHello: handshakes whose parts are of another kind are read.
func TestReadHello(t *testing.T) {
	const all = `{"tools":{},"prompts":{},"resources":{}}`
	for in, want := range map[string]struct{ caps, name, version string }{
		`"capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"a","version":"1"}`:         {`{"tools":{"listChanged":true}}`, "a", "1"},
		`"capabilities":{"tools":[],"logging":null},"serverInfo":{"name":"a","version":1.5}`:            {`{"tools":{}}`, "a", "1.5"},
		`"capabilities":{"tools":{"listChanged":null}},"serverInfo":{"name":7,"title":null}`:            {`{"tools":{}}`, "7", ""},
		`"capabilities":{"tools":true,"prompts":false,"logging":{"a":"true"}},"serverInfo":{}`:          {`{"tools":{},"logging":{"a":true}}`, "", ""},
		`"capabilities":[],"serverInfo":null,"instructions":null`:                                       {all, "", ""},
		`"capabilities":null,"serverInfo":[],"instructions":["a"]`:                                      {all, "", ""},
		`"capabilities":"tools","serverInfo":"a"`:                                                       {all, "", ""},
		`"serverInfo":{"name":"a","version":2,"icons":[{"src":"https://a"}]},"capabilities":{"x":null}`: {`{}`, "a", "2"},
	} {
		h, err := parseInitialize(Raw(`{"protocolVersion":"2025-06-18",` + in + `}`))
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		caps, _ := jsonrpc.Get(h.raw, "capabilities")
		if string(caps) != want.caps || h.info.Name != want.name || h.info.Version != want.version {
			t.Errorf("%s: capabilities %s, info %+v", in, caps, h.info)
		}
	}
}

// TestFaultsAreLoggedOnce: clients of one server log each kind of mistake once, with the beginning of what came.
func TestFaultsAreLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lockedLog
		var faults Faults
		for range 2 {
			c := connect(t, Conn(legacyPipe(func(m jsonrpc.Message, send func([]byte)) {
				send([]byte("[INFO] on it"))
				send([]byte(`{"jsonrpc":"2.0","id":"` + m.ID.String() + `","result":{"content":[{"type":"text","text":"\ud83d"}]},"error":null}`))
			})), LogFaults(&faults), Logger(slog.New(slog.NewTextHandler(&log, nil))))
			for range 3 {
				result, err := c.CallTool(t.Context(), "t", nil)
				if err != nil || result.Text() != "\ufffd" {
					t.Errorf("%v, %v", result, err)
				}
			}
		}
		for _, want := range []string{"text that is no Unicode", "an id of another type", "a value of another kind", "[INFO] on it"} {
			if n := strings.Count(log.String(), want); n != 1 {
				t.Errorf("%q is logged %d times:\n%s", want, n, log.String())
			}
		}
		if !strings.Contains(log.String(), `begins="{\"jsonrpc`) {
			t.Errorf("what came is not shown:\n%s", log.String())
		}
	})
}

type lockedLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// TestTokensOfAnotherType: progress is its call's in whatever JSON type the token comes back.
func TestTokensOfAnotherType(t *testing.T) {
	for _, form := range []string{"%", `"%"`, "%.0", "%e0"} {
		c := connect(t, Conn(legacyPipe(func(m jsonrpc.Message, send func([]byte)) {
			token := strings.ReplaceAll(form, "%", m.ID.String())
			send(notification(mcp.NotificationProgress, `{"progress":1,"progressToken":`+token+`}`))
			send(result(m, textResult))
		})))
		heard := 0
		if _, err := c.Call(t.Context(), mcp.MethodCallTool, Raw(`{"name":"t"}`), CallOptions{
			Progress: true, OnNotify: func(string, Raw) { heard++ },
		}); err != nil || heard != 1 {
			t.Errorf("%s: %d notifications, %v", form, heard, err)
		}
	}
}

// TestOutputIsHandedOver: what is no message goes to who asked for it, and never is an answer.
func TestOutputIsHandedOver(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	c := connect(t, Conn(legacyPipe(func(m jsonrpc.Message, send func([]byte)) {
		for _, line := range []string{"banner", `{"level":30,"id":` + m.ID.String() + `}`, "42", "[1]"} {
			send([]byte(line))
		}
		send(result(m, textResult))
	})), OnOutput(func(line []byte) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, string(line))
	}))
	if _, err := c.CallTool(context.Background(), "t", nil); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(lines) != 4 || lines[0] != "banner" || lines[3] != "[1]" {
		t.Errorf("got %q", lines)
	}
}
