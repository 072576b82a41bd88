// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/holdfast-mcp/holdfast/internal/clustertest"
	"github.com/holdfast-mcp/holdfast/tests/wire"
)

// cutLimit is how long an answer that was given across a broken link may take to be
// taken, and the call to have its outcome. The machine may be busy with other tests.
const cutLimit = 10 * time.Second

// TestAnswerAcrossACutLink: a question is asked at n1, the link between n1 and n2 is
// cut, and the answer is given at n2: it is taken, at once or when it is given again
// after a 503, and the call has its result.
func TestAnswerAcrossACutLink(t *testing.T) {
	for name, cut := range map[string]func(*clustertest.Links){
		"both_ways": func(l *clustertest.Links) { l.Cut("n1", "n2") },
		"to_n2":     func(l *clustertest.Links) { l.CutWay("n1", "n2") },
		"to_n1":     func(l *clustertest.Links) { l.CutWay("n2", "n1") },
	} {
		for _, after := range []time.Duration{0, 1500 * time.Millisecond} { // before the nodes notice, and after
			t.Run(name+"/"+after.String(), func(t *testing.T) {
				f, err := launch(t.Context(), programsOf(t), t.TempDir(), plan{links: true})
				if err != nil {
					t.Fatal(err)
				}
				defer f.close()
				answerAcross(t, f, after, cut)
				if t.Failed() {
					t.Log(f.logs())
				}
			})
		}
	}
}

// answerAcross plays one case.
func answerAcross(t *testing.T, f *fleet, after time.Duration, cut func(*clustertest.Links)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	far := &elsewhere{f: f, node: f.Node("n2")}
	c := &wire.Client{Name: "cut", URL: f.Node("n1").URL("/mcp"), HTTP: &http.Client{Transport: far}}
	var answered time.Time
	c.Answer = func(string, jsontext.Value) string {
		cut(f.Links)
		wait(ctx, after)
		answered = time.Now()
		return answerKelp("", nil)
	}
	if err := c.Open(ctx); err != nil {
		t.Fatal(err)
	}
	a, err := c.Tool(ctx, "web__ask", `{"Text":"you"}`)
	took := time.Since(answered)
	if err != nil || a.Error != nil || a.Text != "accept kelp" {
		t.Errorf("the call came to %+v, %v", a, err)
	}
	if took > cutLimit {
		t.Errorf("the outcome came %v after the answer", took)
	}
	t.Logf("the answer was answered %v, and the call %v later", far.said(), took.Round(time.Millisecond))
}

// elsewhere sends a client's answers to another node, again after each 503.
type elsewhere struct {
	f    *fleet
	node *clustertest.Node

	mu       sync.Mutex
	statuses []int
}

func (e *elsewhere) said() []int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.statuses
}

func (e *elsewhere) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body == nil {
		return e.f.http.RoundTrip(req)
	}
	body, err := io.ReadAll(req.Body)
	req.Body.Close()
	if err != nil {
		return nil, err
	}
	answers := bytes.Contains(body, []byte(`"result"`))
	for {
		next := req.Clone(req.Context())
		next.Body = io.NopCloser(bytes.NewReader(body))
		if answers {
			next.URL.Host, next.Host = e.node.Addr, e.node.Addr
		}
		res, err := e.f.http.RoundTrip(next)
		if err != nil || !answers {
			return res, err
		}
		e.mu.Lock()
		e.statuses = append(e.statuses, res.StatusCode)
		e.mu.Unlock()
		if res.StatusCode != http.StatusServiceUnavailable {
			return res, nil
		}
		res.Body.Close()
		wait(req.Context(), 500*time.Millisecond)
	}
}
