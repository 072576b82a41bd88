// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"fmt"
	"math"
	"strconv"
)

// Limits are ceilings for a server and everything below it together. How well each is held depends on the system; the package
// documentation says what is guaranteed.
type Limits struct {
	Memory int64   // bytes; 0 means no ceiling
	CPU    float64 // cores, also a part of one; 0 means no ceiling
	PIDs   int     // processes and threads together; 0 means no ceiling
}

// milli is CPU in thousandths of a core, at least one of them.
func (l Limits) milli() int64 {
	if !(l.CPU > 0) {
		return 0
	}
	return int64(math.Ceil(min(l.CPU, 1<<20) * 1000))
}

// Resources that a server is ended for having too much of.
const (
	memoryOver = "memory"
	pidsOver   = "pids"
)

// LimitError is how a process ended that was ended for being over a ceiling.
type LimitError struct {
	Resource string // "memory" or "pids"
	Limit    int64  // the ceiling, in bytes or processes and threads
	Used     int64  // in use when it was found out; 0 where the kernel found out and does not say
	Err      error  // how the process ended
}

// Error says what happened and what to do about it.
func (e *LimitError) Error() string {
	what, amount := e.Resource, mebibytes
	if e.Resource == pidsOver {
		what, amount = "processes and threads", func(n int64) string { return strconv.FormatInt(n, 10) }
	}
	used := ""
	if e.Used > 0 {
		used = " (it used " + amount(e.Used) + ")"
	}
	return fmt.Sprintf("ended for using more %s than its ceiling of %s%s: raise the server's %s limit, or have it use less",
		what, amount(e.Limit), used, e.Resource)
}

// Unwrap returns how the process ended.
func (e *LimitError) Unwrap() error { return e.Err }

func mebibytes(n int64) string {
	if n < 10<<20 && n%(1<<20) != 0 {
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d MiB", (n+1<<19)>>20)
}
