// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// Raw is a JSON value kept as received.
type Raw = jsonrpc.Raw

// The kinds of envelope. The opener of a stream sends a query or a call first.
const (
	kindQuery  = "query"  // → do you hold this key?
	kindHeld   = "held"   // ← what is known of it
	kindCall   = "call"   // →
	kindAnswer = "answer" // → to one question
	kindRun    = "run"    // → follow the task that began
	kindMoved  = "moved"  // ← the call was not begun; its home is elsewhere
	kindRefuse = "refuse" // ← the call was not begun
	kindNotify = "notify" // ←
	kindAsk    = "ask"    // ←
	kindUnask  = "unask"  // ← a question is void
	kindDetach = "detach" // ←
	kindTask   = "task"   // ← the call became a task, to be followed with run
	kindResult = "result" // ←
	kindError  = "error"  // ←
)

// envelope is one message between two nodes, of which each kind uses some members:
// a JSON object, and behind it, as they are, the params and the body, which may be
// large. Members that are not known are ignored.
type envelope struct {
	Kind string `json:"kind"`
	N    uint64 `json:"n,omitzero"` // of a question

	Server     string   `json:"server,omitzero"`
	Key        string   `json:"key,omitzero"`
	Generation uint64   `json:"generation,omitzero"`
	Holds      bool     `json:"holds,omitzero"`
	Will       bool     `json:"will,omitzero"`  // of a node that claims the key with a higher hash
	Ask        bool     `json:"ask,omitzero"`   // of a call that has been sent about: ask all
	Known      bool     `json:"known,omitzero"` // of a key that had a home
	To         string   `json:"to,omitzero"`
	Bound      bool     `json:"bound,omitzero"`  // of a call with answers, for the process that asked
	Again      bool     `json:"again,omitzero"`  // of such a call: it was sent before, and may have arrived
	Not        []string `json:"not,omitzero"`    // nodes that are not there
	Reason     string   `json:"reason,omitzero"` // of a refusal, for people
	Closing    bool     `json:"closing,omitzero"`

	Call *wireCall `json:"call,omitzero"`

	Method   string                      `json:"method,omitzero"`
	Requests map[string]rpc.InputRequest `json:"requests,omitzero"`
	Answers  map[string]Raw              `json:"answers,omitzero"`
	Millis   int64                       `json:"millis,omitzero"` // of a detach: until the client may come back
	TTL      int64                       `json:"ttl,omitzero"`    // of a task, ms
	Poll     int64                       `json:"poll,omitzero"`   // of a task, ms

	Type  string     `json:"type,omitzero"` // of a result
	Cache *wireCache `json:"cache,omitzero"`
	Input *wireInput `json:"input,omitzero"`
	Error *wireError `json:"error,omitzero"`

	Params Raw `json:"-"` // of a call or notification
	Body   Raw `json:"-"` // of a result
}

// wireCall is a call without its params.
type wireCall struct {
	ID         jsonrpc.ID              `json:"id,omitzero"`
	Target     string                  `json:"target,omitzero"`
	Arguments  Raw                     `json:"arguments,omitzero"` // when not those in params
	Meta       Raw                     `json:"meta,omitzero"`      // when not that in params
	Version    mcp.Version             `json:"version"`
	Client     mcp.Implementation      `json:"client,omitzero"`
	Caps       *mcp.ClientCapabilities `json:"caps,omitzero"`
	RawCaps    Raw                     `json:"rawCaps,omitzero"`
	Session    string                  `json:"session,omitzero"`
	Principal  *rpc.Principal          `json:"principal,omitzero"`
	Address    string                  `json:"address,omitzero"`
	Progress   Raw                     `json:"progress,omitzero"`
	Level      mcp.LogLevel            `json:"level,omitzero"`
	Responses  map[string]Raw          `json:"responses,omitzero"`
	State      []byte                  `json:"state,omitzero"`
	Task       bool                    `json:"task,omitzero"`
	TaskMillis int64                   `json:"taskMillis,omitzero"`
	AllowTask  bool                    `json:"allowTask,omitzero"`
	Millis     int64                   `json:"millis,omitzero"` // that are left; 0 means no deadline
}

type wireCache struct {
	TTL   int64          `json:"ttl,omitzero"`
	Scope mcp.CacheScope `json:"scope,omitzero"`
}

type wireInput struct {
	Requests map[string]rpc.InputRequest `json:"requests"`
	State    []byte                      `json:"state,omitzero"`
}

// wireError is an error: one for the client as it is, or (opaque) one whose text
// is only logged.
type wireError struct {
	Code    int64  `json:"code,omitzero"`
	Message string `json:"message"`
	Data    Raw    `json:"data,omitzero"`
	Peer    bool   `json:"peer,omitzero"` // the server or client said it
	Opaque  bool   `json:"opaque,omitzero"`
}

var encoding = json.JoinOptions(jsontext.PreserveRawStrings(true), jsontext.AllowDuplicateNames(true), json.Deterministic(false))

// encode appends the envelope's bytes to dst: the length of the object, the object, the
// length of the params, the params, the body. Params and body are not looked at again.
func (e *envelope) encode(dst []byte) ([]byte, error) {
	head, err := json.Marshal(e, encoding)
	if err != nil {
		return dst, fmt.Errorf("encode a message to a node: %w", err)
	}
	dst = slices.Grow(dst, 2*binary.MaxVarintLen32+len(head)+len(e.Params)+len(e.Body))
	dst = append(binary.AppendUvarint(dst, uint64(len(head))), head...)
	dst = append(binary.AppendUvarint(dst, uint64(len(e.Params))), e.Params...)
	return append(dst, e.Body...), nil
}

// decode reads an envelope, which keeps data. Params and body are what another node
// of this cluster has read, so they are not read again.
func decode(data []byte) (*envelope, error) {
	head, rest, ok := section(data)
	if !ok {
		return nil, errFrame
	}
	params, body, ok := section(rest)
	if !ok {
		return nil, errFrame
	}
	e := &envelope{}
	if err := json.Unmarshal(head, e, encoding); err != nil {
		return nil, fmt.Errorf("malformed message of a node: %w", err)
	}
	if e.Kind == "" {
		return nil, fmt.Errorf("%w: no kind", errFrame)
	}
	if len(params) > 0 {
		e.Params = params
	}
	if len(body) > 0 {
		e.Body = body
	}
	return e, nil
}

// section cuts what its length stands before.
func section(data []byte) (part, rest []byte, ok bool) {
	n, used := binary.Uvarint(data)
	if used <= 0 || n > uint64(len(data)-used) {
		return nil, nil, false
	}
	end := used + int(n) // bounded above
	return data[used:end:end], data[end:], true
}

// encodeError returns what travels of an error.
func encodeError(err error) *wireError {
	if wire, ok := jsonrpc.AsError(err); ok {
		return &wireError{Code: wire.Code, Message: wire.Message, Data: wire.Data, Peer: wire.FromPeer()}
	}
	return &wireError{Message: err.Error(), Opaque: true}
}

// error returns the error that w stands for.
func (w *wireError) error() error {
	switch {
	case w == nil:
		return fmt.Errorf("a peer reported an error without saying which")
	case w.Opaque:
		return fmt.Errorf("on another node: %s", w.Message)
	case w.Peer:
		return jsonrpc.PeerError(w.Code, w.Message, w.Data)
	}
	return &jsonrpc.Error{Code: w.Code, Message: w.Message, Data: w.Data}
}
