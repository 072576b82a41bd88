// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

// Package seal makes tokens that clients carry but can neither read nor forge:
// session tickets, request state, cursors, addresses of parked calls and of
// streams. A Ring holds the keys; every node of a cluster has the same ring. The
// package starts no goroutine.
package seal

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-mcp/holdfast/internal/ownership"
)

// Purpose separates kinds of token: a token sealed for one purpose does not open
// for another.
type Purpose string

// The purposes in use.
const (
	Session Purpose = "session"
	State   Purpose = "state"
	Parked  Purpose = "parked"
	Cursor  Purpose = "cursor"
	Stream  Purpose = "stream"
)

// ErrInvalid reports a token that was not sealed by this ring for this purpose
// and binding, or was altered. It says no more, so that guessing teaches nothing.
var ErrInvalid = errors.New("token is not valid")

const (
	keyBytes   = 32
	nonceBytes = 12
	idBytes    = 4
	overhead   = idBytes + nonceBytes + 16
	// maxToken bounds what Open will decode; larger input is refused unread.
	maxToken = 64 << 10
)

// ErrBehind reports a token sealed with a key that this ring does not have, at a
// node that may not have heard of it yet. The token may be good: at another node, or
// here in a moment.
var ErrBehind = errors.New("token is sealed with a key that this node may not have heard of yet")

// Ring seals with its newest key and opens with any. It is safe for concurrent use.
//
// Tokens are base64url(key id · nonce · AES-256-GCM ciphertext). Nonces are
// random, so a key must be replaced before 2^32 seals of all nodes together; see
// [Ring.Sealed].
type Ring struct {
	mu      sync.RWMutex
	newest  *key
	keys    map[uint32]*key
	refresh func(ctx context.Context) error // nil when nobody knows of other keys
	removed chan struct{}                   // closed when a key goes

	generation atomic.Uint64
}

// key is one key of a ring.
type key struct {
	id     uint32
	aead   cipher.AEAD
	sealed atomic.Uint64 // tokens sealed with it by this process
}

// NewRing returns a ring with one random key that lives as long as the process.
func NewRing() *Ring {
	key := make([]byte, keyBytes)
	rand.Read(key)
	r, err := RingOf(key)
	if err != nil {
		panic(err) // a 32-byte key is always accepted
	}
	return r
}

// OpenRing returns the ring whose key is in the file at path; see [ReadKey].
func OpenRing(path string) (*Ring, error) {
	key, err := ReadKey(path)
	if err != nil {
		return nil, err
	}
	return RingOf(key)
}

// ReadKey returns the key in the file at path, creating the file with mode 0600
// when there is none. A file that is somebody else's, that others can read, that is
// reached by a symbolic link or that has the wrong length is an error that says so.
func ReadKey(path string) ([]byte, error) {
	key, err := readKey(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if key, err = createKey(path); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, fmt.Errorf("key file %s %w", path, err)
	}
	if _, err := RingOf(key); err != nil {
		return nil, fmt.Errorf("key file %s: %w; restore it, or remove it and lose the open sessions", path, err)
	}
	return key, nil
}

// maxKeyFile bounds what is read of a file that should be a key, in bytes.
const maxKeyFile = 4 << 10

func readKey(path string) ([]byte, error) {
	f, err := ownership.OpenFile(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	key, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	return key, nil
}

// createKey writes a new key so that a crash leaves either no file or a whole one.
func createKey(path string) ([]byte, error) {
	key := make([]byte, keyBytes)
	rand.Read(key)
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*")
	if err != nil {
		return nil, fmt.Errorf("create key file: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(key)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return nil, fmt.Errorf("write key file: %w", err)
	}
	return key, nil
}

// RingOf returns the ring of one key, of 32 bytes.
func RingOf(secret []byte) (*Ring, error) {
	k, err := newKey(secret)
	if err != nil {
		return nil, err
	}
	return &Ring{newest: k, keys: map[uint32]*key{k.id: k}, removed: make(chan struct{})}, nil
}

func newKey(secret []byte) (*key, error) {
	if len(secret) != keyBytes {
		return nil, fmt.Errorf("key has %d bytes, want %d", len(secret), keyBytes)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	// The id names the key without telling anything about it: it is a block the
	// cipher would never use as a GCM counter block with our nonces.
	var in, out [16]byte
	for i := range in {
		in[i] = 0xff
	}
	block.Encrypt(out[:], in[:])
	return &key{id: binary.BigEndian.Uint32(out[:]), aead: aead}, nil
}

// Seal returns the token of plain. The same binding must be given to Open: it is
// authenticated but not part of the token.
func (r *Ring) Seal(p Purpose, binding string, plain []byte) string {
	r.mu.RLock()
	k := r.newest
	r.mu.RUnlock()
	k.sealed.Add(1)
	buf := make([]byte, idBytes+nonceBytes, overhead+len(plain))
	binary.BigEndian.PutUint32(buf, k.id)
	rand.Read(buf[idBytes:])
	buf = k.aead.Seal(buf, buf[idBytes:], plain, additional(p, binding))
	return base64.RawURLEncoding.EncodeToString(buf)
}

// Open returns what was sealed. It fails with [ErrInvalid], or with [ErrBehind] when
// this node may lack the key. Where others may have newer keys, a token of one that
// is not known has it ask, for up to a second.
func (r *Ring) Open(p Purpose, binding, token string) ([]byte, error) {
	if len(token) > maxToken {
		return nil, ErrInvalid
	}
	buf, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(buf) < overhead {
		return nil, ErrInvalid
	}
	k, err := r.find(binary.BigEndian.Uint32(buf))
	if err != nil {
		return nil, err
	}
	nonce, sealed := buf[idBytes:idBytes+nonceBytes], buf[idBytes+nonceBytes:]
	plain, err := k.aead.Open(sealed[:0], nonce, sealed, additional(p, binding))
	if err != nil {
		return nil, ErrInvalid
	}
	return plain, nil
}

// refreshTimeout bounds how long Open waits for the ring to be brought up to date.
const refreshTimeout = time.Second

// find returns the key of an id, after asking for it if need be.
func (r *Ring) find(id uint32) (*key, error) {
	r.mu.RLock()
	k, refresh := r.keys[id], r.refresh
	r.mu.RUnlock()
	switch {
	case k != nil:
		return k, nil
	case refresh == nil:
		return nil, ErrInvalid
	}
	ctx, cancel := context.WithTimeout(context.Background(), refreshTimeout)
	defer cancel()
	if refresh(ctx) != nil {
		return nil, ErrBehind
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if k = r.keys[id]; k == nil {
		return nil, ErrInvalid
	}
	return k, nil
}

func additional(p Purpose, binding string) []byte {
	aad := make([]byte, 0, len(p)+1+len(binding))
	aad = append(aad, p...)
	aad = append(aad, 0)
	return append(aad, binding...)
}

// Use makes the ring seal with newest, and open with it and others, in place of
// what it had. A key has 32 bytes.
func (r *Ring) Use(newest []byte, others ...[]byte) error {
	next := make(map[uint32]*key, 1+len(others))
	var first *key
	for _, secret := range append([][]byte{newest}, others...) {
		k, err := newKey(secret)
		if err != nil {
			return err
		}
		next[k.id] = k
		if first == nil {
			first = k
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	gone := false
	for id, k := range r.keys {
		if next[id] == nil {
			gone = true
		} else {
			next[id] = k // it knows how many it has sealed
		}
	}
	r.newest, r.keys = next[first.id], next
	r.generation.Add(1)
	if gone {
		close(r.removed)
		r.removed = make(chan struct{})
	}
	return nil
}

// Follow sets what brings the ring up to date with those of other nodes, by Use. It
// fails when that cannot be done, and then nobody can tell a key that is newer from
// one that never was. It is called for each token of an unknown key, by many
// goroutines at once. Set it before the ring is used.
func (r *Ring) Follow(refresh func(ctx context.Context) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh = refresh
}

// Generation returns a number that changes whenever the keys do. What was opened
// before may be kept only as long as it is the same.
func (r *Ring) Generation() uint64 { return r.generation.Load() }

// Removed returns a channel that is closed when the ring loses a key: what that one
// has sealed opens no more.
func (r *Ring) Removed() <-chan struct{} {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.removed
}

// Sealed returns how many tokens this process has sealed with a key while that was
// in the ring.
func (r *Ring) Sealed(secret []byte) uint64 {
	k, err := newKey(secret)
	if err != nil {
		return 0
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if known := r.keys[k.id]; known != nil {
		return known.sealed.Load()
	}
	return 0
}
