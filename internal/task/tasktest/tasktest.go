// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package tasktest is the contract of task.Store as a test suite, for every
// implementation to run.
package tasktest

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/share"
	"github.com/holdfast-mcp/holdfast/internal/task"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

var (
	anna = task.Owner{Principal: "anna", Era: mcp.Modern}
	bert = task.Owner{Principal: "bert", Era: mcp.Modern}
	base = time.Unix(1_800_000_000, 0)
)

func sample(id string, owner task.Owner, second int) task.Task {
	at := base.Add(time.Duration(second) * time.Second)
	return task.Task{ID: id, Owner: owner, Status: task.Working, Created: at, Updated: at, TTL: time.Minute, Revision: 1}
}

// Run tests the stores that open returns, each new and empty.
func Run(t *testing.T, open func(t *testing.T) task.Store) {
	t.Run("create and get", func(t *testing.T) { createAndGet(t, open(t)) })
	t.Run("limits", func(t *testing.T) { limits(t, open(t)) })
	t.Run("put keeps the latest", func(t *testing.T) { putKeepsLatest(t, open(t)) })
	t.Run("put keeps the end", func(t *testing.T) { putKeepsEnd(t, open(t)) })
	t.Run("put keeps the first restart", func(t *testing.T) { putKeepsRestart(t, open(t)) })
	t.Run("call", func(t *testing.T) { call(t, open(t)) })
	t.Run("all", func(t *testing.T) { all(t, open(t)) })
	t.Run("list", func(t *testing.T) { list(t, open(t)) })
	t.Run("shares", func(t *testing.T) { shares(t, open(t)) })
	t.Run("forget", func(t *testing.T) { forget(t, open(t)) })
	t.Run("sweep", func(t *testing.T) { sweep(t, open(t)) })
}

func mustCreate(t *testing.T, s task.Store, tasks ...task.Task) {
	t.Helper()
	for _, x := range tasks {
		if err := s.Create(t.Context(), x, 100, 100); err != nil {
			t.Fatalf("create %s: %v", x.ID, err)
		}
	}
}

func createAndGet(t *testing.T, s task.Store) {
	if _, err := s.Get(t.Context(), "a"); !errors.Is(err, task.ErrUnknown) {
		t.Fatalf("get before create: %v, want ErrUnknown", err)
	}
	mustCreate(t, s, sample("a", anna, 0))
	got, err := s.Get(t.Context(), "a")
	if err != nil || got.Owner != anna || got.Status != task.Working || !got.Created.Equal(base) {
		t.Fatalf("get = %+v, %v", got, err)
	}
}

func limits(t *testing.T, s task.Store) {
	create := func(id string, o task.Owner) error { return s.Create(t.Context(), sample(id, o, 0), 2, 3) }
	for i, err := range []error{create("a", anna), create("b", anna), create("c", bert)} {
		if err != nil {
			t.Fatalf("create %d: %v", i, err)
		}
	}
	if err := create("d", bert); !errors.Is(err, task.ErrFull) {
		t.Errorf("over the total: %v, want ErrFull", err)
	}
	if err := s.Create(t.Context(), sample("e", anna, 0), 2, 100); !errors.Is(err, task.ErrFull) {
		t.Errorf("over the principal's limit: %v, want ErrFull", err)
	}
}

// shares: a session, and an address, leave tasks to others.
func shares(t *testing.T, s task.Store) {
	const total, each = 32, 16
	fill := func(address, session string) int {
		for n := 0; ; n++ {
			x := sample(address+session+strconv.Itoa(n), anna, 0)
			x.Caller = share.Caller{Group: share.Group{Principal: "anna", Address: address}, Member: share.Member{Session: session}}
			if err := s.Create(t.Context(), x, each, total); errors.Is(err, task.ErrFull) {
				return n
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := fill("a", "greedy"); n < each/2 || n >= each {
		t.Errorf("one session has %d of %d tasks", n, each)
	}
	if n := fill("a", "other"); n == 0 {
		t.Error("another session has none")
	}
	if n := fill("b", "third"); n < each/2 {
		t.Errorf("another address has %d tasks", n)
	}
	if err := s.Forget(t.Context(), "agreedy0"); err != nil {
		t.Fatal(err)
	}
	if n := fill("a", "last"); n == 0 {
		t.Error("what was forgotten made no room")
	}
}

func forget(t *testing.T, s task.Store) {
	first := sample("a", anna, 0)
	mustCreate(t, s, first, sample("b", anna, 1))
	first.Revision, first.Status = 2, task.Completed // final, and forgotten all the same
	if err := s.Put(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "a", "unknown"} {
		if err := s.Forget(t.Context(), id); err != nil {
			t.Errorf("forget %s: %v", id, err)
		}
	}
	if _, err := s.Get(t.Context(), "a"); !errors.Is(err, task.ErrUnknown) {
		t.Errorf("get of a forgotten task: %v, want ErrUnknown", err)
	}
	list, err := s.List(t.Context(), anna, task.Position{}, 10)
	if err != nil || len(list) != 1 || list[0].ID != "b" {
		t.Errorf("list = %v, %v; want the other one", list, err)
	}
}

func putKeepsLatest(t *testing.T, s task.Store) {
	first := sample("a", anna, 0)
	mustCreate(t, s, first)
	third, second := first, first
	third.Revision, third.Status = 3, task.Completed
	second.Revision, second.Status = 2, task.InputRequired
	for _, x := range []task.Task{third, second} {
		if err := s.Put(t.Context(), x); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := s.Get(t.Context(), "a"); got.Status != task.Completed {
		t.Errorf("status %q after a late Put, want completed", got.Status)
	}
	if err := s.Put(t.Context(), sample("unknown", anna, 0)); err != nil {
		t.Errorf("put of an unknown task: %v", err)
	}
	if _, err := s.Get(t.Context(), "unknown"); !errors.Is(err, task.ErrUnknown) {
		t.Error("put created a task")
	}
}

func putKeepsEnd(t *testing.T, s task.Store) {
	first := sample("a", anna, 0)
	first.Home, first.Instance = "node-1", "i1"
	mustCreate(t, s, first)
	failed, later := first, first
	failed.Revision, failed.Status, failed.Err = 2, task.Failed, jsonrpc.NewError(-32603, "lost").WithData(7)
	later.Revision, later.Status = 5, task.Completed
	for _, x := range []task.Task{failed, later} {
		if err := s.Put(t.Context(), x); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Get(t.Context(), "a")
	if err != nil || got.Status != task.Failed || got.Revision != 2 || got.Err == nil || string(got.Err.Data) != "7" {
		t.Errorf("after its end the task became %+v, %v", got, err)
	}
	if got.Home != "node-1" || got.Instance != "i1" {
		t.Errorf("home %q, instance %q", got.Home, got.Instance)
	}
}

// putKeepsRestart: of the nodes that restart a task the first is its home, and
// what its former home writes later counts no more.
func putKeepsRestart(t *testing.T, s task.Store) {
	first := sample("a", anna, 0)
	first.Home, first.Instance = "node-1", "i1"
	mustCreate(t, s, first)
	at := func(node string, restarts int, revision uint64, status task.Status) task.Task {
		x := first
		x.Home, x.Instance, x.Restarts, x.Revision, x.Status = node, "of "+node, restarts, revision, status
		return x
	}
	for _, step := range []struct {
		what string
		put  task.Task
		home string // afterwards
	}{
		{"a stranger's change", at("node-2", 0, 2, task.Working), "node-1"},
		{"a restart that is behind", at("node-2", 1, 1, task.Working), "node-1"},
		{"a restart too many", at("node-2", 2, 2, task.Working), "node-1"},
		{"the first restart", at("node-2", 1, 3, task.Working), "node-2"},
		{"the second", at("node-3", 1, 4, task.Working), "node-2"},
		{"its former home's change", at("node-1", 0, 9, task.Working), "node-2"},
		{"its former home's end", at("node-1", 0, 9, task.Completed), "node-2"},
		{"its home's change", at("node-2", 1, 4, task.InputRequired), "node-2"},
		{"a restart after another loss", at("node-3", 2, 5, task.Working), "node-3"},
		{"its end", at("node-3", 2, 6, task.Completed), "node-3"},
		{"a restart after its end", at("node-1", 3, 7, task.Working), "node-3"},
	} {
		if err := s.Put(t.Context(), step.put); err != nil {
			t.Fatal(err)
		}
		got, err := s.Get(t.Context(), "a")
		if err != nil || got.Home != step.home {
			t.Errorf("after %s its home is %q, %v, want %q: %+v", step.what, got.Home, err, step.home, got)
		}
	}
}

// call: what it takes to make a task's call again comes back as it was.
func call(t *testing.T, s task.Store) {
	x := sample("a", anna, 0)
	x.Restarts = 2
	x.Call = &task.Call{
		Endpoint: "/v/x/mcp", Params: jsonrpc.Raw(`{"name" : "\u0061", "n":1e400}`), Version: mcp.Latest,
		Client: mcp.Implementation{Name: "shell", Version: "1"}, Capabilities: jsonrpc.Raw(`{"roots":{ }}`),
		Principal: rpc.Principal{ID: "anna", Tenant: "acme"}, LogLevel: "error",
		Input: rpc.Input{Responses: map[string]jsonrpc.Raw{"q": jsonrpc.Raw(` 1 `)}, State: []byte{0, 255}},
		Task:  &rpc.TaskRequest{TTL: 1500 * time.Microsecond},
	}
	y := sample("b", anna, 0)
	y.Call = &task.Call{Endpoint: "/mcp", Oversized: true}
	mustCreate(t, s, x, y, sample("c", anna, 0))
	for id, want := range map[string]*task.Call{"a": x.Call, "b": y.Call, "c": nil} {
		got, err := s.Get(t.Context(), id)
		if err != nil || !reflect.DeepEqual(got.Call, want) {
			t.Errorf("the call of %s came back as %+v, %v; want %+v", id, got.Call, err, want)
		}
		if id == "a" && got.Restarts != 2 {
			t.Errorf("%d restarts, want 2", got.Restarts)
		}
	}
	all := s.All(func(x *task.Task) bool { return x.ID == "a" })
	if len(all) != 1 || !reflect.DeepEqual(all[0].Call, x.Call) {
		t.Errorf("among all: %+v", all)
	}
}

func all(t *testing.T, s task.Store) {
	x, y := sample("a", anna, 0), sample("b", bert, 0)
	x.Home, y.Home = "node-1", "node-2"
	mustCreate(t, s, x, y)
	got := s.All(func(x *task.Task) bool { return x.Home == "node-2" })
	if len(got) != 1 || got[0].ID != "b" || got[0].Owner != bert {
		t.Errorf("all of node-2: %+v", got)
	}
}

func list(t *testing.T, s task.Store) {
	for i := range 5 {
		mustCreate(t, s, sample(fmt.Sprint("a", i), anna, i), sample(fmt.Sprint("b", i), bert, i))
	}
	one := sample("legacy", task.Owner{Principal: "anna", Era: mcp.Legacy, Session: "s1"}, 9)
	two := sample("other", task.Owner{Principal: "anna", Era: mcp.Legacy, Session: "s2"}, 9)
	mustCreate(t, s, one, two)
	var ids []string
	var after task.Position
	for {
		page, err := s.List(t.Context(), anna, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, x := range page {
			ids = append(ids, x.ID)
			after = task.Position{Created: x.Created, ID: x.ID}
		}
	}
	if got := fmt.Sprint(ids); got != "[a0 a1 a2 a3 a4]" {
		t.Errorf("pages hold %s", got)
	}
	if page, _ := s.List(t.Context(), one.Owner, task.Position{}, 10); len(page) != 1 || page[0].ID != "legacy" {
		t.Errorf("list of a session = %v", page)
	}
}

func sweep(t *testing.T, s task.Store) {
	mustCreate(t, s, sample("a", anna, 0), sample("b", anna, 30), sample("c", bert, 0))
	gone, err := s.Sweep(t.Context(), base.Add(time.Minute))
	if err != nil || len(gone) != 2 {
		t.Fatalf("sweep = %v, %v; want a and c", gone, err)
	}
	if _, err := s.Get(t.Context(), "a"); !errors.Is(err, task.ErrUnknown) {
		t.Error("an expired task is still there")
	}
	if page, _ := s.List(t.Context(), anna, task.Position{}, 10); len(page) != 1 || page[0].ID != "b" {
		t.Errorf("list after sweep = %v", page)
	}
	if err := s.Create(t.Context(), sample("d", bert, 0), 1, 2); err != nil {
		t.Errorf("no room after sweep: %v", err)
	}
}
