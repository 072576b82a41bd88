// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package peer

import (
	"fmt"

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

// envelope is one message between two nodes: a JSON object, of which each kind
// uses some members. Members that are not known are ignored, so that versions
// can differ by additions; what cannot be understood has another frame version.
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
	Bound      string   `json:"bound,omitzero"`  // of a call with answers: the life of the node that asked
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

	// Params (of a call or notification) and Body (of a result) are written
	// last, as they are.
	Params Raw `json:"params,omitzero"`
	Body   Raw `json:"body,omitzero"`
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

// encode returns the envelope's bytes. Params and Body, which may be large, are
// not looked at again.
func (e *envelope) encode() ([]byte, error) {
	params, body := e.Params, e.Body
	head := *e
	head.Params, head.Body = nil, nil
	data, err := json.Marshal(&head, encoding)
	if err != nil {
		return nil, fmt.Errorf("encode a message to a peer: %w", err)
	}
	if params == nil && body == nil {
		return data, nil
	}
	out := make([]byte, 0, len(data)+len(params)+len(body)+32)
	out = append(out, data[:len(data)-1]...) // kind is always there, so a comma follows
	if params != nil {
		out = append(append(out, `,"params":`...), params...)
	}
	if body != nil {
		out = append(append(out, `,"body":`...), body...)
	}
	return append(out, '}'), nil
}

// decode reads an envelope.
func decode(data []byte) (*envelope, error) {
	e := &envelope{}
	if err := json.Unmarshal(data, e, encoding); err != nil {
		return nil, fmt.Errorf("malformed message of a peer: %w", err)
	}
	if e.Kind == "" {
		return nil, fmt.Errorf("malformed message of a peer: no kind")
	}
	return e, nil
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
