// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package rpc

import (
	"sync"

	"github.com/holdfast-mcp/holdfast/mcp"
)

// Shared keeps the forms of a body that many calls are answered with, such as a
// list, so that each is made once and not for every call. It lives as long as
// the body and has one form per version and engine. The zero Shared is ready;
// it is safe for concurrent use.
type Shared struct {
	forms sync.Map // key → form
}

type form struct {
	body Raw
	err  error
}

// Form returns the form that key stands for, made by build the first time. Two
// first callers may both build; all get the same. A nil Shared keeps nothing.
func (s *Shared) Form(key any, build func() (Raw, error)) (Raw, error) {
	if s == nil {
		return build()
	}
	if kept, ok := s.forms.Load(key); ok {
		return kept.(form).body, kept.(form).err
	}
	body, err := build()
	kept, _ := s.forms.LoadOrStore(key, form{body, err})
	return kept.(form).body, kept.(form).err
}

// Down returns the body for a client that speaks f, see [mcp.DownResult].
func (r *Result) Down(f *mcp.Features, method string) (Raw, error) {
	body := r.Body
	return r.Shared.Form(f, func() (Raw, error) { return mcp.DownResult(f, method, body) })
}
