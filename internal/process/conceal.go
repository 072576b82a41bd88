// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import "os"

// dumpableEnv is the variable that, set to 1, leaves Holdfast and its keeper open to debuggers and core files.
const dumpableEnv = "HOLDFAST_DUMPABLE"

// Conceal closes this process's environment, memory and descriptors to other processes of the same user, among them the servers: no
// debugger or tracer attaches to it, and it leaves no core file. Root is not held off. The keeper conceals itself. Where the system
// knows nothing like it, or HOLDFAST_DUMPABLE=1 asks for a process that can be debugged, nothing changes.
func Conceal() error {
	if os.Getenv(dumpableEnv) == "1" {
		return nil
	}
	return conceal()
}

// Unsetenv takes a variable out of this process's environment and, on Linux, its value out of the memory that /proc/<pid>/environ
// shows, which a server that runs as root may read. What is kept of it elsewhere in memory stays.
func Unsetenv(name string) error {
	eraseEnv(name)
	return os.Unsetenv(name)
}
