// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package rpc

import "sync"

// Finisher is a Client that says when its call is over, with the answer sent or
// given up: until then the result is held in memory.
type Finisher interface {
	// OnFinish has f called once, when the call is over, at once if it is already. f
	// must not block. It is safe for concurrent use.
	OnFinish(f func())
}

// Finish is a [Finisher] for a Client to embed. The zero value is ready.
type Finish struct {
	mu    sync.Mutex
	over  bool
	calls []func()
}

// OnFinish implements [Finisher].
func (f *Finish) OnFinish(call func()) {
	f.mu.Lock()
	if !f.over {
		f.calls = append(f.calls, call)
		f.mu.Unlock()
		return
	}
	f.mu.Unlock()
	call()
}

// Finished says that the call is over. It is idempotent.
func (f *Finish) Finished() {
	f.mu.Lock()
	calls := f.calls
	f.over, f.calls = true, nil
	f.mu.Unlock()
	for _, call := range calls {
		call()
	}
}
