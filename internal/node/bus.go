// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/subscription"
	"github.com/holdfast-mcp/holdfast/jsonrpc"
)

// shared is an event on its way to the other nodes.
type shared struct {
	From   string                `json:"from"` // the node it happened on
	Kind   subscription.Kind     `json:"kind"`
	Key    string                `json:"key,omitzero"`
	Params jsonrpc.Raw           `json:"params,omitzero"`
	For    subscription.Audience `json:"for,omitzero"`
}

// share connects what happens at one thing on this node, such as a server in
// this process, with the same thing on the others: what they publish is
// delivered here, and the returned function tells them. Without a cluster it
// does nothing.
func (n *Node) share(topic string, deliver func(subscription.Event)) (publish func(subscription.Event)) {
	if n.cluster == nil {
		return func(subscription.Event) {}
	}
	self := n.cluster.Name()
	n.closers = append(n.closers, n.cluster.Subscribe(topic, func(payload []byte) {
		var e shared
		if err := json.Unmarshal(payload, &e); err != nil {
			n.cfg.Log.Warn("event of another node dropped", "topic", topic, "error", err)
			return
		}
		if e.From != self {
			deliver(subscription.Event{Topic: subscription.Topic{Kind: e.Kind, Key: e.Key}, Params: e.Params, For: e.For})
		}
	}))
	return func(e subscription.Event) {
		payload, err := json.Marshal(shared{From: self, Kind: e.Topic.Kind, Key: e.Topic.Key, Params: e.Params, For: e.For})
		if err == nil {
			err = n.cluster.Publish(topic, payload)
		}
		if err != nil {
			n.cfg.Log.Warn("event not told to the other nodes", "topic", topic, "error", err)
		}
	}
}
