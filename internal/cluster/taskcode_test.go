// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"reflect"
	"testing"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/share"
	"github.com/holdfast-mcp/holdfast/internal/task"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// TestOldTaskRecords: records of before tasks could be restarted are read, and
// tell that theirs cannot be.
func TestOldTaskRecords(t *testing.T) {
	expires := time.Unix(1_900_000_000, 0)
	record := appendHead(nil, expires)
	record = append(record, `{"id":"T1","principal":"anna","era":2,"method":"tools/call","target":"slow","status":"working",`+
		`"created":1800000000000000000,"updated":1800000000000000000,"ttl":60000000000,"poll":1000000000,"revision":3,`+
		`"home":"n1","instance":"i1"}`...)
	got, err := decodeTask(record)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1_800_000_000, 0)
	want := task.Task{
		ID: "T1", Owner: task.Owner{Principal: "anna", Era: mcp.Modern}, Method: "tools/call", Target: "slow", Status: task.Working,
		Created: at, Updated: at, TTL: time.Minute, Poll: time.Second, Revision: 3, Home: "n1", Instance: "i1",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("decoded %+v, want %+v", got, want)
	}
}

// TestUnknownTaskMembers: what a newer version adds does not keep this one from
// reading the rest.
func TestUnknownTaskMembers(t *testing.T) {
	record := append(appendHead(nil, time.Unix(1_900_000_000, 0)), `{"id":"T1","status":"working","revision":3,"era":2,"principal":"a",`+
		`"call":{"endpoint":"/mcp","colour":"blue"},"shape":{"round":true}}`...)
	got, err := decodeTask(record)
	if err != nil || got.Call == nil || got.Call.Endpoint != "/mcp" {
		t.Errorf("decoded %+v, %v", got, err)
	}
}

// TestTaskCall: bytes of clients come back as they were, whatever they are.
func TestTaskCall(t *testing.T) {
	want := task.Task{
		ID: "T1", Owner: task.Owner{Principal: "anna", Era: mcp.Legacy, Session: "s"}, Status: task.Working,
		Caller:  share.Caller{Group: share.Group{Principal: "anna", Address: "10.0.0.1"}, Member: share.Member{Session: "s"}},
		Created: time.Unix(1, 2), Updated: time.Unix(3, 4), TTL: time.Minute, Poll: time.Second, Revision: 1, Home: "n1", Instance: "i1", Restarts: 1,
		Call: &task.Call{
			Endpoint: "/mcp", Params: rpc.Raw("{\"twice\":1,\"twice\":2,\"bad\":\"\xff\"}"), Version: mcp.Latest,
			Capabilities: rpc.Raw(`{}`), Principal: rpc.Principal{ID: "anna"}, Task: &rpc.TaskRequest{},
			Input: rpc.Input{Responses: map[string]rpc.Raw{"q": rpc.Raw(`"\xff"`)}, State: []byte("\xff\x00")},
		},
	}
	data, err := encodeTask(&want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeTask(data)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("decoded %+v, %v; want %+v", got.Call, err, want.Call)
	}
}
