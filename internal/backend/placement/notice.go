// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/holdfast-mcp/holdfast/internal/nodes"
	"github.com/holdfast-mcp/holdfast/internal/subscription"
)

// topic is where notices are published.
const topic = "backend.placement"

// noticeVersion is the version of the encoding of notices.
const noticeVersion = 1

// notice is what a node tells all others about one server. On the bus it stands
// behind one byte, the version of this encoding.
type notice struct {
	Node   string `json:"node"`
	Server string `json:"server"`
	// Hello asks the others to tell all they have; Full says that Watch is all.
	Hello   bool       `json:"hello,omitzero"`
	Full    bool       `json:"full,omitzero"`
	Held    []heldKey  `json:"held,omitzero"`
	Parting bool       `json:"parting,omitzero"` // the node has given up all homes, and ends
	Release string     `json:"release,omitzero"` // a session that has ended
	Roots   string     `json:"roots,omitzero"`   // a session whose client has other roots now
	Watch   []string   `json:"watch,omitzero"`
	Unwatch []string   `json:"unwatch,omitzero"`
	Event   *wireEvent `json:"event,omitzero"`
}

type heldKey struct {
	Key        string `json:"key"`
	Generation uint64 `json:"generation"`
}

type wireEvent struct {
	Kind   subscription.Kind     `json:"kind"`
	Key    string                `json:"key,omitzero"`
	Params Raw                   `json:"params,omitzero"`
	For    subscription.Audience `json:"for,omitzero"`
}

const (
	maxNotice = 4 << 20 // bytes
	perNotice = 512     // keys or URIs in one notice
)

func (n *notice) encode() ([]byte, error) {
	data, err := json.Marshal(n, encoding)
	if err != nil {
		return nil, fmt.Errorf("encode a notice: %w", err)
	}
	if len(data) > maxNotice {
		return nil, fmt.Errorf("%w: %d bytes", nodes.ErrTooLarge, len(data))
	}
	return append([]byte{noticeVersion}, data...), nil
}

func decodeNotice(data []byte) (*notice, error) {
	switch {
	case len(data) < 2 || len(data) > maxNotice+1:
		return nil, errFrame
	case data[0] != noticeVersion:
		return nil, errVersion
	}
	n := &notice{}
	if err := json.Unmarshal(data[1:], n, encoding); err != nil {
		return nil, fmt.Errorf("malformed notice of a peer: %w", err)
	}
	if n.Node == "" || n.Server == "" {
		return nil, errFrame
	}
	return n, nil
}

// publish tells the other nodes.
func (b *Backend) publish(n notice) {
	n.Node, n.Server = b.x.self, b.name
	data, err := n.encode()
	if err == nil {
		err = b.x.nodes.Publish(topic, data)
	}
	if err != nil {
		b.x.cfg.Log.Warn("other nodes not told", "server", n.Server, "error", err)
	}
}

// publishAll tells the other nodes which homes are here and what is watched.
func (b *Backend) publishAll(hello bool) {
	first := true
	uris := b.watching.of(b.x.self)
	for part := range slices.Chunk(uris, perNotice) {
		b.publish(notice{Hello: hello && first, Full: first, Watch: part})
		first = false
	}
	if first {
		b.publish(notice{Hello: hello, Full: true})
	}
	for part := range slices.Chunk(b.table.all(), perNotice) {
		b.publish(notice{Held: part})
	}
}

// notice takes in what another node tells. It does not block.
func (x *Exchange) notice(data []byte) {
	n, err := decodeNotice(data)
	if err != nil {
		x.cfg.Log.Warn("notice of another node not understood", "error", err)
		return
	}
	if n.Node == x.self {
		return
	}
	if b := x.backend(n.Server); b != nil {
		b.noticed(n)
	}
}

func (b *Backend) noticed(n *notice) {
	var insist []heldKey
	held := n.Held
	if b.x.leaving() { // the calls under way keep their instance, which ends with this node
		held = nil
	}
	for _, k := range held {
		gaveUp, mine := b.table.announced(k.Key, n.Node, k.Generation)
		if gaveUp != nil {
			b.x.cfg.Log.Warn("instance ended: the one at another node counts", "server", b.name, "node", n.Node)
			b.inner.Dismiss(gaveUp.whose)
		}
		if mine {
			insist = append(insist, heldKey{k.Key, b.table.where(k.Key).generation})
		}
	}
	if len(insist) > 0 {
		b.publish(notice{Held: insist})
	}
	switch {
	case n.Parting:
		b.table.part(n.Node)
	case n.Hello: // it is a new process
		b.table.returned(n.Node)
	}
	if n.Release != "" {
		b.release(n.Release)
	}
	if n.Roots != "" {
		b.inner.RootsChanged(n.Roots)
	}
	b.watching.told(n)
	if e := n.Event; e != nil {
		if e.Kind != subscription.Resource {
			b.inner.ForgetLists()
		}
		b.events(subscription.Event{Topic: subscription.Topic{Kind: e.Kind, Key: e.Key}, Params: e.Params, For: e.For})
	}
	if n.Hello {
		b.publishAll(false)
	}
}

// event passes on what an instance here tells: to this node, and to the others.
func (b *Backend) event(e subscription.Event) {
	b.events(e)
	if e.Topic.Kind == subscription.Resource && !b.watching.elsewhere(e.Topic.Key) {
		return
	}
	b.publish(notice{Event: &wireEvent{e.Topic.Kind, e.Topic.Key, e.Params, e.For}})
}
