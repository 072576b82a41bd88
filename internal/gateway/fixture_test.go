// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-mcp/holdfast/internal/backend"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

func TestMain(m *testing.M) {
	if setting := os.Getenv(bigServerEnv); setting != "" {
		serveBigList(setting)
		return
	}
	goleak.VerifyTestMain(m)
}

// scripted is a backend whose answers are given by method; a missing one is not
// offered, and "hang" never comes.
type scripted struct {
	name string

	mu       sync.Mutex
	answers  map[string]string
	err      error
	down     string // of its status
	asked    map[string]int
	got      *rpc.Call // the last call that is not the catalog's
	watched  []string
	released []string
	roots    []string
}

func (s *scripted) Name() string                { return s.name }
func (s *scripted) Start(context.Context) error { return nil }
func (s *scripted) Close() error                { return nil }

func (s *scripted) Watch(_ context.Context, uri string, active bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watched = append(s.watched, fmt.Sprint(uri, " ", active))
	return nil
}

func (s *scripted) Status() backend.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return backend.Status{Up: s.down == "", Reason: s.down}
}

func (s *scripted) Release(session string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.released = append(s.released, session)
}

func (s *scripted) RootsChanged(session string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roots = append(s.roots, session)
}

func (s *scripted) Handle(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	s.mu.Lock()
	if s.asked == nil {
		s.asked = map[string]int{}
	}
	s.asked[call.Method]++
	if _, internal := call.Client.(silent); !internal || call.Target != "" {
		s.got = call
	}
	body, ok := s.answers[call.Method]
	err := s.err
	s.mu.Unlock()
	switch {
	case err != nil:
		return rpc.Result{}, err
	case body == "hang":
		<-ctx.Done()
		return rpc.Result{}, context.Cause(ctx)
	case ok:
		return rpc.Result{Body: Raw(body)}, nil
	case call.Method == mcp.MethodCallTool:
		return rpc.Result{Body: Raw(fmt.Sprintf(`{"content":[{"type":"text","text":"%s got %s"}]}`, s.name, text(call.Params, "name")))}, nil
	}
	return rpc.Result{}, jsonrpc.NewError(jsonrpc.CodeMethodNotFound, "not offered")
}

// answer changes what the backend answers; "" means no longer offered.
func (s *scripted) answer(method, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := map[string]string{}
	for m, b := range s.answers {
		next[m] = b
	}
	if next[method] = body; body == "" {
		delete(next, method)
	}
	s.answers = next
}

func (s *scripted) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *scripted) status(down string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

func (s *scripted) count(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[method]
}

func (s *scripted) last() *rpc.Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got
}

// listing returns the answers of a server with these tools.
func listing(names ...string) map[string]string {
	return map[string]string{mcp.MethodListTools: toolsBody(names...)}
}

func toolsBody(names ...string) string {
	var b strings.Builder
	for i, n := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"name":%q,"inputSchema":{"type":"object"},"x":1}`, n)
	}
	return `{"tools":[` + b.String() + `]}`
}

// logText is a log for tests to read, while others write it.
type logText struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logText) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Reset()
}

// rig is a catalog with one common gateway over it.
type rig struct {
	*Gateway
	hub     *subscription.Hub
	catalog *Catalog
	log     *logText
}

func newRig(t testing.TB, cfg CatalogConfig, view Config, backends ...backend.Backend) *rig {
	r := &rig{hub: &subscription.Hub{}, log: &logText{}}
	cfg.Log = slog.New(slog.NewTextHandler(r.log, nil))
	r.catalog = NewCatalog(cfg, backends)
	t.Cleanup(r.catalog.Close)
	r.Gateway = New(view, r.hub, r.catalog)
	return r
}

// all cleans a list of which nothing is known.
func (c *cleaner) all(items []Raw) []entry {
	return c.list(c.each(items))
}

// toolsChanged is the event of a changed list of tools.
var toolsChanged = subscription.Event{Topic: subscription.Topic{Kind: subscription.Tools}}

func callOf(method, target string) *rpc.Call {
	call := &rpc.Call{Method: method, Target: target, Peer: &rpc.Peer{Features: mcp.Latest.Features()}, Principal: rpc.Local, Client: silent{}}
	if target != "" {
		key := "name"
		if method == mcp.MethodReadResource {
			key = "uri"
		}
		call.Params = append(jsonrpc.AppendString(Raw(`{"`+key+`":`), target), '}')
	}
	return call
}

func ask(t testing.TB, g *Gateway, method, target string) (string, error) {
	t.Helper()
	res, err := g.Handle(t.Context(), callOf(method, target))
	return string(res.Body), err
}

// names returns the names of a list of tools, in order, with a * behind those
// that are marked.
func names(t testing.TB, g *Gateway) []string {
	t.Helper()
	body, err := ask(t, g, mcp.MethodListTools, "")
	if err != nil {
		t.Fatal(err)
	}
	array, _ := jsonrpc.Get(Raw(body), "tools")
	var all []string
	for tool := range jsonrpc.Elements(array) {
		name := text(tool, "name")
		if meta, has := jsonrpc.Get(tool, "_meta"); has && text(meta, MetaUnavailable) != "" {
			name += "*"
		}
		all = append(all, name)
	}
	return all
}

func wantCode(t *testing.T, err error, code int64) {
	t.Helper()
	if wire, ok := jsonrpc.AsError(err); !ok || wire.Code != code {
		t.Errorf("error %v, want code %d", err, code)
	}
}

// gated is a backend that answers lists once its gate is open.
type gated struct {
	scripted
	gate chan struct{}
}

func (g *gated) Handle(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	if call.Method == mcp.MethodListTools {
		select {
		case <-g.gate:
		case <-ctx.Done():
			return rpc.Result{}, context.Cause(ctx)
		}
	}
	return g.scripted.Handle(ctx, call)
}
