// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package nodes

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"

	"github.com/holdfast-mcp/holdfast/internal/seal"
)

// Address names one thing that lives in one process of one node.
type Address struct {
	Node     string
	Instance string // of the process; empty means whatever runs at the node
	Kind     string // what serves it there; see [Nodes.Serve]
	ID       string // which one; empty when the kind has only one
}

// Here returns the address of something in this process.
func Here(n Nodes, kind, id string) Address {
	node, instance := n.Self()
	return Address{Node: node, Instance: instance, Kind: kind, ID: id}
}

// At reports whether a lives in this process.
func (a *Address) At(n Nodes) bool {
	node, instance := n.Self()
	return a.Node == node && a.Instance == instance
}

// LostTo reports whether n knows that what a names is over: this node's own former
// process has ended, and another's may count as lost.
func (a *Address) LostTo(n Nodes) bool {
	node, instance := n.Self()
	if a.Node == node {
		return a.Instance != instance
	}
	return n.Lost(a.Node, a.Instance)
}

// errAddress reports bytes that are no address.
var errAddress = errors.New("not an address of a node")

// Append appends the bytes of a to dst: each member with its length before it.
func (a *Address) Append(dst []byte) []byte {
	for _, part := range []string{a.Node, a.Instance, a.Kind, a.ID} {
		dst = append(binary.AppendUvarint(dst, uint64(len(part))), part...)
	}
	return dst
}

// ReadAddress reads what Append has written at the start of data and returns what
// follows.
func ReadAddress(data []byte) (a Address, rest []byte, err error) {
	for _, part := range []*string{&a.Node, &a.Instance, &a.Kind, &a.ID} {
		n, used := binary.Uvarint(data)
		if used <= 0 || n > uint64(len(data)-used) {
			return Address{}, nil, errAddress
		}
		*part, data = string(data[used:used+int(n)]), data[used+int(n):] // bounded above
	}
	return a, data, nil
}

// Seal returns a as a token that a client carries, with more behind it. Like any
// token it opens for its purpose and binding only.
func (a *Address) Seal(ring *seal.Ring, purpose seal.Purpose, binding string, more ...byte) string {
	return ring.Seal(purpose, binding, append(a.Append(nil), more...))
}

// Open opens what Seal has made. Its errors are those of [seal.Ring.Open]; what is
// sealed and no address is invalid too.
func Open(ring *seal.Ring, purpose seal.Purpose, binding, token string) (a Address, more []byte, err error) {
	plain, err := ring.Open(purpose, binding, token)
	if err != nil {
		return Address{}, nil, err
	}
	if a, more, err = ReadAddress(plain); err != nil {
		return Address{}, nil, seal.ErrInvalid
	}
	return a, more, nil
}

// Digest names a process in ids that have no room for an address: six characters for
// its node and six for the process, of the letters A to Z and the digits 2 to 7. So
// what a restarted node no longer has is told from what it never had.
type Digest string

// DigestBytes is the length of a digest.
const DigestBytes = nodeDigest + instanceDigest

const (
	nodeDigest     = 6
	instanceDigest = 6
)

// DigestOf returns the digest of a node's process.
func DigestOf(node, instance string) Digest {
	return Digest(digest(node, nodeDigest) + digest(instance, instanceDigest))
}

// OfNode reports whether d names a process of a node.
func (d Digest) OfNode(node string) bool {
	return len(d) == DigestBytes && string(d[:nodeDigest]) == digest(node, nodeDigest)
}

// OfInstance reports whether d names a process, whatever its node.
func (d Digest) OfInstance(instance string) bool {
	return len(d) == DigestBytes && string(d[nodeDigest:]) == digest(instance, instanceDigest)
}

func digest(name string, n int) string { //nolint:unparam // the two lengths are equal by chance
	sum := sha256.Sum256([]byte(name))
	return base32.StdEncoding.EncodeToString(sum[:])[:n]
}
