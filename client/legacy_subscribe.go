// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"slices"

	"github.com/holdfast-mcp/holdfast/jsonrpc"
	"github.com/holdfast-mcp/holdfast/mcp"
)

// subscribed is what a legacy server has been asked to tell: resources by URI.
// Changes of lists are told unasked.
//
// spec 2025-11-25 server/resources#subscriptions.
type subscribed struct {
	turn chan struct{} // holds one token: who has it may use uris
	uris []string
}

func newSubscribed() *subscribed { return &subscribed{turn: make(chan struct{}, 1)} }

type caller func(ctx context.Context, r *request) (Raw, error)

// set subscribes to what is new in want and unsubscribes from what is not in it.
// On failure what was achieved stays.
func (s *subscribed) set(ctx context.Context, want []string, call caller) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-s.turn }()
	for _, uri := range want {
		if slices.Contains(s.uris, uri) {
			continue
		}
		if err := callURI(ctx, mcp.MethodSubscribe, uri, call); err != nil {
			return err
		}
		s.uris = append(s.uris, uri)
	}
	for _, uri := range slices.Clone(s.uris) {
		if slices.Contains(want, uri) {
			continue
		}
		if err := callURI(ctx, mcp.MethodUnsubscribe, uri, call); err != nil {
			return err
		}
		s.uris = slices.DeleteFunc(s.uris, func(u string) bool { return u == uri })
	}
	return nil
}

// again subscribes to everything in a new session.
func (s *subscribed) again(ctx context.Context, call caller) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-s.turn }()
	for _, uri := range s.uris {
		if err := callURI(ctx, mcp.MethodSubscribe, uri, call); err != nil {
			return err
		}
	}
	return nil
}

func callURI(ctx context.Context, method, uri string, call caller) error {
	_, err := call(ctx, &request{method: method, params: jsonrpc.Set(nil, "uri", jsonrpc.AppendString(nil, uri))})
	return err
}
