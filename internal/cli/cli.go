// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package cli is the holdfast command: it reads flags, calls the parts and
// turns errors into one clear line and an exit code. 0 is success, 1 a failure,
// 2 bad usage or bad configuration, 74 (EX_IOERR of sysexits.h) a store that cannot
// be written and would not be sound to go on with: a supervisor should start the
// node again, and alert somebody when that repeats.
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
		{"serve", "[--config FILE] [--listen ADDR] [--allow-host NAME,…] [--data DIR] [--stdio] [--drain DURATION] [--node NAME --cluster ADDR --join HOST:PORT,…]", "put MCP servers behind one URL", serve},
		{"tools", "[--json] URL", "list the tools of a server", tools},
		{"call", "[--json] URL TOOL [ARGS]", "call a tool; ARGS is a JSON object", call},
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
	go func() { // ends with the program
		<-signals
		cancel()
		os.Exit(signalled((<-signals).(syscall.Signal)))
	}()
	env := &Env{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.LookupEnv, Unsetenv: process.Unsetenv, Whole: true}
	return Run(ctx, env, os.Args[1:])
}

// signalled is what shells make of a program that a signal has ended.
func signalled(s syscall.Signal) int { return 128 + int(s) }

// Run runs one command line.
func Run(ctx context.Context, env *Env, args []string) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		usage(env.Err)
		if len(args) == 0 {
			return 2
		}
		return 0
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
	switch usage, isUsage := errors.AsType[usageError](err); {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case isUsage:
		printf(env.Err, "holdfast %s: %s\nusage: holdfast %s %s\n", c.name, usage.text, c.name, c.args)
		return 2
	}
	if bad, ok := errors.AsType[*config.Errors](err); ok {
		printf(env.Err, "%s\n", bad)
		return 2
	}
	printf(env.Err, "holdfast %s: %s\n", c.name, err)
	if _, ok := errors.AsType[*cluster.DiskError](err); ok {
		return exitDisk
	}
	return 1
}

// exitDisk is the exit code of a node whose store cannot be written.
const exitDisk = 74

func usage(w io.Writer) {
	fmt.Fprint(w, "holdfast puts any MCP servers behind one URL that every client can use.\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  holdfast %s %s\n        %s\n", c.name, c.args, c.help)
	}
}

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
				return usageError{"flags and arguments:"}
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
