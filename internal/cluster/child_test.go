// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/go-json-experiment/json"
)

// childConfig is what a node in a process of its own is told.
type childConfig struct {
	Name, Dir, Listen string
	Join              []string
	DefaultTiming     bool
}

const childVariable = "CLUSTER_TEST_CHILD"

// runChild is a node in a process of its own. It ends with its standard input.
func runChild(text string) int {
	var child childConfig
	if err := json.Unmarshal([]byte(text), &child); err != nil {
		return 2
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c, err := Open(ctx, Config{
		Name: child.Name, Dir: child.Dir, Listen: child.Listen, Join: child.Join, Secret: testSecret, DefaultTiming: child.DefaultTiming,
		Log: slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer c.Close()
	c.Serve("hang", func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
		fmt.Println("entered")
		<-ctx.Done()
		return nil, context.Cause(ctx)
	})
	if err := c.Await(ctx); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}
