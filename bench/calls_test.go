// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-json-experiment/json"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testLane connects a lane without sessions to handler.
func testLane(t *testing.T, ctx context.Context, e era, handler http.HandlerFunc) *lane {
	t.Helper()
	ts := httptest.NewServer(handler)
	t.Cleanup(ts.Close)
	l := &lane{era: e, to: direct(ts.Listener.Addr().String())}
	t.Cleanup(func() { l.team.close() })
	if err := l.connect(ctx, 4); err != nil {
		t.Fatal(err)
	}
	return l
}

// echoText answers a call as an event stream or as JSON.
func echoText(w http.ResponseWriter, r *http.Request, stream bool) {
	var req struct {
		ID     int64 `json:"id"`
		Params struct {
			Arguments struct {
				Text string `json:"text"`
			} `json:"arguments"`
		} `json:"params"`
	}
	if err := json.UnmarshalRead(r.Body, &req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":{"content":[{"type":"text","text":%q}]}}`,
		req.ID, req.Params.Arguments.Text)
	if !stream {
		io.WriteString(w, answer)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for _, part := range []string{"event: message\n", "data: " + answer + "\n", "\n"} {
		io.WriteString(w, part)
		w.(http.Flusher).Flush()
	}
}

func TestLaneRun(t *testing.T) {
	for _, e := range []era{legacy, modern} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s stream=%v", e, stream), func(t *testing.T) {
				var served atomic.Int64
				l := testLane(t, t.Context(), e, func(w http.ResponseWriter, r *http.Request) {
					served.Add(1)
					echoText(w, r, stream)
				})
				const total = 101
				for range 2 {
					if err := l.run(total); err != nil {
						t.Fatal(err)
					}
				}
				timed := 0
				for _, spent := range l.spent {
					timed += len(spent)
				}
				if served.Load() != 2*total || timed != total {
					t.Errorf("served %d and timed %d, want %d and %d", served.Load(), timed, 2*total, total)
				}
			})
		}
	}
}

// TestLaneRunWrongAnswer lets one answer in many be wrong: the round fails and
// shows it.
func TestLaneRunWrongAnswer(t *testing.T) {
	var served atomic.Int64
	l := testLane(t, t.Context(), modern, func(w http.ResponseWriter, r *http.Request) {
		if served.Add(1) == 50 {
			io.WriteString(w, `{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"the offender"}}`)
			return
		}
		echoText(w, r, false)
	})
	err := l.run(101)
	if _, ok := errors.AsType[*answerError](err); !ok || !strings.Contains(err.Error(), "the offender") {
		t.Errorf("run: %v, want an answerError with the body", err)
	}
}

func TestLaneRunCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l := testLane(t, ctx, modern, func(_ http.ResponseWriter, r *http.Request) {
		// net/http notices a lost client only once the body has been read.
		io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
	})
	if err := l.run(4); err == nil {
		t.Error("run goes on after its context is cancelled")
	}
}

func TestOpenStream(t *testing.T) {
	release := make(chan struct{})
	cases := map[string]struct {
		handler     http.HandlerFunc
		opens       bool
		unsupported bool
		dies        bool
	}{
		"stays open": {opens: true, handler: func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			openTestStream(w)
			<-r.Context().Done()
		}},
		"ends": {opens: true, dies: true, handler: func(w http.ResponseWriter, _ *http.Request) {
			openTestStream(w)
			<-release
		}},
		"not acknowledged": {handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, "data: {}\n\n")
			w.(http.Flusher).Flush()
		}},
		"no such method": {unsupported: true, handler: func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no", http.StatusNotFound)
		}},
		"bad request": {handler: func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no", http.StatusBadRequest)
		}},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			l := testLane(t, t.Context(), modern, test.handler)
			c := l.team[0]
			err := c.openStream(modern, "")
			if (err == nil) != test.opens || errors.Is(err, errUnsupported) != test.unsupported {
				t.Fatalf("open: %v", err)
			}
			if !test.opens {
				return
			}
			if err := c.alive(); err != nil {
				t.Fatalf("open stream is not alive: %v", err)
			}
			if test.dies {
				close(release)
				for tries := 0; c.alive() == nil; tries++ {
					if tries == 1000 {
						t.Fatal("ended stream counts as alive")
					}
				}
			}
		})
	}
}

func openTestStream(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	io.WriteString(w, "data: {\"method\":\"notifications/subscriptions/acknowledged\"}\n\n")
	w.(http.Flusher).Flush()
}
