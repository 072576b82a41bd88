// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package process

import (
	"fmt"
	"math"
)

// Limits are ceilings for a server and everything below it together. How well each is held depends on the system; the package
// documentation says what is guaranteed.
type Limits struct {
	Memory int64   // bytes; 0 means no ceiling
	CPU    float64 // cores, also a part of one; 0 means no ceiling
}

// wanted tells whether there is anything to hold.
func (l Limits) wanted() bool { return l.Memory > 0 || l.CPU > 0 }

// milli is CPU in thousandths of a core, at least one of them.
func (l Limits) milli() int64 {
	if !(l.CPU > 0) {
		return 0
	}
	return int64(math.Ceil(min(l.CPU, 1<<20) * 1000))
}

// LimitError is how a process ended that was ended for being over a ceiling.
type LimitError struct {
	Resource string // "memory"
	Limit    int64  // the ceiling, in bytes
	Used     int64  // bytes in use when it was found out; 0 where the kernel found out and does not say
	Err      error  // how the process ended
}

// Error says what happened and what to do about it.
func (e *LimitError) Error() string {
	used := ""
	if e.Used > 0 {
		used = " (it used " + mebibytes(e.Used) + ")"
	}
	return fmt.Sprintf("ended for using more %s than its ceiling of %s%s: raise the server's %s limit, or have it use less",
		e.Resource, mebibytes(e.Limit), used, e.Resource)
}

// Unwrap returns how the process ended.
func (e *LimitError) Unwrap() error { return e.Err }

func mebibytes(n int64) string {
	if n < 10<<20 && n%(1<<20) != 0 {
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d MiB", (n+1<<19)>>20)
}
