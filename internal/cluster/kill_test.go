// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cluster

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	contract "github.com/holdfast-mcp/holdfast/internal/nodes"
)

// child is that process.
type child struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
	in    io.Writer
	never string // how no line it prints may begin; empty for any
}

func startChild(t *testing.T, cfg Config, more ...func(*childConfig)) *child {
	t.Helper()
	if testing.Short() {
		t.Skip("starts nodes as processes")
	}
	told := childConfig{Name: cfg.Name, Dir: cfg.Dir, Listen: cfg.Listen, Join: cfg.Join, DefaultTiming: cfg.DefaultTiming}
	for _, f := range more {
		f(&told)
	}
	text, err := json.Marshal(told)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd, lines: bufio.NewScanner(out), in: in}
	t.Cleanup(func() { in.Close(); c.kill() })
	return c
}

// expect waits for a line that begins with want, or for one of the log that has it,
// and returns it.
func (c *child) expect(t *testing.T, want string) string {
	t.Helper()
	defer time.AfterFunc(time.Minute, func() { _ = c.cmd.Process.Kill() }).Stop()
	for c.lines.Scan() {
		line := strings.TrimSpace(c.lines.Text())
		if c.never != "" && strings.HasPrefix(line, c.never) {
			t.Errorf("the child says %q", line)
		}
		if strings.HasPrefix(line, want) || strings.HasPrefix(line, "time=") && strings.Contains(line, want) {
			return line
		}
		t.Log("child: " + line)
	}
	t.Fatalf("the child ended without %q", want)
	return ""
}

// do tells the child to do something with a value.
func (c *child) do(t *testing.T, name string, value uint64) {
	t.Helper()
	if _, err := fmt.Fprintln(c.in, name, value); err != nil {
		t.Fatal(err)
	}
}

func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// twoAndChild starts a cluster whose third node is a process of its own and leads
// the session store.
func twoAndChild(t *testing.T) (here []*Cluster, configs []Config, third *child) {
	t.Helper()
	configs = threeConfigs(t, t.TempDir())
	ctx := bounded(t)
	third = startChild(t, configs[2])
	for _, cfg := range configs[:2] {
		c, err := Open(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		here = append(here, c)
	}
	third.expect(t, "ready")
	for _, c := range here {
		if err := c.Await(ctx); err != nil {
			t.Fatal(err)
		}
	}
	moveLeader(t, here, "n3")
	return here, configs, third
}

func moveLeader(t *testing.T, here []*Cluster, name string) {
	t.Helper()
	stream := here[0].stream(kindSession)
	eventually(t, 15*time.Second, func() error {
		if leader := here[0].leader(t.Context(), stream); leader != name {
			for _, c := range here {
				c.server.stepDown([]string{stream})
			}
			<-time.After(100 * time.Millisecond)
			return fmt.Errorf("%q leads", leader)
		}
		return nil
	})
}

// TestKilled kills the process that leads the store, with a request in work there.
func TestKilled(t *testing.T) {
	here, configs, third := twoAndChild(t)
	interrupted(t, here, third, func() { third.kill() }, time.Second)
	again := startChild(t, configs[2])
	again.expect(t, "ready")
	eventually(t, 5*time.Second, func() error { return allUp(here) })
}

// TestStopped stops it with SIGSTOP instead, which no connection tells of, and
// lets it go on later.
func TestStopped(t *testing.T) {
	here, _, third := twoAndChild(t)
	interrupted(t, here, third, func() { _ = third.cmd.Process.Signal(syscall.SIGSTOP) }, 1500*time.Millisecond)
	if err := third.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, func() error { return allUp(here) })
}

func allUp(nodes []*Cluster) error {
	for _, n := range nodes {
		for _, m := range n.Members() {
			if !m.Up() || len(n.Members()) != 3 {
				return fmt.Errorf("%s sees %+v", n.Name(), m)
			}
		}
	}
	return nil
}

// interrupted does something to the third node under load, and holds that its
// request fails explicitly within a bound, writes go on, and none is lost.
func interrupted(t *testing.T, here []*Cluster, third *child, do func(), bound time.Duration) {
	t.Helper()
	ctx := bounded(t)
	asked := make(chan error, 1)
	go func() {
		_, err := here[0].Request(ctx, "n3", "hang", nil)
		asked <- err
	}()
	third.expect(t, "entered")
	w := write(t, here...)
	eventually(t, 10*time.Second, func() error { return atLeast(w, 200) })
	began := time.Now()
	do()
	err := <-asked
	noticed := time.Since(began)
	if lost, ok := errors.AsType[*contract.LostError](err); !ok || !lost.Sent {
		t.Errorf("request in work: %v", err)
	}
	if noticed > bound {
		t.Errorf("the request failed after %v, want %v", noticed, bound)
	}
	eventually(t, 15*time.Second, func() error { return atLeast(w, w.before(began)+200) })
	w.finish(t, here...)
	t.Logf("request failed after %v", noticed.Round(time.Millisecond))
	if limit := 4 * time.Second; w.gap > limit && natsHeartbeat == raftHeartbeat {
		t.Errorf("writes stopped for %v, want at most %v", w.gap, limit)
	}
}

// before returns how many writes had been acknowledged when the gap began.
func (w *writers) before(time.Time) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.atGap == 0 {
		w.atGap = len(w.acked)
	}
	return w.atGap
}
