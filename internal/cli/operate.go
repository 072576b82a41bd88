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
	o.fs.StringVar(&o.data, "data", "", "")
	return o
}

// listing is operating for a command that can print JSON.
func listing(name string) *operate {
	o := operating(name)
	o.fs.BoolVar(&o.json, "json", false, "")
	return o
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
	if len(args) > 0 && args[0] == "rotate" {
		return rotateKeys(ctx, env, args[1:])
	}
	o := listing("keys")
	if err := parse(o.fs, args, 0, 0); err != nil {
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

func rotateKeys(ctx context.Context, env *Env, args []string) error {
	o := operating("keys rotate")
	keep := o.fs.Duration("keep", session.TicketLife, "")
	if err := parse(o.fs, args, 0, 0); err != nil {
		return err
	}
	if *keep < 0 {
		return usageError{"--keep: want a duration such as 720h"}
	}
	c, err := o.client()
	if err != nil {
		return err
	}
	if err := c.RotateKeys(ctx, *keep); err != nil {
		return told(err)
	}
	until := time.Now().Add(*keep)
	fmt.Fprintf(env.Out, "a new key takes over in a few seconds; sessions that began before are accepted until %s\n", when(until))
	return nil
}

// nodes lists the nodes of the cluster, or removes one.
func nodes(ctx context.Context, env *Env, args []string) error {
	if len(args) > 0 && args[0] == "remove" {
		return removeNode(ctx, env, args[1:])
	}
	o := listing("nodes")
	if err := parse(o.fs, args, 0, 0); err != nil {
		return err
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

func removeNode(ctx context.Context, env *Env, args []string) error {
	o := operating("nodes remove")
	if err := parse(o.fs, args, 1, 1); err != nil {
		return err
	}
	c, err := o.client()
	if err != nil {
		return err
	}
	name := o.fs.Arg(0)
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
		fmt.Fprint(t, c)
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
	if err := json.MarshalWrite(w, v, jsontext.WithIndent("  "), json.FormatNilSliceAsNull(false)); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	fmt.Fprintln(w)
	return nil
}
