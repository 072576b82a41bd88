// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"fmt"
	"testing"
	"time"

	natsd "github.com/nats-io/nats-server/v2/server"
)

// TestPeerID holds that the server's ids for nodes are made as peerID makes them.
// When it fails after an upgrade of nats-server, look for getHash there.
func TestPeerID(t *testing.T) {
	nodes := three(t)
	eventually(t, 5*time.Second, func() error {
		info, err := nodes[0].server.srv.Jsz(&natsd.JSzOptions{})
		switch {
		case err != nil:
			return err
		case info.Meta == nil || len(info.Meta.Replicas) == 0:
			return errors.New("no leader")
		}
		for _, p := range info.Meta.Replicas {
			if id := peerID(p.Name); id != p.Peer {
				t.Errorf("node %s has the id %s, not %s", p.Name, p.Peer, id)
			}
		}
		return nil
	})
}

// TestRoster: a node that the server cannot name has the name that it has stored
// itself; one that nobody has heard of has its id, by which it can be removed.
func TestRoster(t *testing.T) {
	r := &roster{}
	r.apply(value{key: nodePrefix + "n3", rev: 1})
	for name, want := range map[string]string{
		"n1": "n1",
		fmt.Sprintf("Server name unknown at this time (peerID: %s)", peerID("n3")): "n3",
		fmt.Sprintf("Server name unknown at this time (peerID: %s)", peerID("n4")): peerPrefix + peerID("n4"),
	} {
		if got := r.name(name); got != want {
			t.Errorf("%s is named %s, want %s", name, got, want)
		}
	}
	if got := peerID(peerPrefix + peerID("n4")); got != peerID("n4") {
		t.Errorf("the id of a node without a name is %s", got)
	}
	removed := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	r.apply(value{key: removedPrefix + "n3", rev: 5, data: []byte("2026-01-01T00:00:00Z")})
	r.apply(value{key: removedPrefix + "n3", rev: 4}) // late
	if got := r.of("n3"); !got.Equal(removed) {
		t.Errorf("removed %v", got)
	}
	r.apply(value{key: removedPrefix + "n3", rev: 6})
	if got := r.of("n3"); !got.IsZero() {
		t.Errorf("back, and removed %v", got)
	}
}
