// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package field has servers as they are met in the field: each works with the official clients, or is what their
// authors were asked to mend, and each has one oddity. The tables are by kind; Command odd runs a server of them.
//
// The tests connect clients to each of them, directly and through one Holdfast that serves a whole table beside a
// healthy server. What works directly must work through Holdfast, and no server may take another's away.
package field

import (
	"slices"
	"time"
)

// Variant is one odd server, and what clients must see of it.
type Variant struct {
	Name string
	Server
	HTTP *HTTP // how it speaks HTTP; nil: it speaks over stdio

	// Steps are what clients do after they listed everything; nil is one call of echo, which returns "ok".
	Steps []Step
	// Config has more keys for the server's entry in Holdfast's configuration.
	Config map[string]any
	// Late is how long after Holdfast's start it may take until the server is there.
	Late time.Duration
	// Refused says that the official TypeScript client 1 does not see all this when it is connected directly.
	Refused bool
	// GatewayOnly says that a client of Holdfast's own need not work with it directly: the gateway repairs it.
	GatewayOnly bool
	// Down says that the server cannot be used, by what Holdfast's log must say of it.
	Down string
	// Logged is what a line of Holdfast's log that names the server must hold.
	Logged string
	// NotListed are names of tools that must not be shown.
	NotListed []string
}

// Step is a call, or something that happens between calls.
type Step struct {
	Tool  string `json:"tool,omitzero"`
	Times int    `json:"times,omitzero"` // how often, one after the other; 0 is once
	Begin bool   `json:"begin,omitzero"` // the steps after it do not wait for it; it is checked at the end
	Drop  bool   `json:"drop,omitzero"`  // instead of a call: the server forgets its sessions

	Text string `json:"-"` // what it returns; "" is "ok"
	Err  string `json:"-"` // part of the error, or of the failed result's text
}

// steps are what clients do with v.
func (v *Variant) steps() []Step {
	if v.Steps == nil {
		return []Step{{Tool: "echo"}}
	}
	return v.Steps
}

// Server is what an odd server says, whatever the transport. Strings are raw JSON unless said otherwise; empty ones
// change nothing.
type Server struct {
	Tool, Prompt, Resource, Template string   // members put over the one entry of that list
	MoreTools, MorePrompts           []string // further entries
	ToolList                         string   // members put over the result of tools/list

	Init     string      // members put over the result of initialize
	Envelope string      // members put over every response
	Call     string      // members put over the result of a call of echo
	Text     string      // the text that echo returns
	Replace  [][2]string // in every message, in this order: any text for any other
	Broken   string      // the whole answer of the tool "broken"; ID stands for the id
	ID       string      // how ids come back: "string", "float" or "exponent"

	Versions []string // the only versions it accepts; the error for others lists them
	Modern   bool     // it speaks 2026-07-28 and nothing else
	Mute     []string // methods that are never answered

	// Over stdio only.
	Start, OnList, OnCall []string      // lines before it reads, before the answer of a list, of a call
	Prefix, Suffix        string        // around every message
	Sleep                 time.Duration // before it reads
	Crash                 string        // it writes this to standard error and ends at once
	Echo                  bool          // every line that it reads is written back first
}

// HTTP is how an odd server speaks Streamable HTTP. The zero value is a healthy server with sessions.
type HTTP struct {
	Stale     int    // status for a session that is not known; 0 is 404
	StaleBody string // what comes with it; ID stands for the id
	Redirect  int    // status with which /NAME/mcp leads to /NAME/mcp/
	Elsewhere bool   // it leads to another host
	Gzip      bool   // answers are compressed, whatever was asked for
	Status    int    // of a successful POST; 0 is 200
	Events    string // of an event stream, in front of the answer, which is then an event too
	After     string // of an event stream, behind the answer
	CR        bool   // lines of the event stream end with a carriage return alone
	Split     bool   // the message is written over several data lines
	Array     bool   // the answer is the one element of an array
	Kind      string // its media type; "" is what it should be
	Before    string // in front of the body
	Get       int    // status of a GET; 0 is 405
	GetBody   string
	Discover  int    // status for an unknown method; 0 is a JSON-RPC error
	Notify    int    // status for notifications; 0 is 202
	NoteBody  string // what comes with it
	Late      time.Duration
	Fails     map[string]Failure // answers to calls of these tools
	SSE       bool               // it speaks HTTP+SSE; Events come before the event that names the endpoint
}

// Failure is an answer of an HTTP server to one call.
type Failure struct {
	Status int
	Body   string // ID stands for the id
	Sleep  time.Duration
}

// Tables are all tables by name.
func Tables() map[string][]Variant {
	return map[string][]Variant{
		"messages": messages(), "lines": lines(), "events": events(), "entries": entries(),
		"sessions": sessions(), "eras": eras(), "outages": outages(), "starts": starts(),
	}
}

// Healthy is the server that stands beside the odd ones of each table.
func Healthy() Variant { return Variant{Name: "healthy"} }

// Find returns a variant by the name of its table and its own.
func Find(table, name string) (Variant, bool) {
	all := append(Tables()[table], Healthy())
	i := slices.IndexFunc(all, func(v Variant) bool { return v.Name == name })
	if i < 0 {
		return Variant{}, false
	}
	return all[i], true
}
