// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strconv"
	"strings"
	"time"
)

// Limits bound what clients may ask of a node and hold of it.
type Limits struct {
	MaxBody     int64         // bytes of one message or batch
	MaxDepth    int           // nesting of arrays and objects in it
	MaxBatch    int           // messages in one batch
	CallTimeout time.Duration // longest time one call may take
	Processes   int           // child processes at once, of all servers together

	Connections   int   // open at once; 0 means as many as there are file descriptors for
	Calls         int   // in flight at once
	MessageMemory int64 // bytes of all messages that are received or served at once
	Share         int   // percent of these, and of the like, that one client may have
}

func defaultLimits() Limits {
	return Limits{
		MaxBody:       4 << 20,
		MaxDepth:      128,
		MaxBatch:      100,
		CallTimeout:   10 * time.Minute,
		Processes:     256,
		Calls:         65_536,
		MessageMemory: defaultMessageMemory,
		Share:         75,
	}
}

const (
	// defaultMessageMemory suffices for messages as they usually are, of a few
	// KiB, of all the calls that there can be.
	defaultMessageMemory = 64 << 20
	// memoryPerBody is how many of the largest messages there is memory for, unless
	// the file says otherwise, and leastPerBody at least.
	memoryPerBody, leastPerBody = 4, 2
)

func (p *parser) limits(path string, at pair) {
	if at.value.kind == kindNull {
		return
	}
	if at.value.kind != kindMap {
		p.wrongKind(path, at.value, "a mapping such as {maxBody: 4MiB}")
		return
	}
	l := &p.cfg.Limits
	var memory *pair
	p.mapping(path, at.value, nil, []field{
		{"maxBody", func(path string, at pair) { p.size(path, at.value, 1<<10, 1<<30, &l.MaxBody) }},
		{"maxDepth", func(path string, at pair) { p.count(path, at.value, 8, 1000, &l.MaxDepth) }},
		{"maxBatch", func(path string, at pair) { p.count(path, at.value, 1, 10_000, &l.MaxBatch) }},
		{"callTimeout", func(path string, at pair) { p.duration(path, at.value, &l.CallTimeout) }},
		{"processes", func(path string, at pair) { p.count(path, at.value, 1, maxInstances, &l.Processes) }},
		{"connections", func(path string, at pair) { p.count(path, at.value, 16, 1<<20, &l.Connections) }},
		{"calls", func(path string, at pair) { p.count(path, at.value, 16, 1<<20, &l.Calls) }},
		{"messageMemory", func(path string, at pair) {
			memory = &at
			p.size(path, at.value, 1<<20, 1<<40, &l.MessageMemory)
		}},
		{"share", func(path string, at pair) { p.percent(path, at.value, &l.Share) }},
	})
	if memory == nil {
		l.MessageMemory = max(l.MessageMemory, memoryPerBody*l.MaxBody)
	}
	// A share of less than one message would refuse the largest ones always.
	least := int((100*l.MaxBody + l.MessageMemory - 1) / l.MessageMemory)
	switch {
	case l.MessageMemory < leastPerBody*l.MaxBody:
		p.fail(memory.value.line, join(path, memory.key), "", "want at least %s, twice maxBody, got %s",
			formatSize(leastPerBody*l.MaxBody), shorten(memory.value.text))
	case l.Share < least:
		p.fail(at.value.line, join(path, "share"), "raise it or messageMemory",
			"%d%% of messageMemory is less than maxBody; want at least %d%%", l.Share, least)
	}
}

// percent reads 75 or 75%.
func (p *parser) percent(path string, n *node, to *int) {
	if n.kind != kindInt && n.kind != kindString {
		p.wrongKind(path, n, "a percentage such as 75%")
		return
	}
	v, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(n.text, "%")))
	if err != nil || v < 1 || v > 100 {
		p.fail(n.line, path, "", "want a percentage from 1%% to 100%%, got %s", shorten(n.text))
		return
	}
	*to = v
}
