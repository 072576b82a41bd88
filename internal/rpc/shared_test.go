// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package rpc

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/holdfast-mcp/holdfast/mcp"
)

func TestSharedKeepsItsForms(t *testing.T) {
	body := Raw(`{"tools":[{"name":"a","inputSchema":{"type":"object"},"icons":[]}],"ttlMs":1}`)
	res := Result{Body: body, Shared: &Shared{}}
	first := map[mcp.Version]*byte{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for _, v := range mcp.Versions() {
				plain := Result{Body: body}
				want, err := plain.Down(v.Features(), mcp.MethodListTools)
				if err != nil {
					t.Error(err)
				}
				got, err := res.Down(v.Features(), mcp.MethodListTools)
				if err != nil || string(got) != string(want) {
					t.Errorf("%s: %s, %v, want %s", v, got, err, want)
				}
				mu.Lock()
				if at := first[v]; at != nil && at != &got[0] {
					t.Errorf("%s: made twice", v)
				}
				first[v] = &got[0]
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// TestSharedBuildsOnce holds that a crowd of first callers has a form made once.
func TestSharedBuildsOnce(t *testing.T) {
	var shared Shared
	var built atomic.Int64
	crowd := make(chan struct{})
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			<-crowd
			body, err := shared.Form("a", func() (Raw, error) {
				built.Add(1)
				runtime.Gosched() // lets the others come
				return Raw("{}"), nil
			})
			if string(body) != "{}" || err != nil {
				t.Errorf("%s, %v", body, err)
			}
		})
	}
	close(crowd)
	wg.Wait()
	if n := built.Load(); n != 1 {
		t.Errorf("built %d times", n)
	}
}
