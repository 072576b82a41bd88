// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"slices"
	"strings"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// key says which calls share an instance: those with the same key.
type key struct {
	whose string // by the sharing policy, with the credential
	caps  capset // declared to the instance
	turn  uint64 // for PerCall, else 0
}

// capset is a set of client capabilities. A legacy server is told them once per
// session, so callers who declared different ones cannot share a session.
type capset uint8

const (
	capForm capset = 1 << iota
	capURL
	capSampling
	capSamplingTools
	capSamplingContext
	capRoots

	capElicitation = capForm | capURL
	capSamplingAll = capSampling | capSamplingTools | capSamplingContext
)

// policyCaps is what a policy lets through; nil means all.
func policyCaps(names []string) capset {
	if names == nil {
		return capElicitation | capSamplingAll | capRoots
	}
	var c capset
	if slices.Contains(names, "elicitation") {
		c |= capElicitation
	}
	if slices.Contains(names, "sampling") {
		c |= capSamplingAll
	}
	if slices.Contains(names, "roots") {
		c |= capRoots
	}
	return c
}

// declared is what a client declared.
func declared(c *mcp.ClientCapabilities) capset {
	var set capset
	if e := c.Elicitation; e != nil {
		if e.URL != nil {
			set |= capURL
		}
		if e.Form != nil || e.URL == nil { // an empty object means forms
			set |= capForm
		}
	}
	if s := c.Sampling; s != nil {
		set |= capSampling
		if s.Tools != nil {
			set |= capSamplingTools
		}
		if s.Context != nil {
			set |= capSamplingContext
		}
	}
	if c.Roots != nil {
		set |= capRoots
	}
	return set
}

// json returns the set as a ClientCapabilities object.
func (c capset) json() Raw {
	var parts []string
	object := func(name string, members ...string) string {
		return `"` + name + `":{` + strings.Join(members, ",") + `}`
	}
	member := func(bit capset, name string) []string {
		if c&bit == 0 {
			return nil
		}
		return []string{`"` + name + `":{}`}
	}
	if c&capElicitation != 0 {
		parts = append(parts, object("elicitation", slices.Concat(member(capForm, "form"), member(capURL, "url"))...))
	}
	if c&capSampling != 0 {
		parts = append(parts, object("sampling", slices.Concat(member(capSamplingTools, "tools"), member(capSamplingContext, "context"))...))
	}
	if c&capRoots != 0 {
		parts = append(parts, object("roots"))
	}
	return Raw("{" + strings.Join(parts, ",") + "}")
}

// commonKey is that of the instance which lists are asked of, and of all calls
// when nothing keeps them apart.
func (r *Remote) commonKey() key { return key{whose: r.cfg.Credential, caps: r.policy} }

// keyOf returns the key of a call's instance. The server's era is known.
func (r *Remote) keyOf(call *rpc.Call) key {
	if isCatalog(call.Method) || r.stateless() {
		return r.commonKey()
	}
	k := r.commonKey()
	who := call.Principal
	if who == nil {
		who = rpc.Local
	}
	switch r.cfg.Sharing {
	case PerTenant:
		k.whose += tenantPart + who.Tenant
	case PerPrincipal:
		k.whose += principalPart + who.ID
	case PerSession:
		if s := call.Peer.Session; s != "" {
			k.whose += sessionPart(s)
		}
	}
	if r.alone(call) {
		k.turn = r.turns.Add(1)
	}
	// The state of a shared process must not split by what its callers can do;
	// sessions of an HTTP server, and what belongs to one caller, may.
	if r.cfg.Processes == nil || r.cfg.Sharing == PerSession || r.cfg.Sharing == PerCall {
		k.caps = declared(&call.Peer.Capabilities) & r.policy
	}
	return k
}

// alone reports whether a call has an instance of its own: by the policy, or
// because instances are sessions' and its client has none.
func (r *Remote) alone(call *rpc.Call) bool {
	return r.cfg.Sharing == PerCall || r.cfg.Sharing == PerSession && call.Peer.Session == ""
}

// What follows the credential in the key of an owner's instance.
const (
	tenantPart    = "\x00t"
	principalPart = "\x00p"
	sessionMark   = "\x00s"
)

func sessionPart(session string) string { return sessionMark + session }

// audience says whom it concerns what an instance tells.
func (r *Remote) audience(k key) subscription.Audience {
	whose := strings.TrimPrefix(k.whose, r.cfg.Credential)
	if tenant, ok := strings.CutPrefix(whose, tenantPart); ok {
		return subscription.Audience{Tenant: tenant}
	}
	if principal, ok := strings.CutPrefix(whose, principalPart); ok {
		return subscription.Audience{Principal: principal}
	}
	session, _ := strings.CutPrefix(whose, sessionMark)
	return subscription.Audience{Session: session}
}

// stateless reports whether the server is known to be one whose sessions do not
// exist: modern, and no process that may keep something anyway.
func (r *Remote) stateless() bool {
	return r.cfg.Processes == nil && mcp.Era(r.era.Load()) == mcp.Modern
}

// isCatalog reports whether a method asks what there is, which is everybody's.
func isCatalog(method string) bool {
	switch method {
	case mcp.MethodDiscover, mcp.MethodListTools, mcp.MethodListPrompts, mcp.MethodListResources, mcp.MethodListResourceTemplates:
		return true
	}
	return false
}
