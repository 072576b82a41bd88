// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestCrewRunsEverythingAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails if a goroutine stays behind
		var c Crew
		var ran atomic.Int64
		for range 3 {
			var wg sync.WaitGroup
			for range 500 {
				wg.Add(1)
				c.Go(func() { defer wg.Done(); ran.Add(1) })
			}
			wg.Wait()
			synctest.Wait()
			if idle := c.idle.Load(); idle < 1 || idle > maxIdle {
				t.Errorf("%d goroutines wait", idle)
			}
		}
		c.Close()
		c.Close()
		c.Go(func() { ran.Add(1) })
		synctest.Wait()
		if ran.Load() != 1501 {
			t.Errorf("%d ran", ran.Load())
		}
	})
}
