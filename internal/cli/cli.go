// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package cli is the holdfast command: it reads flags, calls the parts and
// turns errors into one clear line and an exit code. 0 is success, 1 a failure,
// 2 bad usage or bad configuration, 74 (EX_IOERR of sysexits.h) a store that cannot
// be written and would not be sound to go on with: a supervisor should start the
// node again, and alert somebody when that repeats. A command that a signal cuts off
// ends with 128 and the signal's number, as shells have it.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"syscall"

	"github.com/holdfast-mcp/holdfast/internal/cluster"
	"github.com/holdfast-mcp/holdfast/internal/config"
	"github.com/holdfast-mcp/holdfast/internal/process"
)

// command is one subcommand.
type command struct {
	name, args, help string
	run              func(ctx context.Context, env *Env, args []string) error
}

// Env is the outside world of a command.
type Env struct {
	In     io.ReadCloser
	Out    io.WriteCloser
	Err    io.Writer
	Getenv func(string) (string, bool)
	// Unsetenv takes a variable out of the environment; nil leaves it there.
	Unsetenv func(string) error
	// Whole is set when the command is all that this process does.
	Whole bool
}

func commands() []command {
	return []command{
		{"serve", "[--config FILE|-] [--strict] [--listen ADDR] [--allow-host NAME,…] [--data DIR] [--stdio] [--log-level debug|info|warn|error] [--log-format text|json] [--drain DURATION] [--node NAME --cluster ADDR --join HOST:PORT,…]", "put MCP servers behind one URL", serve},
		{"check", "[--strict] [FILE|-]", "say what a configuration file means, and what is wrong with it", check},
		{"tools", "[FLAGS] URL [NAME] | [FLAGS] [NAME] -- COMMAND [ARGUMENT…]", "list the tools of a server, or show one with its schema", tools},
		{"call", "[FLAGS] URL TOOL [ARGS] | [FLAGS] TOOL [ARGS] -- COMMAND [ARGUMENT…]", "call a tool; ARGS is a JSON object", call},
		{"servers", "[--json] [--data DIR]", "show which servers are up, and why the others are not", servers},
		{"keys", "[--json] [--data DIR] | rotate [--keep DURATION] [--data DIR]", "list the keys that session ids are sealed with, or add a new one", keys},
		{"nodes", "[--json] [--data DIR] | remove NAME [--data DIR]", "list the nodes of the cluster, or go on without one that never returns", nodes},
		{"secret", "", "print a new secret for the nodes of a cluster", newSecret},
		{"init", "[FILE]", "write a commented holdfast.yaml", initFile},
		{"version", "", "print the version", version},
	}
}

// usageError is a mistake in how the command was called.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

// Main runs the command line and returns the exit code. The first Ctrl-C or
// SIGTERM ends the command in order, a second one at once: the store survives that
// as it does a crash, and the keeper ends the servers.
func Main() int {
	if err := process.Conceal(); err != nil { // before a secret is read or a server started
		fmt.Fprintln(os.Stderr, "holdfast:", err)
		return 1
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2) // both are seen, however soon the second comes
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	var first atomic.Int64
	go func() { // ends with the program
		first.Store(int64((<-signals).(syscall.Signal)))
		cancel()
		os.Exit(signalled((<-signals).(syscall.Signal)))
	}()
	env := &Env{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.LookupEnv, Unsetenv: process.Unsetenv, Whole: true}
	code := Run(ctx, env, os.Args[1:])
	if code == exitInterrupted && first.Load() != 0 {
		return signalled(syscall.Signal(first.Load()))
	}
	return code
}

// signalled is what shells make of a program that a signal has ended.
func signalled(s syscall.Signal) int { return 128 + int(s) }

// Run runs one command line.
func Run(ctx context.Context, env *Env, args []string) int {
	if len(args) == 0 {
		usage(env.Err)
		return 2
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		if len(args) < 2 {
			usage(env.Out)
			return 0
		}
		args = []string{args[1], "--help"}
	case "-v", "-version", "--version":
		args = []string{"version"}
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return exitCode(env, c, c.run(ctx, env, args[1:]))
		}
	}
	fmt.Fprintf(env.Err, "holdfast: unknown command %q\n\n", args[0])
	usage(env.Err)
	return 2
}

func exitCode(env *Env, c command, err error) int {
	if help, ok := errors.AsType[helpWantedError](err); ok {
		commandHelp(env.Out, c, help)
		return 0
	}
	switch usage, isUsage := errors.AsType[usageError](err); {
	case err == nil:
		return 0
	case isUsage:
		printf(env.Err, "holdfast %s: %s\nusage:\n%sholdfast %s --help explains the flags\n", c.name, usage.text, usageLines(c), c.name)
		return 2
	case errors.Is(err, context.Canceled):
		printf(env.Err, "\nholdfast %s: interrupted\n", c.name) // behind the ^C that a terminal shows
		return exitInterrupted
	}
	if bad, ok := errors.AsType[*config.Errors](err); ok {
		printf(env.Err, "%s\n", bad)
		return 2
	}
	printf(env.Err, "holdfast %s: %s\n", c.name, err)
	if errors.Is(err, errUnusable) {
		return 2
	}
	if _, ok := errors.AsType[*cluster.DiskError](err); ok {
		return exitDisk
	}
	return 1
}

// exitInterrupted is the exit code of a command that Ctrl-C has ended.
const exitInterrupted = 128 + int(syscall.SIGINT)

// exitDisk is the exit code of a node whose store cannot be written.
const exitDisk = 74

// flags returns a flag set that reports mistakes as usage errors.
func flags(name string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	return fs
}

// parse reads flags and arguments, which may stand in any order; after -- come
// arguments only. The flag set then has the arguments.
func parse(fs *flag.FlagSet, args []string, min, max int) error {
	var plain []string
	for {
		if err := fs.Parse(args); err != nil { // it stops at the first that is no flag
			if errors.Is(err, flag.ErrHelp) {
				return helpWantedError{fs: fs}
			}
			return usageError{err.Error()}
		}
		rest := fs.Args()
		read := len(args) - len(rest)
		if len(rest) == 0 || read > 0 && args[read-1] == "--" {
			plain = append(plain, rest...)
			break
		}
		plain, args = append(plain, rest[0]), rest[1:]
	}
	if n := len(plain); n < min || n > max {
		return usageError{fmt.Sprintf("got %d arguments", n)}
	}
	return fs.Parse(append([]string{"--"}, plain...))
}

// onlyFor reports a flag that was given but is not among those of the
// subcommand, which shares its flag set with others.
func onlyFor(fs *flag.FlagSet, subcommand string, names ...string) (err error) {
	fs.Visit(func(f *flag.Flag) {
		if err == nil && !slices.Contains(names, f.Name) {
			err = usageError{fmt.Sprintf("--%s has no use with %s", f.Name, subcommand)}
		}
	})
	return err
}
