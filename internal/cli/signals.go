// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// keepServing keeps signals from ending a program that serves which are not meant
// to, until the returned function is called:
//
//   - SIGPIPE: a reader of the log that has ended costs the log and nothing else.
//   - SIGHUP: a terminal that is closed ends what runs in it, as a person expects,
//     but in order, as SIGTERM does; so does a client that hangs up, with stdio.
//     Otherwise the signal, which asks other daemons to read their configuration
//     again, changes nothing and is logged. One that was ignored at the start, as
//     nohup has it, stays ignored.
func keepServing(log *slog.Logger, stdio bool, end func()) (stop func()) {
	pipes := make(chan os.Signal, 1) // nobody reads it: Notify alone keeps the signal from ending the program
	signal.Notify(pipes, syscall.SIGPIPE)
	if signal.Ignored(syscall.SIGHUP) {
		return func() { signal.Stop(pipes) }
	}
	hangUps, done := make(chan os.Signal, 1), make(chan struct{})
	attached := hasTerminal()
	signal.Notify(hangUps, syscall.SIGHUP)
	go func() { // ends with stop, which waits for it
		defer close(done)
		for range hangUps {
			if stdio || attached && lostTerminal() {
				log.Info("SIGHUP: the terminal or client is gone: stopping")
				end()
				continue
			}
			log.Warn("SIGHUP changes nothing: a changed configuration is read at the next start")
		}
	}()
	return func() {
		signal.Stop(pipes)
		signal.Stop(hangUps)
		close(hangUps)
		<-done
	}
}

// hasTerminal reports whether this process has a controlling terminal.
func hasTerminal() bool {
	f, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	f.Close()
	return true
}

// How often, and how long apart, is looked for a terminal after a hang-up: the
// kernel sends the signal while it takes the terminal from one process after the
// other.
const (
	terminalLooks = 10
	terminalPause = 20 * time.Millisecond
)

// lostTerminal reports whether the controlling terminal is gone.
func lostTerminal() bool {
	for range terminalLooks {
		if !hasTerminal() {
			return true
		}
		time.Sleep(terminalPause)
	}
	return false
}
