// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
	"github.com/holdfast-mcp/holdfast/transport/websocket"
)

// poll tries until it works, for a few seconds.
func poll(t *testing.T, what string, works func() bool) {
	t.Helper()
	for range 500 {
		if works() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("not in time: %s", what)
}

// answer is what a GET came to; status is 0 when nobody answers.
type answer struct {
	status int
	body   string
	header http.Header
}

// get is a request on a connection of its own.
func (s *served) get(path string, headers ...string) answer {
	tr := &http.Transport{DisableKeepAlives: true}
	defer tr.CloseIdleConnections()
	req, err := http.NewRequest(http.MethodGet, s.base()+path, nil)
	if err != nil {
		return answer{}
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := tr.RoundTrip(req)
	if err != nil {
		return answer{}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}
	}
	return answer{res.StatusCode, string(text), res.Header}
}

// held is a connection that is kept, as a load balancer does.
type held struct {
	net.Conn
	r *bufio.Reader
}

func hold(t *testing.T, s *served) *held {
	t.Helper()
	c, err := net.Dial("tcp", s.host())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &held{c, bufio.NewReader(c)}
}

// greet sends an initialize and reports whether the answer closes the connection.
func (c *held) greet(t *testing.T) (closes bool) {
	t.Helper()
	body := strings.Replace(legacyHello, "%V", "2025-11-25", 1)
	fmt.Fprintf(c, "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("initialize: %s, %v", res.Status, err)
	}
	return res.Close
}

// TestDrainNotice: who is told that a node leaves loses nothing until it stops
// listening, neither on new connections nor on those it kept.
func TestDrainNotice(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	s := startServing(t, "--drain", "2s")
	kept, late := hold(t, s), hold(t, s)
	if kept.greet(t) || late.greet(t) {
		t.Error("a connection is closed while the node serves")
	}
	if a := s.get("/readyz"); a.status != http.StatusOK {
		t.Errorf("readyz = %+v", a)
	}
	s.stop()
	poll(t, "readyz says no", func() bool { return s.get("/readyz").status == http.StatusNotFound })
	if a := s.get("/readyz"); !strings.Contains(a.body, "leaving") || a.header.Get("Retry-After") == "" {
		t.Errorf("readyz: %+v", a)
	}
	if a := s.get("/livez"); a.status != http.StatusOK {
		t.Errorf("livez = %+v", a)
	}
	if !kept.greet(t) || !hold(t, s).greet(t) {
		t.Error("a response does not close its connection")
	}
	if _, err := kept.r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the connection is not closed: %v", err)
	}
	for by, c := range s.targets(t) { // new sessions, upgrades and streams too
		if got := textOfEcho(t, c); got != "hi" {
			t.Errorf("%s: %q", by, got)
		}
	}
	<-s.done
	if _, err := net.Dial("tcp", s.host()); err == nil {
		t.Error("it still listens")
	}
	if _, err := late.r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("an idle connection is not closed at the end: %v", err)
	}
}

// TestDrainNoticeHTTP2: a connection of many streams is not used for new ones
// once a node leaves, and those on it end in order.
func TestDrainNoticeHTTP2(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	s := startServing(t, "--drain", "2s")
	var only http.Protocols
	only.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: &only}
	defer tr.CloseIdleConnections()
	reused := func() (reused bool) {
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }})
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base()+"/livez", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if _, err := io.ReadAll(res.Body); err != nil || res.ProtoMajor != 2 {
			t.Errorf("HTTP/%d, %v", res.ProtoMajor, err)
		}
		return reused
	}
	reused()
	if !reused() {
		t.Fatal("a connection is not used again while the node serves")
	}
	s.stop()
	poll(t, "readyz says no", func() bool { return s.get("/readyz").status == http.StatusNotFound })
	reused() // the last on its connection
	poll(t, "another connection", func() bool { return !reused() })
}

// TestDrainAlone: with nobody to notice, nothing is waited for.
func TestDrainAlone(t *testing.T) {
	s := startServing(t)
	began := time.Now()
	s.stop()
	<-s.done
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

// outcome of a call.
type outcome struct {
	text string
	err  error
}

// sleeping makes a call that takes so many seconds; it is under way when began
// receives.
func sleeping(c *client.Client, tool string, seconds float64) (began <-chan struct{}, done <-chan outcome) {
	progress, end := make(chan struct{}, 100), make(chan outcome, 1)
	go func() { // ends with the call
		res, err := c.CallTool(context.Background(), tool, map[string]any{"seconds": seconds},
			client.OnProgress(func(client.Progress) { progress <- struct{}{} }))
		if err != nil {
			end <- outcome{err: err}
			return
		}
		end <- outcome{text: res.Text()}
	}()
	return progress, end
}

// asleep makes a call by every way there is; all are under way on return.
func (s *served) asleep(t *testing.T, tool string, seconds float64) map[string]<-chan outcome {
	t.Helper()
	calls := map[string]<-chan outcome{}
	var all []<-chan struct{}
	for by, c := range s.targets(t) {
		began, done := sleeping(c, tool, seconds)
		calls[by], all = done, append(all, began)
	}
	for _, began := range all {
		select {
		case <-began:
		case <-time.After(20 * time.Second):
			t.Fatal("a call makes no progress")
		}
	}
	return calls
}

// targets are ways to reach a server, in both eras.
func (s *served) targets(t *testing.T) map[string]*client.Client {
	socket := client.Stream(func(ctx context.Context) (transport.Conn, error) {
		return websocket.Dial(ctx, strings.Replace(s.base(), "http", "ws", 1)+"/ws", nil, websocket.DialConfig{})
	})
	return map[string]*client.Client{
		"legacy":           connectTo(t, client.HTTP(s.url), client.ForceEra(mcp.Legacy)),
		"modern":           connectTo(t, client.HTTP(s.url), client.ForceEra(mcp.Modern)),
		"WebSocket legacy": connectTo(t, socket, client.ForceEra(mcp.Legacy)),
		"WebSocket modern": connectTo(t, socket, client.ForceEra(mcp.Modern)),
		"HTTP+SSE":         connectTo(t, client.SSE(s.base()+"/sse")),
	}
}

// refuses reports whether new calls are told to come again.
func (s *served) refuses(t *testing.T) bool {
	t.Helper()
	status, _, h := send(t, s.url, probe{body: modernBody("tools/list", "", ""), headers: modernHeaders("tools/list", "")})
	return status == http.StatusServiceUnavailable && h.Get("Retry-After") != ""
}

// TestDrainWaitsForCalls: calls in flight are answered, whatever they came by,
// though nothing new is accepted; then it ends.
func TestDrainWaitsForCalls(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	s := startServing(t)
	calls := s.asleep(t, "sleep", 3)
	s.stop()
	poll(t, "it refuses new calls", func() bool { return s.refuses(t) })
	for by, done := range calls {
		if o := <-done; o.err != nil || !strings.Contains(o.text, "slept") {
			t.Errorf("%s: %+v", by, o)
		}
	}
	answered := time.Now()
	<-s.done
	if took := time.Since(answered); took > 3*time.Second {
		t.Errorf("it ended %v after the last answer", took)
	}
}

// TestDrainHearsRequestsOut: a request that was on its way when the node closed its
// listener is answered, if only to say that it comes too late.
func TestDrainHearsRequestsOut(t *testing.T) {
	s := startServing(t)
	var early []*held
	request := fmt.Sprintf("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: %d\r\n\r\n%s", len(legacyHello), legacyHello)
	for range 10 {
		c := hold(t, s)
		if _, err := io.WriteString(c, request[:40]); err != nil {
			t.Fatal(err)
		}
		early = append(early, c)
	}
	s.stop()
	poll(t, "it stops listening", func() bool { return s.get("/livez").status == 0 })
	for i, c := range early {
		if _, err := io.WriteString(c, request[40:]); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(c.r, nil)
		if err != nil {
			t.Errorf("request %d: %v", i, err)
			continue
		}
		res.Body.Close()
	}
	<-s.done
}

// TestDrainTakesAnswers: a node that is alone takes what the user says to a call in
// flight, though it takes no new calls, and ends when those it has are done.
func TestDrainTakesAnswers(t *testing.T) {
	s := startServing(t)
	questions, speak := make(chan struct{}), make(chan struct{})
	user := client.OnElicit(func(context.Context, *mcp.ElicitParams) (*mcp.ElicitResult, error) {
		questions <- struct{}{}
		select {
		case <-speak:
		case <-s.done:
		}
		return &mcp.ElicitResult{Action: mcp.ActionAccept, Content: []byte(`{"answer":"because"}`)}, nil
	})
	calls := map[string]chan outcome{}
	for by, c := range map[string]*client.Client{
		"legacy":   connectTo(t, client.HTTP(s.url), client.ForceEra(mcp.Legacy), user),
		"HTTP+SSE": connectTo(t, client.SSE(s.base()+"/sse"), user),
	} {
		end := make(chan outcome, 1)
		calls[by] = end
		go func() { // ends with the call
			res, err := c.CallTool(context.Background(), "ask", map[string]any{"question": "Why?"})
			if err != nil {
				end <- outcome{err: err}
				return
			}
			end <- outcome{text: res.Text()}
		}()
		<-questions
	}
	s.stop()
	poll(t, "it refuses new calls", func() bool { return s.refuses(t) })
	close(speak)
	for by, end := range calls {
		if o := <-end; o.err != nil || o.text != "The user answered: because" {
			t.Errorf("%s: %+v", by, o)
		}
	}
	select {
	case <-s.done:
	case <-time.After(5 * time.Second): // half of what calls may take
		t.Error("it goes on though all calls are answered")
	}
}

// TestDrainCutsOff: a call over the limit gets an error that says why. Where the
// connection is the session, its end may be all that is said.
func TestDrainCutsOff(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	inner := startServing(t)
	file := filepath.Join(t.TempDir(), "holdfast.yaml")
	text := fmt.Sprintf("drain: {calls: 300ms}\nmcpServers:\n  in: {url: %q}\n", inner.url)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServing(t, "--config", file)
	calls := s.asleep(t, "in__sleep", 20)
	began := time.Now()
	s.stop()
	for by, done := range calls {
		o := <-done
		_, wire := errors.AsType[*jsonrpc.Error](o.err)
		if o.err == nil || !wire && (by == "legacy" || by == "modern") {
			t.Errorf("%s: %q, %v", by, o.text, o.err)
		}
	}
	<-s.done
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestDrainTellsStreams: clients of standing streams are told to come back, in
// each era in its way, once no new ones are accepted here.
func TestDrainTellsStreams(t *testing.T) {
	s := startServing(t, "--drain", "300ms")
	_, _, h := send(t, s.url, probe{body: strings.Replace(legacyHello, "%V", "2025-11-25", 1)})
	id := h.Get("Mcp-Session-Id")
	legacy := standing(t, http.MethodGet, s.url, "", "Mcp-Session-Id", id)
	listen := modernBody("subscriptions/listen", `"notifications":{"toolsListChanged":true},`, "")
	modern := standing(t, http.MethodPost, s.url, listen, modernHeaders("subscriptions/listen", "")...)
	s.stop()
	for what, stream := range map[string]struct {
		body io.Reader
		says string
	}{"legacy": {legacy, "retry: "}, "modern": {modern, `"resultType":"complete"`}} {
		text, err := io.ReadAll(stream.body)
		if err != nil || !strings.Contains(string(text), stream.says) {
			t.Errorf("%s: %q, %v; want %q", what, text, err, stream.says)
		}
		if a := s.get("/mcp", "Mcp-Session-Id", id, "Accept", "text/event-stream"); a.status != 0 && a.status != http.StatusServiceUnavailable {
			t.Errorf("%s: its client was sent away while this node still accepts: %+v", what, a)
		}
	}
}

// standing opens an event stream.
func standing(t *testing.T, method, url, body string, headers ...string) io.Reader {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	tr := &http.Transport{}
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close(); tr.CloseIdleConnections() })
	if res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
	return res.Body
}

// TestSecondSignalEndsAtOnce: who does not want to wait need not.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	cmd := exec.Command(os.Args[0], "serve", "--listen", "127.0.0.1:0", "--data", t.TempDir(), "--drain", "1m")
	cmd.Env = append(os.Environ(), asProgram+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	line, err := bufio.NewReader(out).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "holdfast is listening on ")
	if err != nil || !ok {
		t.Fatalf("first line %q, %v", line, err)
	}
	s := &served{url: url}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	poll(t, "readyz says no", func() bool { return s.get("/readyz").status == http.StatusNotFound })
	began := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}
