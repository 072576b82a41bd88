// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/share"
	"github.com/holdfast-mcp/holdfast/internal/task"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// storedTask is a task as it is stored. Times are Unix nanoseconds, durations
// nanoseconds. Members are only ever added.
type storedTask struct {
	ID         string                      `json:"id"`
	Endpoint   string                      `json:"endpoint,omitzero"`
	Principal  string                      `json:"principal"`
	Era        mcp.Era                     `json:"era"`
	Session    string                      `json:"session,omitzero"`
	Caller     *share.Caller               `json:"caller,omitzero"`
	Method     string                      `json:"method,omitzero"`
	Target     string                      `json:"target,omitzero"`
	Status     task.Status                 `json:"status"`
	Message    string                      `json:"message,omitzero"`
	Created    int64                       `json:"created"`
	Updated    int64                       `json:"updated"`
	TTL        int64                       `json:"ttl"`
	Poll       int64                       `json:"poll,omitzero"`
	Revision   uint64                      `json:"revision"`
	Home       string                      `json:"home,omitzero"`
	Instance   string                      `json:"instance,omitzero"`
	Questions  map[string]rpc.InputRequest `json:"questions,omitzero"`
	Body       rpc.Raw                     `json:"body,omitzero"`
	ResultType string                      `json:"resultType,omitzero"`
	Cache      *mcp.CacheHint              `json:"cache,omitzero"`
	Err        *storedError                `json:"error,omitzero"`
	Restarts   int                         `json:"restarts,omitzero"`
	Call       *storedCall                 `json:"call,omitzero"`
}

// storedCall is a [task.Call] as it is stored. What clients wrote is kept as
// bytes, so that it comes back as it was and nothing in it can fail to be encoded.
type storedCall struct {
	Endpoint     string             `json:"endpoint"`
	Params       []byte             `json:"params,omitzero"`
	Version      mcp.Version        `json:"version,omitzero"`
	Client       mcp.Implementation `json:"client,omitzero"`
	Capabilities []byte             `json:"capabilities,omitzero"`
	Principal    string             `json:"principal,omitzero"`
	Tenant       string             `json:"tenant,omitzero"`
	Level        mcp.LogLevel       `json:"level,omitzero"`
	Responses    map[string][]byte  `json:"responses,omitzero"`
	State        []byte             `json:"state,omitzero"`
	Wish         *int64             `json:"wish,omitzero"` // for how long the client wants the task kept; null unless it asked for one
	Oversized    bool               `json:"oversized,omitzero"`
}

type storedError struct {
	Code    int64       `json:"code"`
	Message string      `json:"message"`
	Data    jsonrpc.Raw `json:"data,omitzero"`
	Peer    bool        `json:"peer,omitzero"` // a peer said it
}

func encodeTask(t *task.Task) ([]byte, error) {
	s := storedTask{
		ID: t.ID, Endpoint: t.Owner.Endpoint, Principal: t.Owner.Principal, Era: t.Owner.Era, Session: t.Owner.Session,
		Method: t.Method, Target: t.Target, Status: t.Status, Message: t.Message,
		Created: t.Created.UnixNano(), Updated: t.Updated.UnixNano(), TTL: int64(t.TTL), Poll: int64(t.Poll),
		Revision: t.Revision, Home: t.Home, Instance: t.Instance, Questions: t.Questions, Body: t.Result.Body, ResultType: t.Result.Type,
		Restarts: t.Restarts, Call: storeCall(t.Call),
	}
	if t.Caller != (share.Caller{}) {
		s.Caller = &t.Caller
	}
	if t.Result.Cache != (mcp.CacheHint{}) {
		s.Cache = &t.Result.Cache
	}
	if t.Err != nil {
		s.Err = &storedError{t.Err.Code, t.Err.Message, t.Err.Data, t.Err.FromPeer()}
	}
	body, err := json.Marshal(&s)
	if err != nil {
		return nil, fmt.Errorf("encode task: %w", err)
	}
	return append(appendHead(make([]byte, 0, valueHead+len(body)), t.Expires()), body...), nil
}

func decodeTask(data []byte) (task.Task, error) {
	_, body, ok := splitHead(data)
	if !ok {
		return task.Task{}, errors.New("decode task: unknown format")
	}
	var s storedTask
	if err := json.Unmarshal(body, &s); err != nil {
		return task.Task{}, fmt.Errorf("decode task: %w", err)
	}
	t := task.Task{
		ID: s.ID, Owner: task.Owner{Endpoint: s.Endpoint, Principal: s.Principal, Era: s.Era, Session: s.Session},
		Method: s.Method, Target: s.Target, Status: s.Status, Message: s.Message,
		Created: time.Unix(0, s.Created), Updated: time.Unix(0, s.Updated),
		TTL: time.Duration(s.TTL), Poll: time.Duration(s.Poll), Revision: s.Revision, Questions: s.Questions,
		Home: s.Home, Instance: s.Instance, Restarts: s.Restarts, Call: s.Call.load(),
		Result: rpc.Result{Body: s.Body, Type: s.ResultType},
	}
	if s.Cache != nil {
		t.Result.Cache = *s.Cache
	}
	if s.Caller != nil {
		t.Caller = *s.Caller
	}
	switch {
	case s.Err == nil:
	case s.Err.Peer:
		t.Err = jsonrpc.PeerError(s.Err.Code, s.Err.Message, s.Err.Data)
	default:
		t.Err = &jsonrpc.Error{Code: s.Err.Code, Message: s.Err.Message, Data: s.Err.Data}
	}
	return t, nil
}

func storeCall(c *task.Call) *storedCall {
	if c == nil {
		return nil
	}
	s := &storedCall{
		Endpoint: c.Endpoint, Params: c.Params, Version: c.Version, Client: c.Client, Capabilities: c.Capabilities,
		Principal: c.Principal.ID, Tenant: c.Principal.Tenant, Level: c.LogLevel, State: c.Input.State, Oversized: c.Oversized,
	}
	if c.Input.Responses != nil {
		s.Responses = make(map[string][]byte, len(c.Input.Responses))
		for key, response := range c.Input.Responses {
			s.Responses[key] = response
		}
	}
	if c.Task != nil {
		wish := int64(c.Task.TTL)
		s.Wish = &wish
	}
	return s
}

func (s *storedCall) load() *task.Call {
	if s == nil {
		return nil
	}
	c := &task.Call{
		Endpoint: s.Endpoint, Params: s.Params, Version: s.Version, Client: s.Client, Capabilities: s.Capabilities,
		Principal: rpc.Principal{ID: s.Principal, Tenant: s.Tenant}, LogLevel: s.Level, Oversized: s.Oversized,
	}
	c.Input.State = s.State
	if s.Responses != nil {
		c.Input.Responses = make(map[string]rpc.Raw, len(s.Responses))
		for key, response := range s.Responses {
			c.Input.Responses[key] = response
		}
	}
	if s.Wish != nil {
		c.Task = &rpc.TaskRequest{TTL: time.Duration(*s.Wish)}
	}
	return c
}
