// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import "github.com/holdfast-mcp/holdfast/internal/rpc"

// What follows lets package peer give each owner's instances one home in a
// cluster. Nothing here is used by a node alone.

// Whose returns whose instance a call has to reach for the sake of what that
// remembers, in terms that mean the same on every node. It is empty when any
// instance will do, and for servers that are no processes.
func (r *Remote) Whose(call *rpc.Call) string {
	switch {
	case r.cfg.Processes == nil, r.alone(call):
		return ""
	case r.cfg.Sharing == Shared:
		return "\x00" + r.cfg.Credential // never empty
	case isCatalog(call.Method):
		return ""
	}
	return r.keyOf(call).whose
}

// WhoseSession is Whose for the calls of a legacy session; it is empty when
// nothing is bound to sessions.
func (r *Remote) WhoseSession(session string) string {
	if r.cfg.Processes == nil || r.cfg.Sharing != PerSession {
		return ""
	}
	return r.cfg.Credential + sessionPart(session)
}

// Single reports whether all calls have the same owner.
func (r *Remote) Single() bool { return r.cfg.Sharing == Shared }

// Holds reports whether an instance of an owner runs or is being started.
func (r *Remote) Holds(whose string) bool {
	whose = r.ownKey(whose)
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	for k := range r.pool.entries {
		if k.whose == whose {
			return true
		}
	}
	return false
}

// Dismiss stops an owner's instances once their calls are done and what they have
// asked is answered.
func (r *Remote) Dismiss(whose string) { r.pool.dismiss(r.ownKey(whose), true) }

func (r *Remote) ownKey(whose string) string {
	if r.Single() {
		return r.cfg.Credential
	}
	return whose
}

// Lost notes that an instance which the call would have reached has ended
// elsewhere: the caller who starts the next one here is told.
func (r *Remote) Lost(call *rpc.Call) {
	k := r.keyOf(call)
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	r.pool.forgot(k)
}

// ForgetLists drops what the server listed, which has changed elsewhere.
func (r *Remote) ForgetLists() { r.lists.forget() }
