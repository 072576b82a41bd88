// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package quota

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(100, 1000)
		a, b := Principal("", "a"), Principal("", "b")
		do := func(c Client, n int, want time.Duration, fails error) {
			t.Helper()
			began := time.Now()
			err := p.Wait(t.Context(), c, 5*time.Second)
			if took := time.Since(began).Round(time.Millisecond); took != want || !errors.Is(err, fails) {
				t.Errorf("%v: %v after %v, want %v after %v", c, err, took, fails, want)
			}
			if err == nil {
				p.Did(c, n)
			}
		}
		do(a, 1000, 0, nil)
		do(a, 100, 0, nil)
		do(a, 400, time.Second, nil)
		do(a, 200, 4*time.Second, nil)
		do(a, 600, 2*time.Second, nil)
		do(a, 1, 0, ErrShare)
		do(b, 1000, 0, nil) // whoever else is too fast
		time.Sleep(time.Second)
		do(a, 0, 5*time.Second, nil)
		time.Sleep(time.Minute)
		do(a, 5000, 0, nil) // more than a burst counts as one
		do(a, 10, 0, nil)
		do(a, 300, 100*time.Millisecond, nil)
		ctx, cancel := context.WithCancelCause(t.Context())
		left := errors.New("left")
		time.AfterFunc(time.Second, func() { cancel(left) })
		if err := p.Wait(ctx, a, time.Hour); !errors.Is(err, left) {
			t.Errorf("%v, want that the client left", err)
		}
		none := (*Pace)(nil)
		none.Did(a, 1<<30)
		if err := none.Wait(t.Context(), a, 0); err != nil {
			t.Error(err)
		}
	})
}

// TestPaceForgets holds that clients who do nothing any more are forgotten.
func TestPaceForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(100, 1000)
		for i := range 100 * minPaced {
			p.Did(Principal("", fmt.Sprint(i)), 10)
			if i%minPaced == 0 {
				time.Sleep(time.Second)
			}
		}
		if n := len(p.by); n > 4*minPaced {
			t.Errorf("%d clients are remembered", n)
		}
	})
}
