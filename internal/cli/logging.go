// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// logFlags say what is logged, and how.
type logFlags struct {
	level, format string
	debug         bool // as --log-level debug
}

func (f *logFlags) add(fs *flag.FlagSet) {
	fs.StringVar(&f.level, "log-level", "info", "log `debug`, info, warn or error; debug has a line for each call and what servers write to standard error")
	fs.StringVar(&f.format, "log-format", "text", "log as `text` or json")
	fs.BoolVar(&f.debug, "debug", false, "as --log-level debug")
}

// logger returns a log that goes to out.
func (f *logFlags) logger(out io.Writer) (*slog.Logger, error) {
	opts := &slog.HandlerOptions{}
	switch strings.ToLower(f.level) {
	case "debug":
		opts.Level = slog.LevelDebug
	case "info":
		opts.Level = slog.LevelInfo
	case "warn", "warning":
		opts.Level = slog.LevelWarn
	case "error":
		opts.Level = slog.LevelError
	default:
		return nil, usageError{fmt.Sprintf("--log-level: want debug, info, warn or error, got %q", f.level)}
	}
	if f.debug {
		opts.Level = slog.LevelDebug
	}
	switch strings.ToLower(f.format) {
	case "text":
		return slog.New(slog.NewTextHandler(logTo(out), opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(logTo(out), opts)), nil
	}
	return nil, usageError{fmt.Sprintf("--log-format: want text or json, got %q", f.format)}
}
