// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// bigServerEnv makes the test's program a server of many tools: its value says how many,
// how many a page has, and over what it is spoken to.
const bigServerEnv = "HOLDFAST_TEST_BIG_SERVER"

const bigServerLine = 64 << 20

// serveBigList is a server whose list says something else each time it is asked for.
func serveBigList(setting string) {
	var how string
	var tools, page int
	if _, err := fmt.Sscan(setting, &how, &tools, &page); err != nil {
		panic(err)
	}
	s := &bigServer{page: page}
	for _, tool := range strings.Split(strings.TrimSuffix(strings.TrimPrefix(bigList(tools, 0), `{"tools":[`), `]}`), `,{"name"`) {
		s.tools = append(s.tools, `{"name"`+strings.TrimPrefix(tool, `{"name"`))
	}
	if how == "stdio" {
		in, out := jsonrpc.NewLineReader(os.Stdin, bigServerLine), jsonrpc.NewLineWriter(os.Stdout)
		for line, err := in.Read(); err == nil; line, err = in.Read() {
			if answer := s.answer(line); answer != "" {
				_ = out.Write([]byte(answer)) // the parent has gone
			}
		}
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); os.Exit(0) }() // it ends with its parent
	_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		answer := s.answer(body)
		switch {
		case r.Method != http.MethodPost:
			w.WriteHeader(http.StatusMethodNotAllowed)
		case answer == "":
			w.WriteHeader(http.StatusAccepted)
		case how == "sse":
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "event: message\ndata: "+answer+"\n\n")
		default:
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, answer)
		}
	}))
}

type bigServer struct {
	tools []string
	page  int
	asked int
}

func (s *bigServer) answer(message []byte) string {
	m, err := jsonrpc.Decode(message, jsonrpc.Limits{})
	if err != nil || m.ID.IsZero() {
		return ""
	}
	head := `{"jsonrpc":"2.0","id":` + m.ID.String() + `,`
	switch m.Method {
	case mcp.MethodInitialize:
		return head + `"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"big","version":"1"}}}`
	case mcp.MethodListTools:
		from, _ := strconv.Atoi(text(m.Params, "cursor"))
		if from == 0 {
			s.asked++
			was := strings.Index(s.tools[0], `"description":"`) + len(`"description":"`)
			s.tools[0] = s.tools[0][:was] + fmt.Sprintf("%06d", s.asked) + s.tools[0][was+6:]
		}
		to, next := min(from+s.page, len(s.tools)), ""
		if to < len(s.tools) {
			next = fmt.Sprintf(`,"nextCursor":"%d"`, to)
		}
		return head + `"result":{"tools":[` + strings.Join(s.tools[from:to], ",") + `]` + next + `}}`
	case mcp.MethodPing:
		return head + `"result":{}}`
	}
	return head + `"error":{"code":-32601,"message":"no such method"}}`
}
