// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package backend

import (
	"log/slog"
	"time"
)

// Config describes a Remote.
type Config struct {
	Name        string
	Dial        Dialer
	CallTimeout time.Duration // longest time one call may take
	// Capabilities are those of the callers' capabilities that the server gets to
	// see: elicitation, sampling, roots. Nil means all.
	Capabilities []string
	Log          *slog.Logger
}
