// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestStoppedIsNotLost holds that a write without an answer says that there is no
// majority, unless this process was stopped while it waited.
func TestStoppedIsNotLost(t *testing.T) {
	for _, late := range []time.Duration{0, 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			time.Sleep(time.Second + late)
			h := &health{}
			if err := h.unknown(ctx, errNoAnswer); !errors.Is(err, ErrNoQuorum) {
				t.Error(err)
			}
			if h.lost.Load() != (late == 0) {
				t.Errorf("noticed %v late: lost is %t", late, h.lost.Load())
			}
		})
	}
}
