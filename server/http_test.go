// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// whoami returns a server whose callers are known by a header.
func whoami(opts ...Option) *Server {
	type traceKey struct{}
	wrap := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user := r.Header.Get("Authorization")
			if user == "" {
				http.Error(w, "who are you?", http.StatusUnauthorized)
				return
			}
			ctx := context.WithValue(WithPrincipal(r.Context(), user, "acme"), traceKey{}, "traced")
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
	s := New("test", "1", append(opts, WrapHTTP(wrap))...)
	tell := func(ctx context.Context, req *Request, _ None) (string, error) {
		id, tenant := req.Principal()
		return fmt.Sprintf("%s@%s %v %s %s %t %t", id, tenant, ctx.Value(traceKey{}), req.Header().Get("X-Own"), req.RemoteAddr(),
			req.SessionID() != "", req.HTTP().TLS != nil), nil
	}
	AddTool(s, "who", "", tell)
	AddTool(s, "later", "", tell, Task(TaskOptional, 0, 10*time.Millisecond))
	return s
}

const (
	callWho       = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"who"}}`
	callWhoModern = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"who",` + modernMeta + `}}`
)

var modernWho = []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", "who"}

func TestHandlersKnowTheirRequest(t *testing.T) {
	s := whoami()
	h := httptest.NewServer(s)
	defer h.Close()
	defer s.Close()
	post := func(body string, headers ...string) (string, http.Header) {
		return postTo(t, h.Client(), h.URL, body, append(headers, "X-Own", "x")...)
	}
	body, _ := post(callWhoModern, append(modernWho, "Authorization", "ann")...)
	contains(t, body, `"ann@acme traced x 127.0.0.1 false false"`)
	body, _ = post(callWhoModern, modernWho...)
	contains(t, body, "who are you?")

	_, head := post(initialize, "Authorization", "ann")
	session := []string{"Mcp-Session-Id", head.Get("Mcp-Session-Id"), "Mcp-Protocol-Version", "2025-11-25", "Authorization", "ann"}
	post(initialized, session...)
	body, _ = post(callWho, session...)
	contains(t, body, `"ann@acme traced x 127.0.0.1 true false"`)
	session[5] = "bob"
	body, _ = post(callWho, session...)
	contains(t, body, "session not found")

	call := strings.Replace(callWho, `"who"`, `"later","task":{}`, 1)
	session[5] = "ann"
	body, _ = post(call, session...)
	_, id, _ := strings.Cut(body, `"taskId":"`)
	id, _, _ = strings.Cut(id, `"`)
	body, _ = post(`{"jsonrpc":"2.0","id":2,"method":"tasks/result","params":{"taskId":"`+id+`"}}`, session...)
	contains(t, body, `"ann@acme traced x 127.0.0.1 true false"`)
}

func TestCallsWithoutHTTP(t *testing.T) {
	req := newRequest(t.Context(), &rpc.Call{Address: "10.0.0.1"})
	want(t, fmt.Sprint(req.HTTP(), req.Header().Get("X"), req.RemoteAddr(), req.SessionID()), "<nil>10.0.0.1")
}

// TestStreamsKnowTheirRequest holds that calls over HTTP+SSE know the request that
// opened their stream.
func TestStreamsKnowTheirRequest(t *testing.T) {
	s := whoami()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	url := "http://" + l.Addr().String() + "/sse"
	if _, err := client.Connect(t.Context(), client.SSE(url)); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("without credentials: %v", err)
	}
	c, err := client.Connect(t.Context(), client.SSE(url, "Authorization", "ann", "X-Own", "x"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.CallTool(t.Context(), "who", nil)
	if err != nil {
		t.Fatal(err)
	}
	want(t, res.Text(), "ann@acme traced x 127.0.0.1 true false")
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestServeTLS holds that a server serves HTTPS, with HTTP/2, and nothing else.
func TestServeTLS(t *testing.T) {
	certificates := httptest.NewUnstartedServer(nil)
	certificates.StartTLS()
	defer certificates.Close()
	s := whoami(TLS(&tls.Config{Certificates: certificates.TLS.Certificates, MinVersion: tls.VersionTLS12}), KeepAlive(time.Second), Drain(time.Second))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	for _, h2 := range []bool{true, false} {
		transport := certificates.Client().Transport.(*http.Transport).Clone()
		transport.ForceAttemptHTTP2 = h2
		if !h2 {
			transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
			transport.TLSClientConfig.NextProtos = nil
		}
		proto := &protoOf{next: transport}
		body, _ := postTo(t, &http.Client{Transport: proto}, "https://"+l.Addr().String()+"/mcp", callWhoModern, append(modernWho, "Authorization", "ann")...)
		contains(t, body, `"ann@acme traced  127.0.0.1 false true"`)
		if (proto.major == 2) != h2 {
			t.Errorf("HTTP/%d, want HTTP/2: %t", proto.major, h2)
		}
		transport.CloseIdleConnections()
	}
	plain, _ := postTo(t, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, "http://"+l.Addr().String()+"/mcp", callWhoModern)
	contains(t, plain, "HTTPS")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// protoOf notes which HTTP version carried a request.
type protoOf struct {
	next  http.RoundTripper
	major int
}

func (p *protoOf) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := p.next.RoundTrip(r)
	if err == nil {
		p.major = res.ProtoMajor
	}
	return res, err
}

func TestToolsPerCaller(t *testing.T) {
	s := New("test", "1", PageSize(2), CacheLists(time.Minute, mcp.CachePublic), VisibleTools(func(_ context.Context, req *Request, tool *mcp.Tool) bool {
		id, _ := req.Principal()
		return id == "admin" || !strings.HasPrefix(tool.Name, "admin")
	}))
	for _, name := range []string{"admin1", "a", "admin2", "b", "admin3"} {
		AddTool(s, name, "", func(context.Context, *Request, None) (string, error) { return "done", nil })
	}
	as := func(who, method, params string) (string, rpc.Result) {
		call := newCall(method, params)
		call.Principal = &rpc.Principal{ID: who}
		res, err := s.handler.Handle(t.Context(), call)
		return answerOf(res, err), res
	}
	names := func(who string) (all []string) {
		for cursor := ""; ; {
			page, res := as(who, "tools/list", `{`+cursor+`}`)
			if res.Cache.Scope != mcp.CachePrivate {
				t.Errorf("a list for %s is %s", who, res.Cache.Scope)
			}
			for rest := page; strings.Contains(rest, `"name":"`); {
				_, rest, _ = strings.Cut(rest, `"name":"`)
				all = append(all, rest[:strings.IndexByte(rest, '"')])
			}
			_, next, more := strings.Cut(page, `"nextCursor":`)
			if !more {
				return append(all, "|")
			}
			cursor = `"cursor":` + strings.TrimSuffix(next, "}")
			all = append(all, "/")
		}
	}
	if diff := cmp.Diff([]string{"admin1", "a", "/", "admin2", "b", "/", "admin3", "|"}, names("admin")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a", "b", "|"}, names("bob")); diff != "" {
		t.Error(diff)
	}
	hidden, _ := as("bob", "tools/call", `{"name":"admin1"}`)
	missing, _ := as("bob", "tools/call", `{"name":"nosuch"}`)
	want(t, hidden, strings.Replace(missing, "nosuch", "admin1", 1))
	allowed, _ := as("admin", "tools/call", `{"name":"admin1"}`)
	want(t, allowed, `{"content":[{"type":"text","text":"done"}]}`)

	var heard []string
	s.forward(func(c rpc.Change) { heard = append(heard, c.Method) })
	s.ToolsChanged()
	want(t, strings.Join(heard, " "), "notifications/tools/list_changed")
}

func TestErrorsOfOthersKeepTheHandlersWords(t *testing.T) {
	foreign := jsonrpc.PeerError(-32601, "no such table", Raw(`{"t":1}`))
	wrapped := fmt.Errorf("backend: %w", foreign)
	local := fmt.Errorf("wrapped: %w", jsonrpc.NewError(-32050, "special"))
	s := New("test", "1")
	for name, err := range map[string]error{"wrapped": wrapped, "bare": foreign, "local": local, "joined": errors.Join(errors.New("first"), foreign)} {
		AddTool(s, name, "", func(context.Context, *Request, None) (string, error) { return "", err })
		s.AddPrompt(mcp.Prompt{Name: name}, func(context.Context, *Request, map[string]string) (*mcp.GetPromptResult, error) { return nil, err })
		s.AddResource(mcp.Resource{URI: "x:" + name, Name: name}, func(context.Context, *Request) (*mcp.ReadResourceResult, error) { return nil, err })
	}
	for name, answers := range map[string][2]string{
		"wrapped": {`{"content":[{"type":"text","text":"backend: no such table (code -32601)"}],"isError":true}`, `-32601 backend: no such table {"t":1}`},
		"joined":  {`{"content":[{"type":"text","text":"first\nno such table (code -32601)"}],"isError":true}`, "-32601 first\nno such table {\"t\":1}"},
		"bare":    {`-32601 no such table {"t":1}`, `-32601 no such table {"t":1}`},
		"local":   {`-32050 special `, `-32050 special `},
	} {
		want(t, request(t, s, "tools/call", `{"name":"`+name+`"}`), answers[0])
		want(t, request(t, s, "prompts/get", `{"name":"`+name+`"}`), answers[1])
		want(t, request(t, s, "resources/read", `{"uri":"x:`+name+`"}`), answers[1])
	}
}
