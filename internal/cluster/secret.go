// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"runtime/debug"
	"sync"

	"golang.org/x/crypto/argon2"
)

// master is what the keys of a cluster are derived from: its secret, stretched. Who
// knows it needs no secret; it is never written down.
type master []byte

// The cost of one guess at a secret: Argon2id (RFC 9106) with these passes over so
// many KiB, about a tenth of a second of two cores. Anybody who reaches the port for
// the other nodes can try guesses against the certificate there.
const (
	stretchPasses  = 3
	stretchMemory  = 32 << 10
	stretchThreads = 4
	masterBytes    = 32
	// stretchSalt is the same everywhere: nodes share nothing but the secret.
	stretchSalt = "holdfast cluster secret"
)

// stretched remembers the latest masters of this process, in which several nodes
// may run; never on disk.
var stretched struct {
	mu      sync.Mutex
	masters map[[sha256.Size]byte]master // by the secret's hash; at most maxStretched
}

const maxStretched = 16

// stretch returns the master of a secret. The first time that takes a moment, which
// is the purpose.
func stretch(secret string) master {
	stretched.mu.Lock()
	defer stretched.mu.Unlock()
	id := sha256.Sum256([]byte(secret))
	if m := stretched.masters[id]; m != nil {
		return m
	}
	if len(stretched.masters) >= maxStretched || stretched.masters == nil {
		stretched.masters = map[[sha256.Size]byte]master{}
	}
	m := master(argon2.IDKey([]byte(secret), []byte(stretchSalt), stretchPasses, stretchMemory, stretchThreads, masterBytes))
	stretched.masters[id] = m
	debug.FreeOSMemory() // else an idle node looks as if it needed what that took
	return m
}

// unstretched is the master of cluster protocol 2 and before: the secret itself. It
// opens what such versions have stored, and knows their nodes.
func unstretched(secret string) master { return master(secret) }

// derive returns n bytes for one purpose; they tell nothing about the master.
func (m master) derive(purpose string, n int) []byte {
	key, err := hkdf.Key(sha256.New, m, nil, "holdfast "+purpose, n)
	if err != nil {
		panic(err) // the lengths are constants
	}
	return key
}

// routePassword is what nodes show each other; without TLS it crosses the
// network as it is, so it is not the secret itself.
func (m master) routePassword() string {
	return hex.EncodeToString(m.derive("route password", 24))
}

// routeUser is the name that goes with it.
const routeUser = "holdfast"

func (m master) user() *url.Userinfo { return url.UserPassword(routeUser, m.routePassword()) }

// wrapper encrypts what is stored of the key ring.
func (m master) wrapper() (cipher.AEAD, error) {
	block, err := aes.NewCipher(m.derive("key ring", 32))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// fingerprint tells whether a directory is of a cluster with this secret. It tells
// nothing else, and a guess costs as much as one at the secret.
func (m master) fingerprint(salt string) string {
	return hex.EncodeToString(m.derive("directory "+salt, sha256.Size))
}

// oldFingerprint is the fingerprint of markFormat 1.
func oldFingerprint(salt, secret string) string {
	sum := sha256.Sum256([]byte("holdfast directory\x00" + salt + "\x00" + secret))
	return hex.EncodeToString(sum[:])
}
