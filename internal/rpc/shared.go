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
	forms sync.Map // key → func() (Raw, error)
}

// Form returns the form that key stands for, made by build the first time. Others
// who want it meanwhile wait: a form may be as large as the body, and a crowd of
// first callers would make as many. A nil Shared keeps nothing.
func (s *Shared) Form(key any, build func() (Raw, error)) (Raw, error) {
	if s == nil {
		return build()
	}
	form, ok := s.forms.Load(key)
	if !ok {
		form, _ = s.forms.LoadOrStore(key, sync.OnceValues(build))
	}
	return form.(func() (Raw, error))()
}

// Down returns the body for a client that speaks f, see [mcp.DownResult].
func (r *Result) Down(f *mcp.Features, method string) (Raw, error) {
	if r.Shared == nil { // which costs no closure
		return mcp.DownResult(f, method, r.Body)
	}
	body := r.Body
	return r.Shared.Form(f, func() (Raw, error) { return mcp.DownResult(f, method, body) })
}
