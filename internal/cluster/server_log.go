// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/holdfast-mcp/holdfast/internal/throttle"
)

// serverLog passes the server's log on, and reads in it when the store cannot be
// written: the server says that first here. Its notices are ours to give.
type serverLog struct {
	log   *slog.Logger
	disk  *disk
	fatal atomic.Pointer[string] // why the server does not start
	seen  throttle.Lines
}

func (l *serverLog) Noticef(format string, v ...any) { l.notice(format, v) }
func (l *serverLog) Warnf(format string, v ...any)   { l.warn(format, v) }
func (l *serverLog) Errorf(format string, v ...any)  { l.fail(format, v) }
func (l *serverLog) Debugf(string, ...any)           {}
func (l *serverLog) Tracef(string, ...any)           {}

// Fatalf keeps why the server does not start, for who waits for it to say.
func (l *serverLog) Fatalf(format string, v ...any) {
	why := fmt.Sprintf(format, v...)
	l.fatal.Store(&why)
	l.log.Debug(line(format, v))
}

// fail passes an error on. One of writing the store is reported, which says it
// once and in an operator's words, and is then the same for many messages.
func (l *serverLog) fail(format string, v []any) {
	if err := writeError(format, v); err != nil {
		l.log.Debug(line(format, v))
		l.disk.report(err)
		return
	}
	l.pass(format, v)
}

// warn passes a warning on, unless it is that nobody verifies certificates:
// secretTLS does. That the store may not be written is a warning to the server.
func (l *serverLog) warn(format string, v []any) {
	switch err := writeError(format, v); {
	case err != nil:
		l.log.Debug(line(format, v))
		l.disk.report(err)
	case !strings.Contains(format, "will not be verified"):
		l.pass(format, v)
	}
}

func line(format string, v []any) string {
	text := "nats: " + strings.TrimSpace(fmt.Sprintf(format, v...))
	if len(text) > maxLine {
		text = strings.ToValidUTF8(text[:maxLine], "") + " …"
	}
	return text
}

// writeFailures are parts of the server's formats for errors of writing its store.
// TestServerWords holds them to what the server's source has.
var writeFailures = []string{
	"write error:", "failed to store a msg", "failed to flush pending data", "permission denied w",
}

// saysWriteFailed reports whether words of the server say that its store could not
// be written.
func saysWriteFailed(words string) bool {
	words = strings.ToLower(words)
	for _, part := range writeFailures {
		if strings.Contains(words, part) {
			return true
		}
	}
	return false
}

// writeError returns the error in a line of the server's log that says that its
// store could not be written, or nil. A full disk is one whatever the line says.
func writeError(format string, v []any) error {
	failed := saysWriteFailed(format)
	for _, arg := range v {
		err, ok := arg.(error)
		if ok && (failed || errors.Is(err, syscall.ENOSPC)) {
			return err
		}
	}
	if failed {
		return errors.New(strings.TrimSpace(fmt.Sprintf(format, v...)))
	}
	return nil
}
