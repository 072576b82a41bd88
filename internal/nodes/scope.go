// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package nodes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
)

// Scoped returns n for one part of the program, such as an endpoint, that has the
// same name at all nodes: its kinds, topics and mailboxes are its own.
func Scoped(n Nodes, name string) Nodes {
	sum := sha256.Sum256([]byte(name))
	return &scoped{n, hex.EncodeToString(sum[:8])}
}

type scoped struct {
	Nodes
	digest string
}

// Scope implements [Nodes].
func (s *scoped) Scope() string { return s.digest }

// Open implements [Nodes].
func (s *scoped) Open(ctx context.Context, to Address, first []byte) (Stream, error) {
	to.Kind += "-" + s.digest
	return s.Nodes.Open(ctx, to, first)
}

// Ask implements [Nodes].
func (s *scoped) Ask(ctx context.Context, to Address, message []byte) ([]byte, error) {
	to.Kind += "-" + s.digest
	return s.Nodes.Ask(ctx, to, message)
}

// Serve implements [Nodes].
func (s *scoped) Serve(kind string, accept func(context.Context, Stream)) func() {
	return s.Nodes.Serve(kind+"-"+s.digest, accept)
}

// Publish implements [Nodes].
func (s *scoped) Publish(topic string, payload []byte) error {
	return s.Nodes.Publish(s.digest+" "+topic, payload)
}

// Subscribe implements [Nodes].
func (s *scoped) Subscribe(topic string, take func([]byte)) func() {
	return s.Nodes.Subscribe(s.digest+" "+topic, take)
}

// Keep implements [Nodes].
func (s *scoped) Keep(ctx context.Context, mailbox string, message []byte) error {
	return s.Nodes.Keep(ctx, s.digest+"_"+mailbox, message)
}

// Collect implements [Nodes].
func (s *scoped) Collect(ctx context.Context, mailbox string) (map[uint64][]byte, error) {
	return s.Nodes.Collect(ctx, s.digest+"_"+mailbox)
}
