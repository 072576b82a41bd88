// SPDX-FileCopyrightText: 2026 The Holdfast Authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
)

// Key is one key of the ring that all nodes share.
type Key struct {
	Secret  []byte    `json:"secret"` // 32 bytes
	Created time.Time `json:"created"`
	// From is when nodes begin to seal with it, by when all of them can open.
	From time.Time `json:"from"`
	// Expires is when what it sealed is no longer opened; zero while it may seal.
	Expires time.Time `json:"expires,omitzero"`
}

// Keys is the replicated key ring. It is safe for concurrent use.
type Keys struct {
	kv    *kv
	wrap  cipher.AEAD // nil stores the ring as it is
	older cipher.AEAD // opens a ring that was stored before secrets were stretched

	mu       sync.Mutex
	rev      uint64
	keys     []Key // newest first
	watchers map[int]func([]Key)
	next     int

	telling sync.Mutex // one round of watchers at a time; never locked under mu
}

const (
	settingRing = "ring"
	keyBytes    = 32
	// maxKeys bounds the ring; more rotations than that in the life of a ticket
	// are a mistake.
	maxKeys = 64
	// keyLead is how long a new key is only opened with, so that no node ever gets
	// a ticket whose key it has not heard of.
	keyLead = 5 * time.Second
)

func newKeys(t *kv, secret string) (*Keys, error) {
	k := &Keys{kv: t, watchers: map[int]func([]Key){}}
	if secret == "" {
		return k, nil
	}
	var err, olderErr error
	k.wrap, err = stretch(secret).wrapper()
	k.older, olderErr = unstretched(secret).wrapper()
	if err := errors.Join(err, olderErr); err != nil {
		return nil, fmt.Errorf("protect the key ring: %w", err)
	}
	return k, nil
}

// All returns the keys that have not expired, newest first; none before Init.
func (k *Keys) All() []Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	return live(k.keys, time.Now())
}

func live(keys []Key, now time.Time) []Key {
	var list []Key
	for _, key := range keys {
		if key.Expires.IsZero() || now.Before(key.Expires) {
			list = append(list, key)
		}
	}
	return list
}

// Watch calls f with the ring now and after each change, never twice at once,
// until stop is called. f must not block.
func (k *Keys) Watch(f func([]Key)) (stop func()) {
	k.mu.Lock()
	id := k.next
	k.next++
	k.watchers[id] = f
	k.mu.Unlock()
	k.tell()
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.watchers, id)
	}
}

func (k *Keys) tell() {
	k.telling.Lock()
	defer k.telling.Unlock()
	k.mu.Lock()
	keys := live(k.keys, time.Now())
	watchers := make([]func([]Key), 0, len(k.watchers))
	for _, f := range k.watchers {
		watchers = append(watchers, f)
	}
	k.mu.Unlock()
	for _, f := range watchers {
		f(keys)
	}
}

// Init makes sure that the ring has a key: first when it has none, or a random
// one when first is nil. Nodes may call it at the same time: a write whose outcome
// is not known is looked at again until ctx ends, as whoever came first will do.
func (k *Keys) Init(ctx context.Context, first []byte) error {
	for {
		err := k.update(ctx, func(keys []Key, now time.Time) ([]Key, error) {
			if len(keys) > 0 {
				return keys, nil
			}
			return []Key{newKey(first, now, now)}, nil
		})
		if !errors.Is(err, ErrNoQuorum) && !errors.Is(err, errConflict) {
			return err
		}
		select {
		case <-time.After(retryWait):
		case <-ctx.Done():
			return err
		}
	}
}

// Rotate adds a key that nodes seal with from in a few seconds on. The present
// one opens for keep longer, which is at least the life of what it has sealed.
func (k *Keys) Rotate(ctx context.Context, keep time.Duration) error {
	return k.update(ctx, func(keys []Key, now time.Time) ([]Key, error) {
		from := now.Add(keyLead)
		for i := range keys {
			if keys[i].Expires.IsZero() {
				keys[i].Expires = from.Add(keep)
			}
		}
		return slices.Insert(keys, 0, newKey(nil, now, from)), nil
	})
}

// adopt adds keys of another ring that only open, so that what they sealed stays valid.
func (k *Keys) adopt(ctx context.Context, others []Key) (added int, err error) {
	err = k.update(ctx, func(keys []Key, _ time.Time) ([]Key, error) {
		added = 0
		for _, other := range others {
			if slices.ContainsFunc(keys, func(key Key) bool { return bytes.Equal(key.Secret, other.Secret) }) {
				continue
			}
			if len(keys) > 0 && other.Expires.IsZero() {
				other.Expires = time.Now().Add(adoptedLife)
			}
			keys = append(keys, other)
			added++
		}
		return keys, nil
	})
	return added, err
}

// adoptedLife is how long tickets of an imported ring are opened.
const adoptedLife = 30 * 24 * time.Hour

func newKey(secret []byte, now, from time.Time) Key {
	if secret == nil {
		secret = make([]byte, keyBytes)
		rand.Read(secret)
	}
	return Key{Secret: bytes.Clone(secret), Created: now.UTC(), From: from.UTC()}
}

// update changes the ring by compare-and-set.
func (k *Keys) update(ctx context.Context, change func([]Key, time.Time) ([]Key, error)) error {
	for range putAttempts {
		rev, keys, err := k.read(ctx)
		if err != nil {
			return err
		}
		before := len(keys)
		next, err := change(slices.Clone(keys), time.Now())
		if err != nil {
			return err
		}
		if len(next) == before {
			return nil
		}
		next = live(next, time.Now())
		if len(next) > maxKeys {
			return fmt.Errorf("the key ring has %d keys that have not expired", maxKeys)
		}
		data, err := k.encode(next)
		if err != nil {
			return err
		}
		stored, _, err := k.kv.put(ctx, value{key: settingRing, rev: rev, data: data}, 0)
		if errors.Is(err, errConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("write the key ring: %w", err)
		}
		k.apply(stored)
		return nil
	}
	return fmt.Errorf("write the key ring: %w", errConflict)
}

// read asks the leader for the ring.
func (k *Keys) read(ctx context.Context) (uint64, []Key, error) {
	v, err := k.kv.last(ctx, settingRing)
	switch {
	case errors.Is(err, errAbsent):
		return 0, nil, nil
	case err != nil:
		return 0, nil, fmt.Errorf("read the key ring: %w: %w", ErrNoQuorum, err)
	}
	keys, err := k.decode(v.data)
	return v.rev, keys, err
}

func (k *Keys) encode(keys []Key) ([]byte, error) {
	data, err := json.Marshal(keys)
	if err != nil {
		return nil, fmt.Errorf("encode the key ring: %w", err)
	}
	if k.wrap != nil {
		data = k.wrap.Seal(nil, nil, data, []byte(settingRing))
	}
	return data, nil
}

func (k *Keys) decode(data []byte) ([]Key, error) {
	if k.wrap != nil {
		plain, err := k.wrap.Open(nil, nil, data, []byte(settingRing))
		if err != nil { // the next change of the ring wraps it anew
			plain, err = k.older.Open(nil, nil, data, []byte(settingRing))
		}
		if err != nil {
			return nil, fmt.Errorf("the key ring does not open with this secret: %w", ErrSecret)
		}
		data = plain
	}
	var keys []Key
	if err := json.Unmarshal(data, &keys); err != nil {
		return nil, fmt.Errorf("decode the key ring: %w", err)
	}
	return keys, nil
}

// apply takes a change from the feed.
func (k *Keys) apply(v value) {
	if v.key != settingRing {
		return
	}
	keys, err := k.decode(v.data)
	k.mu.Lock()
	newer := err == nil && v.rev > k.rev
	if newer {
		k.rev, k.keys = v.rev, keys
	}
	k.mu.Unlock()
	if newer {
		k.tell()
	}
}
