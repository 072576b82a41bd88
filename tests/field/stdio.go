// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package field

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// ErrCrash is the end of a server that is meant to crash.
var ErrCrash = errors.New("crashed as it was told")

// maxLine bounds what a server over stdio reads at once, in bytes.
const maxLine = 1 << 20

// ServeStdio serves a variant over in and out until in ends. A call of held is answered after the next one of echo.
func ServeStdio(v Variant, in io.Reader, out, log io.Writer) error {
	if v.Crash != "" {
		_, _ = io.WriteString(log, v.Crash)
		return ErrCrash
	}
	time.Sleep(v.Sleep)
	w := &stdio{v: &v, out: out}
	w.lines(v.Start)
	reader := jsonrpc.NewLineReader(in, maxLine)
	for w.err == nil {
		line, err := reader.Read()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if v.Echo {
			w.raw(string(line) + "\n")
		}
		if msg, err := jsonrpc.Decode(line, jsonrpc.DefaultLimits()); err == nil && msg.Kind() == jsonrpc.Request {
			w.take(msg)
		}
	}
	return w.err
}

// stdio is a server at work. It keeps the first error of writing.
type stdio struct {
	v    *Variant
	out  io.Writer
	held []string
	err  error
}

func (w *stdio) take(msg jsonrpc.Message) {
	answer := w.v.answer(msg, w.v.Name)
	switch {
	case answer == "":
		return
	case strings.HasSuffix(msg.Method, "/list"):
		w.lines(w.v.OnList)
	case msg.Method == "tools/call" && tool(msg) == "held":
		w.held = append(w.held, answer)
		return
	case msg.Method == "tools/call":
		w.lines(w.v.OnCall)
	}
	w.message(answer)
	if msg.Method == "tools/call" && tool(msg) == "echo" {
		for _, late := range w.held {
			w.message(late)
		}
		w.held = nil
	}
}

func (w *stdio) message(text string) { w.raw(w.v.Prefix + text + w.v.Suffix + "\n") }

func (w *stdio) lines(lines []string) {
	for _, line := range lines {
		w.raw(line + "\n")
	}
}

func (w *stdio) raw(text string) {
	if w.err == nil {
		_, w.err = io.WriteString(w.out, text)
	}
}
