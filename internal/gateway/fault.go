// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/internal/throttle"
)

// Fault is something wrong with an entry of a server's list, which was repaired or
// dropped so that clients can use the others.
type Fault struct {
	List  string // such as "tools"
	Entry string // the server's own name for it; empty when it has none
	What  string // what was wrong and what was done
}

// Faults returns what is wrong with the lists that a server gave last, at most a
// hundred faults of each list. It is nil when nothing is, or when no server has that name.
func (c *Catalog) Faults(server string) []Fault {
	s, r := c.byName[server], c.revision.Load()
	if s == nil {
		return nil
	}
	var all []Fault
	for p := range lists {
		if shelf := r.states[s.index][p].shelf; shelf != nil {
			all = append(all, shelf.faults...)
		}
	}
	return all
}

// maxFault bounds what is told of one fault, in bytes.
const maxFault = 1 << 10

// maxLines bounds the log lines about one list, and its faults that are kept.
const maxLines = 100

// faultLog remembers which faults of one list have been logged, so that a list which
// changes every second does not say the same each time. The goroutine that asks for
// the list uses it.
type faultLog struct {
	since time.Time           // beginning of the minute that is remembered
	said  map[string]struct{} // before this list
	now   []string            // of this list
	full  bool                // it was said that there are more
}

// begin begins the lines of a new list.
func (l *faultLog) begin() {
	if time.Since(l.since) >= throttle.Pause {
		*l = faultLog{since: time.Now(), said: map[string]struct{}{}}
	}
	for _, key := range l.now {
		l.said[key] = struct{}{}
	}
	l.now = nil
}

// warn logs a fault unless the minute has seen it or has seen too many.
func (l *faultLog) warn(log *slog.Logger, p part, own, what string, args []any) {
	key := what + "\x00" + own
	if _, again := l.said[key]; again || l.full {
		return
	}
	if len(l.said)+len(l.now) >= maxLines {
		l.full = true
		log.Warn("more entries of this list were repaired or dropped; they are not named")
		return
	}
	l.now = append(l.now, key)
	log.Warn(what, append([]any{lists[p].noun, display.Short(own)}, args...)...)
}

// newFault puts the attributes of a log line into words.
func newFault(p part, own, what string, args []any) Fault {
	for i := 0; i+1 < len(args); i += 2 {
		what += fmt.Sprintf(" %s=%v", args[i], args[i+1])
	}
	return Fault{lists[p].member, display.Short(own), display.Cut(display.Line(what), maxFault)}
}
