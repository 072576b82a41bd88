// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package process runs stdio servers as child processes and leaves no orphan behind, whatever dies first. It knows
// pipes, process groups and exit codes; it knows nothing of MCP messages, restarts or limits, which belong to its users.
//
// # The keeper (Linux)
//
// The servers are not children of this process but of one small *keeper*: this same executable, started again through
// /proc/self/exe under the name "mcp-keeper" when the first server is started. The package's init function recognises
// that start and never returns in it, so a program need only import this package. The keeper
//
//   - has its own session: a terminal's Ctrl-C, a hang-up or a signal to Holdfast's process group does not reach it, and
//     it swallows the signals that do, except KILL;
//   - is a child subreaper: a process anywhere below it that loses its parent becomes the keeper's child, also
//     one that called setsid or forked twice;
//   - starts each server in a process group of its own, with KILL as parent-death signal;
//   - is spoken to over a socket pair that no one else holds, so the kernel tells it about Holdfast's end, whatever the
//     cause: it then sends TERM to everything below it, KILL a second later, and exits when it has no child left.
//
// # What is caught
//
// When Holdfast ends in any way: every descendant, without exception.
//
// When one server ends or is stopped while Holdfast lives: whatever is still in its process group, every descendant known
// when Stop was called, and every process that still carries the mark which each server finds in its environment
// (HOLDFAST_KEEPER). They get TERM, and KILL after a second; Done is closed when they are gone. A process escapes
// this only if it left the group, wiped its environment, lost its parent, and its server then ended without Stop; it is ended when the
// last running server is, or with Holdfast.
//
// When the keeper itself is killed: the servers die by the parent-death signal, Holdfast kills what is left of the keeper's
// session and what carries the mark (so only a process with neither survives), every [Process] reports
// [ErrKeeperDied], and the next Start launches a new keeper. Killing Holdfast and the keeper in the same instant is the one case in which grandchildren can survive;
// the keeper's name and arguments do not contain "holdfast", so killing by name does not do that.
//
// A process that cannot be signalled (it became another user) or that hangs in the kernel is waited for during a
// bounded time only. All of this reads /proc, which must be mounted.
//
// # Other systems
//
// Without Linux there is no keeper: servers are direct children in their own process group (on Windows not even that), Stop
// works as described, and an end of Holdfast by KILL is noticed by servers only as the end of their stdin.
//
// # Goroutines
//
// A [Keeper] owns one goroutine per keeper process (ended by the socket's end) and each [Process] two (ended by its
// exit); [Keeper.Close] waits for all of them.
package process
