// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package httpsse

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/nodes/nodestest"
	"github.com/holdfast-mcp/holdfast/internal/seal"
	"github.com/holdfast-mcp/holdfast/internal/sse"
	"github.com/holdfast-mcp/holdfast/transport"
)

// counted is a node that counts what it opens, and fails instead if told to.
type counted struct {
	nodes.Nodes
	opened atomic.Int32
	err    error
}

func (c *counted) Open(ctx context.Context, to nodes.Address, first []byte) (nodes.Stream, error) {
	c.opened.Add(1)
	if c.err != nil {
		return nil, c.err
	}
	return c.Nodes.Open(ctx, to, first)
}

// site is one node with a handler, in memory.
type site struct {
	*Handler
	nodes *counted
}

// trio is three nodes that share a ring.
type trio struct {
	t    *testing.T
	net  *nodestest.Network
	ring *seal.Ring
	srv  transport.Server
	all  map[string]*site
}

// cluster runs f in a bubble with the nodes a, b and c.
func cluster(t *testing.T, srv transport.Server, f func(t *testing.T, n *trio)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := &trio{t: t, net: nodestest.New(), ring: seal.NewRing(), srv: srv, all: map[string]*site{}}
		for _, name := range []string{"a", "b", "c"} {
			n.start(name, Config{})
		}
		f(t, n)
		for _, s := range n.all {
			s.Close()
		}
		synctest.Wait()
	})
}

// start starts a node, or a new instance of it.
func (n *trio) start(name string, cfg Config) *site {
	s := &site{nodes: &counted{Nodes: n.net.Start(name)}}
	cfg.Nodes, cfg.Ring = s.nodes, n.ring
	s.Handler = NewHandler(n.srv, cfg)
	if old := n.all[name]; old != nil {
		n.t.Cleanup(old.Close)
	}
	n.all[name] = s
	return s
}

// writer is a response that is read while it is written.
type writer struct {
	*io.PipeWriter
	head http.Header
}

func (w writer) Header() http.Header { return w.head }
func (w writer) WriteHeader(int)     {}
func (w writer) Flush()              {}

// listener is the client of one stream.
type listener struct {
	path   string
	leave  context.CancelFunc
	events chan string   // closed with the stream
	ended  chan struct{} // closed when the GET has returned
}

// open opens a stream at a node.
func (n *trio) open(node string) *listener {
	n.t.Helper()
	ctx, leave := context.WithCancel(n.t.Context())
	out, in := io.Pipe()
	l := &listener{leave: leave, events: make(chan string, 1000), ended: make(chan struct{})}
	go func() { // ends with the stream
		defer close(l.ended)
		defer in.Close()
		n.all[node].ServeHTTP(writer{in, http.Header{}}, request(ctx, "GET", "/sse", ""))
	}()
	go func() { // ends with the one above
		defer close(l.events)
		for r := sse.NewReader(out, 1<<20); ; {
			e, err := r.Read()
			if err != nil {
				return
			}
			l.events <- string(e.Data)
		}
	}()
	l.path = "/" + <-l.events // which is seen from /sse
	return l
}

func (l *listener) next(t *testing.T) string {
	t.Helper()
	select {
	case e := <-l.events:
		return e
	case <-time.After(time.Minute):
		t.Fatal("no event")
		return ""
	}
}

func request(ctx context.Context, verb, path, body string) *http.Request {
	r := httptest.NewRequestWithContext(ctx, verb, path, strings.NewReader(body))
	r.Host = "localhost"
	if verb == "POST" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

// post posts to a node and checks the answer.
func (n *trio) post(node, path, body string, status int, says string) *httptest.ResponseRecorder {
	n.t.Helper()
	w := httptest.NewRecorder()
	n.all[node].ServeHTTP(w, request(n.t.Context(), "POST", path, body))
	if w.Code != status || !strings.Contains(w.Body.String(), says) {
		n.t.Errorf("POST at %s: %d %q, want %d with %q", node, w.Code, w.Body, status, says)
	}
	if retry := w.Header().Get("Retry-After"); (retry != "") != (status == 503) {
		n.t.Errorf("POST at %s: %d with Retry-After %q", node, w.Code, retry)
	}
	return w
}

// TestPostsMeetOtherNodes: messages reach the stream in the order of their
// acknowledgements, wherever they arrived.
func TestPostsMeetOtherNodes(t *testing.T) {
	cluster(t, echo{}, func(t *testing.T, n *trio) {
		s := n.open("a")
		for i := range 60 {
			n.post(string("abc"[i%3]), s.path, fmt.Sprint(i), 202, "")
		}
		for i := range 60 {
			if got := s.next(t); got != fmt.Sprint(i) {
				t.Fatalf("event %d is %s", i, got)
			}
		}
		if got := n.all["a"].nodes.opened.Load(); got != 0 {
			t.Errorf("the home asked others %d times", got)
		}
		long := `"` + strings.Repeat("x", 3*nodes.PartBytes) + `"` // in several parts
		n.post("b", s.path, long, 202, "")
		if s.next(t) != long {
			t.Error("a long message was mangled")
		}
		s.leave()
		<-s.ended
		n.post("a", s.path, "{}", 404, "open a stream again")
		n.post("b", s.path, "{}", 404, "open a stream again")
	})
}

// TestReceivingNodeRefuses what needs no home to be refused.
func TestReceivingNodeRefuses(t *testing.T) {
	cluster(t, echo{}, func(t *testing.T, n *trio) {
		s := n.open("a")
		b := n.start("b", Config{MaxBody: 10})
		n.post("b", s.path, strings.Repeat("x", 11), 413, "size")
		for header, status := range map[string]int{"Content-Type: text/plain": 415, "Origin: http://evil.example": 403} {
			name, value, _ := strings.Cut(header, ": ")
			r, w := request(t.Context(), "POST", s.path, "{}"), httptest.NewRecorder()
			r.Header.Set(name, value)
			if b.ServeHTTP(w, r); w.Code != status {
				t.Errorf("%s: %d, want %d", header, w.Code, status)
			}
		}
		made := base64.RawURLEncoding.EncodeToString([]byte("a\x00i1\x00AAAAAAAAAAAAAAAAAAAAAAAAAA, and as long as a true one would be"))
		foreign := (&nodes.Address{Node: "a", Instance: "i1", Kind: kindMessage, ID: "x"}).Seal(seal.NewRing(), seal.Stream, "")
		for _, id := range []string{"", "nobody", made, foreign, strings.Repeat("A", 5000)} {
			n.post("b", "/messages?session="+id, "{}", 404, "unknown session")
		}
		if got := b.nodes.opened.Load(); got != 0 {
			t.Errorf("the node asked others %d times", got)
		}
	})
}

// TestEndpointsDoNotMix: an id is good for the endpoint it is from.
func TestEndpointsDoNotMix(t *testing.T) {
	cluster(t, echo{}, func(t *testing.T, n *trio) {
		s := n.open("a")
		other := Config{Nodes: nodes.Scoped(n.all["b"].nodes, "other"), Ring: n.ring, Messages: "/v/other/messages"}
		h := NewHandler(echo{}, other)
		defer h.Close()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request(t.Context(), "POST", strings.Replace(s.path, "/messages", other.Messages, 1), "{}"))
		if w.Code != 404 || n.all["b"].nodes.opened.Load() != 0 {
			t.Errorf("another endpoint's id: %d %q", w.Code, w.Body)
		}
		n.post("b", s.path, "1", 202, "")
		if got := s.next(t); got != "1" {
			t.Errorf("event %s", got)
		}
	})
}

func TestHomeIsGone(t *testing.T) {
	cluster(t, echo{}, func(t *testing.T, n *trio) {
		lost, restarted := n.open("c"), n.open("a")
		n.net.Cut("c")
		n.post("b", lost.path, "{}", 404, "open a stream again")
		n.start("a", Config{})
		n.post("b", restarted.path, "{}", 404, "open a stream again")
		n.post("a", restarted.path, "{}", 404, "open a stream again")
	})
}

// TestHomeCannotBeAsked though it is not lost.
func TestHomeCannotBeAsked(t *testing.T) {
	cluster(t, echo{}, func(t *testing.T, n *trio) {
		s, b := n.open("a"), n.all["b"].nodes
		for name, err := range map[string]error{"fails": errors.New("no"), "lost to one": nodes.ErrLost} {
			b.err = err
			began := time.Now()
			n.post("b", s.path, "{}", 503, "send the message again")
			if took := time.Since(began); took > noticeLoss {
				t.Errorf("%s: took %v", name, took)
			}
		}
		b.err = nil
		n.post("b", s.path, "1", 202, "")
		if got := s.next(t); got != "1" {
			t.Errorf("event %s: what was refused must not have been taken", got)
		}
	})
}

// deaf serves streams and reads none.
type deaf struct{ echo }

func (deaf) ServeConn(ctx context.Context, _ transport.Conn) error {
	<-ctx.Done()
	return nil
}

// TestHomeIsBusy: a stream whose messages nobody reads takes some, then no more,
// and that is said in time.
func TestHomeIsBusy(t *testing.T) {
	cluster(t, deaf{}, func(t *testing.T, n *trio) {
		s := n.open("a")
		for range queued {
			n.post("b", s.path, "{}", 202, "")
		}
		began := time.Now()
		n.post("b", s.path, "{}", 503, "send the message again")
		if took := time.Since(began); took != takeTimeout {
			t.Errorf("took %v, want %v", took, takeTimeout)
		}
		answer := make(chan int)
		go func() { // ends with the stream
			w := httptest.NewRecorder()
			n.all["b"].ServeHTTP(w, request(t.Context(), "POST", s.path, "{}"))
			answer <- w.Code
		}()
		synctest.Wait()
		s.leave()
		if got := <-answer; got != 404 {
			t.Errorf("a message that waits when the stream ends: %d, want 404", got)
		}
	})
}

// addressOf is the address of a stream that a node might have.
func addressOf(n nodes.Nodes) *nodes.Address {
	address := nodes.Here(n, kindMessage, "x")
	return &address
}

// hang is a home that accepts streams and never answers.
func hang(ctx context.Context, s nodes.Stream) {
	_, _ = s.Receive(ctx)
	<-ctx.Done()
}

// TestHomeHangs: the answer then says that nothing is known, the number of those
// who wait is bounded, and Close ends them.
func TestHomeHangs(t *testing.T) {
	cluster(t, echo{}, func(t *testing.T, n *trio) {
		n.start("b", Config{MaxForwards: 2})
		mute := n.net.Start("mute")
		defer mute.Serve("sse", hang)()
		path := "/messages?session=" + addressOf(mute).Seal(n.ring, seal.Stream, "")
		began := time.Now()
		n.post("b", path, "{}", 504, "did not say")
		if took := time.Since(began); took != forwardTimeout {
			t.Errorf("took %v, want %v", took, forwardTimeout)
		}
		answers := make(chan int, 2)
		for range 2 {
			go func() { // ends with Close
				w := httptest.NewRecorder()
				n.all["b"].ServeHTTP(w, request(t.Context(), "POST", path, "{}"))
				answers <- w.Code
			}()
		}
		synctest.Wait()
		n.post("b", path, "{}", 503, "send the message again")
		n.all["b"].Close()
		if a, b := <-answers, <-answers; a != 504 || b != 504 {
			t.Errorf("posts cut off by Close: %d and %d", a, b)
		}
	})
}

// TestHomeDiesHoldingAMessage: the stream is gone, whatever became of the message.
func TestHomeDiesHoldingAMessage(t *testing.T) {
	cluster(t, echo{}, func(t *testing.T, n *trio) {
		mute := n.net.Start("mute")
		defer mute.Serve("sse", hang)()
		path := "/messages?session=" + addressOf(mute).Seal(n.ring, seal.Stream, "")
		time.AfterFunc(time.Second, func() { n.net.Cut("mute") })
		n.post("b", path, "{}", 404, "open a stream again")
	})
}

// TestVisitorsAreBounded also has what is no message.
func TestVisitorsAreBounded(t *testing.T) {
	cluster(t, deaf{}, func(t *testing.T, n *trio) {
		n.start("a", Config{MaxForwards: 1})
		ask := func(msg []byte) nodes.Stream {
			s, err := n.all["b"].nodes.Open(t.Context(), nodes.Address{Node: "a", Kind: kindMessage}, msg)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			return s
		}
		verdict := func(s nodes.Stream) string {
			answer, err := s.Receive(t.Context())
			if err != nil {
				t.Error(err)
			}
			return string(answer)
		}
		silent := ask(nil)
		if got := verdict(ask([]byte("x"))); got != "b" {
			t.Errorf("one visitor too many: %q", got)
		}
		silent.Close(nil)
		synctest.Wait()
		for _, msg := range []string{"", "x", "\x00\x05abc"} {
			if got := verdict(ask([]byte(msg))); got != "e" {
				t.Errorf("%q: %q", msg, got)
			}
		}
	})
}

// TestKeyNotHeardOf holds that a session sealed with a key that a node may not have
// heard of is not called unknown there.
func TestKeyNotHeardOf(t *testing.T) {
	cluster(t, echo{}, func(t *testing.T, n *trio) {
		l := n.open("a")
		defer l.leave()
		n.ring = seal.NewRing()
		n.ring.Follow(func(context.Context) error { return errors.New("cut off") })
		n.start("b", Config{})
		n.post("b", l.path, `{"jsonrpc":"2.0","method":"notifications/initialized"}`, 503, "may not know the session's key")
		n.post("b", "/messages?session=forged", `{}`, 404, "unknown session")
	})
}
