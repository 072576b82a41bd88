// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// conceal uses what PR_SET_DUMPABLE(2const) and ptrace(2) say of access modes: /proc/<pid> becomes root's, and PTRACE_ATTACH
// needs CAP_SYS_PTRACE. An exec sets it back, so each program does it for itself.
func conceal() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("close this process to others of its user: %w", err)
	}
	return nil
}

// eraseEnv overwrites the value in the memory that the kernel passed the environment in: the runtime has copied it. A concealed process
// that is not root cannot, but it is root that needs it. A failure leaves
// what was, which root can then read.
func eraseEnv(name string) {
	environ, err := os.ReadFile("/proc/self/environ")
	if err != nil {
		return
	}
	begin := environStart()
	memory, err := os.OpenFile("/proc/self/mem", os.O_WRONLY, 0)
	if err != nil || begin == 0 {
		return
	}
	defer memory.Close()
	for at := 0; at < len(environ); {
		entry := environ[at:]
		if end := bytes.IndexByte(entry, 0); end >= 0 {
			entry = entry[:end]
		}
		if value, ok := bytes.CutPrefix(entry, []byte(name+"=")); ok {
			_, _ = memory.WriteAt(make([]byte, len(value)), begin+int64(at+len(entry)-len(value)))
		}
		at += len(entry) + 1
	}
}

// environStart is the address of the environment, from proc_pid_stat(5); 0 if the kernel does not tell.
func environStart() int64 {
	b, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0
	}
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:]) // f[0] is field 3
	if len(f) < 48 {
		return 0
	}
	begin, _ := strconv.ParseInt(string(f[47]), 10, 64)
	return begin
}
