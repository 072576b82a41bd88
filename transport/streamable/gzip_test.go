// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package streamable

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/holdfast-mcp/holdfast/transport"
)

// TestSharedAnswersAreCompressed: for clients that take gzip, one member whatever
// differs between answers, and the shared part compressed once.
func TestSharedAnswersAreCompressed(t *testing.T) {
	shared := []byte(`{"tools":[` + strings.Repeat(`{"name":"tool"},`, 5000) + `{}]}`)
	small := []byte(strings.Repeat("s", gzipFrom-1))
	var parts [][]byte
	s := start(t, Config{}, func(x transport.Exchange) { x.(transport.PartsReplier).ReplyParts(parts) })
	for i, tc := range []struct {
		accept string
		shared []byte
		want   bool
	}{
		{"gzip", shared, true}, {"deflate, GZIP;q=0.5, br", shared, true}, {"x-gzip", shared, true},
		{"gzip;q=0", shared, false}, {"gzip; q=0.000", shared, false}, {"identity", shared, false}, {"br", shared, false}, {"gzip", small, false},
	} {
		parts = [][]byte{fmt.Appendf(nil, `{"id":%d,"result":`, i), tc.shared, []byte("}")}
		_, got, h := do(t, s, "POST", "{}", func(r *http.Request) { r.Header.Set("Accept-Encoding", tc.accept) })
		if compressed := h.Get("Content-Encoding") == "gzip"; compressed != tc.want || h.Get("Content-Length") != fmt.Sprint(len(got)) {
			t.Errorf("%q: encoding %q, length %s of %d", tc.accept, h.Get("Content-Encoding"), h.Get("Content-Length"), len(got))
		} else if compressed {
			if len(got) > len(shared)/10 {
				t.Errorf("%d bytes of %d", len(got), len(shared))
			}
			got = unpack(t, []byte(got))
		}
		if want := string(bytes.Join(parts, nil)); got != want {
			t.Errorf("%q: %d bytes, want %d", tc.accept, len(got), len(want))
		}
	}
}

// unpack decodes one gzip member.
func unpack(t *testing.T, data []byte) string {
	t.Helper()
	in := bytes.NewReader(data)
	r, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	r.Multistream(false)
	text, err := io.ReadAll(r)
	if err != nil || in.Len() > 0 {
		t.Fatalf("%v, %d bytes are left", err, in.Len())
	}
	return string(text)
}

func TestDeflatedPartsLiveAsLongAsTheParts(t *testing.T) {
	var d deflated
	part := bytes.Repeat([]byte("part "), 1000)
	first, again := d.of(part), d.of(part)
	if len(first) == 0 || &first[0] != &again[0] || d.of(part[:gzipFrom]) != nil {
		t.Error("a part is not compressed once, or one that begins there is taken for it")
	}
	runtime.KeepAlive(part)
	part = nil
	for range 100 {
		runtime.GC()
		d.mu.Lock()
		left := len(d.parts)
		d.mu.Unlock()
		if left == 0 {
			return
		}
		runtime.Gosched()
	}
	t.Error("the compressed form outlives its part")
}

// FuzzGzip: whatever the parts, a decoder reads what they are.
func FuzzGzip(f *testing.F) {
	f.Add([]byte("head"), []byte("body"), 3000, []byte("}"))
	f.Add(bytes.Repeat([]byte("h"), 1000), []byte{}, 70, []byte{})
	f.Fuzz(func(t *testing.T, head, body []byte, times int, tail []byte) {
		var d deflated
		parts := [][]byte{head, bytes.Repeat(body, min(max(times, 0), 5000)), tail, bytes.Repeat(head, 90)}
		member, size := d.gzip(parts)
		if member == nil {
			return
		}
		packed := bytes.Join(member, nil)
		if got, want := unpack(t, packed), string(bytes.Join(parts, nil)); got != want || size != len(packed) {
			t.Errorf("%d bytes of %d in %d of %d", len(got), len(want), size, len(packed))
		}
	})
}

// BenchmarkGzip is a shared answer of 200 KB that was compressed before.
func BenchmarkGzip(b *testing.B) {
	var d deflated
	parts := [][]byte{[]byte(`{"id":1,"result":`), bytes.Repeat([]byte(`{"name":"tool"},`), 12_500), []byte("}")}
	b.ReportAllocs()
	for b.Loop() {
		d.gzip(parts)
	}
}
