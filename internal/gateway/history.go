// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"strings"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/display"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// A server that was trusted for what its tools said may say something else later,
// to every model that reads it. The catalog passes it on, and tells the operator.

// Bounds on what is told of one list.
const (
	changeLines  = 20 // log lines in changeWindow
	changeWindow = time.Minute
)

// fingerprint is the digests of what a model reads of a tool or prompt, as received.
type fingerprint struct {
	words  digest // title, description, annotations, arguments of a prompt
	schema digest // of input and output
}

func fingerprintOf(item Raw) fingerprint {
	of := func(members ...string) digest {
		var part Raw
		for _, name := range members {
			if value, has := jsonrpc.Get(item, name); has {
				part = jsonrpc.Set(part, name, value)
			}
		}
		return canonicalDigest(part)
	}
	return fingerprint{of("title", "description", "annotations", "arguments"), of("inputSchema", "outputSchema")}
}

// history remembers what one list's entries said last, those that have left the
// list too, as long as the process runs. The goroutine that asks for the list uses it.
type history struct {
	entries map[digest]remembered // by digests of own names
	window  time.Time             // when it began
	lines   int                   // told in it
	untold  int                   // changes since then that were not told
}

type remembered struct {
	fingerprint
	entry digest
}

// update takes in a new list and tells what its entries say anew. Most is how many
// entries are remembered beside those that are in the list.
func (h *history) update(p part, entries []entry, most int, log *slog.Logger) {
	if p != toolList && p != promptList {
		return
	}
	if h.entries == nil {
		h.entries = map[digest]remembered{}
	}
	present := make(map[digest]remembered, len(entries))
	for i := range entries {
		e := &entries[i]
		key := sha256.Sum256([]byte(e.own))
		now := remembered{e.fingerprint, e.digest}
		if before, known := h.entries[key]; known && before.fingerprint != now.fingerprint {
			h.report(p, e.own, &before, &now, log)
		}
		present[key] = now
	}
	for key, was := range h.entries {
		if _, has := present[key]; !has && most > 0 {
			present[key] = was
			most--
		}
	}
	h.entries = present
}

// change takes in what an entry says in a list that has the entries of the last one.
func (h *history) change(p part, before, now *entry, log *slog.Logger) {
	if p != toolList && p != promptList {
		return
	}
	key := sha256.Sum256([]byte(now.own))
	was, is := remembered{before.fingerprint, before.digest}, remembered{now.fingerprint, now.digest}
	if h.entries[key] = is; was.fingerprint != is.fingerprint {
		h.report(p, now.own, &was, &is, log)
	}
}

func (h *history) report(p part, own string, before, now *remembered, log *slog.Logger) {
	if time.Since(h.window) >= changeWindow {
		if h.untold > 0 {
			log.Warn("more entries have changed what they say; they are not named", "list", lists[p].member, "entries", h.untold)
		}
		h.window, h.lines, h.untold = time.Now(), 0, 0
	}
	if h.lines == changeLines {
		h.untold++
		return
	}
	h.lines++
	var what []string
	if before.words != now.words {
		what = append(what, "description")
	}
	if before.schema != now.schema {
		what = append(what, "schema")
	}
	log.Warn("the "+lists[p].noun+" says something else than before", lists[p].noun, display.Short(own), "changed", strings.Join(what, " and "),
		"from", hex.EncodeToString(before.entry[:8]), "to", hex.EncodeToString(now.entry[:8]))
}

// reportInstructions tells that a server instructs models in other words. It is asked
// for them rarely enough for a line each time.
func reportInstructions(before, now string, log *slog.Logger) {
	from, to := sha256.Sum256([]byte(before)), sha256.Sum256([]byte(now))
	log.Warn("the server's instructions say something else than before", "from", hex.EncodeToString(from[:8]), "to", hex.EncodeToString(to[:8]))
}
