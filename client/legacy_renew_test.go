// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// forgetful is a legacy server that forgets its sessions when told to, and refuses
// those it does not know as refuse does.
type forgetful struct {
	*wire
	refuse  func(http.ResponseWriter, jsonrpc.Message)
	before  func(http.ResponseWriter, jsonrpc.Message) bool // answers a call by itself
	unnamed bool                                            // sessions have no id
	pings   bool                                            // ping needs no session

	mu     sync.Mutex
	live   string
	opened int
	ran    int // calls
}

func newForgetful(t *testing.T) *forgetful {
	f := &forgetful{}
	f.wire = newWire(t, f.play)
	return f
}

func (f *forgetful) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live = "none"
}

func (f *forgetful) play(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := r.Header.Get(mcp.HeaderSessionID)
	switch {
	case r.Method != http.MethodPost:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case m.Method == mcp.MethodInitialize:
		f.opened++
		f.live = ""
		if !f.unnamed {
			f.live = fmt.Sprint("s", f.opened)
			w.Header().Set(mcp.HeaderSessionID, f.live)
		}
		reply(w, 200, legacyReply(m))
	case m.Method == mcp.MethodPing && f.pings:
		reply(w, 200, legacyReply(m))
	case id != f.live:
		f.refuse(w, m)
	case m.ID.IsZero():
		w.WriteHeader(http.StatusAccepted)
	case m.Method == mcp.MethodCallTool && f.before != nil && f.before(w, m):
	case m.Method == mcp.MethodListTools:
		reply(w, 200, result(m, `{"tools":[]}`))
	default:
		if m.Method == mcp.MethodCallTool {
			f.ran++
		}
		reply(w, 200, legacyReply(m))
	}
}

func says(status int, contentType, body string) func(http.ResponseWriter, jsonrpc.Message) {
	return func(w http.ResponseWriter, _ jsonrpc.Message) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		w.Write([]byte(body))
	}
}

func errs(status int, code int64, text string) func(http.ResponseWriter, jsonrpc.Message) {
	return func(w http.ResponseWriter, m jsonrpc.Message) { reply(w, status, failure(m, code, text, "")) }
}

// TestLostSessions: however a server refuses a session that it has lost, a new one is
// opened beneath the call, which is made there once.
func TestLostSessions(t *testing.T) {
	type refusal = func(http.ResponseWriter, jsonrpc.Message)
	refusals := map[string]refusal{
		"404 page":                   says(404, "text/html", "<html>Not found</html>"),
		"400 with an error":          errs(400, -32000, "Bad Request: No valid session ID provided"),
		"400 with another error":     errs(400, -32600, "Invalid Request"),
		"200 with an error":          errs(200, -32001, "Session not found"),
		"200 asking for a handshake": errs(200, -32002, "Server not initialized"),
		"502 that names it":          says(502, "text/plain", "unknown Session"),
	}
	for _, status := range []int{400, 401, 403, 404, 405, 406, 409, 410, 412, 422, 440, 500, 501, 503} {
		refusals[fmt.Sprint(status)] = says(status, "text/plain", "no")
	}
	for name, refuse := range refusals {
		for _, kind := range []string{"", " and ping needs no session", " and sessions have no id"} {
			f := &forgetful{refuse: refuse}
			switch {
			case kind == "":
			case name != "200 with an error" && name != "200 asking for a handshake" && name != "400 with an error":
				continue // only an error that speaks of the session shows it then
			default:
				f.pings = true
				f.unnamed = kind == " and sessions have no id"
			}
			t.Run(name+kind, func(t *testing.T) {
				f.wire = newWire(t, f.play)
				c := connect(t, HTTP(f.URL), ForceEra(mcp.Legacy), Reinitialize())
				f.forget()
				if got, err := c.CallTool(t.Context(), "t", nil); err != nil || got.Text() != "hi" {
					t.Errorf("CallTool: %v, %v", got, err)
				}
				if f.opened != 2 || f.ran != 1 {
					t.Errorf("opened %d sessions, and the call ran %d times", f.opened, f.ran)
				}
			})
		}
	}
}

// TestOneRefusalKeepsTheSession: a call that is refused for what is in it leaves the
// session as it is, and its error says what the server did.
func TestOneRefusalKeepsTheSession(t *testing.T) {
	for name, refuse := range map[string]func(http.ResponseWriter, jsonrpc.Message){
		"429":               says(429, "text/plain", "slow down: this session is greedy"),
		"403":               says(403, "text/plain", "not for you"),
		"500":               says(500, "text/plain", "no"),
		"503":               says(503, "text/plain", "no"),
		"its own session":   errs(200, -32000, "the browser session has expired"),
		"no such method":    errs(404, jsonrpc.CodeMethodNotFound, "what?"),
		"502 of a tool":     says(502, "text/plain", "no"),
		"invalid arguments": errs(400, -32602, "no"),
	} {
		t.Run(name, func(t *testing.T) {
			f := newForgetful(t)
			f.refuse = says(404, "text/plain", "no")
			f.before = func(w http.ResponseWriter, m jsonrpc.Message) bool { refuse(w, m); return true }
			c := connect(t, HTTP(f.URL), ForceEra(mcp.Legacy), Reinitialize())
			for range 3 {
				_, err := c.CallTool(t.Context(), "t", nil)
				if err == nil || errors.Is(err, ErrSessionExpired) || httpStatus(err) == 0 && peerCode(err) == 0 {
					t.Errorf("CallTool: %v, want what the server answered", err)
				}
			}
			if f.opened != 1 {
				t.Errorf("opened %d sessions", f.opened)
			}
			if n := len(f.requests(mcp.MethodCallTool)); n != 3 {
				t.Errorf("three calls were made %d times", n)
			}
		})
	}
}

// TestCallThatMayHaveRun: when a gateway says that the server broke off in the middle
// of a call and has lost the session since, the call is not made twice, and the next
// one has a session.
func TestCallThatMayHaveRun(t *testing.T) {
	for _, status := range []int{500, 502, 503, 504} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			f := newForgetful(t)
			f.refuse = says(404, "text/plain", "no")
			f.before = func(w http.ResponseWriter, _ jsonrpc.Message) bool {
				if f.opened > 1 {
					return false
				}
				f.ran++
				f.live = "none"
				http.Error(w, "upstream connect error or disconnect/reset before headers", status)
				return true
			}
			c := connect(t, HTTP(f.URL), ForceEra(mcp.Legacy), Reinitialize())
			if _, err := c.CallTool(t.Context(), "t", nil); httpStatus(err) != status || f.ran != 1 {
				t.Errorf("CallTool: %v, after the call ran %d times", err, f.ran)
			}
			if got, err := c.CallTool(t.Context(), "t", nil); err != nil || got.Text() != "hi" || f.opened != 2 {
				t.Errorf("the next call: %v, %v, with %d sessions opened", got, err, f.opened)
			}
		})
	}
}

// TestRefusedAltogether: a server that refuses the new session as it did the call is
// quoted once.
func TestRefusedAltogether(t *testing.T) {
	f := newForgetful(t)
	f.refuse = says(401, "text/plain", "token expired")
	c := connect(t, HTTP(f.URL), ForceEra(mcp.Legacy), Reinitialize())
	f.wire.play = func(w http.ResponseWriter, _ *http.Request, m jsonrpc.Message) { f.refuse(w, m) }
	_, err := c.Call(t.Context(), mcp.MethodCallTool, Raw(`{"name":"t"}`), CallOptions{})
	if e, ok := err.(*HTTPError); !ok || e.Status != 401 {
		t.Errorf("CallTool: %v, want the refusal alone", err)
	}
}

// TestQuietSessionsAreRenewed: a client that only listens notices by its stream that
// the session is lost, opens another, and counts what it lists as changed.
func TestQuietSessionsAreRenewed(t *testing.T) {
	end := make(chan struct{})
	f := newForgetful(t)
	f.refuse = says(404, "text/plain", "no")
	f.wire.play = func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
		if r.Method != http.MethodGet || r.Header.Get(mcp.HeaderSessionID) != "s1" {
			f.play(w, r, m)
			return
		}
		select {
		case <-end:
			f.refuse(w, m)
			return
		default:
			stream(w, "retry: 1\n\n")
		}
		<-end
	}
	changed := make(chan struct{}, 1)
	c := connect(t, HTTP(f.URL), ForceEra(mcp.Legacy), Reinitialize(), OnToolsChanged(func() { changed <- struct{}{} }))
	f.forget()
	close(end)
	<-changed
	if got, err := c.CallTool(t.Context(), "t", nil); err != nil || got.Text() != "hi" || f.opened != 2 {
		t.Errorf("CallTool: %v, %v, with %d sessions opened", got, err, f.opened)
	}
}
