// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package modern

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/engine"
	"github.com/holdfast-mcp/holdfast/internal/rpc"
	"github.com/holdfast-mcp/holdfast/internal/seal"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// requestState is one letter that says what it is, and a sealed token.
const (
	statePrefix  = 's' // the handler's own state
	parkedPrefix = 'p' // the address of a parked call
)

// errState says as little as a failed seal does.
var errState = jsonrpc.NewError(jsonrpc.CodeInvalidParams, "params.requestState is not valid for this request")

// errBehind tells a client that its request may well be good.
var errBehind = jsonrpc.NewError(jsonrpc.CodeInternal, "this node may not know the key of params.requestState yet; repeat the request")

// unopened is the answer to a requestState whose seal has not opened.
func unopened(err error) *jsonrpc.Error {
	if errors.Is(err, seal.ErrBehind) {
		return errBehind
	}
	return errState
}

// errRounds stops a handler that never has enough.
var errRounds = jsonrpc.NewError(jsonrpc.CodeInternal, "the call asked for input too often")

// state is what requestState holds for a handler that returned its questions.
type state struct {
	round int
	data  []byte
}

const stateHead = 1 + 8 + 2 // format, expiry in Unix seconds, round

// sealState returns the requestState of a round.
func (p *Protocol) sealState(req *request, s state) string {
	plain := make([]byte, stateHead, stateHead+len(s.data))
	plain[0] = 1
	binary.BigEndian.PutUint64(plain[1:], uint64(time.Now().Add(p.cfg.Limits.StateTTL).Unix()))
	binary.BigEndian.PutUint16(plain[9:], uint16(s.round))
	plain = append(plain, s.data...)
	return string(statePrefix) + p.cfg.Ring.Seal(seal.State, p.binding(req), plain)
}

// openState reads the request's requestState.
//
// spec 2026-07-28 basic/patterns/mrtr: it is attacker-controlled input; state
// that fails verification must be rejected.
func (p *Protocol) openState(req *request) (state, *jsonrpc.Error) {
	if req.state[0] != statePrefix {
		return state{}, errState
	}
	plain, err := p.cfg.Ring.Open(seal.State, p.binding(req), req.state[1:])
	if err != nil {
		return state{}, unopened(err)
	}
	if len(plain) < stateHead || plain[0] != 1 {
		return state{}, errState
	}
	if uint64(time.Now().Unix()) >= binary.BigEndian.Uint64(plain[1:]) {
		return state{}, jsonrpc.NewError(jsonrpc.CodeInvalidParams, "params.requestState has expired; start over").
			WithData(restart)
	}
	return state{round: int(binary.BigEndian.Uint16(plain[9:])), data: plain[stateHead:]}, nil
}

// restart is the data of errors that only a new call can mend.
var restart = struct {
	Restart bool `json:"restart"`
}{true}

// binding is what a requestState is good for: this principal repeating this
// request at this endpoint. Members that a retry changes do not count, nor does the
// order or the spacing of the rest.
func (p *Protocol) binding(r *request) string {
	params := jsonrpc.Delete(r.in.Params, "_meta", "inputResponses", "requestState")
	canonical := append(Raw(nil), params...)
	if canonical.Canonicalize() != nil {
		canonical = append(canonical[:0], params...)
	}
	digest := sha256.Sum256(canonical)
	return engine.Binding(p.cfg.Endpoint, r.principal, r.in.Method, r.target, string(digest[:]))
}

// appendInput appends the input_required result of a handler that returned its
// questions. Without state of its own the client gets none: then its answers
// alone carry the call on.
func (p *Protocol) appendInput(dst []byte, req *request, m *method, peer *rpc.Peer, round int, in *rpc.InputRequired) ([]byte, *jsonrpc.Error) {
	if !m.mayAsk || len(in.Requests) == 0 && in.State == nil {
		p.cfg.Log.Error("handler asked for input where or how it must not", "method", m.name, "requests", len(in.Requests))
		return dst, jsonrpc.NewError(jsonrpc.CodeInternal, "internal error")
	}
	if wire := checkAsks(peer, in.Requests); wire != nil {
		return dst, wire
	}
	if round >= p.cfg.Limits.Rounds {
		return dst, errRounds
	}
	token := ""
	if in.State != nil {
		token = p.sealState(req, state{round + 1, in.State})
	}
	asks, err := downAsks(in.Requests)
	if err != nil {
		return dst, jsonrpc.Errorf(jsonrpc.CodeInternal, "the question cannot be expressed in this version: %w", err)
	}
	return appendInputRequired(dst, asks, token, p.serverMeta), nil
}

// downAsks brings the params of questions to this version.
func downAsks(requests map[string]rpc.InputRequest) (map[string]rpc.InputRequest, error) {
	down := make(map[string]rpc.InputRequest, len(requests))
	for key, r := range requests {
		params, err := mcp.DownAsk(features, r.Method, r.Params)
		if err != nil {
			return nil, err
		}
		down[key] = rpc.InputRequest{Method: r.Method, Params: params}
	}
	return down, nil
}

// checkAsks checks that the client declared what the requests need, in the order
// of their keys.
func checkAsks(peer *rpc.Peer, requests map[string]rpc.InputRequest) *jsonrpc.Error {
	for _, key := range slices.Sorted(maps.Keys(requests)) {
		r := requests[key]
		if wire, missing := peer.Capabilities.MissingFor(r.Method, r.Params); missing {
			return wire
		}
	}
	return nil
}

// appendInputRequired appends an InputRequiredResult.
func appendInputRequired(dst []byte, requests map[string]rpc.InputRequest, token string, meta Raw) []byte {
	dst = append(dst, `{"resultType":"`+mcp.ResultInputRequired+`"`...)
	if len(requests) > 0 {
		dst = append(dst, `,"inputRequests":`...)
		dst = appendRequests(dst, requests)
	}
	if token != "" {
		dst = append(dst, `,"requestState":"`...)
		dst = append(dst, token...)
		dst = append(dst, '"')
	}
	dst = append(dst, `,"_meta":`...)
	dst = append(dst, meta...)
	return append(dst, '}')
}

// appendRequests appends an inputRequests object, its keys in order.
func appendRequests(dst []byte, requests map[string]rpc.InputRequest) []byte {
	dst = append(dst, '{')
	for i, key := range slices.Sorted(maps.Keys(requests)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonrpc.AppendString(dst, key)
		dst = append(dst, `:{"method":`...)
		dst = jsonrpc.AppendString(dst, requests[key].Method)
		if params := requests[key].Params; params != nil {
			dst = append(dst, `,"params":`...)
			dst = append(dst, params...)
		} else { // optional for roots/list, but the official Go SDK's client reads none without
			dst = append(dst, `,"params":{}`...)
		}
		dst = append(dst, '}')
	}
	return append(dst, '}')
}
