// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// over is the threshold of the tests' clients.
const over = 10_000

var big = strings.Repeat("big ", over)

// bigWire answers with message, in which %id% stands for the request's id.
func bigWire(t *testing.T, era mcp.Era, form, message string) *wire {
	play := func(w http.ResponseWriter, _ *http.Request, m jsonrpc.Message) {
		text := []byte(strings.ReplaceAll(message, "%id%", string(m.ID.Raw())))
		switch form {
		case "json": // with a length
			w.Header().Set("Content-Length", fmt.Sprint(len(text)))
			reply(w, 200, text)
		case "chunks":
			w.Header().Set("Content-Type", "application/json")
			for len(text) > 0 {
				n, _ := w.Write(text[:min(3000, len(text))])
				text = text[n:]
				w.(http.Flusher).Flush()
			}
		case "sse":
			stream(w, event(notification(mcp.NotificationMessage, `{"level":"info","data":"x"}`)), event(text))
		case "lines":
			stream(w, "data: "+strings.ReplaceAll(string(text), ",", "\ndata: ,")+"\nid: 1\n\n")
		}
	}
	if era == mcp.Modern {
		return modernWire(t, play)
	}
	return legacyWire(t, play)
}

// readLarge puts a large result together again.
func readLarge(l *LargeResult) (string, error) {
	defer l.Close()
	var out bytes.Buffer
	for {
		name, err := l.Next()
		if name == nil || err != nil {
			return out.String(), err
		}
		fmt.Fprintf(&out, "%s:", name)
		if err := l.Stream().Copy(&out); err != nil {
			return out.String(), err
		}
		out.WriteByte(';')
	}
}

func TestLarge(t *testing.T) {
	value := string(jsonrpc.AppendString(nil, big))
	for _, tc := range []struct{ name, message, want string }{
		{"usual", `{"jsonrpc":"2.0","id":%id%,"result":{"a":1,"b":` + value + `,"c":[]}}`, `"a":1;"b":` + value + `;"c":[];`},
		{"result first", `{ "result" : { "b" : ` + value + ` } , "id" : %id% , "jsonrpc" : "2.0" }`, `"b":` + value + `;`},
		{"unknown members", `{"x":{"result":{}},"id":%id%,"result":{"b":` + value + `},"y":[1],"jsonrpc":"2.0"}`, `"b":` + value + `;`},
		{"half a pair", `{"jsonrpc":"2.0","id":%id%,"result":{"b":` + value + `,"c":"\ud83d","d":"` + "\xe9" + `"}}`, `"b":` + value + `;"c":"\ufffd";"d":"` + "\ufffd" + `";`},
		{"escaped names", `{"jsonrpc":"2.0","\u0069d":%id%,"r\u0065sult":{"\u0062":` + value + `}}`, `"b":` + value + `;`},
	} {
		for _, era := range []mcp.Era{mcp.Modern, mcp.Legacy} {
			for _, form := range []string{"json", "chunks", "sse", "lines"} {
				s := bigWire(t, era, form, tc.message)
				c := connect(t, HTTP(s.URL), LargeResults(over, 1<<20))
				var large *LargeResult
				got, err := c.Call(t.Context(), mcp.MethodCallTool, Raw(`{"name":"x"}`), CallOptions{
					OnNotify: func(string, Raw) {}, Large: func(l *LargeResult) { large = l },
				})
				if err != nil || got != nil || large == nil {
					t.Errorf("%s, %v, %s: %.40q, %v", tc.name, era, form, got, err)
					continue
				}
				if got, err := readLarge(large); err != nil || got != tc.want {
					t.Errorf("%s, %v, %s: read %d bytes, want %d; %v", tc.name, era, form, len(got), len(tc.want), err)
				}
			}
		}
	}
}

// TestLargeNot are messages over the threshold that are for memory, or none.
func TestLargeNot(t *testing.T) {
	value := string(jsonrpc.AppendString(nil, big))
	for _, tc := range []struct{ name, message, want, wrong string }{
		{"error", `{"jsonrpc":"2.0","id":%id%,"error":{"code":-32000,"message":"no","data":` + value + `}}`, "", "no"},
		{"input", `{"jsonrpc":"2.0","id":%id%,"result":{"resultType":"input_required","requestState":` + value + `}}`, "requestState", ""},
		{"small", `{"jsonrpc":"2.0","id":%id%,"result":{}}`, "{}", ""},
		{"array", `{"jsonrpc":"2.0","id":%id%,"result":[` + value + `]}`, "[", ""},
		{"another id", `{"jsonrpc":"2.0","id":99,"result":{"a":` + value + `}}`, "", "is not its response"},
		{"no JSON", `{"jsonrpc":"2.0","id":%id%,"result":{"a":` + value[:len(value)/2], "", "unreadable"},
	} {
		s := bigWire(t, mcp.Modern, "chunks", tc.message)
		c := connect(t, HTTP(s.URL), LargeResults(over, 1<<20))
		got, err := c.Call(t.Context(), mcp.MethodCallTool, Raw(`{"name":"x"}`), CallOptions{
			ReturnInput: true,
			Large: func(l *LargeResult) {
				if _, err := readLarge(l); err == nil || tc.wrong == "" {
					t.Errorf("%s: has become a large result, %v", tc.name, err)
				}
			},
		})
		switch {
		case tc.name == "no JSON": // large, and broken
		case tc.wrong == "" && (err != nil || !strings.Contains(string(got), tc.want)):
			t.Errorf("%s: %.40q, %v", tc.name, got, err)
		case tc.wrong != "" && (err == nil || !strings.Contains(err.Error(), tc.wrong)):
			t.Errorf("%s: %v, want %q", tc.name, err, tc.wrong)
		}
	}
}

func TestLargeFails(t *testing.T) {
	value := string(jsonrpc.AppendString(nil, big))
	protocol, broken := new(ProtocolError), ErrStreamBroken
	for _, tc := range []struct {
		name, message string
		want          error
	}{
		{"late type", `{"jsonrpc":"2.0","id":%id%,"result":{"a":` + value + `,"resultType":"input_required"}}`, errLate},
		{"wrong id late", `{"jsonrpc":"2.0","result":{"a":` + value + `},"id":77}`, protocol},
		{"no id", `{"jsonrpc":"2.0","result":{"a":` + value + `}}`, protocol},
		{"no version", `{"id":%id%,"result":{"a":` + value + `}}`, protocol},
		{"twice", `{"jsonrpc":"2.0","id":%id%,"result":{"a":` + value + `,"a":1}}`, protocol},
		{"not JSON", `{"jsonrpc":"2.0","id":%id%,"result":{"a":` + value + `,"b":01}}`, protocol},
		{"too long", `{"jsonrpc":"2.0","id":%id%,"result":{"a":` + value + `,"b":` + value + `,"c":` + value + `}}`, protocol},
		{"cut off", `{"jsonrpc":"2.0","id":%id%,"result":{"a":` + value, broken},
	} {
		for _, form := range []string{"json", "sse"} {
			s := bigWire(t, mcp.Modern, form, tc.message)
			c := connect(t, HTTP(s.URL), LargeResults(over, 100_000))
			var large *LargeResult
			_, err := c.Call(t.Context(), mcp.MethodCallTool, Raw(`{"name":"x"}`), CallOptions{Large: func(l *LargeResult) { large = l }})
			if err != nil {
				t.Errorf("%s: %v", tc.name, err)
				continue
			}
			_, _ = readLarge(large)
			_, err = large.Next() // tells again
			if _, ok := errors.AsType[*ProtocolError](err); !(tc.want == error(protocol) && ok) && !errors.Is(err, tc.want) {
				t.Errorf("%s in %s: %v", tc.name, form, err)
			}
		}
	}
}

// TestLargeLife: a large result outlives its call's context, but not its client,
// and silence counts only while it is read.
func TestLargeLife(t *testing.T) {
	goOn, left := make(chan struct{}), make(chan struct{})
	s := modernWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"a":"%s`, m.ID.Raw(), big)
		w.(http.Flusher).Flush()
		select {
		case <-goOn:
			fmt.Fprint(w, `","b":1}}`)
		case <-r.Context().Done():
			left <- struct{}{}
		}
	})
	c := connect(t, HTTP(s.URL), LargeResults(over, 1<<20), IdleTimeout(50*time.Millisecond))
	call := func() *LargeResult {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		var large *LargeResult
		_, err := c.Call(ctx, mcp.MethodCallTool, Raw(`{"name":"x"}`), CallOptions{Large: func(l *LargeResult) { large = l }})
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		return large
	}

	l := call()
	timer := time.NewTimer(150 * time.Millisecond) // longer than the idle timeout
	<-timer.C
	close(goOn)
	if got, err := readLarge(l); err != nil || !strings.HasSuffix(got, `"b":1;`) {
		t.Errorf("after the call's context: %d bytes, %v", len(got), err)
	}

	goOn = make(chan struct{})
	l = call()
	if _, err := readLarge(l); !errors.Is(err, ErrTimeout) && !errors.Is(err, ErrStreamBroken) {
		t.Errorf("a silent server: %v", err)
	}
	<-left
	l = call()
	l.Close()
	<-left
	if _, err := l.Next(); err == nil {
		t.Error("a closed result can be read")
	}
	l = call()
	c.Close()
	<-left
	if _, err := io.ReadAll(errReader{l}); err == nil {
		t.Error("the result of a closed client can be read")
	}
}

// errReader reads nothing but the error of a large result.
type errReader struct{ l *LargeResult }

func (r errReader) Read([]byte) (int, error) {
	_, err := readLarge(r.l)
	return 0, err
}
