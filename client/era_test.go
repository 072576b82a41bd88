// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
)

// starting is a server that reads its first message after a time, and answers all
// that has come by then in order.
func starting(after time.Duration, reply func(jsonrpc.Message) []byte) transport.Conn {
	var began atomic.Bool
	return pipeServer(func(m jsonrpc.Message, send func([]byte)) {
		if !began.Swap(true) {
			time.Sleep(after)
		}
		if answer := reply(m); answer != nil {
			send(answer)
		}
	})
}

// modernOnly refuses whatever is legacy as the specification says, and both answers it.
func modernOnly(m jsonrpc.Message) []byte {
	switch m.Method {
	case mcp.MethodDiscover:
		return result(m, discoverResult)
	case mcp.MethodInitialize:
		return failure(m, mcp.CodeUnsupportedVersion, "unsupported protocol version", `{"supported":["2026-07-28"],"requested":"2025-11-25"}`)
	case mcp.MethodCallTool:
		return result(m, `{"resultType":"complete","content":[{"type":"text","text":"hi"}]}`)
	}
	return nil
}

// TestErasOfSlowServers: however late a server over a stream answers, and whatever it
// leaves unanswered, it is spoken to in the era that it speaks.
func TestErasOfSlowServers(t *testing.T) {
	both := func(m jsonrpc.Message) []byte {
		if m.Method == mcp.MethodInitialize {
			return legacyReply(m)
		}
		return modernOnly(m)
	}
	legacyOnly := func(text string) func(jsonrpc.Message) []byte {
		return func(m jsonrpc.Message) []byte {
			if m.Method == mcp.MethodDiscover && text == "" {
				return nil
			}
			return legacyReply(m)
		}
	}
	deaf := func(times int, reply func(jsonrpc.Message) []byte) func(jsonrpc.Message) []byte {
		return func(m jsonrpc.Message) []byte {
			if times--; times >= 0 {
				return nil
			}
			return reply(m)
		}
	}
	terse := func(m jsonrpc.Message) []byte { // refuses initialize without a list
		if m.Method == mcp.MethodInitialize {
			return failure(m, jsonrpc.CodeMethodNotFound, "no such method", "")
		}
		return modernOnly(m)
	}
	refusesFirst := func(m jsonrpc.Message) []byte { // and discovers late
		if m.Method == mcp.MethodDiscover {
			time.Sleep(11 * time.Second)
		}
		return modernOnly(m)
	}
	for _, tt := range []struct {
		name    string
		after   time.Duration
		reply   func(jsonrpc.Message) []byte
		version mcp.Version
	}{
		{"modern only, at once", 0, modernOnly, "2026-07-28"},
		{"modern only, after 12 s", 12 * time.Second, modernOnly, "2026-07-28"},
		{"modern only, after 29 s", 29 * time.Second, modernOnly, "2026-07-28"},
		{"modern only, terse", 12 * time.Second, terse, "2026-07-28"},
		{"modern only, slow to discover", 0, refusesFirst, "2026-07-28"},
		{"modern only, after losing the first message", 0, deaf(1, modernOnly), "2026-07-28"},
		{"both eras, after 12 s", 12 * time.Second, both, "2026-07-28"},
		{"legacy only, after 12 s", 12 * time.Second, legacyOnly("no"), "2025-11-25"},
		{"legacy only, without an answer", 0, legacyOnly(""), "2025-11-25"},
		{"legacy only, without an answer, after 12 s", 12 * time.Second, legacyOnly(""), "2025-11-25"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, err := Connect(t.Context(), Conn(starting(tt.after, tt.reply)))
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if c.Version() != tt.version {
					t.Errorf("version %s, want %s", c.Version(), tt.version)
				}
				if got, err := c.CallTool(t.Context(), "t", nil); err != nil || got.Text() != "hi" {
					t.Errorf("CallTool: %v, %v", got, err)
				}
			})
		})
	}
}

// TestRefusedInitialize: a server that refuses the version proposed is greeted with
// the best that its refusal names, wherever in it.
func TestRefusedInitialize(t *testing.T) {
	refusals := map[string]func(jsonrpc.Message) []byte{
		"as specified": func(m jsonrpc.Message) []byte {
			return failure(m, -32602, "Unsupported protocol version", `{"supported":["2024-11-05"],"requested":"2025-11-25"}`)
		},
		"of several": func(m jsonrpc.Message) []byte {
			return failure(m, -32602, "no", `{"supportedVersions":["2023-01-01","2024-11-05"]}`)
		},
		"as a list": func(m jsonrpc.Message) []byte { return failure(m, -32600, "no", `["2024-11-05"]`) },
		"in its text": func(m jsonrpc.Message) []byte {
			return failure(m, -32000, "version 2025-11-25 is not supported (supported: 2024-11-05)", "")
		},
		"in a page":         func(jsonrpc.Message) []byte { return []byte("only 2024-11-05 is spoken here") },
		"without a version": func(m jsonrpc.Message) []byte { return failure(m, -32602, "no", `{"requested":"2025-11-25"}`) },
	}
	for name, refuse := range refusals {
		answer := func(m jsonrpc.Message) []byte {
			if m.Method != mcp.MethodInitialize {
				return legacyReply(m)
			}
			raw, _ := jsonrpc.Get(m.Params, "protocolVersion")
			if v, _ := jsonrpc.Unquote(raw); v != "2024-11-05" {
				return refuse(m)
			}
			return result(m, strings.Replace(initResult, "2025-11-25", "2024-11-05", 1))
		}
		check := func(t *testing.T, target Target) {
			c, err := Connect(t.Context(), target, RememberIn(nil))
			if name == "without a version" {
				if err == nil {
					t.Error("connected")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if c.Version() != "2024-11-05" {
				t.Errorf("version %s", c.Version())
			}
		}
		t.Run(name+" over HTTP", func(t *testing.T) {
			s := newWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
				body := answer(m)
				switch status := 200; {
				case m.ID.IsZero():
					w.WriteHeader(http.StatusAccepted)
				case body[0] != '{':
					http.Error(w, string(body), 400)
				default:
					reply(w, status, body)
				}
			})
			check(t, HTTP(s.URL))
		})
		if name != "in a page" {
			t.Run(name+" over a stream", func(t *testing.T) { check(t, Conn(starting(0, answer))) })
		}
	}
}

// TestDraftOfTheFirstRevision: servers that speak it are spoken to in the first one.
func TestDraftOfTheFirstRevision(t *testing.T) {
	c := connect(t, Conn(starting(0, func(m jsonrpc.Message) []byte {
		if m.Method == mcp.MethodInitialize {
			return result(m, strings.Replace(initResult, "2025-11-25", "2024-10-07", 1))
		}
		return legacyReply(m)
	})))
	if c.Version() != mcp.V20241105 {
		t.Errorf("version %s", c.Version())
	}
}

// TestErasOverHTTP: a server that does not answer server/discover is asked in the
// legacy way, and one that was merely slow leads back.
func TestErasOverHTTP(t *testing.T) {
	for _, tt := range []struct {
		name    string
		reply   func(jsonrpc.Message) []byte
		version mcp.Version
	}{
		{"legacy", legacyReply, "2025-11-25"},
		{"modern, slow", modernOnly, "2026-07-28"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first := make(chan struct{}, 1)
			first <- struct{}{}
			s := newWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
				body := tt.reply(m)
				if m.Method == mcp.MethodDiscover {
					select {
					case <-first:
						<-r.Context().Done()
						return
					default:
					}
				}
				if body == nil {
					w.WriteHeader(http.StatusAccepted)
					return
				}
				reply(w, 200, body)
			})
			c := connect(t, HTTP(s.URL), ProbeTimeout(200*time.Millisecond))
			if c.Version() != tt.version {
				t.Errorf("version %s", c.Version())
			}
		})
	}
}

// TestSlowServersThatDieOfTheProbe: a server that does not survive a question from
// before initialize is started again, however late it reads it.
func TestSlowServersThatDieOfTheProbe(t *testing.T) {
	for _, after := range []time.Duration{0, 12 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			starts := 0
			c, err := Connect(t.Context(), Stream(func(context.Context) (transport.Conn, error) {
				starts++
				near, far := transport.Pipe()
				go func() {
					defer far.Close()
					time.Sleep(after)
					for {
						data, err := far.Read()
						if err != nil {
							return
						}
						m, _ := jsonrpc.Decode(data, jsonrpc.Limits{})
						if m.Method == mcp.MethodDiscover {
							return
						}
						if answer := legacyReply(m); answer != nil {
							far.Write(answer)
						}
					}
				}()
				return near, nil
			}))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if c.Version() != "2025-11-25" || starts != 2 {
				t.Errorf("version %s after %d starts", c.Version(), starts)
			}
		})
	}
}
