// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package endpoint_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-mcp/holdfast/client"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
	"github.com/holdfast-mcp/holdfast/transport"
	"github.com/holdfast-mcp/holdfast/transport/streamable"
)

const (
	modern = string(mcp.V20260728)
	recent = string(mcp.V20251125)
	older  = string(mcp.V20250618)
)

// received is a response as its client sees it: large values as their digest.
type received struct {
	outer, result map[string]string
	text          hash.Hash
	size          int64
}

// receive reads a response to the end.
func receive(r io.Reader) (*received, error) {
	got := &received{outer: map[string]string{}, result: map[string]string{}, text: sha256.New()}
	s := jsonrpc.NewStream(r, jsonrpc.Limits{})
	if err := s.Open('{'); err != nil {
		return got, err
	}
	for {
		name, err := s.Member()
		if err != nil {
			return got, err
		}
		if name == nil {
			return got, s.End()
		}
		if string(name) == `"result"` {
			err = got.readResult(s)
		} else {
			value, valueErr := s.Value(1 << 10)
			got.outer[string(name)], err = string(value), valueErr
		}
		if err != nil {
			return got, err
		}
	}
}

func (got *received) readResult(s *jsonrpc.Stream) error {
	if err := s.Open('{'); err != nil {
		return err
	}
	for {
		name, err := s.Member()
		if name == nil || err != nil {
			return err
		}
		key := string(name)
		if key == `"content"` {
			count := &counter{}
			if err := s.Copy(io.MultiWriter(got.text, count)); err != nil {
				return err
			}
			got.size = count.n
			continue
		}
		value, err := s.Value(1 << 10)
		if err != nil {
			return err
		}
		got.result[key] = string(value)
	}
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// want is the digest of the content that an upstream sends.
func (u *upstream) want() (string, int64) {
	h, n := sha256.New(), &counter{}
	w := io.MultiWriter(h, n)
	_, _ = io.WriteString(w, `[{"type":"text","text":"`) // a hash does not fail
	part := strings.Repeat(chunk, 256)
	for i := 0; i < u.size; i += len(part) {
		_, _ = io.WriteString(w, part)
	}
	_, _ = io.WriteString(w, `"}]`)
	return fmt.Sprintf("%x", h.Sum(nil)), n.n
}

func form(stream bool) string {
	if stream {
		return "sse"
	}
	return "json"
}

// TestLargeResults brings results of 2 MiB through every pair of eras and forms.
func TestLargeResults(t *testing.T) {
	for _, era := range []mcp.Era{mcp.Legacy, mcp.Modern} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("upstream=%v-%s", era, form(stream)), func(t *testing.T) {
				u := &upstream{era: era, stream: stream, size: 2 << 20}
				m := newMiddle(t, u, streamable.Config{})
				m.Start()
				for _, version := range []string{modern, recent, older} {
					for _, progress := range []bool{false, true} {
						t.Run("client="+version+"-"+form(progress), func(t *testing.T) { m.check(t, u, dialect{version, progress}) })
					}
				}
				m.closedAll(t, 6)
			})
		}
	}
}

// closedAll waits for n large results to have been closed: an answer's end is
// seen a little before.
func (m *middle) closedAll(t *testing.T, n int64) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(20 * time.Second); m.large.Load() != n || m.closed.Load() != n; <-ticker.C {
		if time.Now().After(deadline) {
			t.Errorf("%d results were large, %d closed; want all %d", m.large.Load(), m.closed.Load(), n)
			return
		}
	}
}

func (m *middle) check(t *testing.T, u *upstream, d dialect) {
	t.Helper()
	res, _ := m.call(t.Context(), t, d)
	defer res.Body.Close()
	r, err := answer(res)
	if err != nil {
		t.Fatal(err)
	}
	got, err := receive(r)
	if err != nil {
		t.Fatalf("%v; %v", err, got)
	}
	digest, size := u.want()
	if got.size != size || fmt.Sprintf("%x", got.text.Sum(nil)) != digest {
		t.Errorf("content of %d bytes, want %d, or another digest", got.size, size)
	}
	want := map[string]string{`"isError"`: "false", `"_meta"`: `{"x.example/a":1}`}
	if d.version == modern {
		want[`"resultType"`] = `"complete"`
		want[`"_meta"`] = `{"x.example/a":1,"io.modelcontextprotocol/serverInfo":{"name":"middle","version":"1"}}`
	}
	if diff := cmp.Diff(want, got.result); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{`"jsonrpc"`: `"2.0"`, `"id"`: "2"}, got.outer); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
}

// TestLargeMemory brings 64 MiB through and looks at the heap meanwhile. Sender
// and receiver, which hold nothing, are in the same process.
func TestLargeMemory(t *testing.T) {
	const size, bound = 64 << 20, 24 << 20
	for _, tc := range []struct {
		era    mcp.Era
		stream bool
		d      dialect
	}{
		{mcp.Modern, false, dialect{modern, false}},
		{mcp.Legacy, true, dialect{recent, true}},
	} {
		t.Run(fmt.Sprintf("%v-%s/%s-%s", tc.era, form(tc.stream), tc.d.version, form(tc.d.progress)), func(t *testing.T) {
			u := &upstream{era: tc.era, stream: tc.stream, size: size}
			m := newMiddle(t, u, streamable.Config{})
			m.Start()
			runtime.GC()
			base := heap()
			peak := make(chan uint64)
			done := make(chan struct{})
			go func() { // ends with done
				most := uint64(0)
				ticker := time.NewTicker(time.Millisecond)
				defer ticker.Stop()
				for {
					select {
					case <-ticker.C:
						most = max(most, heap())
					case <-done:
						peak <- most
						return
					}
				}
			}()
			began := time.Now()
			m.check(t, u, tc.d)
			close(done)
			grown := int64(<-peak) - int64(base)
			t.Logf("%v, heap in use grew by %.1f MiB", time.Since(began).Round(time.Millisecond), float64(grown)/(1<<20))
			if grown > bound {
				t.Errorf("heap in use grew by %d bytes, bound %d", grown, bound)
			}
		})
	}
}

// heap returns the bytes of the heap in use, free space between objects included.
func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() + s[1].Value.Uint64()
}

// TestLargeBreaks has the upstream break off, or turn out to be wrong at the
// end: no client gets a whole answer.
func TestLargeBreaks(t *testing.T) {
	for name, late := range map[string]string{
		"cut":       "",
		"second id": `,"id":3`,
		"error too": `,"error":{"code":1,"message":"x"}`,
		"behind":    `}{`,
		"twice":     `,"result":{}`,
	} {
		for _, stream := range []bool{false, true} {
			u := &upstream{era: mcp.Modern, stream: stream, size: 3 << 20, late: late}
			if late == "" {
				u.cut = 2 << 20
			}
			m := newMiddle(t, u, streamable.Config{})
			m.Start()
			for _, d := range []dialect{{modern, false}, {modern, true}, {recent, false}, {recent, true}} {
				res, _ := m.call(t.Context(), t, d)
				r, err := answer(res)
				if err == nil {
					_, err = receive(r)
				}
				if !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("%s in %s to %s %s: %v, want an unexpected EOF", name, form(stream), d.version, form(d.progress), err)
				}
				if _, err := io.Copy(io.Discard, res.Body); err == nil {
					t.Errorf("%s in %s to %s %s: the body ends well", name, form(stream), d.version, form(d.progress))
				}
				res.Body.Close()
			}
			m.closedAll(t, 4)
		}
	}
}

// TestLargeBreaksHTTP2 ends the stream by a reset, and the connection stays.
func TestLargeBreaksHTTP2(t *testing.T) {
	u := &upstream{era: mcp.Modern, size: 8 << 20, cut: 4 << 20}
	m := newMiddle(t, u, streamable.Config{})
	m.EnableHTTP2 = true
	m.StartTLS()
	for range 2 {
		res, _ := m.call(t.Context(), t, dialect{modern, false})
		if res.ProtoMajor != 2 {
			t.Fatal(res.Proto)
		}
		if _, err := io.Copy(io.Discard, res.Body); err == nil || !strings.Contains(err.Error(), "INTERNAL_ERROR") {
			t.Errorf("the body ends with %v, want a reset", err)
		}
		res.Body.Close()
	}
}

// TestLargeClientLeaves cancels the upstream's sending when the client goes.
func TestLargeClientLeaves(t *testing.T) {
	for _, d := range []dialect{{modern, false}, {modern, true}, {recent, false}, {recent, true}} {
		u := &upstream{era: mcp.Modern, size: 512 << 20}
		m := newMiddle(t, u, streamable.Config{})
		m.Start()
		ctx, leave := context.WithCancel(t.Context())
		res, _ := m.call(ctx, t, d)
		if _, err := io.CopyN(io.Discard, res.Body, 3<<20); err != nil {
			t.Fatal(err)
		}
		leave()
		res.Body.Close()
		await(t, u.left)
	}
}

func await(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(20 * time.Second):
		t.Fatal("the upstream goes on sending")
	}
}

// TestLargeClientStalls holds the upstream back, and after the write timeout
// lets it go.
func TestLargeClientStalls(t *testing.T) {
	for _, d := range []dialect{{modern, false}, {modern, true}, {recent, false}, {recent, true}} {
		u := &upstream{era: mcp.Modern, size: 512 << 20}
		m := newMiddle(t, u, streamable.Config{WriteTimeout: 300 * time.Millisecond}, client.IdleTimeout(100*time.Millisecond))
		m.Start()
		began := time.Now()
		res, _ := m.call(t.Context(), t, d)
		await(t, u.left)
		if took, sent := time.Since(began), u.written.Load(); took < 300*time.Millisecond || sent > 64<<20 {
			t.Errorf("%s %s: let go after %v and %d bytes", d.version, form(d.progress), took, sent)
		}
		if _, err := io.Copy(io.Discard, res.Body); err == nil {
			t.Errorf("%s %s: the body of a stalled client ends well", d.version, form(d.progress))
		}
		res.Body.Close()
	}
}

// TestLargeResume fetches what the event log knows of a large result that was
// cut off: that it is not there.
func TestLargeResume(t *testing.T) {
	u := &upstream{era: mcp.Modern, size: 8 << 20, cut: 4 << 20}
	m := newMiddle(t, u, streamable.Config{})
	m.Start()
	res, session := m.call(t.Context(), t, dialect{recent, true})
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err == nil {
		t.Fatal("the body ends well")
	}
	last := ""
	for event := range strings.SplitSeq(string(body), "\n\n") {
		if id, ok := strings.CutPrefix(event, "id: "); ok && len(event) < 1000 {
			last, _, _ = strings.Cut(id, "\n")
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, m.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Mcp-Session-Id": {session}, "Accept": {"text/event-stream"}, "Last-Event-Id": {last}}
	if res, err = m.Client().Do(req); err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err = io.ReadAll(res.Body); err != nil || !strings.Contains(string(body), `"id":2,"error":{"code":-32603,"message":"the connection was lost while a large result`) {
		t.Errorf("after %q: %q, %v", last, body, err)
	}
}

// TestLargeLateType finds out late that a result is no complete one.
func TestLargeLateType(t *testing.T) {
	for kind, want := range map[string]error{mcp.ResultComplete: nil, mcp.ResultInputRequired: io.ErrUnexpectedEOF} {
		u := &upstream{era: mcp.Modern, size: 4 << 20, kind: kind}
		m := newMiddle(t, u, streamable.Config{})
		m.Start()
		res, _ := m.call(t.Context(), t, dialect{modern, false})
		if _, err := receive(res.Body); !errors.Is(err, want) {
			t.Errorf("%s, said late: %v, want %v", kind, err, want)
		}
		res.Body.Close()
	}
}

// TestLargeInMemory reads large results whole where they cannot be sent while
// they arrive, though the handler was not allowed to return one.
func TestLargeInMemory(t *testing.T) {
	u := &upstream{era: mcp.Modern, size: 2 << 20}
	m := newMiddle(t, u, streamable.Config{})
	m.Start()
	m.always = true
	m.check(t, u, dialect{string(mcp.V20250326), false})
	m.check(t, u, dialect{string(mcp.V20241105), true})

	near, far := transport.Pipe()
	served := make(chan error)
	go func() { served <- m.endpoint.ServeConn(t.Context(), far) }()
	for _, msg := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`,
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"big","arguments":{}}}`,
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"big","arguments":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`,
	} {
		if err := near.Write([]byte(msg)); err != nil {
			t.Fatal(err)
		}
		text, err := near.Read()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(msg, "initialize") {
			continue
		}
		got, err := receive(strings.NewReader(string(text)))
		digest, size := u.want()
		if err != nil || got.size != size || fmt.Sprintf("%x", got.text.Sum(nil)) != digest {
			t.Errorf("over a Conn: content of %d bytes, want %d, or another digest; %v", got.size, size, err)
		}
	}
	near.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
	m.closedAll(t, 4)
}

// TestLargeBounds: over the limit for large results the answer breaks, and where
// none can be sent the limit in memory is told.
func TestLargeBounds(t *testing.T) {
	u := &upstream{era: mcp.Modern, size: 8 << 20}
	m := newMiddle(t, u, streamable.Config{}, client.LargeResults(1<<20, 6<<20), client.MaxMessage(5<<20))
	m.Start()
	res, _ := m.call(t.Context(), t, dialect{modern, false})
	if _, err := receive(res.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("over the limit: %v", err)
	}
	res.Body.Close()
	res, _ = m.call(t.Context(), t, dialect{string(mcp.V20250326), false})
	if body, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(body), `"error"`) || m.large.Load() != 1 {
		t.Errorf("to a version that is converted in memory: %q, %v", body, err)
	}
	res.Body.Close()
}

// TestLargeFailsEarly: as long as nothing has been sent, the failure of a large
// result is an error like any other.
func TestLargeFailsEarly(t *testing.T) {
	u := &upstream{era: mcp.Modern, size: 1 << 20}
	m := newMiddle(t, u, streamable.Config{}, client.LargeResults(1<<10, 20<<10))
	m.Start()
	for _, d := range []dialect{{modern, false}, {modern, true}, {recent, false}, {recent, true}} {
		res, _ := m.call(t.Context(), t, d)
		body, err := io.ReadAll(res.Body)
		if err != nil || strings.Count(string(body), `"id":2,"error":{"code":-32603`) != 1 {
			t.Errorf("%s %s: %q, %v", d.version, form(d.progress), body, err)
		}
		res.Body.Close()
	}
	m.closedAll(t, 4)
}
