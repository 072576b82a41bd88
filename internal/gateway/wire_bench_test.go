// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport/stdio"
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

// BenchmarkChangeOverWire is the change of one tool among 5,000 of one server, from its
// word that its list has changed until the new list is in the views: that of all servers,
// the server's own and the searching one. The server is another process. cpu-ms is what
// the gateway's process uses of its processors for one change.
func BenchmarkChangeOverWire(b *testing.B) {
	for _, how := range []string{"stdio 5000 5000", "stdio 5000 100", "http 5000 5000", "sse 5000 5000"} {
		b.Run(strings.ReplaceAll(how, " ", "_"), func(b *testing.B) {
			hub := &subscription.Hub{}
			remote := backend.New(backend.Config{Name: "big", Launch: launchBig(b, how), Era: mcp.Legacy}, func(subscription.Event) {})
			b.Cleanup(func() { remote.Close() })
			c := NewCatalog(CatalogConfig{Window: time.Millisecond, Log: slog.New(slog.DiscardHandler)}, []backend.Backend{remote})
			b.Cleanup(c.Close)
			New(Config{}, hub, c)
			New(Config{Search: true}, hub, c)
			New(Config{Own: "big"}, hub, c)
			c.Warm(b.Context())
			if n := len(c.revision.Load().lists[toolList].items); n != 5000 {
				b.Fatal(n, "tools", c.Health())
			}
			var used time.Duration
			for b.Loop() {
				old := c.revision.Load()
				before := processorTime(b)
				c.changed(c.sources[0], toolList)
				<-old.superseded
				used += processorTime(b) - before
				if r := c.revision.Load(); len(r.lists[toolList].items) != 5000 || r.digest == old.digest {
					b.Fatal("the list has not changed")
				}
			}
			b.ReportMetric(float64(used.Microseconds())/1e3/float64(b.N), "cpu-ms")
		})
	}
}

// launchBig starts this program as a big server.
func launchBig(b *testing.B, how string) backend.Launcher {
	return func(context.Context) (*backend.Launched, error) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), bigServerEnv+"="+how)
		in, err := cmd.StdinPipe()
		if err != nil {
			return nil, err
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		l := &backend.Launched{Target: client.Conn(stdio.New(out, in, bigServerLine)), Stop: func() { in.Close(); _ = cmd.Wait() }}
		if !strings.HasPrefix(how, "stdio") {
			address, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				return nil, err
			}
			l.Target = client.HTTP("http://" + strings.TrimSpace(address))
		}
		return l, nil
	}
}

func processorTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
