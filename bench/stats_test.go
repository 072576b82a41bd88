// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSummarise(t *testing.T) {
	cases := map[string]struct {
		values []float64
		want   summary
		spread float64
	}{
		"none": {nil, summary{}, 0},
		"one":  {[]float64{3}, summary{Median: 3, Min: 3, Max: 3, Rounds: []float64{3}}, 0},
		"odd":  {[]float64{30, 10, 20}, summary{Median: 20, Min: 10, Max: 30, Rounds: []float64{30, 10, 20}}, 50},
		"even": {[]float64{4, 1, 3, 2}, summary{Median: 2.5, Min: 1, Max: 4, Rounds: []float64{4, 1, 3, 2}}, 60},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := summarise(c.values)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("summary (-want +got):\n%s", diff)
			}
			if got.spread() != c.spread {
				t.Errorf("spread %v, want %v", got.spread(), c.spread)
			}
		})
	}
}

func TestPercentile(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(i+1))
	}
	cases := []struct {
		sorted []time.Duration
		p      float64
		want   time.Duration
	}{
		{nil, 50, 0},
		{[]time.Duration{7}, 1, 7},
		{[]time.Duration{7}, 99, 7},
		{[]time.Duration{1, 2}, 50, 1},
		{[]time.Duration{1, 2}, 51, 2},
		{hundred, 50, 50},
		{hundred, 99, 99},
		{hundred, 99.5, 100},
		{hundred, 100, 100},
	}
	for _, c := range cases {
		if got := percentile(c.sorted, c.p); got != c.want {
			t.Errorf("percentile %v of %d values: %d, want %d", c.p, len(c.sorted), got, c.want)
		}
	}
}

func TestShare(t *testing.T) {
	for _, total := range []int{0, 1, 15, 16, 17, 20_000} {
		sum := 0
		for i := range 16 {
			sum += share(total, i, 16)
		}
		if sum != total {
			t.Errorf("shares of %d add up to %d", total, sum)
		}
	}
}

func TestProcText(t *testing.T) {
	rollup := "00400000-7fff Rollup ---p 0 00:00 0 [rollup]\nRss:                2048 kB\nPss:                 100 kB\n"
	if got, err := parseResident([]byte(rollup)); err != nil || got != 2<<20 {
		t.Errorf("resident %d, %v, want 2 MiB", got, err)
	}
	for _, bad := range []string{"", "Rss", "Rss: 2048", "Rss: many kB"} {
		if _, err := parseResident([]byte(bad)); !errors.Is(err, errProcText) {
			t.Errorf("resident of %q: %v, want errProcText", bad, err)
		}
	}
}
