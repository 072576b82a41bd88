// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A sickness answers a call that the others would answer well. It writes lines
// by itself.
type sickness func(out *bufio.Writer, id string)

// The sicknesses. All but stillborn greet and list their one tool well.
var sick = map[string]sickness{
	"hang":      func(*bufio.Writer, string) {},
	"crash":     func(*bufio.Writer, string) { os.Exit(1) },
	"stillborn": nil,
	"badjson": func(out *bufio.Writer, id string) {
		fmt.Fprintf(out, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"content\":[\n]}}\n\x00\xff\xfe not json\n\n[]\n", id)
	},
	"wrongid": func(out *bufio.Writer, id string) {
		for _, wrong := range []string{"999999", `"x` + id + `"`, "null", "-1", id + "0", `{"a":1}`} {
			fmt.Fprintf(out, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":%s}\n", wrong, text("wrong"))
		}
	},
	"twice": func(out *bufio.Writer, id string) {
		for range 2 {
			fmt.Fprintf(out, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":%s}\n", id, text("twice"))
		}
	},
	"badshape": func(out *bufio.Writer, id string) {
		fmt.Fprintf(out, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":\"no object\"}\n", id)
	},
	"flood": func(out *bufio.Writer, _ string) {
		for {
			fmt.Fprintf(out, `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":%q}}`+"\n", strings.Repeat("flood ", 40))
			if out.Flush() != nil {
				return
			}
		}
	},
	"endless": func(out *bufio.Writer, _ string) { // a line without an end
		chunk := strings.Repeat("x", 64<<10)
		for {
			if _, err := out.WriteString(chunk); err != nil {
				return
			}
		}
	},
}

func sicknesses() string { return strings.Join(slices.Sorted(maps.Keys(sick)), ", ") }

func text(s string) string { return fmt.Sprintf(`{"content":[{"type":"text","text":%q}]}`, s) }

// beSick speaks the legacy protocol by hand: no SDK would do this.
func beSick(name string) error {
	answer, ok := sick[name]
	if !ok {
		return fmt.Errorf("sickness %q: want one of %s", name, sicknesses())
	}
	if name == "stillborn" {
		time.Sleep(20 * time.Millisecond)
		return errors.New("cannot open the tide table")
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 16<<20)
	out := bufio.NewWriter(os.Stdout)
	for in.Scan() {
		var m struct {
			ID     jsontext.Value `json:"id"`
			Method string         `json:"method"`
		}
		if json.Unmarshal(in.Bytes(), &m) != nil || m.ID == nil {
			continue
		}
		result := ""
		switch m.Method {
		case "initialize":
			result = `{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"sick","version":"1"}}`
		case "tools/list":
			result = `{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}`
		case "ping":
			result = `{}`
		case "tools/call":
			answer(out, string(m.ID))
		default:
			fmt.Fprintf(out, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":-32601,\"message\":\"unknown method\"}}\n", m.ID)
		}
		if result != "" {
			fmt.Fprintf(out, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":%s}\n", m.ID, result)
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
	return in.Err()
}
