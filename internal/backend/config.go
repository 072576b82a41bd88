// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"log/slog"
	"time"

	"github.com/holdfast-mcp/holdfast/mcp"
)

// Sharing says whose calls may meet in one instance: in one child process, or
// in one session of an HTTP server.
type Sharing string

// The sharing policies.
const (
	Shared       Sharing = "shared"
	PerTenant    Sharing = "tenant"
	PerPrincipal Sharing = "principal"
	PerSession   Sharing = "session" // of modern clients, who have none: one call
	PerCall      Sharing = "call"
)

// Config describes a Remote. Zero fields take the documented defaults.
type Config struct {
	Name   string
	Launch Launcher
	Closed func() // called once, after the last instance has ended; nil for nothing

	// Era and Version are what to speak, zero to find it out. A legacy version is
	// proposed, and the server may answer another.
	Era     mcp.Era
	Version mcp.Version

	Sharing Sharing // default Shared
	// Credential is a digest of what the server is given to act with. It is part
	// of every instance's key, so that a change never meets an old instance.
	Credential string
	Min        int           // instances kept running
	Max        int           // instances at most; default 1 for shared processes, else 1024
	Spare      int           // processes started ahead of need, at most Max
	Idle       time.Duration // an instance without calls this long is stopped; 0 means never
	Processes  *Slots        // bounds the processes of all servers together; nil means instances are none
	Starts     *Starts       // bounds the processes of several servers that start at a time; nil means no bound

	Memory *Memory // bounds the large results of all servers together; nil means 256 MiB of its own

	MaxCalls    int           // in flight at once, more wait; default 256
	CallTimeout time.Duration // longest time one call may take; 0 means the caller's deadline
	// StartTimeout is how long an instance may take to start and to be greeted; default
	// 30 s. The first start of a process may take ten times as long, while it makes
	// progress. After a start that took too long it is doubled, up to 10 min.
	StartTimeout time.Duration

	// Repeatable reports whether a tool, by the server's own name, is marked as
	// read-only or idempotent. Nil means none is.
	Repeatable func(tool string) bool
	// Capabilities are those of the callers' capabilities that the server gets to
	// see: elicitation, sampling, roots. Nil means all.
	Capabilities []string
	Log          *slog.Logger // nil means slog.Default
}

func (c *Config) defaults() {
	if c.Sharing == "" {
		c.Sharing = Shared
	}
	if c.Max <= 0 {
		c.Max = 1024
		if c.Processes != nil && c.Sharing == Shared {
			c.Max = 1
		}
	}
	c.Spare = min(c.Spare, c.Max)
	if c.MaxCalls <= 0 {
		c.MaxCalls = 256
	}
	if c.Memory == nil {
		c.Memory = NewMemory(0)
	}
	if c.StartTimeout <= 0 {
		c.StartTimeout = 30 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
}
