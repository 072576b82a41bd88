// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package pause_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/pause"
)

func TestFor(t *testing.T) {
	left := errors.New("left")
	for _, tc := range []struct {
		name          string
		ends, d, took time.Duration
		want          error
	}{
		{"to the end", time.Hour, time.Minute, time.Minute, nil},
		{"cut off", time.Second, time.Minute, time.Second, left},
		{"for nothing", time.Hour, 0, 0, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				time.AfterFunc(tc.ends, func() { cancel(left) })
				began := time.Now()
				if err := pause.For(ctx, tc.d); !errors.Is(err, tc.want) || time.Since(began) != tc.took {
					t.Errorf("%v after %v, want %v after %v", err, time.Since(began), tc.want, tc.took)
				}
			})
		})
	}
}
