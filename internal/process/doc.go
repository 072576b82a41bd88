// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package process runs stdio servers as child processes and leaves no orphan behind, whatever dies first. It knows
// pipes, process groups, ceilings and exit codes; it knows nothing of MCP messages, restarts or pools, which belong to its users.
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
// Where this process's control group is writable (cgroup v2), each server is in one of its own, which holds all below it, wherever
// they go, from the first instruction on.
//
// # What is caught
//
// When Holdfast ends in any way: every descendant, without exception.
//
// When one server ends or is stopped while Holdfast lives: whatever is still in its control group. Without control groups: whatever is
// still in its process group, every descendant known when Stop was called, and every process that still carries the mark which each
// server finds in its environment (HOLDFAST_KEEPER). They get TERM, and KILL after a second; Done is closed when they are gone. A process
// escapes this only if there are no control groups and it left the process group, wiped its environment, lost its parent, and its server
// then ended without Stop; it is ended when the last running server is, or with Holdfast.
//
// When the keeper itself is killed: the servers die by the parent-death signal, Holdfast kills what is left in the control groups, of the
// keeper's session, what carries the mark and, if it adopts ([Config]), all that has become its child; every [Process] reports
// [ErrKeeperDied], and the next Start launches a new keeper. Only without control groups and where Holdfast does not adopt does a process
// survive that has neither session nor mark.
//
// When Holdfast and the keeper are killed in the same instant: the servers die by the parent-death signal, their descendants run on until
// the next Holdfast with the same journal starts (below). The keeper's name and arguments do not contain "holdfast", so killing by name does not
// do that.
//
// A process that cannot be signalled (it became another user) or that hangs in the kernel is waited for during a
// bounded time only. All of this reads /proc, which must be mounted.
//
// # The journal
//
// A [Keeper] from [OpenKeeper] notes in a directory, one file for each keeper process, the random token of its mark, the boot, its own and
// the keeper's pid and start time, and of each running server name, control group, pid and start time. The file is in place, with
// fsync and rename, before the keeper is launched, and locked as long as Holdfast lives; lines are then added without fsync, since
// nothing that is noted outlives the machine. [Reap], which OpenKeeper calls first, reads the files whose lock is free and whose Holdfast is not there
// (a copied file has no lock), and ends
//
//   - every process whose environment carries a noted token, and every keeper that has it in its arguments;
//   - every process with a noted pid and the start time noted with it;
//   - every process in the keeper's session, if a member of it is proven by the above: a session's number is not given away while it has members;
//   - every descendant of these, and what is in the servers' control groups, which have the token in their names.
//
// Nothing else is signalled: a pid alone is never proof, and neither this process, its descendants nor those it descends from are touched. What
// escapes was in no control group, has wiped its environment, left the session, and lost its parent; or it is another user's. Holdfasts with different directories
// do not know of each other, and even with the same one only end what is left of the dead. Journals that are damaged are removed, those of
// another version passed over, both with a log line; the journal of an earlier boot is removed.
//
// # Ceilings
//
// [Limits] are held by a control group (cgroup v2) for each server, where this process's own group, or the one above if systemd
// marked it as delegated, is writable and is handed the controller. If the group holds this process and its descendants, which
// forbids groups with controllers below, they are first moved to a leaf, "holdfast-main-<pid>"; if it holds anyone else, as in a terminal's
// session, it is left as it is, and the servers' groups have no controllers. Each controller is looked at separately. Which way each ceiling
// is held is logged once, with the first server.
//
//   - Memory by a group: the tree never has more, page cache included, and cannot swap. When it needs more the kernel kills it whole.
//   - CPU by a group: the tree gets no more than its share of every tenth of a second.
//   - Memory without: the keeper adds up the resident memory of the server and all that belongs to it twice a second, ten times when more than a quarter is
//     in use, and at most as often as costs 2 % of a core; over the ceiling, and with shared pages counted by proportion, it is killed whole. A server that is
//     quick can be over for up to half a second. No rlimit is set: what RLIMIT_AS and RLIMIT_DATA count is address space, of which
//     common runtimes reserve far more than they use, and RLIMIT_RSS has no effect.
//   - CPU without: the server is bound to as many cores as the ceiling rounded up, in turn to the next ones, and gives way to others (nice 10) if it is
//     not a whole number. So "0.5" means up to one core; a server that changes its own affinity is not held. RLIMIT_CPU
//     is no ceiling but a lifetime.
//   - Processes and threads by a group: more are refused (fork fails with EAGAIN), and it is logged how often when the server has ended.
//   - Processes and threads without: the keeper asks four times a second how many the kernel has started, and counts the server's when it can
//     have got too many; with too many it is killed whole. A server that starts some hundreds a second is over for that long, and one that
//     multiplies without end can keep the keeper from a processor for many seconds: against that help only a control group, the pids limit of the
//     container, or TasksMax of the service. No RLIMIT_NPROC is set: it does not bind root, and for others it counts all that the
//     user has on the machine, in containers that cannot be seen from here too.
//
// A server that was killed for its memory, or for its number of processes, reports a [LimitError].
//
// A server that may write to control groups, because it is of this process's user, can leave its own. Ceilings hold accidents; an attacker
// they hold only as another user.
//
// # Privileges
//
// Holdfast, if it calls [Conceal], and the keeper are closed to other processes of their user: environment, memory, descriptors and
// tracing. What a server is not to have is given up for good by the thread of the keeper that forks it, so that it and all below it lack
// it from the first instruction on: unless the Spec says otherwise, the gain of privileges by an exec (PR_SET_NO_NEW_PRIVS) and, by Landlock,
// the private paths of [Config]: files there cannot be read, changed, run, replaced or made. Landlock knows only rules that allow, so all is
// allowed that stands beside a private path and beside the directories above it when the server starts. Therefore it is used only where
//
//   - the kernel is of Linux 5.19 or newer;
//   - servers cannot write to a directory above the path, or else they could not read what they make there: not in a home directory, and
//     for root only in the topmost directory, which it could write to, while the server works elsewhere;
//   - none of these directories is /etc, whose files are replaced while servers run;
//   - the server's command, directory, arguments and environment do not name the path.
//
// A server that is held so cannot mount, nor trace processes but its own.
//
// # Other systems
//
// Without Linux there is no keeper: servers are direct children in their own process group (on Windows not even that), Stop
// works as described, and an end of Holdfast by KILL is noticed by servers only as the end of their stdin. There is no journal and no
// ceiling is held; a server with one of memory or CPU starts, and that is logged.
//
// # Goroutines
//
// A [Keeper] owns one goroutine per keeper process (ended by the socket's end) and each [Process] two (ended by its
// exit); [Keeper.Close] waits for all of them. [Reap] owns none.
package process
