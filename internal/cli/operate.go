// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/holdfast-mcp/holdfast/internal/control"
	"github.com/holdfast-mcp/holdfast/internal/node"
	"github.com/holdfast-mcp/holdfast/internal/session"
)

// operate are the flags of commands that ask the node running on this host.
type operate struct {
	fs   *flag.FlagSet
	data string
	json bool
}

func operating(name string) *operate {
	o := &operate{fs: flags(name)}
	o.fs.StringVar(&o.data, "data", "", "ask the node that was given `DIR` as its data directory (default the user's own)")
	o.fs.BoolVar(&o.json, "json", false, "print JSON, for programs")
	return o
}

// parse reads the command line of a command that lists, or does something else
// when its first argument is the word, which takes so many arguments more. It
// reports whether the word is there.
func (o *operate) parse(args []string, word string, more int) (bool, error) {
	if err := parse(o.fs, args, 0, 1+more); err != nil {
		return false, err
	}
	switch n := o.fs.NArg(); {
	case n == 0:
		return false, nil
	case o.fs.Arg(0) != word:
		return false, usageError{fmt.Sprintf("unknown argument %q", o.fs.Arg(0))}
	case n != 1+more:
		return false, usageError{fmt.Sprintf("got %d arguments", n)}
	}
	return true, nil
}

// client returns who asks.
func (o *operate) client() (*control.Client, error) {
	dir := o.data
	if dir == "" {
		var err error
		if dir, err = node.DefaultData(); err != nil {
			return nil, err
		}
	}
	return control.NewClient(dir), nil
}

// told adds what to do when nothing runs.
func told(err error) error {
	if errors.Is(err, control.ErrNotRunning) {
		return fmt.Errorf("%w; start it with holdfast serve, or name the data directory it was given with --data", err)
	}
	return err
}

// keys lists the keys that session ids are sealed with, or rotates them.
func keys(ctx context.Context, env *Env, args []string) error {
	o := operating("keys")
	keep := o.fs.Duration("keep", session.TicketLife, "with rotate: accept what older keys sealed for `DURATION` more; 0s ends those sessions")
	rotate, err := o.parse(args, "rotate", 0)
	switch {
	case err != nil:
		return err
	case rotate:
		return rotateKeys(ctx, env, o, *keep)
	}
	if err := onlyFor(o.fs, "keys", "data", "json"); err != nil {
		return err
	}
	c, err := o.client()
	if err != nil {
		return err
	}
	list, err := c.Keys(ctx)
	if err != nil {
		return told(err)
	}
	if o.json {
		return printJSON(env.Out, list)
	}
	now := time.Now()
	t := newTable(env.Out, "KEY", "AGE", "FROM", "EXPIRES", "SEALS")
	for _, k := range list {
		t.row(k.ID, age(now.Sub(k.Created)), when(k.From), when(k.Expires), yes(k.Seals))
	}
	return t.Flush()
}

func rotateKeys(ctx context.Context, env *Env, o *operate, keep time.Duration) error {
	if err := onlyFor(o.fs, "keys rotate", "data", "keep"); err != nil {
		return err
	}
	if keep < 0 {
		return usageError{"--keep: want a duration such as 720h"}
	}
	c, err := o.client()
	if err != nil {
		return err
	}
	until, err := c.RotateKeys(ctx, keep)
	if err != nil {
		return told(err)
	}
	fmt.Fprintf(env.Out, "a new key takes over in a few seconds; sessions that began before are accepted until %s\n", when(until))
	return nil
}

// nodes lists the nodes of the cluster, or removes one.
func nodes(ctx context.Context, env *Env, args []string) error {
	o := operating("nodes")
	remove, err := o.parse(args, "remove", 1)
	switch {
	case err != nil:
		return err
	case remove:
		return removeNode(ctx, env, o)
	}
	c, err := o.client()
	if err != nil {
		return err
	}
	all, err := c.Cluster(ctx)
	if err != nil {
		return told(err)
	}
	if o.json {
		return printJSON(env.Out, all)
	}
	return printNodes(env.Out, &all, time.Now())
}

func removeNode(ctx context.Context, env *Env, o *operate) error {
	if err := onlyFor(o.fs, "nodes remove", "data"); err != nil {
		return err
	}
	c, err := o.client()
	if err != nil {
		return err
	}
	name := o.fs.Arg(1)
	if err := c.RemoveNode(ctx, name); err != nil {
		return told(err)
	}
	fmt.Fprintf(env.Out, "the cluster goes on without %s; do not use its name or its data directory again\n", name)
	return nil
}

// table is text in columns.
type table struct{ *tabwriter.Writer }

func newTable(w io.Writer, head ...any) table {
	t := table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	t.row(head...)
	return t
}

func (t table) row(cells ...any) {
	for i, c := range cells {
		if i > 0 {
			fmt.Fprint(t, "\t")
		}
		printf(t, "%s", line(fmt.Sprint(c)))
	}
	fmt.Fprintln(t)
}

// age is a duration as a person says it.
func age(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	case d >= time.Minute:
		return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
	}
	return d.Truncate(time.Second).String()
}

// when is a moment to the second, in UTC.
func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

func printJSON(w io.Writer, v any) error {
	body, err := json.Marshal(v, jsontext.WithIndent("  "), json.FormatNilSliceAsNull(false))
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return printRaw(w, body)
}
