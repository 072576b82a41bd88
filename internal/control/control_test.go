// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(asHelper); mode != "" {
		helper(mode, os.Getenv(helperDir))
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// asHelper is a variable that makes the test binary another process, which works
// on the directory that helperDir names.
const (
	asHelper  = "HOLDFAST_TEST_CONTROL"
	helperDir = "HOLDFAST_TEST_CONTROL_DIR"
)

// helper asks the node of a directory, or listens there until its input ends.
func helper(mode, dir string) {
	switch mode {
	case "client":
		_, err := NewClient(dir).Keys(context.Background())
		fmt.Println(err)
	case "server":
		s, err := Listen(dir, &memory{}, nil)
		if err != nil {
			panic(err)
		}
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin)
		s.Close()
	}
}

// memory is a node that remembers what it was asked.
type memory struct {
	keep time.Duration
	gone string
}

var errRefused = errors.New("node \"a/b\" is up; stop it first")

func (*memory) Keys() []Key { return []Key{{ID: "1f", Created: time.Unix(1, 0).UTC(), Seals: true}} }

func (m *memory) RotateKeys(_ context.Context, keep time.Duration) (time.Time, error) {
	m.keep = keep
	return time.Unix(5, 0).UTC(), nil
}

func (*memory) Servers() []MCPServer {
	return []MCPServer{
		{Name: "a/b", State: "up", Since: time.Unix(2, 0).UTC(), Tools: 3},
		{Name: "c", State: "down", Reason: "exited with code 1", Next: time.Unix(3, 0).UTC(), Stderr: []string{"no key"}},
	}
}

func (*memory) Cluster(context.Context) Cluster {
	return Cluster{Nodes: []Member{{Name: "n1", HeardBy: []string{"n2"}, Counts: true}}, Stores: []Store{{Name: "task", MayLose: 1}}}
}

func (m *memory) RemoveNode(_ context.Context, name string) error {
	m.gone = name
	return errRefused
}

func TestRoundTrip(t *testing.T) {
	dir, m := t.TempDir(), &memory{}
	s, err := Listen(dir, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := NewClient(dir)
	keys, err := c.Keys(t.Context())
	if diff := cmp.Diff(m.Keys(), keys); err != nil || diff != "" {
		t.Errorf("keys: %v %s", err, diff)
	}
	servers, err := c.Servers(t.Context())
	if diff := cmp.Diff(m.Servers(), servers, cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Errorf("servers: %v %s", err, diff)
	}
	all, err := c.Cluster(t.Context())
	if diff := cmp.Diff(m.Cluster(t.Context()), all, cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Errorf("cluster: %v %s", err, diff)
	}
	if until, err := c.RotateKeys(t.Context(), 90*time.Minute); err != nil || m.keep != 90*time.Minute || !until.Equal(time.Unix(5, 0)) {
		t.Errorf("rotate: %v, kept %v until %v", err, m.keep, until)
	}
	if err := c.RemoveNode(t.Context(), "a/b"); err == nil || err.Error() != errRefused.Error() || m.gone != "a/b" {
		t.Errorf("remove %q: %v", m.gone, err)
	}
	s.Close()
	if _, err := c.Keys(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after the end: %v", err)
	}
}

// TestInTheWay: what is no socket is somebody's file.
func TestInTheWay(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(socket(dir), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(dir, &memory{}, nil); err == nil || !strings.Contains(err.Error(), "in the way") {
		t.Errorf("listen: %v", err)
	}
	if data, err := os.ReadFile(socket(dir)); err != nil || string(data) != "precious" {
		t.Errorf("the file is gone: %q, %v", data, err)
	}
}
