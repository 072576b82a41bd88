// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package field

import (
	"bytes"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// requests are what clients send that is not quite right, each with id 7, and what the answer must hold: it must have
// the id in any case, for else the client waits for its time limit.
var requests = map[string]struct{ message, want string }{
	"half pair":         {`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"healthy__echo","arguments":{"a":"\ud83d"}}}`, `"ok"`},
	"half pair, low":    {`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"healthy__echo","arguments":{"\ude00":"\\"}}}`, `"ok"`},
	"params null":       {`{"jsonrpc":"2.0","id":7,"method":"tools/list","params":null}`, `"healthy__echo"`},
	"ping null":         {`{"jsonrpc":"2.0","id":7,"method":"ping","params":null}`, `"result":{`},
	"arguments null":    {`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"healthy__echo","arguments":null}}`, `"ok"`},
	"arguments list":    {`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"healthy__echo","arguments":[]}}`, `"ok"`},
	"meta null":         {`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"healthy__echo","_meta":null}}`, `"ok"`},
	"no JSON":           {`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":}}`, `"error"`},
	"no JSON, id last":  {`{"method":"tools/call","params":{"name":},"jsonrpc":"2.0","id":7}`, `"error"`},
	"twice":             {`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"healthy__echo","name":"x"}}`, `duplicate`},
	"another case":      {`{"jsonrpc":"2.0","id":7,"Method":"tools/call","params":{"name":"healthy__echo"}}`, `"error"`},
	"Latin-1":           {"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":\"healthy__echo\",\"arguments\":{\"a\":\"\xe9\"}}}", `"error"`},
	"too deep":          {`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}}`, `deeper`},
	"too deep, id last": {`{"method":"tools/call","params":{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `},"jsonrpc":"2.0","id":7}`, `deeper`},
	"too long":          {`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"` + strings.Repeat("x", 5<<20) + `"}}`, `over the limit`},
	"too long, id last": {`{"method":"tools/call","params":{"name":"` + strings.Repeat("x", 5<<20) + `"},"jsonrpc":"2.0","id":7}`, `over the limit`},
}

// hello are the messages by which a client of 2025-06-18 begins.
var hello = []string{
	`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"field","version":"1"}}}`,
	`{"jsonrpc":"2.0","method":"notifications/initialized"}`,
}

// TestRequestsOverHTTP posts each request. One over the limit is refused by its status, which answers it.
func TestRequestsOverHTTP(t *testing.T) {
	t.Parallel()
	g := startGateway(t, "messages", []Variant{healthy})
	g.await([]Variant{healthy})
	session := ""
	post := func(message string) (int, []byte) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url("/mcp"), strings.NewReader(message))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		if session != "" {
			req.Header.Set("Mcp-Session-Id", session)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if id := res.Header.Get("Mcp-Session-Id"); id != "" {
			session = id
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, body
	}
	for _, message := range hello {
		post(message)
	}
	for name, r := range requests {
		t.Run(name, func(t *testing.T) {
			status, body := post(r.message)
			if status == http.StatusRequestEntityTooLarge && strings.HasPrefix(name, "too long") {
				return
			}
			_, data, event := bytes.Cut(body, []byte("data: "))
			if !event {
				data = body
			}
			checkAnswer(t, bytes.TrimSpace(data), 7, r.want)
		})
	}
}

// TestRequestsOverStdio writes each request to Holdfast as desktop clients do.
func TestRequestsOverStdio(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(program(t, "cmd/holdfast"), "serve", "--stdio",
		"--config", configure(t, "messages", []Variant{healthy}, ""), "--data", filepath.Join(t.TempDir(), "data"))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	defer func() {
		_ = in.Close()
		_ = cmd.Wait()
	}()
	lines := jsonrpc.NewLineReader(out, maxLine)
	ask := func(t *testing.T, message, id string) []byte {
		go func() { _, _ = io.WriteString(in, message+"\n") }()
		for {
			line, err := lines.Read()
			if err != nil {
				t.Fatalf("no answer to %.100s: %v", message, err)
			}
			if bytes.Contains(line, []byte(`"id":`+id)) {
				return line
			}
		}
	}
	ask(t, hello[0], "1")
	if _, err := io.WriteString(in, hello[1]+"\n"); err != nil {
		t.Fatal(err)
	}
	for n := 0; !bytes.Contains(ask(t, `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`, "2"), []byte("healthy__echo")); n++ {
		if n > 100 {
			t.Fatal("the server is not listed")
		}
		time.Sleep(100 * time.Millisecond)
	}
	id := int64(100)
	for name, r := range requests {
		id++ // one that was answered just now may still be taken
		t.Run(name, func(t *testing.T) {
			own := strconv.FormatInt(id, 10)
			checkAnswer(t, ask(t, strings.ReplaceAll(r.message, `"id":7`, `"id":`+own), own), id, r.want)
		})
	}
}

func checkAnswer(t *testing.T, answer []byte, id int64, want string) {
	t.Helper()
	m, err := jsonrpc.Decode(answer, jsonrpc.DefaultLimits())
	if err != nil || m.ID != jsonrpc.IntID(id) || !bytes.Contains(answer, []byte(want)) {
		t.Errorf("got %.300s, want id %d and %s", answer, id, want)
	}
}
