// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// manner is what a server does to each answer that holds a message.
type manner func(w http.ResponseWriter, r *http.Request, body []byte)

// mannered serves one era, in a manner.
func mannered(t *testing.T, era mcp.Era, do manner) *wire {
	return newWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
		switch {
		case r.Method != http.MethodPost:
			w.WriteHeader(http.StatusMethodNotAllowed)
		case m.ID.IsZero():
			w.WriteHeader(http.StatusAccepted)
		case m.Method == mcp.MethodDiscover && era == mcp.Modern:
			do(w, r, result(m, discoverResult))
		default:
			do(w, r, legacyReply(m))
		}
	})
}

func typed(contentType string, status int, change func([]byte) []byte) manner {
	return func(w http.ResponseWriter, _ *http.Request, body []byte) {
		if change != nil {
			body = change(body)
		}
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		w.Write(body)
	}
}

func encoded(name string, compress func(io.Writer) io.WriteCloser) manner {
	return func(w http.ResponseWriter, _ *http.Request, body []byte) {
		var packed bytes.Buffer
		c := compress(&packed)
		c.Write(body)
		c.Close()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", name)
		w.Write(packed.Bytes())
	}
}

func array(body []byte) []byte { return []byte("[" + string(body) + "]") }

// TestAnswersAsOfficialClientsTakeThem: what the TypeScript and Go SDKs take for an
// answer over HTTP is one.
func TestAnswersAsOfficialClientsTakeThem(t *testing.T) {
	gz := func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
	manners := map[string]manner{
		"200":                 typed("application/json", 200, nil),
		"201":                 typed("application/json", 201, nil),
		"202":                 typed("application/json; charset=utf-8", 202, nil),
		"203 stream":          typed("text/event-stream", 203, func(b []byte) []byte { return []byte(event(b)) }),
		"array":               typed("application/json", 200, array),
		"type twice":          typed("application/json, application/json", 200, nil),
		"type in capitals":    typed("Application/JSON;Charset=UTF-8", 200, nil),
		"type with a suffix":  typed("application/json-rpc", 200, nil),
		"stream with a param": typed("text/event-stream;;charset=utf-8", 200, func(b []byte) []byte { return []byte(event(b)) }),
		"gzip":                encoded("gzip", gz),
		"x-gzip":              encoded("X-GZIP", gz),
		"deflate":             encoded("deflate", func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }),
		"bare deflate": encoded("deflate", func(w io.Writer) io.WriteCloser {
			z, _ := flate.NewWriter(w, flate.BestSpeed)
			return z
		}),
		"no encoding": encoded("utf-8", func(w io.Writer) io.WriteCloser { return nopCloser{w} }),
		"gzip stream": func(w http.ResponseWriter, _ *http.Request, body []byte) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			stream(w)
			io.WriteString(z, event(body))
			z.Flush() // and nothing ends: the answer counts when it is there
			w.(http.Flusher).Flush()
		},
	}
	for name, do := range manners {
		for _, era := range []mcp.Era{mcp.Legacy, mcp.Modern} {
			t.Run(fmt.Sprint(name, " ", era), func(t *testing.T) {
				s := mannered(t, era, do)
				c := connect(t, HTTP(s.URL))
				if c.Version().Era() != era {
					t.Fatalf("version %s", c.Version())
				}
				if got, err := c.CallTool(t.Context(), "t", nil); err != nil || got.Text() != "hi" {
					t.Errorf("CallTool: %v, %v", got, err)
				}
			})
		}
	}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// TestBadEncodings: a body that cannot be expanded, or expands without end, costs
// its call an error that says so.
func TestBadEncodings(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   manner
		want string
	}{
		{"brotli", encoded("br", func(w io.Writer) io.WriteCloser { return nopCloser{w} }), "compressed as br"},
		{"not gzip", encoded("gzip", func(w io.Writer) io.WriteCloser { return nopCloser{w} }), "not gzip, as its Content-Encoding says"},
		{"bomb", encoded("gzip", func(w io.Writer) io.WriteCloser {
			z := gzip.NewWriter(w)
			z.Write(bytes.Repeat([]byte(" "), 2<<20))
			return z
		}), "over the limit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			calls := false
			s := mannered(t, mcp.Legacy, func(w http.ResponseWriter, r *http.Request, body []byte) {
				if calls {
					tt.do(w, r, body)
					return
				}
				reply(w, 200, body)
			})
			c := connect(t, HTTP(s.URL), MaxMessage(1<<20))
			calls = true
			_, err := c.CallTool(t.Context(), "t", nil)
			if _, broken := errors.AsType[*ProtocolError](err); !broken || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("CallTool: %v, want %q", err, tt.want)
			}
		})
	}
}

// TestRedirects: within its origin a server may send a request elsewhere, with its
// body and headers; where else it leads is named, and nothing is sent there.
func TestRedirects(t *testing.T) {
	var strange int
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strange++ }))
	defer other.Close()
	for _, tt := range []struct {
		name     string
		status   int
		location string // "" for the same path with a slash
		want     string // of the error
	}{
		{"307", 307, "", ""},
		{"308", 308, "", ""},
		{"absolute", 307, "self", ""},
		{"301 of a POST", 301, "", "redirected to http"},
		{"303 of a POST", 303, "", "redirected to http"},
		{"another origin", 307, other.URL + "/mcp?token=x", other.URL + "/mcp, which is another origin"},
		{"no location", 307, "none", "HTTP status 307"},
		{"in circles", 307, "/mcp", "redirected to http"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s *wire
			s = newWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
				if got := r.Header.Get("Authorization"); got != "Bearer x" {
					t.Errorf("%s %s: Authorization %q", r.Method, r.URL, got)
				}
				switch {
				case !strings.HasSuffix(r.URL.Path, "/"):
					to := tt.location
					switch to {
					case "":
						to = r.URL.Path + "/"
					case "self":
						to = strings.ToUpper(s.URL[:7]) + s.URL[7:] + r.URL.Path + "/"
					}
					if to != "none" {
						w.Header().Set("Location", to)
					}
					w.WriteHeader(tt.status)
				case r.Method == http.MethodGet:
					stream(w, event(notification(mcp.NotificationToolsChanged, `{}`)))
				case r.Method == http.MethodDelete:
				case m.Method == mcp.MethodInitialize:
					w.Header().Set(mcp.HeaderSessionID, "s1")
					reply(w, 200, legacyReply(m))
				case m.ID.IsZero():
					w.WriteHeader(202)
				default:
					reply(w, 200, legacyReply(m))
				}
			})
			changed := make(chan struct{}, 100)
			c, err := Connect(t.Context(), HTTP(s.URL+"/mcp", "Authorization", "Bearer x"), RememberIn(nil),
				OnToolsChanged(func() { changed <- struct{}{} }))
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "token") {
					t.Errorf("Connect: %v, want %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			<-changed // heard on the GET stream
			if got, err := c.CallTool(t.Context(), "t", nil); err != nil || got.Text() != "hi" {
				t.Errorf("CallTool: %v, %v", got, err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	if strange > 0 {
		t.Errorf("another origin got %d requests", strange)
	}
}

func TestSameOrigin(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"https://Host/a", "https://host:443/b", true},
		{"http://host", "http://host:80", true},
		{"http://host", "https://host", false},
		{"http://host:81", "http://host", false},
		{"http://host", "http://host.example", false},
		{"http://[::1]:80", "http://[::1]", true},
	} {
		a, _ := url.Parse(tt.a)
		b, _ := url.Parse(tt.b)
		if got := sameOrigin(a, b); got != tt.want {
			t.Errorf("%s and %s: %v", tt.a, tt.b, got)
		}
	}
}

// TestGETAnsweredWithAnything: whatever a server answers to the GET that would open
// a stream, it can be called, at once.
func TestGETAnsweredWithAnything(t *testing.T) {
	answers := map[string]http.HandlerFunc{
		"page":  func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>welcome</html>") },
		"JSON":  func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, []byte(`{"status":"ok"}`)) },
		"empty": func(http.ResponseWriter, *http.Request) {},
		"drop":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	for _, status := range []int{204, 302, 400, 401, 403, 404, 405, 406, 429, 500, 501, 502, 503} {
		answers[fmt.Sprint(status)] = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			s := legacyWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
				if r.Method == http.MethodGet {
					answer(w, r)
					return
				}
				reply(w, 200, legacyReply(m))
			})
			c := connect(t, HTTP(s.URL), OnToolsChanged(func() {}), OnAsk(nil))
			if got, err := c.CallTool(t.Context(), "t", nil); err != nil || got.Text() != "hi" {
				t.Errorf("CallTool: %v, %v", got, err)
			}
			if n := len(s.requests(http.MethodGet)); n > 2 { // one, and that of net/http's own second attempt
				t.Errorf("%d GETs were waited for", n)
			}
		})
	}
}

// TestAnswersOnTheGETStream: a request that is answered with nothing has its response
// on the GET stream, and fails at once where there is none.
func TestAnswersOnTheGETStream(t *testing.T) {
	for _, status := range []int{202, 204} {
		for _, offered := range []bool{true, false} {
			t.Run(fmt.Sprint(status, offered), func(t *testing.T) {
				calls := make(chan jsonrpc.Message, 1)
				s := legacyWire(t, func(w http.ResponseWriter, r *http.Request, m jsonrpc.Message) {
					switch {
					case r.Method == http.MethodPost:
						w.WriteHeader(status)
						calls <- m
					case !offered:
						w.WriteHeader(http.StatusMethodNotAllowed)
					default:
						stream(w, ":\n\n")
						for {
							select {
							case m := <-calls:
								stream(w, event(notification(mcp.NotificationProgress, `{"progressToken":`+m.ID.String()+`,"progress":1}`)), event(legacyReply(m)))
							case <-r.Context().Done():
								return
							}
						}
					}
				})
				c := connect(t, HTTP(s.URL))
				var progress int
				for range 2 {
					got, err := c.CallTool(t.Context(), "t", nil, OnProgress(func(Progress) { progress++ }))
					if offered && (err != nil || got.Text() != "hi") || !offered && httpStatus(err) != status {
						t.Errorf("CallTool: %v, %v", got, err)
					}
					if !offered {
						<-calls
					}
				}
				if offered && progress != 2 {
					t.Errorf("%d of 2 calls' progress came", progress)
				}
			})
		}
	}
}
