// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package rpc

import (
	"sync"
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
