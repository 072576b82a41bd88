// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package throttle

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
		var line Line
		for n := range 1000 {
			line.Log(log, slog.LevelWarn, "refused", "n", n)
		}
		time.Sleep(every)
		line.Log(log, slog.LevelWarn, "refused", "n", 1000)
		time.Sleep(every)
		line.Log(log, slog.LevelWarn, "refused", "n", 1001)
		want := "level=WARN msg=refused n=0\nlevel=WARN msg=refused n=1000 left_out=999\nlevel=WARN msg=refused n=1001\n"
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
	})
}

func TestShort(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"short", "short"},
		{strings.Repeat("x", MaxText), strings.Repeat("x", MaxText)},
		{strings.Repeat("x", MaxText+1), strings.Repeat("x", MaxText) + "…"},
		{strings.Repeat("x", MaxText-1) + "ä", strings.Repeat("x", MaxText-1) + "…"},
	} {
		if got := Short(tc.in); got != tc.want {
			t.Errorf("Short of %d bytes = %q", len(tc.in), got)
		}
	}
}
