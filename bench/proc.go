// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// errProcText is wrapped by errors about /proc files that do not read as
// proc(5) says.
var errProcText = errors.New("unexpected /proc text")

// residentBytes returns the resident set size of process pid.
func residentBytes(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, fmt.Errorf("read resident size: %w", err)
	}
	return parseResident(text)
}

// parseResident reads the Rss line of proc(5) smaps_rollup.
func parseResident(rollup []byte) (int64, error) {
	for line := range strings.Lines(string(rollup)) {
		value, found := strings.CutPrefix(line, "Rss:")
		if !found {
			continue
		}
		fields := strings.Fields(value)
		if len(fields) != 2 || fields[1] != "kB" {
			break
		}
		kilobytes, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			break
		}
		return kilobytes << 10, nil
	}
	return 0, fmt.Errorf("%w: no Rss in smaps_rollup", errProcText)
}

const (
	settlePoll   = 100 * time.Millisecond
	settlePolls  = 12 // polls in a row that have to agree
	settleLimit  = 12 * time.Second
	settleMargin = 256 << 10
)

// settledBytes polls the resident size of process pid until it keeps still,
// and returns it. A process that does not come to rest in time is measured as
// it is; settled tells.
func settledBytes(ctx context.Context, pid int) (size int64, settled bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	ticker := time.NewTicker(settlePoll)
	defer ticker.Stop()

	var low, high int64
	for still := 0; still < settlePolls; still++ {
		if size, err = residentBytes(pid); err != nil {
			return 0, false, err
		}
		low, high = min(low, size), max(high, size)
		if still == 0 || high-low > settleMargin+size/200 {
			still, low, high = 0, size, size
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return 0, false, ctx.Err()
			}
			return size, false, nil
		}
	}
	return size, true, nil
}
