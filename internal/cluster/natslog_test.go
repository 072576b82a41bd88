// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// lines are what a logger has written, without its times.
type lines struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.String()
}

func (l *lines) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out.Reset()
}

func newLines(level slog.Level) (*slog.Logger, *lines) {
	l := &lines{}
	drop := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: level, ReplaceAttr: drop})), l
}

// TestServerLog: what the server says of connections is for who looks closely, and
// each kind of line comes once a minute, with the number of those between.
func TestServerLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, out := newLines(slog.LevelDebug)
		l := &serverLog{log: log, disk: &disk{log: log}}
		for i := range 600 {
			at := fmt.Sprintf("10.0.0.%d:%d - rid:%d - ", i%250, 40000+i, i)
			l.Errorf(at+"TLS route handshake error: %v%s", errors.New("EOF"), "")
			l.Errorf("Error trying to connect to route (attempt %v): %v", i, errors.New("refused"))
			l.Errorf(at + fmt.Sprintf("Rejecting connection, cluster name %q does not match %q", fmt.Sprint("x", i), "holdfast.2"))
			l.Warnf("JetStream cluster stream '%s > %s' has NO quorum, stalled", "$G", "holdfast_task")
			l.Noticef("Removed route %v", "nats://holdfast:password@10.0.0.1:7422")
			time.Sleep(100 * time.Millisecond)
		}
		l.Errorf("Error trying to connect to route (attempt %v): %v", 600, errors.New("refused"))
		l.Warnf(strings.Repeat("é", 2*maxLine))
		want := `level=DEBUG msg="nats: 10.0.0.0:40000 - rid:0 - TLS route handshake error: EOF"
level=DEBUG msg="nats: Error trying to connect to route (attempt 0): refused"
level=DEBUG msg="nats: 10.0.0.0:40000 - rid:0 - Rejecting connection, cluster name \"x0\" does not match \"holdfast.2\""
level=INFO msg="nats: JetStream cluster stream '$G > holdfast_task' has NO quorum, stalled"
level=DEBUG msg="nats: Error trying to connect to route (attempt 600): refused" repeated=599
`
		got := out.String()
		if !strings.HasPrefix(got, want) || strings.Count(got, "\n") != 6 || len(got) > len(want)+maxLine+100 {
			t.Errorf("the log is\n%s\nwant\n%s", got, want)
		}
	})
}
