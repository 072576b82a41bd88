// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/holdfast-mcp/holdfast/internal/config"
)

// initFile writes the configuration template; it never overwrites.
func initFile(_ context.Context, env *Env, args []string) error {
	fs := flags("init")
	if err := parse(fs, args, 0, 1); err != nil {
		return err
	}
	name := "holdfast.yaml"
	if fs.NArg() == 1 {
		name = fs.Arg(0)
	}
	if err := writeNew(name, config.Template()); err != nil {
		return err
	}
	fmt.Fprintf(env.Out, "wrote %s; edit it, then run: holdfast serve --config %s\n", name, name)
	return nil
}

func writeNew(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // it may come to hold secrets
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists; name another file", name)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}
