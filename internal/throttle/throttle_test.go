// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package throttle

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func newLog() (*slog.Logger, *bytes.Buffer) {
	var out bytes.Buffer
	drop := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	return slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: drop})), &out
}

func TestLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, out := newLog()
		var l Lines
		for i := range 601 {
			l.Log(log, slog.LevelWarn, "not written", "i", i)
			l.LogAs("strange", log, slog.LevelInfo, fmt.Sprint("strange ", i))
			time.Sleep(100 * time.Millisecond)
		}
		want := `level=WARN msg="not written" i=0
level=INFO msg="strange 0"
level=WARN msg="not written" i=600 repeated=599
level=INFO msg="strange 600" repeated=599
`
		if got := out.String(); got != want {
			t.Errorf("the log is\n%s\nwant\n%s", got, want)
		}
	})
}

func TestManyKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, out := newLog()
		var l Lines
		for i := range 10 * maxKinds {
			l.Log(log, slog.LevelInfo, fmt.Sprint("kind ", i))
		}
		if n := strings.Count(out.String(), "\n"); n != 10*maxKinds || len(l.kinds) > maxKinds {
			t.Errorf("%d lines, %d kinds remembered", n, len(l.kinds))
		}
	})
}
