// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/session"
)

// childConfig is what a node in a process of its own is told.
type childConfig struct {
	Name, Dir, Listen string
	Join              []string
	DefaultTiming     bool
	NoWrites          bool // no file may have a byte
}

const childVariable = "CLUSTER_TEST_CHILD"

// runChild is a node in a process of its own. It ends with its standard input.
func runChild(text string) int {
	var child childConfig
	if err := json.Unmarshal([]byte(text), &child); err != nil {
		return 2
	}
	if child.NoWrites {
		if err := setLimit("filesize", 0); err != nil {
			fmt.Println(err)
			return 1
		}
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
	end := make(chan int)
	go func() { end <- obey(c, os.Stdin) }()
	go sayReady(c)
	select {
	case code := <-end:
		return code
	case <-c.Failed():
		fmt.Println("failed:", c.Err())
		return 1
	}
}

// obey does what the standard input says until it ends: what to do, and a value.
func obey(c *Cluster, in io.Reader) int {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var what string
		var value uint64
		if _, err := fmt.Sscan(lines.Text(), &what, &value); err != nil {
			fmt.Println(err)
			return 2
		}
		switch what {
		case "write":
			fmt.Println("written", fill(c, value))
		case "count":
			fmt.Println("records", c.Sessions().Len())
		default:
			if err := setLimit(what, value); err != nil {
				fmt.Println(err)
				return 2
			}
		}
	}
	return 0
}

// fill puts so many records of new sessions and returns how many were acknowledged.
func fill(c *Cluster, n uint64) (done int) {
	for range n {
		if _, err := c.Sessions().Put(c.base, session.NewID(), testRecord("a")); err == nil {
			done++
		}
	}
	return done
}

// sayReady prints what Ready says whenever that changes.
func sayReady(c *Cluster) {
	for said := ""; ; time.Sleep(10 * time.Millisecond) {
		now := "ready"
		if err := c.Ready(); err != nil {
			now = "unready: " + err.Error()
		}
		if now != said {
			fmt.Println(now)
			said = now
		}
	}
}
