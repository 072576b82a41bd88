// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package endpoint_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/internal/endpoint"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/sse"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport/streamable"
)

// upstream is an HTTP server in one era that answers tools/call with a result
// of a given size.
type upstream struct {
	era    mcp.Era
	stream bool   // answer with an event stream
	size   int    // of the text
	cut    int    // break off after so many bytes of it; 0 for never
	kind   string // of result, said after the content; "" for complete, said before
	late   string // goes behind the result, in the message

	written atomic.Int64
	left    chan struct{} // receives when a call's client has gone before the end
	*httptest.Server
}

func (u *upstream) start(t testing.TB) {
	u.left = make(chan struct{}, 1)
	u.Server = httptest.NewServer(u)
	u.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	t.Cleanup(u.Close)
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	m, err := jsonrpc.Decode(body, jsonrpc.Limits{})
	switch {
	case r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	case err != nil:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case m.Method == mcp.MethodDiscover && u.era == mcp.Legacy:
		writeJSON(w, jsonrpc.AppendError(nil, m.ID, jsonrpc.NewError(jsonrpc.CodeMethodNotFound, "what?")))
	case m.Method == mcp.MethodDiscover:
		writeJSON(w, jsonrpc.AppendResult(nil, m.ID, rpc.Raw(`{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private"}`)))
	case m.Method == mcp.MethodInitialize:
		w.Header().Set("Mcp-Session-Id", "s1")
		writeJSON(w, jsonrpc.AppendResult(nil, m.ID, rpc.Raw(`{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"u","version":"1"}}`)))
	case m.Kind() == jsonrpc.Notification:
		w.WriteHeader(http.StatusAccepted)
	default:
		u.answer(w, r, &m)
	}
}

func writeJSON(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}

// chunk is what the large text repeats; it has everything strings have.
const chunk = `0123456789 abcdefghijklmnopqrstuvwxyz \"quoted\" \\ \u00e9 é ☃ \ud83d\ude00` + ` padding padding padding\n`

func (u *upstream) answer(w http.ResponseWriter, r *http.Request, m *jsonrpc.Message) {
	head, tail := `{"result":{`, `,"jsonrpc":"2.0"`+u.late+`}`
	hop := ""
	switch {
	case u.kind != "":
		hop = `,"resultType":"` + u.kind + `"`
	case u.era == mcp.Modern:
		head += `"resultType":"complete",`
		hop = `,"ttlMs":5000`
	}
	head += `"content":[{"type":"text","text":"`
	tail = `"}],"isError":false,"_meta":{"x.example/a":1}` + hop + `}, "id":` + string(m.ID.Raw()) + tail
	if u.stream {
		w.Header().Set("Content-Type", "text/event-stream")
		head, tail = ": hello\n\nid: e-1\nevent: message\ndata: "+head, tail+"\n\n"
	} else {
		w.Header().Set("Content-Type", "application/json")
	}
	defer func() {
		if r.Context().Err() == nil {
			return
		}
		select {
		case u.left <- struct{}{}:
		default: // nobody asks
		}
	}()
	u.write(w, head)
	part := strings.Repeat(chunk, 256)
	for n := 0; n < u.size; n += len(part) {
		if u.cut > 0 && n >= u.cut {
			panic(http.ErrAbortHandler)
		}
		if !u.write(w, part) {
			return
		}
	}
	u.write(w, tail)
}

func (u *upstream) write(w io.Writer, s string) bool {
	n, err := io.WriteString(w, s)
	u.written.Add(int64(n))
	return err == nil
}

// middle is an endpoint whose handler calls an upstream.
type middle struct {
	*httptest.Server
	endpoint *endpoint.Endpoint
	client   *client.Client
	always   bool         // takes large results whether allowed or not
	closed   atomic.Int64 // large results that have been closed
	large    atomic.Int64
}

func newMiddle(t testing.TB, u *upstream, cfg streamable.Config, opts ...client.Option) *middle {
	t.Helper()
	u.start(t)
	var err error
	m := &middle{}
	opts = append([]client.Option{client.RememberIn(nil)}, opts...)
	if m.client, err = client.Connect(context.Background(), client.HTTP(u.URL), opts...); err != nil {
		t.Fatal(err)
	}
	e := endpoint.New(endpoint.Config{
		Handler: rpc.HandlerFunc(m.handle), Info: mcp.Implementation{Name: "middle", Version: "1"}, Log: slog.New(slog.DiscardHandler),
	})
	m.endpoint = e
	m.Server = httptest.NewUnstartedServer(streamable.NewHandler(e, cfg))
	m.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	t.Cleanup(func() {
		m.Close()
		e.Close()
		if err := m.client.Close(); err != nil {
			t.Errorf("close the client: %v", err)
		}
	})
	return m
}

func (m *middle) handle(ctx context.Context, call *rpc.Call) (rpc.Result, error) {
	if call.Method == mcp.MethodDiscover {
		return rpc.Result{Body: rpc.Raw(`{"capabilities":{"tools":{}},"serverInfo":{"name":"middle","version":"1"}}`)}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel() // a large result outlives it
	var large *client.LargeResult
	o := client.CallOptions{ReturnInput: true}
	if call.AllowLarge || m.always {
		o.Large = func(l *client.LargeResult) { large = l }
	}
	if call.ProgressToken != nil {
		params := jsonrpc.Set(rpc.Raw(`{"progress":1}`), "progressToken", call.ProgressToken)
		if err := call.Client.Notify(ctx, mcp.NotificationProgress, params); err != nil {
			return rpc.Result{}, err
		}
	}
	body, err := m.client.Call(ctx, call.Method, jsonrpc.Delete(call.Params, "_meta"), o)
	if err != nil {
		return rpc.Result{}, err
	}
	if large != nil {
		m.large.Add(1)
		return rpc.Result{Large: rpc.NewLarge(large, func() { m.closed.Add(1) })}, nil
	}
	return rpc.Result{Body: jsonrpc.Delete(body, "resultType", "ttlMs", "cacheScope")}, nil
}

// dialect is how a client calls: a version, and whether it wants progress,
// which makes the answer an event stream.
type dialect struct {
	version  string
	progress bool
}

// post sends one message and returns the response.
func (m *middle) post(ctx context.Context, t testing.TB, d dialect, session, method, params string, id int) *http.Response {
	t.Helper()
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, id, method, params)
	if id == 0 {
		body = fmt.Sprintf(`{"jsonrpc":"2.0","method":%q}`, method)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if method != mcp.MethodInitialize {
		req.Header.Set("Mcp-Protocol-Version", d.version)
	}
	if session != "" {
		req.Header.Set("Mcp-Session-Id", session)
	} else if method == mcp.MethodCallTool {
		req.Header.Set("Mcp-Method", method)
		req.Header.Set("Mcp-Name", "big")
	}
	res, err := m.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// call makes a tools/call and returns its response.
func (m *middle) call(ctx context.Context, t testing.TB, d dialect) (*http.Response, string) {
	t.Helper()
	session, meta := "", ""
	if mcp.Version(d.version).Era() == mcp.Legacy {
		res := m.post(ctx, t, d, "", mcp.MethodInitialize,
			`{"protocolVersion":"`+d.version+`","capabilities":{},"clientInfo":{"name":"c","version":"1"}}`, 1)
		session = res.Header.Get("Mcp-Session-Id")
		res.Body.Close()
		m.post(ctx, t, d, session, mcp.NotificationInitialized, "", 0).Body.Close()
	} else {
		meta = `"io.modelcontextprotocol/protocolVersion":"` + d.version + `","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}`
	}
	if d.progress {
		meta = strings.TrimPrefix(meta+`,"progressToken":7`, ",")
	}
	return m.post(ctx, t, d, session, mcp.MethodCallTool, `{"name":"big","arguments":{},"_meta":{`+meta+`}}`, 2), session
}

// answer returns a reader of the response message.
func answer(res *http.Response) (io.Reader, error) {
	if res.Header.Get("Content-Type") == "application/json" {
		return res.Body, nil
	}
	events := sse.NewReader(res.Body, 1<<20)
	for {
		e, rest, err := events.ReadHead(8 << 10)
		if err != nil {
			return nil, err
		}
		if rest != nil {
			return io.MultiReader(strings.NewReader(string(e.Data)), rest), nil
		}
		if strings.Contains(string(e.Data), `"id":2`) {
			return strings.NewReader(string(e.Data)), nil
		}
	}
}
